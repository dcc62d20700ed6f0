"""A sweep's folder, read while it runs."""

import json

import pytest

from slt.storage.files import StoreError, write_json
from slt.storage.runs import Journal, Run
from slt.storage.sweeps import Sweep

PLAN = [{"overrides": [f"seed={i}"], "options": {"seed": i}} for i in range(3)]


@pytest.fixture
def sweep(tmp_path):
    made = Sweep(tmp_path / "sweeps/seed-12345678")
    made.begin(["seed=0,1,2"], PLAN)
    return made


def run(tmp_path, status):
    made = Run(tmp_path / "runs" / status.split(":")[0])
    journal = Journal.start(made, {"name": None, "config": {}})
    if status != "running":
        journal.end(status)
    return made


def test_jobs_that_have_not_begun_are_waiting_with_their_options(sweep):
    assert [(job.status, job.options["seed"], job.run) for job in sweep.jobs] == [
        ("waiting", i, None) for i in range(3)
    ]


def test_a_job_has_the_status_of_its_run(sweep, tmp_path):
    for number, status in enumerate(["running", "done", "failed: no result"]):
        sweep.tell(number, [], "running", run(tmp_path, status))
    assert [job.status for job in sweep.jobs] == ["running", "done", "failed: no result"]


def test_a_job_that_failed_before_its_run_began_says_why(sweep):
    sweep.tell(1, ["seed=1"], "failed: seed must be a whole number")
    assert [job.status for job in sweep.jobs] == ["waiting", "failed: seed must be a whole number", "waiting"]


def test_a_run_that_was_killed_is_lost_and_one_that_was_deleted_unreadable(sweep, tmp_path):
    killed = run(tmp_path, "running")
    manifest = json.loads((killed.path / "manifest.json").read_text())
    write_json(killed.path / "manifest.json", {**manifest, "pid": 2**22 + 1})
    sweep.tell(0, [], "running", killed)
    sweep.tell(1, [], "done", Run(tmp_path / "runs/gone"))
    assert [job.status for job in sweep.jobs] == ["lost", "unreadable", "waiting"]


def test_a_store_can_be_moved_whole(sweep, tmp_path):
    sweep.tell(0, [], "done", run(tmp_path, "done"))
    moved = tmp_path.rename(tmp_path.with_name("elsewhere"))
    assert Sweep(moved / "sweeps/seed-12345678").jobs[0].status == "done"


def test_jobs_that_nobody_planned_are_there_once_they_begin(tmp_path):
    made = Sweep(tmp_path)
    assert not made.exists
    made.begin(["a=interval(0,1)"], [])
    assert made.exists
    assert made.jobs == []
    made.tell(4, ["a=0.5"], "failed: x")
    assert [(job.number, job.overrides) for job in made.jobs] == [(4, ("a=0.5",))]


def test_a_plan_of_something_else_is_refused(tmp_path):
    write_json(tmp_path / "sweep.json", {"kind": "run", "format": 1})
    with pytest.raises(StoreError, match="not a sweep"):
        _ = Sweep(tmp_path).jobs
