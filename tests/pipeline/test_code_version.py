"""The version of a stage's code: nothing that a stage is made by can change without it."""

import functools
import importlib
import itertools
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import slt
from slt.config.composition import compose
from slt.config.schema import experiment
from slt.errors import UserError
from slt.pipeline.plan import MODULES, rests_on, stages
from slt.storage import code_version
from slt.storage.code_version import closure, module_file, version_of

SLT = Path(slt.__file__).parent
RUNS = {
    "superposition": ["experiment=demo", "llc=sgld"],
    "on phases": ["experiment=demo", "llc=thermodynamic"],
    "quadrature": ["experiment=two_bump"],
    "without a posterior": ["experiment=induction"],
    "nuts": ["sampler=nuts", "model=tanh_network"],
}


@functools.cache
def _stages(name):
    return {stage.name: stage for stage in stages(experiment(compose(RUNS[name]))[0])}


def _closures(folder):
    """(run, stage) -> module -> file, as `planned` follows imports, in a copy of slt."""
    find = functools.partial(module_file, folders=[folder])
    return {
        (name, stage.name): (
            closure(
                {module: find(module) for module in rests_on(stage.module, stage.plan)},
                find,
                drawings=stage.plan.drawings,
            ),
            stage.plan.drawings,
        )
        for name in RUNS
        for stage in _stages(name).values()
    }


def _versions(closures):
    return {key: version_of(files, drawings=drawings) for key, (files, drawings) in closures.items()}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(SLT, folder / "slt", ignore=shutil.ignore_patterns("__pycache__"))
    closures = _closures(folder)
    return closures, _versions(closures)


def _modules():
    find = functools.partial(module_file, folders=[SLT.parent])
    found = set()
    for name in RUNS:
        for stage in _stages(name).values():
            start = {module: find(module) for module in rests_on(stage.module, stage.plan)}
            found |= set(closure(start, find, drawings=stage.plan.drawings))
    return sorted(found)


@pytest.mark.parametrize("module", _modules())
def test_a_change_in_any_module_changes_the_version_of_every_stage_that_rests_on_it(copy, module):
    closures, before = copy
    file = next(files[module] for files, _ in closures.values() if module in files)
    text = file.read_text()
    try:
        file.write_text(f"{text}\n_CHANGED = True\n")
        after = _versions(closures)
        file.write_text(f"# A comment.\n{text}")
        commented = _versions(closures)
    finally:
        file.write_text(text)
    changed = {key for key in before if after[key] != before[key]}
    assert changed == {key for key, (files, _) in closures.items() if module in files}
    assert commented == before


def test_the_closures_hold_what_used_to_be_missed():
    find = functools.partial(module_file, folders=[SLT.parent])

    def of(name, stage):
        found = _stages(name)[stage]
        return closure({m: find(m) for m in rests_on(found.module, found.plan)}, find)

    assert "slt.llc.trajectory" in of("superposition", "llc")
    assert "slt.runtime.random_keys" in of("quadrature", "training")
    assert "slt.runtime.random_keys" in of("quadrature", "posterior")
    assert {"slt.comparer.barriers", "slt.transitions.barrier", "slt.transitions.sigmoids"} <= set(
        of("superposition", "comparison")
    )
    for stage in ("data", "posterior", "population", "phases", "comparison"):
        assert "slt.training.trainer" not in of("superposition", stage)
    for stage in ("data", "training", "phases", "comparison", "llc"):
        assert "slt.posterior.data_tempering" not in of("superposition", stage)
    for name, stage in itertools.product(RUNS, ("training", "posterior", "llc", "phases", "comparison")):
        if stage in _stages(name):
            assert not [m for m in of(name, stage) if m.startswith(("slt.storage", "slt.report", "slt.cli"))]


@pytest.mark.parametrize(
    "overrides",
    [
        ["experiment=two_bump", "training.seeds=4", "training.steps=30", "posterior.sample_sizes=[5000,11000]"],
        ["experiment=two_bump", "training.seeds=4", "training.steps=30", "posterior=null", "llc=sgld",
         "llc.estimator.chains=2", "llc.estimator.burn_in=16", "llc.estimator.draws=16", "llc.loss=population",
         "llc.estimator.step_size=1e-4", "llc.estimator.localization=1", "llc.checkpoints=2"],
    ],
)  # fmt: skip
def test_a_stage_runs_no_code_of_slt_outside_of_its_version(overrides, tmp_path, monkeypatch):
    """Every function of slt that a stage calls lies in a module of its closure: so that the closure misses
    nothing."""
    called = {}

    def watched(module, run):
        def wrapped(*arguments):
            files = called.setdefault(module.NAME, set())
            sys.setprofile(lambda frame, event, _: files.add(frame.f_code.co_filename))
            try:
                return run(*arguments)
            finally:
                sys.setprofile(None)

        return wrapped

    for module in MODULES:
        monkeypatch.setattr(module, "run", watched(module, module.run))
    slt.run(overrides, store=tmp_path, progress=False)
    # what asks for a stage, and drives and shows it, makes none of its numbers
    around = ("config/schema.py", "storage/", "runtime/progress.py", "pipeline/outputs.py")
    for stage in stages(experiment(compose(overrides))[0]):
        find = functools.partial(module_file, folders=[SLT.parent])
        start = {module: find(module) for module in rests_on(stage.module, stage.plan)}
        known = {str(path) for path in closure(start, find, drawings=stage.plan.drawings).values()}
        ours = {file for file in called[stage.name] if file.startswith(str(SLT))}
        missed = {file.removeprefix(f"{SLT}/") for file in ours - known}
        assert not {file for file in missed if not file.startswith(around)}, stage.name
        assert len(ours) > 1


