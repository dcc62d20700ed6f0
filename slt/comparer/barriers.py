"""Why SGD does not make a transition that the posterior makes: how high the loss rises between the two phases."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from slt.models.base import Model, Phase
from slt.records.comparison import Comparison, Verdict
from slt.records.phases import PhaseFacts
from slt.transitions.barrier import lowest_paths


def with_barriers(
    comparison: Comparison, model: Model, members: dict[str, tuple[PhaseFacts, ...]]
) -> Comparison:
    """The comparison with measured barriers in every verdict of "bayesian only": from each phase behind the source's
    name, the lowest to any behind the target's. Nothing is added where the model has no population loss, or knows no
    point of the phases.

    Args:
      comparison: as judged.
      model: whose phases they are.
      members: the phases behind each name.
    """
    if not model.has_population_loss:
        return comparison
    points = {phase.name: phase for phase in model.phases()}
    wanted = [
        i
        for i, v in enumerate(comparison.verdicts)
        if v.verdict == "bayesian only"
        and {v.source, v.target} <= set(members)
        and all(fact.name in points for fact in (*members[v.source], *members[v.target]))
    ]
    pairs = {
        (a.name, b.name): (points[a.name], points[b.name])
        for i in wanted
        for a in members[comparison.verdicts[i].source]
        for b in members[comparison.verdicts[i].target]
    }
    if not pairs:
        return comparison
    heights = _heights(model, list(pairs.values()))
    verdicts = list(comparison.verdicts)
    for i in wanted:
        sources, targets = (
            [fact.name for fact in members[name]] for name in (verdicts[i].source, verdicts[i].target)
        )
        verdicts[i] = _with_heights(verdicts[i], sources, targets, heights)
    return dataclasses.replace(comparison, verdicts=tuple(verdicts))


def _heights(model: Model, pairs: list[tuple[Phase, Phase]]) -> dict[tuple[str, str], float]:
    """By pair, how far the loss on the path rises above its source, nats per observation."""
    sources = [a.point for a, _ in pairs]
    targets = [model.nearest_copy(b.point, a.point) for a, b in pairs]
    found = lowest_paths(model, *(jax.tree.map(lambda *x: np.stack(x), *ends) for ends in (sources, targets)))
    rises = np.asarray(found.top) - np.asarray(found.source)
    return {(a.name, b.name): float(rise) for (a, b), rise in zip(pairs, rises, strict=True)}


def _with_heights(
    verdict: Verdict, sources: list[str], targets: list[str], heights: dict[tuple[str, str], float]
) -> Verdict:
    barriers = {a: min(heights[a, b] for b in targets) for a in sources}
    each = ", ".join(f"{height:.2g} from {name}" for name, height in barriers.items())
    text = (
        f" The loss on the lowest path found to {verdict.target} rises, in nats per observation, by {each}."
    )
    return dataclasses.replace(
        verdict, why=verdict.why + text, evidence={**verdict.evidence, "barriers": barriers}
    )
