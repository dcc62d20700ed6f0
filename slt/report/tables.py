"""The page's tables: verdicts, phases, statuses, provenance."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np

from slt.records.base import OK, Array
from slt.records.comparison import VERDICTS, Comparison, Verdict
from slt.records.posterior import Ladder
from slt.report.inputs import ReportInputs
from slt.report.markup import Markup, parts
from slt.report.style import Palette
from slt.report.summaries import number, plural
from slt.report.verdict_style import VERDICT_COLORS, VERDICT_COLORS_ON_DARK, by_level, is_direct

MOST_LINES, MOST_PAIRS = 6, 6


def arrows(words: str) -> str:
    """Words with their arrows drawn."""
    return words.replace(" -> ", " → ")


def sentence(words: str) -> Markup:
    """Words with their arrows drawn, in which no line ends inside a short name such as "4-family"."""
    return parts.sentence(re.split(r"(\s+)", arrows(words)))


def answer(comparison: Comparison, palette: Palette) -> Markup:
    """A line for each of the most informative pairs: families where there are any, pairs that change order
    directly."""
    families, phases_ = by_level(comparison.verdicts)
    level = _ranked(families or phases_)
    shown = [v for v in level if is_direct(v)] or level
    lines = [_pill(v.verdict) + " " + parts.arrow(v.source, v.target, palette) for v in shown[:MOST_PAIRS]]
    if len(shown) > MOST_PAIRS:
        lines.append(f"and {plural(len(shown) - MOST_PAIRS, 'more pair')}, below")
    return parts.items(lines, "answer") if lines else Markup()


def verdicts(comparison: Comparison, palette: Palette) -> Markup:
    """Families in the open and phases folded away, where there are families of several phases."""
    if not comparison.verdicts:
        return parts.paragraph("No pair of phases has a verdict.")
    families, phases_ = by_level(comparison.verdicts)
    if not families:
        return _folding_table(phases_, palette)
    words = f"Phase by phase: {plural(len(phases_), 'pair')}"
    return _folding_table(families, palette) + parts.folded(words, _folding_table(phases_, palette))


def _folding_table(level: list[Verdict], palette: Palette) -> Markup:
    """Pairs by verdict; those that change order while a third phase holds more are folded away."""
    ranked = _ranked(level)
    first = [v for v in ranked if is_direct(v)]
    rest = [v for v in ranked if v not in first]
    if not first or not rest:
        return _verdict_table(ranked, palette)
    words = f"{plural(len(rest), 'more pair')}, which change order while a third phase holds more"
    return _verdict_table(first, palette) + parts.folded(words, _verdict_table(rest, palette))


def _ranked(level: list[Verdict]) -> list[Verdict]:
    """In the order of VERDICTS: shared transitions first."""
    return sorted(level, key=lambda v: VERDICTS.index(v.verdict) if v.verdict in VERDICTS else len(VERDICTS))


def _verdict_table(verdicts_: list[Verdict], palette: Palette) -> Markup:
    rows = [(parts.arrow(v.source, v.target, palette), _pill(v.verdict), arrows(v.why)) for v in verdicts_]
    return parts.table(("From → to", "Verdict", "Why"), rows, "verdicts")


def _pill(verdict: str) -> Markup:
    known = verdict if verdict in VERDICT_COLORS else "inconclusive"
    return parts.pill(verdict, VERDICT_COLORS[known], VERDICT_COLORS_ON_DARK[known])


def phases(
    comparison: Comparison, palette: Palette, measured: Mapping[str, tuple[float, float, str]]
) -> Markup:
    """What is known of each phase; `measured`: by name, the estimate, its standard error and its status."""
    rows = [
        (
            parts.chip(p.name, palette),
            number(p.loss, 5),
            "unknown" if p.llc is None else number(p.llc),
            "unknown" if p.multiplicity is None else str(p.multiplicity),
            *([_measured(*measured[p.name])] if measured else []),
            p.source,
        )
        for p in comparison.phases
    ]
    if not rows:
        return parts.paragraph("The model names no phases.")
    extra = ("λ measured",) if measured else ()
    headers = (
        "Phase",
        "Loss L, nats per observation",
        "Learning coefficient λ",
        "Multiplicity m",
        *extra,
        "Source",
    )
    return parts.table(headers, rows)


def _measured(llc: float, error: float, status: str) -> str:
    if not np.isfinite(llc):
        return status
    flags = "" if status == OK else f" ({status})"
    return f"{number(llc)} ± {number(error, 2)}{flags}"


def sampler(ladder: Ladder) -> Markup:
    """The sampler's diagnostics at each sample size: the range of each diagnostic over data sets and repeats."""
    names = list(ladder.info)
    rows = [
        (f"{n:,}", *(_range(ladder.info[name][:, n_index]) for name in names))
        for n_index, n in enumerate(ladder.sample_sizes.tolist())
    ]
    shown = ("draws" if name == "ess" else name.replace("_", " ") for name in names)
    words = {
        "draws": "effective draws",
        "r hat": "R-hat of the loss",
        "correlation": "energy correlation left",
    }
    return parts.table(("n", *(words.get(name, name) for name in shown)), rows)


def _range(values: Array) -> str:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return "unknown"
    low, high = number(float(finite.min()), 3), number(float(finite.max()), 3)
    return low if low == high else f"{low} to {high}"


def problems(inputs: ReportInputs) -> list[str]:
    """Everything that is not "ok", as sentences: stages, seeds, sample sizes."""
    found = [f"{stage}: {status}" for stage, status in inputs.status.items() if status != OK]
    if inputs.trajectory is not None:
        status = inputs.trajectory.status
        found += _capped(
            [f"{count} of {plural(status.size, 'SGD seed')}: {what}" for what, count in _grouped(status)]
        )
    found += _capped(
        [f"n = {n:,} is not trusted, and not drawn: {why}" for n, why in inputs.not_trusted.items()]
    )
    if inputs.ladder is not None:
        status = inputs.ladder.status
        failures = []
        for what, count in _grouped(status):
            sample_sizes = inputs.ladder.sample_sizes[np.any(status == what, axis=(0, 2))]
            where = (
                f"n = {', '.join(f'{n:,}' for n in sample_sizes[:8])}{', …' if len(sample_sizes) > 8 else ''}"
            )
            failures.append(
                f"{count} of {status.size:,} posteriors (data set × n × repeat), at {where}: {what}"
            )
        found += _capped(failures)
    return found


def _capped(lines: list[str]) -> list[str]:
    more = len(lines) - MOST_LINES
    return lines if more <= 0 else [*lines[:MOST_LINES], f"and {plural(more, 'other kind')} of failure"]


def _grouped(status: Array) -> list[tuple[str, int]]:
    """What went wrong and how often, the most frequent first."""
    values, counts = np.unique(status[status != OK].astype(str), return_counts=True)
    return sorted(zip(values.tolist(), counts.tolist(), strict=True), key=lambda pair: -pair[1])


def provenance(facts: Mapping[str, object]) -> Markup:
    rows = list(_flat(facts))
    return parts.table(("What", "Value"), rows) if rows else parts.paragraph("Nothing is recorded.")


def _flat(facts: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key} · ")
        else:
            yield f"{prefix}{key}", number(value) if isinstance(value, float) else str(value)
