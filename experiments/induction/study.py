"""Does a small transformer learn single tokens, pairs, then to look one token back, and only then to copy?

Stages of a seed, each *passed* at the first checkpoint at which a curve of its own is half-way:

* "unigram", "bigram": D(ideal || network) from this predictor, half-way from its first value to its least;
* "previous token": the score of the first layer's head whose score ends highest, half-way from its first value to its
  greatest;
* "induction": the same of prefix matching, of heads beyond the first layer. A score that never rises by `FORMED`
  passes nowhere;
* "copying": the cross-entropy on tokens that may be copied, half-way from the bigram predictor's to the language's.

Verdict, of three parts, each true if at least `MOST` of the seeds show it; the claim holds with all, fails with none,
and is mixed otherwise:

* order: unigram, bigram, previous token and induction are all passed, each at a later checkpoint than the last;
* halves: the previous token is passed at an earlier checkpoint than copying;
* hidden: the previous token is passed within a jump of its own curve, and outside of all transitions of the loss
  (`slt.transitions.events`).
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from experiments.finding import Finding, verdict_of
from experiments.induction.picture import picture
from slt.config.composition import compose
from slt.config.schema import experiment
from slt.models.induction import Induction
from slt.records.base import Array
from slt.records.training import Trajectory
from slt.records.transitions import Changepoints
from slt.runtime.long_computation import drive
from slt.runtime.random_keys import named_key
from slt.transitions import events

CLAIM = (
    "A small attention-only transformer learns single tokens, then pairs, then a previous-token head, then an "
    "induction head; and the bump has two halves, of which the loss does not show the first"
)
SOURCE = (
    "Olsson et al. 2022, arXiv:2209.11895; Hoogland et al. 2024, arXiv:2402.02364; Edelman et al. 2024, "
    "arXiv:2402.11004"
)
STAGES = ("unigram", "bigram", "previous token", "induction")
COPYING = "copying"
MOST = 7 / 8  # of the seeds
FORMED = 0.2  # by which the score of a head must rise for the head to be there
ONSET = 0.1  # of the way: where a rise begins; not judged
FEW = (
    "model={vocabulary: 4, length: 8, width: 4, heads: 1, layers: 2, population: 8}",
    "training={seeds: 2, steps: 60, batch_size: 4, checkpoints: 20}",
)


class Bump(NamedTuple):
    """What the run showed.

    Attributes:
      trajectory: of the seeds.
      ideals: predictor -> kind of token -> nats per token, see `Induction.ideals`.
    """

    trajectory: Trajectory
    ideals: dict[str, dict[str, float]]


def study(reduced: bool = False) -> Finding:
    bump = _run(*(FEW if reduced else ()))
    data = measured(bump)
    verdict, numbers = _judge(data)
    figure: Figure = picture(bump.trajectory, bump.ideals, data)
    return Finding(verdict, numbers, figure, data)


def _run(*overrides: str) -> Bump:
    """The training of `slt run experiment=induction`, without what follows it there."""
    preset = experiment(compose(["experiment=induction", *overrides]))[0]
    if preset.training is None or not isinstance(preset.model, Induction):
        raise TypeError("experiment=induction must train an Induction model")
    trajectory = drive(preset.training.stage(preset.model, None), named_key(preset.seed, "training"))
    return Bump(trajectory, preset.model.ideals())


# -- stages -----------------------------------------------------------------------------------------------------
def measured(bump: Bump) -> dict[str, Any]:
    """When each seed passes each stage, which of them its loss does not show, and where it ends."""
    trajectory = bump.trajectory
    curves = events.curves(trajectory, trajectory.population_loss, None)
    found = events.find(curves, trajectory.steps)
    by_seed = events.events(found, len(trajectory.status))
    seeds = [_seed(bump, seed, found, by_seed[seed]) for seed in range(len(trajectory.status))]
    last = {name: np.round(values[:, -1], 4).tolist() for name, values in trajectory.observables.items()}
    return {"ideals": bump.ideals, "steps": int(trajectory.steps[-1]), "seeds": seeds, "end": last}


def _seed(bump: Bump, seed: int, found: Changepoints, events: list[events.Event]) -> dict[str, Any]:
    trajectory = bump.trajectory
    names = own_curves(trajectory, seed)
    curves = {stage: trajectory.observables[name][seed] for stage, name in names.items()}
    passed = {stage: passes(curve, stage) for stage, curve in curves.items()}
    jumps = {stage: _jumps(found, seed, name) for stage, name in names.items()}
    mark = (bump.ideals["bigram"]["copy"] + bump.ideals["copying"]["copy"]) / 2
    passed[COPYING] = _first(trajectory.observables["loss copy"][seed] <= mark)
    loud = [(event.start, event.end) for event in events if not event.hidden]
    begins = {stage: passes(curve, stage, ONSET) for stage, curve in curves.items()}
    return {
        "status": str(trajectory.status[seed]),
        "passed": {stage: _step(trajectory, at) for stage, at in passed.items()},
        "begins": {stage: _step(trajectory, at) for stage, at in begins.items()},
        "curves": names,
        "hidden": [s for s in STAGES if _within(passed[s], jumps[s]) and not _within(passed[s], loud)],
        "transitions of the loss": [[_step(trajectory, at) for at in ends] for ends in loud],
        "jumps": {
            stage: [[_step(trajectory, at) for at in ends] for ends in jumps[stage]] for stage in STAGES
        },
    }


def own_curves(trajectory: Trajectory, seed: int) -> dict[str, str]:
    """The observable that tells each stage: for heads, of the one whose score ends highest."""

    def best(score: str, first_layer: bool) -> str:
        heads = [name for name in trajectory.observables if name.startswith(score)]
        there = [name for name in heads if name.startswith(f"{score} 0.") == first_layer]
        return max(there, key=lambda name: float(trajectory.observables[name][seed, -1]))

    heads = best("previous token", True), best("prefix matching", False)
    return dict(zip(STAGES, ("KL unigram", "KL bigram", *heads), strict=True))


def passes(curve: Array, stage: str, share: float = 0.5) -> int | None:
    """The first checkpoint at which `curve` is this share of the way from its first value to its extreme."""
    if stage in ("unigram", "bigram"):
        return (
            _first(curve <= curve[0] + share * (curve.min() - curve[0])) if curve.min() < curve[0] else None
        )
    rise = curve.max() - curve[0]
    return _first(curve >= curve[0] + share * rise) if rise >= FORMED else None


def _first(there: Array) -> int | None:
    return int(np.argmax(there)) if there.any() else None


def _jumps(found: Changepoints, seed: int, name: str) -> list[tuple[int, int]]:
    """First and last checkpoint of the jumps of one curve."""
    own = (found.seed == seed) & (found.curve == name)
    return list(zip(found.start[own].tolist(), found.end[own].tolist(), strict=True))


def _within(checkpoint: int | None, spans: list[tuple[int, int]]) -> bool:
    return checkpoint is not None and any(start <= checkpoint <= end for start, end in spans)


def _step(trajectory: Trajectory, checkpoint: int | None) -> int | None:
    return None if checkpoint is None else int(trajectory.steps[checkpoint])


# -- the rule ---------------------------------------------------------------------------------------------------
def _judge(data: dict[str, Any]) -> tuple[str, str]:
    """The verdict by the rule above, and its numbers."""
    seeds = data["seeds"]
    shown = {
        "order": [_increasing([one["passed"][stage] for stage in STAGES]) for one in seeds],
        "halves": [_increasing([one["passed"]["previous token"], one["passed"][COPYING]]) for one in seeds],
        "hidden": ["previous token" in one["hidden"] for one in seeds],
    }
    true = [sum(each) >= MOST * len(seeds) for each in shown.values()]
    verdict = verdict_of(true)
    medians = ", ".join(f"{stage} {_median(seeds, stage)}" for stage in (*STAGES, COPYING))
    order, halves, hidden = (f"{sum(each)} of {len(seeds)}" for each in shown.values())
    loud = sum(len(one["transitions of the loss"]) for one in seeds)
    numbers = (
        f"stages in order in {order} seeds, the previous token before copying in {halves} and hidden from the loss "
        f"in {hidden}; transitions of the loss in all seeds: {loud}; median steps: {medians}"
    )
    return verdict, numbers


def _increasing(steps: list[int | None]) -> bool:
    known = [math.nan if step is None else step for step in steps]
    return all(a < b for a, b in itertools.pairwise(known))


def _median(seeds: list[dict[str, Any]], stage: str) -> str:
    there = [one["passed"][stage] for one in seeds if one["passed"][stage] is not None]
    missing = f" (in {len(there)})" if len(there) < len(seeds) else ""
    return f"{np.median(there):,.0f}{missing}" if there else "-"
