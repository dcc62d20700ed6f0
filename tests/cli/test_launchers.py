"""Sweeps through Hydra's launchers, each for real with what one machine can start."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from slt.cli import main
from tests.test_cli import MODEL

SMALL = [
    "--config-dir",
    "own",
    "model=line",
    "training.seeds=2",
    "training.steps=20",
    "posterior.sample_sizes=[5,50]",
]
SMALL += ["training.n=50", "sampler=quadrature", "data.datasets=1"]
RATE = "training.optimizer.learning_rate="
THREADS = "import os, sys\nsys.stderr.write(f'threads {os.environ.get(\"NPROC\")}\\n')\n"
HERE = {"RAY_AUTH_MODE": "disabled"}  # a token would go to the home directory, and nobody joins this cluster


def needs(extra):
    missing = find_spec("hydra_plugins") is None or find_spec(f"hydra_plugins.hydra_{extra}_launcher") is None
    return pytest.mark.skipif(missing, reason=f"slt's extra {extra} is not installed: make launchers")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A working directory that holds a model of one's own, as a user's would."""
    (tmp_path / "line_model.py").write_text(THREADS + MODEL)
    (tmp_path / "own/model").mkdir(parents=True)
    (tmp_path / "own/model/line.yaml").write_text("_target_: line_model.Line\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sweep(home, launcher, rates, *more):
    code = "from slt.cli import main; raise SystemExit(main())"
    argv = [
        sys.executable,
        "-c",
        code,
        "run",
        "-m",
        *SMALL,
        RATE + rates,
        f"hydra/launcher={launcher}",
        *more,
    ]
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        argv,
        cwd=home,
        env={**os.environ, **HERE, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def check(home, ran, *kinds):
    """The jobs ended as they should, those that failed are named, and nothing is left half made."""
    assert ran.returncode == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    told = ran.stderr[ran.stderr.rindex("slt: ") :].splitlines()
    assert f"{kinds.count('failed')} of {len(kinds)} jobs failed: {RATE}1" in told[0]
    assert "the same command tries them again" in told[2]
    (folder,) = (home / "runs/sweeps").iterdir()
    states = [json.loads(file.read_text())["status"] for file in sorted(folder.glob("job-*.json"))]
    assert tuple(state.partition(":")[0] for state in states) == kinds
    assert len(list((home / "runs/stages").glob("posterior-*"))) == 1  # shared by all, and whole
    assert not list((home / "runs/stages").glob(".*"))
    return folder


@needs("joblib")
def test_joblib_gives_each_job_one_thread_and_the_same_command_runs_what_is_missing(home, capsys):
    asked, kinds = ("1e9,0.005,0.003,x", "hydra.launcher.n_jobs=2"), ("failed", "done", "done", "failed")
    ran = sweep(home, "joblib", *asked)
    folder = check(home, ran, *kinds)
    assert f"{RATE}x" in ran.stderr.splitlines()[-3]
    assert "must be a number" in ran.stderr.splitlines()[-2]
    threads = [line for line in ran.stderr.splitlines() if line.startswith("threads")]
    assert set(threads) == {"threads 1"}
    assert "[2/4] done" in ran.stderr

    done = sorted(path for path in (home / "runs/runs").iterdir() if (path / "report.html").exists())
    assert len(done) == 2
    (done[0] / "report.html").unlink()
    before = (done[1] / "manifest.json").stat().st_mtime_ns
    again = sweep(home, "joblib", *asked)
    assert check(home, again, *kinds) == folder
    assert again.stderr.count("done already") == 1
    assert (done[0] / "report.html").exists()
    assert (done[1] / "manifest.json").stat().st_mtime_ns == before

    assert main(["compare", str(folder)]) == 0
    assert "4 runs: 2 failed, 2 done" in capsys.readouterr().out


@needs("submitit")
def test_submitit_runs_jobs_as_slurm_would(home):
    folder = check(home, sweep(home, "submitit_local", "1e9,0.005"), "failed", "done")
    logs = [file.read_text() for file in folder.glob(".submitit/*/*.err")]
    assert sum("threads 1" in log for log in logs) == 2
    assert sum(" done" in log for log in logs) == 1


@needs("submitit")
def test_without_slurm_the_command_says_so(home):
    ran = sweep(home, "submitit_slurm", "1e9,0.005")
    assert ran.returncode == 2
    assert "hydra/launcher=submitit_slurm stopped" in ran.stderr
    assert len(ran.stderr[ran.stderr.index("slt: ") :].splitlines()) <= 3


@needs("ray")
def test_ray_runs_jobs_on_a_cluster_of_one_machine(home):
    ran = sweep(home, "ray", "1e9,0.005")
    check(home, ran, "failed", "done")
    assert "threads 1" in ran.stderr