def _names(folder):
    """The names of the stages that a script of a user's own would make, by a process of its own."""
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(line.split() for line in done.stdout.splitlines())


def test_what_a_user_hands_over_belongs_to_the_version(tmp_path):
    """A program in a script that runs as __main__, a helper that it imports, and a table that Python code reads
    from a CSV file, each changed in turn."""
    files = {
        "helper.py": "def line(slope, x):\n    return slope * x\n",
        "tables.py": """
            import numpy as np
            x, y = np.loadtxt("table.csv", delimiter=",", unpack=True)
            TABLE = {"x": x, "y": y}
        """,
        "table.csv": "\n".join(f"{i / 50},{i / 25}" for i in range(50)),
        "program.py": """
            import numpyro, numpyro.distributions as dist
            import helper, slt
            from slt.config.composition import compose
            from slt.config.schema import experiment
            from slt.pipeline.plan import stages

            def program(x, y=None):
                slope = numpyro.sample("slope", dist.Normal(0, 1))
                with numpyro.plate("rows", x.shape[0]):
                    numpyro.sample("y", dist.Normal(helper.line(slope, x), 1), obs=y)

            if __name__ == "__main__":
                slt.configure_jax()
                config = compose([
                    "experiment=own", "posterior.sample_sizes=[20,40]", "training=null",
                ], "configs")
                for stage in stages(experiment(config)[0]):
                    print(stage.name, stage.recipe.name)
        """,
        "configs/experiment/own.yaml": "# @package _global_\ndefaults:\n- override /model: own\n",
        "configs/model/own.yaml": """
            _target_: slt.adapters.numpyro_model.NumpyroModel
            program: __main__.program
            data: tables.TABLE
        """,
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text).lstrip())
    first = _names(tmp_path)
    assert {"data", "posterior", "phases", "comparison"} <= set(first)
    assert _names(tmp_path) == first
    changes = {
        "program.py": ("Normal(0, 1)", "Normal(0, 2)"),
        "helper.py": ("slope * x", "slope * x + 0"),
        "table.csv": ("0.02,0.04", "0.02,0.05"),
    }
    for name, (old, new) in changes.items():
        text = (tmp_path / name).read_text()
        assert old in text
        (tmp_path / name).write_text(text.replace(old, new))
        changed = _names(tmp_path)
        assert all(changed[stage] != first[stage] for stage in first), name
        (tmp_path / name).write_text(text)


def test_code_without_a_file_is_refused(monkeypatch):
    module = type(sys)("typed_in")
    monkeypatch.setitem(sys.modules, "typed_in", module)
    with pytest.raises(UserError, match="typed_in has no source file"):
        code_version.code_version(["typed_in"])


def test_imports_for_type_checkers_alone_do_not_count(tmp_path):
    for name, text in {
        "one": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import two\nelse:\n    import three\n",
        "two": "",
        "three": "def f():\n    from four import x\n",
        "four": "x = 1\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    find = functools.partial(module_file, folders=[tmp_path])
    assert set(closure({"one": find("one")}, find)) == {"one", "three", "four"}


def test_a_package_of_a_users_own_counts_where_it_is_installed(tmp_path, monkeypatch):
    """All of the package that a named module belongs to, but not the other packages beside it."""
    for name, text in {
        "mine_installed/__init__.py": "",
        "mine_installed/model.py": "import other_installed\nfrom mine_installed import helper\n",
        "mine_installed/helper.py": "VALUE = 1\n",
        "other_installed.py": "VALUE = 1\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(code_version.site, "getsitepackages", lambda: [str(tmp_path)])
    importlib.import_module("mine_installed.model")
    first = code_version.code_version(["mine_installed.model"])
    (tmp_path / "other_installed.py").write_text("VALUE = 2\n")
    assert code_version.code_version(["mine_installed.model"]) == first
    (tmp_path / "mine_installed/helper.py").write_text("VALUE = 22\n")
    assert code_version.code_version(["mine_installed.model"]) != first
