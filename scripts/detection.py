"""Transitions found without labels against the classifier's, and verdicts under a change of master seed.

Runs are kept in runs/, so that an interrupted study is resumed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scripts.result import ROOT, Result, table
from slt.pipeline.execute import run
from slt.pipeline.outputs import outputs
from slt.storage.runs import Run
from slt.transitions import dynamical, events

FEATURES, SEEDS = (4, 5, 6, 8), (0, 1)


class Agreement(NamedTuple):
    """Transitions of the classifier, those of them within a detected one, those of them at either end of a jump (each
    give or take a checkpoint); detected transitions, those of them with a label in them, and those of the others that
    begin and end in "other"."""

    labeled: int
    within: int
    at_an_end: int
    found: int
    labeled_too: int
    in_other: int


def options(features: int, seed: int) -> list[str]:
    return ["experiment=demo", f"model.features={features}", f"seed={seed}"]


def study() -> Result:
    agreements, verdicts, widths = [], [], []
    numbers: dict[str, Any] = {"agreement": {}, "verdicts": {}}
    for features in FEATURES:
        for seed in SEEDS:
            done = run(options(features, seed), store=ROOT / "runs", progress=False)
            summary, agreement = done.summary, _agreement(done)
            name = f"c = {features}, seed {seed}"
            numbers["agreement"][name] = agreement._asdict()
            numbers["verdicts"][name] = summary["comparison"]
            agreements.append([name, *_cells(agreement)])
            widths += [d["width"] for d in summary["dynamical"] if d["width"] is not None]
            verdicts += _verdicts(features, seed, summary)
    total = Agreement(*np.sum([list(a.values()) for a in numbers["agreement"].values()], axis=0).tolist())
    header = ["run", "classifier's", "within a detected one", "at an end of a jump"]
    header += ["detected", "with a label", "from other to other"]
    text = f"""# Transitions found without labels

Superposition, `slt run experiment=demo model.features=C seed=S`: 64 seeds of SGD each. Curves searched: the logarithm
of the population loss, the number of long columns, the norm of W (`slt/transitions/changepoints.py`). A transition of
the classifier is the first checkpoint of a phase that holds; it agrees with a detected one when it falls within it,
give or take one checkpoint, and exactly when it falls on an end of one of its jumps, give or take one.

{table(header, [*agreements, ["all", *_cells(total)]])}

What is detected without a label is, for the most part, within what the classifier calls "other", from beginning to
end: columns of W that grow one by one before there are four of them. That is a jump of SGD between parameters for
which the classifier has no phase.

Widths: a transition of SGD takes {np.median(widths):.0%} of all log-steps in the median (from {min(widths):.0%} to
{max(widths):.0%} over pairs and runs): transitions are not narrow.

## Verdicts under another master seed

A master seed draws the data sets, SGD's starts and batches, and the particles. Pairs of families.

{table(["c", "transition", *(f"seed {seed}" for seed in SEEDS)], _side_by_side(verdicts))}
"""
    return Result(text, numbers)


def _agreement(done: Run) -> Agreement:
    stored = outputs(done)
    trajectory, phases = stored.get("training"), stored.get("phases")
    path, names, found = phases.path, phases.names, stored.get("comparison").changepoints
    by_seed = events.events(found, len(path.label))
    place = {int(step): i for i, step in enumerate(path.steps)}
    counts, other = np.zeros(6, int), len(names) - 1
    for seed, stays in enumerate(dynamical.sequences(path, names, 2, trajectory.status)):
        labels = [place[step] for _, step in stays[1:]]
        mine = found.seed == seed
        ends = np.concatenate([found.start[mine], found.end[mine]])
        counts[0] += len(labels)
        counts[1] += sum(events.around(by_seed[seed], i) is not None for i in labels)
        counts[2] += sum(bool((np.abs(ends - i) <= 1).any()) for i in labels)
        counts[3] += len(by_seed[seed])
        for event in by_seed[seed]:
            known = any(event.start - 1 <= i <= event.end + 1 for i in labels)
            counts[4] += known
            counts[5] += not known and (path.label[seed, [event.start, event.end]] == other).all()
    return Agreement(*counts.tolist())


def _cells(a: Agreement) -> list[str]:
    def share(part: int, whole: int) -> str:
        return f"{part} ({part / whole:.0%})" if whole else str(part)

    return [
        str(a.labeled),
        share(a.within, a.labeled),
        share(a.at_an_end, a.labeled),
        str(a.found),
        share(a.labeled_too, a.found),
        share(a.in_other, a.found),
    ]


def _verdicts(features: int, seed: int, summary: dict[str, Any]) -> list[tuple[int, str, int, str]]:
    families = [row for row in summary["comparison"] if row["evidence"]["level"] == "family"]
    return [
        (features, f"{row['from']} -> {row['to']}", seed, _short(row))
        for row in families or summary["comparison"]
    ]


def _short(row: dict[str, Any]) -> str:
    found = row["evidence"]
    n = "" if found.get("n") is None else f", n = {found['n']:.0f}"
    return f"**{row['verdict']}** ({found['count']} of {found['at_risk']} seeds{n})"


def _side_by_side(verdicts: list[tuple[int, str, int, str]]) -> list[list[Any]]:
    pairs = dict.fromkeys((features, pair) for features, pair, *_ in verdicts)
    known = {(features, pair, seed): words for features, pair, seed, words in verdicts}
    return [
        [features, pair, *(known.get((features, pair, seed), "no verdict") for seed in SEEDS)]
        for features, pair in pairs
    ]
