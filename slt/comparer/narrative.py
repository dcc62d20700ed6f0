"""The comparison in sentences: numbers for people, the headline, the notes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.stats

from slt.comparer.granularity import Level
from slt.records.base import OK, Array
from slt.records.comparison import Ending, Verdict
from slt.records.transitions import BayesianTransition, Prediction, SigmoidFits, SigmoidSum

ENOUGH = 0.99  # of the variance of a curve: what a sum of fewer sigmoids must reach to be mentioned
ROUNDING = 1e-9  # of a share that is a sum of weights
WIDER = 1.5  # times the width of single seeds' falls, from where the mean's are said to be wider


def percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def interval(seen: BayesianTransition) -> str:
    if seen.n_low == seen.n == seen.n_high:
        return "exact"
    if seen.n_low is None and seen.n_high is None:
        return "no interval"
    low = "below the ladder" if seen.n_low is None else f"{seen.n_low:,.0f}"
    high = "beyond the ladder" if seen.n_high is None else f"{seen.n_high:,.0f}"
    return f"95 % interval {low} to {high}"


APPROXIMATIONS = {
    "leading": "the formula in loss and lambda",
    "prior": "with the prior density",
    "volume": "with the measured volume",
    "population": "without data noise",
}


def predictions(predictions: Sequence[Prediction], agree: list[str], disagree: list[str]) -> str:
    """Which predictions agree with what was seen, and which do not; "" where that is unknown."""

    def listed(levels: list[str]) -> str:
        return ", ".join(
            f"{p.n:,.0f} ({APPROXIMATIONS.get(p.approximation, p.approximation)})"
            for p in predictions
            if p.n is not None and p.approximation in levels
        )

    parts = [
        f"{verb} {listed(levels)}"
        for levels, verb in ((agree, "in agreement with"), (disagree, "not with"))
        if listed(levels)
    ]
    return ", ".join(parts)


def coarse(families: Level, verdicts: list[Verdict]) -> list[Verdict]:
    """Each pair of families once: what a short answer is about. Changes within a family are details."""
    return [v for v in verdicts if v.source in families.members and v.target in families.members]


def headline(families: Level, verdicts: list[Verdict]) -> str:
    """Which transitions are shared, in a sentence or two.

    Left out are pairs that change order in the posterior while a third holds more than either, unless SGD
    makes that transition.
    """
    shown = [
        v for v in coarse(families, verdicts) if v.evidence.get("direct", True) or v.evidence["sgd"] == "has"
    ]

    def listed(verdict: str) -> str:
        return ", ".join(_short(v) for v in shown if v.verdict == verdict)

    text = [
        f"{title}: {listed(verdict)}."
        for verdict, title in (
            ("both", "Both SGD and the posterior make"),
            ("bayesian only", "Only the posterior makes"),
            ("dynamical only", "Only SGD makes"),
        )
        if listed(verdict)
    ]
    open_pairs = [f"{v.source} -> {v.target}" for v in shown if v.verdict == "inconclusive"]
    if open_pairs:
        text.append(f"Inconclusive: {', '.join(open_pairs)}.")
    if not text:
        return "Neither SGD nor the posterior was seen to pass from one phase to another."
    return " ".join(text if listed("both") else ["No transition was seen to be shared.", *text])


def _short(verdict: Verdict) -> str:
    numbers = []
    if "n" in verdict.evidence:
        numbers.append(f"at n = {verdict.evidence['n']:,.0f}")
    if verdict.evidence["at_risk"]:
        numbers.append(f"{verdict.evidence['count']} of {verdict.evidence['at_risk']} seeds")
    return f"{verdict.source} -> {verdict.target} ({'; '.join(numbers)})"


def notes(
    by_phase: Level,
    families: Level,
    verdicts: list[Verdict],
    seed_status: Array | None,
    ladder_status: Array | None,
    endings: tuple[Ending, ...],
    sigmoid_fits: SigmoidFits | None = None,
) -> list[str]:
    """What a reader should know beside the verdicts: failures, starts, what is missing, order."""
    notes = [
        _failures("seeds", seed_status),
        _failures("sample sizes of the ladder (data set x n x repeat)", ladder_status),
        _missing(by_phase),
        _never_in_a_phase(by_phase),
        _order(coarse(families, verdicts)),
        _endpoints(endings),
    ]
    first = [f"{t.target} ({t.count})" for t in by_phase.dynamical if t.source == "other"]
    if first:
        notes.append(f"Seeds that began in no phase were first in: {', '.join(first)}.")
    if sigmoid_fits is not None:
        notes.append(explained_by_sigmoids(sigmoid_fits))
    return [note for note in notes if note]


def explained_by_sigmoids(found: SigmoidFits) -> str:
    """How far sums of sigmoids explain the losses, and whether the mean's falls are wider than those of seeds."""
    mean = found.mean
    text = f"The mean loss of {_count(found.count, 'seed')} is explained "
    if not mean.k:
        return f"{text}by no sum of falling sigmoids in log step."
    text += f"to {_explained(mean.explained)} by {_count(mean.k, 'sigmoid')} in log step"
    fewest = next((k for k, r2 in enumerate(mean.r2) if r2 >= ENOUGH), mean.k)
    if fewest < mean.k:
        text += f" ({fewest} {'reaches' if fewest == 1 else 'reach'} {_explained(mean.r2[fewest])})"
    falling = [seed for seed in found.seeds if seed.k]
    if not falling:
        return f"{text}."
    share = float(np.median([seed.explained for seed in falling]))
    text += f"; single seeds by a median of {np.median([s.k for s in found.seeds]):g} ({_explained(share)})."
    own, blurred = float(np.median([_width(seed) for seed in falling])), _width(mean)
    if blurred > WIDER * own:
        text += f" The mean's falls take {blurred:.2g} nats of log step and those of a seed {own:.2g}:"
        text += " averaging falls at different steps may have made wide ones."
    return text


