"""The page's table of stages that have no posterior: when they end, which curves change, what the formula
predicts."""

from __future__ import annotations

from slt.report.markup import Markup, parts
from slt.report.summaries import whole
from slt.transitions.stages import Pooled, SeedStages, headline, pool

_NAMED = 4  # curves that are named


def stages(found: tuple[SeedStages, ...]) -> Markup:
    headers = (
        "Transition",
        "Seeds",
        "Step t (median)",
        "Curves that change, in how many",
        "Type",
        "Hidden from the loss",
        "Later stage preferred",
        "From n, by n L + λ̂ log n",
    )
    rows = [_row(boundary) for boundary in pool(found)]
    text = parts.paragraph(headline(found))
    if not rows:
        return text
    note = parts.paragraph(
        "Of the seeds that have as many transitions as most. λ̂ is measured at one temperature under one "
        "localization, so that n holds in order of magnitude; its range is over seeds."
    )
    return text + parts.table(headers, rows) + note


def _row(boundary: Pooled) -> tuple[object, ...]:
    step = whole(boundary.step)
    if boundary.step_low is not None and boundary.step_high is not None:
        step += f" ({whole(boundary.step_low)} to {whole(boundary.step_high)})"
    seen = sorted(boundary.curves.items(), key=lambda item: (-item[1], item[0]))
    jumps = ", ".join(f"{name} {count}" for name, count in seen[:_NAMED])
    if len(seen) > _NAMED:
        jumps += f", and {len(seen) - _NAMED} more"
    kinds = ", ".join(f"{kind} in {count}" for kind, count in boundary.kinds.items() if kind and count)
    n = "–"
    if boundary.n is not None and boundary.n_low is not None and boundary.n_high is not None:
        n = f"{whole(boundary.n)} ({whole(boundary.n_low)} to {whole(boundary.n_high)})"
    elif boundary.preferred:
        n = "every n"
    return (
        f"{boundary.index + 1} → {boundary.index + 2}",
        str(boundary.seeds),
        step,
        jumps,
        kinds or "–",
        f"{boundary.hidden} of {boundary.seeds}",
        f"{boundary.preferred} of {boundary.seeds}",
        n,
    )
