"""Runs: made once, kept, resumed, forced, failed, interrupted, and read again."""

import json

import pytest
import xarray as xr

import slt
from slt.errors import ConfigError, RunError
from slt.pipeline.stages import phases, report
from slt.storage.runs import Run

TINY = (
    "experiment=two_bump",
    "training.seeds=4",
    "training.steps=50",
    "posterior.sample_sizes=[5000,10000,11000]",
)
STAGES = ("training", "posterior", "phases", "comparison")


def _run(store, *overrides, force=()):
    return slt.run([*TINY, *overrides], store=store, force=force, progress=False)


def _made(run):
    return {stage: entry["made"] for stage, entry in run.manifest["stages"].items()}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def first(store):
    return _run(store)


def test_a_second_identical_run_makes_nothing_again(store, first):
    before = _made(first)
    again = _run(store)
    assert again.path == first.path
    assert _made(again) == before
    assert set(before) == set(STAGES)


def test_one_changed_trainer_option_leaves_the_posterior_alone(store, first):
    changed = _run(store, "training.steps=60")
    before, after = _made(first), _made(changed)
    assert changed.path != first.path
    assert after["posterior"] == before["posterior"]
    assert all(after[stage] != before[stage] for stage in ("training", "phases", "comparison"))


def test_force_makes_a_stage_and_what_reads_it_again(store, first):
    before = _made(first)
    after = _made(_run(store, force=["training"]))
    assert after["posterior"] == before["posterior"]
    assert all(after[stage] != before[stage] for stage in ("training", "phases", "comparison"))


def test_a_store_may_have_any_name(tmp_path):
    store = tmp_path / "a 'b, c\\ d"
    assert _run(store, "posterior=null", "data=null").path.parent == store / "runs"


def test_an_unknown_stage_is_refused_with_the_nearest(store):
    with pytest.raises(ConfigError, match="no stage called 'trainig'\nDid you mean 'training'"):
        _run(store, force=["trainig"])


def test_a_damaged_record_is_made_again(tmp_path):
    run = _run(tmp_path)
    before = _made(run)
    file = max(run.record("posterior").path.rglob("*"), key=lambda f: f.stat().st_size if f.is_file() else 0)
    file.write_bytes(file.read_bytes()[:10])
    after = _made(_run(tmp_path))
    assert after["posterior"] != before["posterior"]
    assert after["training"] == before["training"]


def test_the_summary_has_what_its_page_promises(first):
    text = (first.path / "summary.json").read_text()
    summary = json.loads(text, parse_constant=pytest.fail)
    promised = {
        "headline", "phases", "occupancy", "free_energy", "dominance", "dynamical", "bayesian", "comparison",
        "notes", "endpoints", "sigmoid_fits", "development", "not_trusted", "diagnostics", "status", "provenance",
    }  # fmt: skip
    assert set(summary) == promised
    assert {"name", "loss", "llc", "multiplicity", "source"} <= set(summary["phases"][0])
    assert {"n", "share", "error"} <= set(summary["occupancy"][0])
    assert {"versions", "seed", "configuration_hash", "device", "seconds", "commit"} <= set(
        summary["provenance"]
    )
    assert [row["n"] for row in summary["diagnostics"]] == [5000, 10000, 11000]


def test_two_bumps_move_between_ten_and_eleven_thousand(first):
    shares = {row["n"]: row["share"] for row in first.summary["occupancy"]}
    assert shares[10000]["narrow"] < 0.05
    assert shares[11000]["narrow"] > 0.60
    (crossing,) = first.summary["bayesian"]
    assert (crossing["from"], crossing["to"]) == ("wide", "narrow")
    assert 10000 < crossing["n"] < 11000
    (prior,) = (p["n"] for p in crossing["predictions"] if p["approximation"] == "prior")
    assert 10000 < prior < 11000


def test_load_gives_xarray_with_coordinates(store, first):
    run = slt.load(first.id, store)
    tree = run.records
    assert isinstance(tree, xr.DataTree)
    assert list(tree["ladder"].coords["n"].values) == [5000, 10000, 11000]
    assert list(tree["occupancy"].coords["phase"].values) == ["wide", "narrow", "other"]
    assert tree["trajectory"]["params.w"].dims == ("seed", "checkpoint")
    assert tree.attrs["summary"]["headline"] == run.summary["headline"]


@pytest.mark.parametrize("missing", ["training", "posterior"])
def test_one_learner_alone_is_enough(store, missing):
    run = (
        _run(store, f"{missing}=null")
        if missing == "training"
        else slt.run(
            ["experiment=two_bump", "training.seeds=4", "training.steps=50", "posterior=null"],
            store=store,
            progress=False,
        )
    )
    assert missing not in run.manifest["stages"]
    assert (run.path / "report.html").stat().st_size > 1000
    assert run.summary["headline"]


def test_a_report_is_made_from_records_alone_and_runs_nothing_that_it_finds(tmp_path, monkeypatch):
    run = _run(tmp_path)
    trap = tmp_path / "trap.py"
    trap.write_text("raise SystemExit('the report imported what it found')\n")
    monkeypatch.syspath_prepend(tmp_path)
    manifest = run.manifest
    manifest["config"]["model"]["_target_"] = "trap.Model"
    manifest["config"]["name"] = "<script>alert(1)</script>"
    (run.path / "manifest.json").write_text(json.dumps(manifest))
    (run.path / "report.html").unlink()
    (run.path / "summary.json").unlink()
    report.run(Run(run.path))
    page = (run.path / "report.html").read_text()
    assert "<script>" not in page
    assert (run.path / "summary.json").exists()


def test_a_run_without_a_result_says_so_and_keeps_what_it_finished(tmp_path):
    overrides = [
        "training.seeds=2",
        "training.steps=30",
        "training.optimizer.learning_rate=1e9",
        "data.datasets=1",
    ]
    with pytest.raises(RunError, match="training gave no result: every seed failed: diverged"):
        slt.run([*overrides, "posterior.sample_sizes=[10]"], store=tmp_path, progress=False)
    (path,) = (tmp_path / "runs").iterdir()
    manifest = Run(path).manifest
    assert manifest["status"].startswith("failed: training gave no result")
    assert set(manifest["stages"]) == {"data", "training"}


def test_an_interrupted_run_goes_on_from_there(tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(phases.classification, "label_draws", interrupt)
        with pytest.raises(KeyboardInterrupt):
            _run(tmp_path)
    (path,) = (tmp_path / "runs").iterdir()
    stopped = Run(path)
    assert stopped.status == "interrupted"
    assert set(stopped.manifest["stages"]) == {"training", "posterior"}
    kept = _made(stopped)
    whole = _run(tmp_path)
    assert whole.status == "done"
    assert {stage: _made(whole)[stage] for stage in kept} == kept


def test_a_failure_without_data_noise_is_told_on_the_page_and_in_the_summary():
    """The population ladder's draws are not on the page, but what went wrong with them is."""
    counts = {"population": {"ok": 58, "not decorrelated at n = 20": 2}, "posterior": {"ok": 60}}
    assert report._not_on_the_page(counts) == {
        "without data noise": "2 of 60 posteriors: not decorrelated at n = 20"
    }
    assert report._not_on_the_page({"population": {"ok": 60}}) == {}
    assert report._not_on_the_page({}) == {}
