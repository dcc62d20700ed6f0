"""The page's tables of transitions: SGD's, the posterior's, and where the two end."""

from __future__ import annotations

from slt.records.comparison import Comparison
from slt.records.transitions import DynamicalTransition, Prediction
from slt.report.crossings import APPROXIMATIONS
from slt.report.markup import Markup, parts
from slt.report.style import Palette
from slt.report.summaries import interval, number, percent, whole

TWO_MODES = 2.0  # Ashman's D above which two phases make two modes


def dynamical(comparison: Comparison, palette: Palette) -> Markup:
    rows = [
        (
            parts.arrow(d.source, d.target, palette),
            f"{d.count} of {d.at_risk}",
            whole(d.step),
            interval(d.step_low, d.step_high),
            number(d.loss_drop, 3),
            "–" if d.width is None else percent(d.width),
            _character(d),
        )
        for d in comparison.dynamical
    ]
    if not rows:
        return parts.paragraph("No transition of SGD was seen.")
    headers = (
        "Transition",
        "Seeds, of those in the first phase",
        "Step t (median)",
        "95 % of seeds",
        "Loss drop, nats",
        "Width, share of log-steps",
        "Character",
    )
    return parts.table(headers, rows)


def _character(d: DynamicalTransition) -> str:
    """What curves show of it without labels."""
    text = [f"type {d.kind}"] if d.kind else []
    if d.llc_change is not None:
        text.append(f"λ̂ changes by {d.llc_change:+.2g}")
    if d.with_event is not None:
        text.append(f"seen without labels in {d.with_event} of {d.count}")
    if d.hidden:
        text.append(f"hidden from the loss in {d.hidden}")
    return "; ".join(text) or "–"


def endpoints(comparison: Comparison, palette: Palette) -> Markup:
    """Where SGD ends against where the posterior's mass is, by disagreement."""
    rows = [
        (
            parts.chip(k.phase, palette),
            f"{k.ended} of {k.seeds}",
            f"{percent(k.share)} ({percent(k.share_low)} to {percent(k.share_high)})",
            percent(k.mass) + ("" if k.mass_error is None else f" ± {percent(k.mass_error)}"),
        )
        for k in comparison.endpoints
    ]
    n = f"{comparison.endpoints[0].n:,.0f}" if rows else ""
    return parts.table(("Phase", "Seeds that end there", "Share (95 %)", f"Posterior mass at n = {n}"), rows)


def bayesian(comparison: Comparison, palette: Palette) -> Markup:
    levels = list(dict.fromkeys(p.approximation for b in comparison.bayesian for p in b.predictions))
    methods = list(dict.fromkeys(b.method for b in comparison.bayesian if b.method))
    rows = []
    for b in comparison.bayesian:
        predictions = {p.approximation: _predicted(p) for p in b.predictions}
        rows.append(
            (
                parts.arrow(b.source, b.target, palette),
                "not seen" if b.n is None else whole(b.n),
                Markup.escape(interval(b.n_low, b.n_high)) + _mark(methods, b.method),
                f"{b.crossed} of {b.datasets}",
                *(predictions.get(level, "–") for level in levels),
                f"{percent(b.peak_source)}, {percent(b.peak_target)}",
                "–"
                if b.separation is None
                else f"{'two' if b.separation > TWO_MODES else 'one'} (D = {number(b.separation, 2)})",
            )
        )
    if not rows:
        return parts.paragraph("No transition of the posterior was seen or predicted.")
    headers = ["Transition", "Equal mass at n", "95 % interval", "Data sets that crossed"]
    headers += [f"Predicted n, {APPROXIMATIONS.get(level, level)}" for level in levels]
    notes = [parts.paragraph(_mark(methods, method) + " " + method, "footnote") for method in methods]
    return parts.table([*headers, "Largest share of each", "Modes of the loss"], rows) + Markup().join(notes)


def _predicted(prediction: Prediction) -> str:
    if prediction.n is None:
        return prediction.why or "none"
    known = prediction.n_low is not None and prediction.n_low != prediction.n
    reach = f" ({interval(prediction.n_low, prediction.n_high)})" if known else ""
    return whole(prediction.n) + reach


def _mark(methods: list[str], method: str) -> Markup:
    """The number of the footnote on how an interval was made."""
    return parts.mark(methods.index(method) + 1) if method in methods else Markup()