def _failures(what: str, status: Array | None) -> str:
    if status is None:
        return ""
    kinds, counts = np.unique(np.asarray(status)[np.asarray(status) != OK], return_counts=True)
    if not len(kinds):
        return ""
    most = np.argsort(-counts, kind="stable")[:3]
    listed = "; ".join(f"{kinds[i]} ({counts[i]})" for i in most)
    rest = f"; and {len(kinds) - 3} other kinds" if len(kinds) > 3 else ""
    return f"{counts.sum()} of {np.asarray(status).size} {what} are not ok: {listed}{rest}."


def _missing(level: Level) -> str:
    if level.occupancy is None:
        return ""
    missing = ~np.isfinite(level.occupancy.share).all(axis=-1)
    return (
        f"{missing.sum()} of {missing.size} posteriors have no usable draws and are left out."
        if missing.any()
        else ""
    )


def _never_in_a_phase(level: Level) -> str:
    never = sum(names == ["other"] for names in level.held or [])
    return f"{never} of {len(level.held or [])} seeds never stayed in any phase." if never else ""


def _order(verdicts: list[Verdict]) -> str:
    """Whether shared transitions come in the same order in steps as in n: of three or more, Kendall's tau."""
    shared = [v.evidence for v in verdicts if v.verdict == "both" and "step" in v.evidence]
    if len(shared) < 2:
        return ""
    steps, sample_sizes = (np.array([e[key] for e in shared], float) for key in ("step", "n"))
    tau = float(scipy.stats.kendalltau(steps, sample_sizes).statistic)
    if not np.isfinite(tau):
        return ""
    if len(shared) == 2:
        order = "the same order" if tau > 0 else "opposite orders"
        return f"The 2 shared transitions come in {order} in steps and in n."
    low, high = _interval_of_tau(shared, steps, sample_sizes)
    return (
        f"The {len(shared)} shared transitions: order in steps against order in n, Kendall's tau = {tau:.2f} "
        f"(95 % interval {low:.2f} to {high:.2f}, from the intervals of steps and of n)."
    )


def _interval_of_tau(shared: list[dict], steps: Array, sample_sizes: Array) -> tuple[float, float]:
    """From draws of every step and n within its interval, taken to be Gaussian; an open interval counts as wide as
    the number itself."""
    rng = np.random.default_rng(0)

    def draws(center: Array, low: str, high: str) -> Array:
        ends = np.array([[np.nan if e.get(end) is None else e[end] for end in (low, high)] for e in shared])
        width = ends[:, 1] - ends[:, 0]
        return center + rng.normal(size=(500, len(center))) * np.where(
            np.isfinite(width), width / 3.92, center / 3.92
        )

    pairs = zip(
        draws(steps, "median_low", "median_high"), draws(sample_sizes, "n_low", "n_high"), strict=True
    )
    taus = [scipy.stats.kendalltau(a, b).statistic for a, b in pairs]
    low, high = np.nanquantile(taus, [0.025, 0.975])
    return float(low), float(high)


def _endpoints(endings: tuple[Ending, ...]) -> str:
    """Where SGD and the posterior disagree most."""
    apart = [
        one
        for one in endings
        if not one.share_low <= one.mass + 2 * (one.mass_error or 0.0) + ROUNDING
        or not one.mass - 2 * (one.mass_error or 0.0) <= one.share_high + ROUNDING
    ]
    if not apart:
        return ""
    first = apart[0]
    return (
        f"SGD and the posterior disagree most on {first.phase}: {first.ended} of {first.seeds} seeds end there "
        f"({percent(first.share)}), and {percent(first.mass)} of the posterior's mass is there at n = {first.n:,.0f}."
    )


def _width(curve: SigmoidSum) -> float:
    """The width of its falls, each counted by its height."""
    return float(np.average(curve.widths, weights=curve.heights))


def _explained(share: float) -> str:
    return "over 99.9 %" if share > 0.9995 else f"{100 * share:.1f} %"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
