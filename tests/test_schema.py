"""The configuration as types: one meaning for each way of writing it, and a plain sentence for each mistake."""

import pytest

from slt.config.composition import compose
from slt.config.derived import rows
from slt.config.schema import experiment
from slt.errors import ConfigError
from slt.storage.files import digest


def _typed(*overrides):
    return experiment(compose(list(overrides)))


def test_equal_settings_have_equal_hashes_however_they_are_written():
    plain = digest(_typed()[1])
    assert digest(_typed("training.optimizer.learning_rate=5e-3", "model.features=6")[1]) == plain
    assert digest(_typed("model.features=7")[1]) != plain
    assert digest(_typed("optimizer=adam", "training.optimizer.learning_rate=1")[1]) == digest(
        _typed("optimizer=adam", "training.optimizer.learning_rate=1.0")[1]
    )


def test_whoever_used_hydra_before_gets_it_back(tmp_path):
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    (tmp_path / "mine.yaml").write_text("a: 1\n")
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        _typed()
        assert hydra_compose("mine").a == 1


def test_lists_become_tuples_so_that_options_hash():
    described, _ = _typed("experiment=two_bump")
    assert isinstance(described.model.positions, tuple)
    assert isinstance(described.posterior.sample_sizes, tuple)
    hash(described.training)


def test_each_learner_sees_only_the_rows_it_needs():
    assert rows(_typed("posterior.sample_sizes=[10,3000]")[0]) == 3000
    assert rows(_typed("posterior.sample_sizes=[10,20]")[0]) == 1000
    assert rows(_typed("posterior=null")[0]) == 1000


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.features=abc"], "model.features must be a whole number"),
        (["model.features=0"], "features must be at least 1"),
        (["model.hidden=9"], "hidden must lie between 1 and features = 6, not 9"),
        (["+model.color=red"], "color is not an option of Superposition"),
        (["training.seeds=0"], "seeds must be a whole number, at least 1"),
        (["training.batch_size=2000"], "batch_size = 2000 is more than the n = 1000"),
        (["training.spacing=cubic"], "spacing must be one of"),
        (["training.optimizer.learning_rate=-1"], "learning_rate"),
        (["posterior.sample_sizes=[]"], "at least one"),
        (["posterior.sample_sizes=[0,5]"], "at least 1, not 0"),
        (["posterior.sample_sizes=[10,5]"], "must increase, and 5 comes after 10"),
        (["posterior.sample_sizes=[10,x]"], "posterior.sample_sizes"),
        (["posterior.sampler.particles=1"], "particles must be at least 4"),
        (["posterior.sampler.target_ess=2"], "target_ess must lie strictly between 0 and 1"),
        (["sampler=nuts", "posterior.sampler.chains=0"], "chains must be at least 1"),
        (["training=null", "posterior=null"], "both null"),
        (["data=null"], "set training.n=null"),
        (["data.datasets=0"], "datasets must be at least 1"),
        (["seed=-1"], "seed must lie between"),
        (["seed=abc"], "seed"),
        (["name=a/b"], "letters, digits"),
        (["comparison.hysteresis=0"], "at least 1"),
        (["model._target_=slt.models.superposition.Superpositon"], "Superposition"),
        (["model._target_=slt.models.superpositoin.Superposition"], "superposition"),
        (["model._target_=pathlib.Path"], "not a"),
        (["model._target_=Superposition"], "package.module.Class"),
    ],
)
def test_mistakes_are_told_in_a_sentence(overrides, message):
    with pytest.raises(ConfigError, match=message) as told:
        _typed(*overrides)
    assert len(str(told.value).splitlines()) <= 3


def test_a_model_file_that_cannot_be_imported_is_named_with_its_line(tmp_path, monkeypatch):
    (tmp_path / "broken_model.py").write_text("import slt\n1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"broken_model\.py, line 2: ZeroDivisionError"):
        _typed("model._target_=broken_model.Model")


@pytest.mark.parametrize("preset", [[], ["experiment=icl_stages"], ["llc=mala"]])
def test_coefficients_are_switched_off_like_the_other_branches(preset):
    config = compose([*preset, "llc=null"])
    assert config.llc is None
    assert experiment(config)[0].llc is None
