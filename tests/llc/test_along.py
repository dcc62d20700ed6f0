"""Learning coefficients along training: groups by data set, struck-out points, order, and the run's stage."""

import dataclasses

import jax
import numpy as np
import pytest

import slt
from slt.errors import ConfigError
from slt.llc.base import Estimator
from slt.llc.trajectory import AlongTraining, Part
from slt.models.quadratic import Quadratic
from slt.pipeline.outputs import outputs
from slt.records.base import OK
from slt.records.llc import LLCEstimate
from slt.records.training import Trajectory
from slt.runtime.long_computation import drive


@dataclasses.dataclass(frozen=True)
class Echo(Estimator):
    """Answers with what it was asked: the point's first entry, and the data's mean as the error."""

    def __call__(self, problem, key):
        first = np.asarray(problem.points["w"])[:, 0]
        error = np.full(len(first), 0.0 if problem.data is None else float(np.mean(problem.data)))
        blank = np.zeros((len(first), 1))
        return LLCEstimate(
            llc=first,
            error=error,
            low=first,
            high=first,
            multiplicity=np.ones(len(first), int),
            loss=np.zeros(len(first)),
            nbeta=blank,
            curve={},
            info={},
            status=np.full(len(first), OK),
        )


def _trajectory(seeds, checkpoints):
    w = 100.0 * np.arange(seeds)[:, None, None] + np.arange(checkpoints)[None, :, None] * np.ones(2)
    blank = np.zeros((seeds, checkpoints))
    return Trajectory(
        steps=np.arange(checkpoints) * 10,
        params={"w": w},
        loss=blank,
        population_loss=blank,
        observables={},
        dataset=np.arange(seeds) % 2,
        status=np.full(seeds, OK),
    )


def test_every_seed_is_asked_about_on_its_own_data_and_put_back_in_order():
    model = Quadratic(dimension=2)
    data = np.broadcast_to(np.arange(2.0)[:, None, None], (2, 5, 2))  # every value tells its data set
    stage = AlongTraining(Echo(), (Part(model),), _trajectory(4, 9), data, seeds=3, checkpoints=3)
    [(estimate, path)] = drive(stage, jax.random.key(1))
    assert path.steps.tolist() == [0, 40, 80]
    assert path.llc.tolist() == [[0, 4, 8], [100, 104, 108], [200, 204, 208]]
    assert path.error.tolist() == [[0] * 3, [1] * 3, [0] * 3]
    assert estimate.llc.tolist() == path.llc.ravel().tolist()


def test_a_diverged_checkpoint_has_no_estimate_and_spoils_no_other():
    trajectory = _trajectory(2, 3)
    trajectory.params["w"][1, 2] = np.nan
    stage = AlongTraining(
        Echo(), (Part(Quadratic(dimension=2)),), trajectory, None, seeds=9, checkpoints=None
    )
    [(_, path)] = drive(stage, jax.random.key(1))
    assert np.isnan(path.llc[1, 2])
    assert path.status[1, 2].startswith("no estimate")
    assert np.isfinite(np.delete(path.llc.ravel(), 5)).all()


CHAINS = (
    "llc=mala",
    "llc.seeds=2",
    "llc.checkpoints=4",
    "llc.estimator.draws=64",
    "llc.estimator.burn_in=64",
)
TINY = ("experiment=two_bump", "posterior=null", "training.seeds=3", "training.steps=50")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return slt.run([*TINY, *CHAINS], store=tmp_path_factory.mktemp("store"), progress=False)


def test_a_run_keeps_its_coefficients_along_training(run):
    path = outputs(run).get("llc").path
    assert path.llc.shape == (2, 4)
    assert np.isfinite(path.llc).all()
    assert (path.error > 0).all()


def test_the_report_draws_them(run):
    page = (run.path / "report.html").read_text()
    assert "Learning coefficients along training" in page
    assert "How the chains were set up" in page
    assert "Each line is one of 2 seeds" in page
    for name in ("llc", "llc_calibration"):
        assert (run.path / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_phases_table_gets_measured_coefficients(tmp_path):
    fast = ("llc=mala", "llc.at=phases", "llc.estimator.draws=64", "llc.estimator.burn_in=64")
    run = slt.run([*TINY, *fast], store=tmp_path, progress=False)
    assert "λ measured" in (run.path / "report.html").read_text()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["llc=mala", "llc.at=nowhere"], "at must be one of"),
        (["llc=mala", "llc.weights=[V]"], "no parameter is called 'V'"),
        (["llc=mala", "training=null", "llc.at=checkpoints"], "set llc.at=phases"),
        (["llc=mala", "llc.estimator.chains=1"], "at least 2 chains"),
        (["llc=sgdl"], "sgdl"),
    ],
)
def test_mistakes_are_told_in_a_sentence(tmp_path, overrides, words):
    with pytest.raises(ConfigError, match=words) as told:
        slt.run(["experiment=two_bump", *overrides], store=tmp_path, progress=False)
    assert "Traceback" not in str(told.value)
