"""Tidy rows of many runs, and which options change their verdicts; summaries are made up."""

from slt.comparer.sensitivity import axes, sensitivity
from slt.comparer.sweep import Entry, best_level, columns, counts, outcome, rows
from tests import fake_sweeps


def by(table, level, source, target):
    return [row for row in table if (row["level"], row["from"], row["to"]) == (level, source, target)]


def entry(name, summary, status="done", **options):
    return Entry(name, status, options, summary)


def test_every_run_has_a_row_for_every_pair_that_any_judged():
    made = fake_sweeps.entries()
    table = fake_sweeps.table(made)
    pairs = {(row["level"], row["from"], row["to"]) for row in table}
    assert len(table) == len(made) * len(pairs)
    assert all(tuple(row) == columns(fake_sweeps.OPTIONS) for row in table)


def test_numbers_and_predictions_come_from_the_evidence():
    (row,) = by(fake_sweeps.table([entry("run", fake_sweeps.summary(6))]), "phase", "5", "6")
    assert (row["verdict"], row["at_risk"], row["count"], row["n"]) == ("bayesian only", 50, 0, 370.0)
    assert (row["predicted_leading"], row["predicted_prior"]) == (445.1, 601.0)
    assert row["step"] is None
    assert row["reason"] == "made up"


def test_a_pair_without_a_verdict_is_neither_where_both_phases_exist_and_missing_where_not():
    silent = {**fake_sweeps.summary(6), "comparison": []}
    table = rows(
        [
            entry("five", fake_sweeps.summary(5)),
            entry("six", fake_sweeps.summary(6)),
            entry("silent", silent),
            entry("failed", None, "failed: every seed diverged"),
        ],
        [],
    )
    found = {row["run"]: row for row in by(table, "phase", "5", "6")}
    assert {run: row["verdict"] for run, row in found.items()} == {
        "five": None,
        "six": "bayesian only",
        "silent": "neither",
        "failed": None,
    }
    assert found["five"]["reason"] == "no such phase: 6"
    assert found["failed"]["reason"] == found["failed"]["status"] == "failed: every seed diverged"
    assert outcome(found["five"]) == "no such phase"
    assert outcome(found["failed"]) == "no result"


def test_families_are_matched_by_family_whatever_a_run_calls_them():
    table = rows([entry(str(c), fake_sweeps.summary(c)) for c in (5, 6, 7)], [])
    found = {row["run"]: row["verdict"] for row in by(table, "family", "5-family", "6-family")}
    assert found == {"5": None, "6": "bayesian only", "7": "bayesian only"}
    assert best_level(table) == "family"


def test_families_of_one_phase_each_are_at_the_level_of_families_only_beside_larger_ones():
    alone = {
        "phases": [{**fake_sweeps.phases(4)[0], "name": name, "family": name} for name in ("4", "5")],
        "comparison": [fake_sweeps.verdict("4", "5", "both")],
    }
    assert {row["level"] for row in rows([entry("a", alone)], [])} == {"phase"}
    table = rows([entry("a", alone), entry("b", fake_sweeps.summary(6))], [])
    assert [row["verdict"] for row in by(table, "family", "4-family", "5-family")] == ["both", "both"]


def test_runs_are_listed_even_where_no_pair_was_judged():
    table = rows([entry("a", None, "waiting"), entry("b", {"phases": [], "comparison": []})], [])
    assert [(row["run"], row["from"], row["verdict"]) for row in table] == [
        ("a", None, None),
        ("b", None, None),
    ]


def test_the_pair_on_which_runs_disagree_most_comes_first_and_shadowed_ones_last():
    found = list(counts(fake_sweeps.table(), "family"))
    assert found[0] == ("5-family", "6-family")
    assert found[-1] == ("4-family", "6-family")


def test_the_options_that_change_verdicts_are_the_axes_and_seeds_are_not():
    made = fake_sweeps.entries(seeds=range(5))
    options = list(made[0].options)
    table = fake_sweeps.table(made)
    strength = sensitivity(table, "family", options)
    assert strength["seed"] < 0.001 < 0.02 < min(strength[name] for name in options[1:3])
    assert set(axes(table, "family", options)) == {"training.batch_size", "training.optimizer.learning_rate"}


def test_an_option_that_follows_from_another_is_no_second_axis():
    made = [
        entry(f"{b}-{r}", fake_sweeps.summary(6, b, r), batch=b, steps=1000 // b, rate=r)
        for b in (10, 30, 100)
        for r in (0.005, 0.02)
    ]
    assert set(axes(rows(made, ["batch", "steps", "rate"]), "family", ["batch", "steps", "rate"])) == {
        "batch",
        "rate",
    }


def test_one_run_has_no_axes():
    assert axes(fake_sweeps.table([entry("a", fake_sweeps.summary(6))]), "family", []) == []
