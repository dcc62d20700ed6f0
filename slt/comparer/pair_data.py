"""The evidence of each learner on one pair of phases; `verdicts` states the rules."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import scipy.stats

from slt.comparer import narrative
from slt.comparer.granularity import Level
from slt.comparer.narrative import percent
from slt.phases.occupancy import occupancy_summary
from slt.records.base import Array
from slt.records.phases import Occupancy
from slt.records.transitions import BayesianTransition, Prediction
from slt.transitions import bayesian as in_n
from slt.transitions import free_energy
from slt.transitions.odds import LogOdds, log_odds

SHARED = 0.10  # the share of seeds at risk that counts as SGD having a transition


@dataclasses.dataclass(frozen=True)
class Finding:
    """One learner's answer for one pair: "has", "lacks" or "unknown", with a sentence and its numbers."""

    answer: str
    why: str
    evidence: dict[str, Any]


def sgd(level: Level, families: Level, source: str, target: str) -> Finding:
    """Counted among seeds that were in `source`, or among its family where those are too few to decide."""
    if level.held is None:
        return Finding("unknown", "was not run", {"seeds": 0, "at_risk": 0, "count": 0})
    own = level.count(source, target)
    counted, (at_risk, went), answer = (source, target), own, _answer(*own)
    if answer == "unknown":
        kin = families.holding(level.members[source][0]), families.holding(level.members[target][0])
        if kin[0] != kin[1] and (by_family := _answer(*families.count(*kin))) != "unknown":
            counted, (at_risk, went), answer = kin, families.count(*kin), by_family
    evidence: dict[str, Any] = {
        "seeds": len(level.held),
        "at_risk": at_risk,
        "count": went,
        "counted_pair": f"{counted[0]} -> {counted[1]}",
    }
    if not at_risk:
        return Finding("unknown", f"none of {len(level.held)} seeds was ever in {source}", evidence)
    low, high = _interval(at_risk, went)
    evidence |= {"share": went / at_risk, "share_low": low, "share_high": high}
    where = level if counted == (source, target) else families
    evidence |= _rate(where.exposure(*counted), went)
    seen = [t for t in (*level.dynamical, *families.dynamical) if (t.source, t.target) == counted]
    if seen:
        fields = ("step", "step_low", "step_high", "median_low", "median_high", "loss_drop")
        evidence |= {field: getattr(seen[0], field) for field in fields}
        evidence |= {field: getattr(seen[0], field) for field in ("width", "hidden", "llc_change", "kind")}
    why = f"{at_risk} of {len(level.held)} seeds were in {counted[0]}, {went} continued to {counted[1]}"
    why += f" ({percent(went / at_risk)}, 95 % interval {percent(low)} to {percent(high)})"
    if counted != (source, target):
        why += f"; counted by family, as only {own[0]} of them were in {source} itself"
    if not went and evidence.get("rate_high"):
        why += f"; in {evidence['steps_in_source']:,.0f} steps there, so that fewer than one goes in"
        why += f" {1 / evidence['rate_high']:,.0f} steps (95 %)"
    if answer == "unknown":
        why += ": too few seeds to decide"
    return Finding(answer, why, evidence)


def _rate(steps: float, went: int) -> dict[str, float]:
    """Transitions for each step spent in the source, with the exact 95 % interval of a Poisson count (Garwood 1936);
    one-sided where none was seen. Every seed leaves for this target at most once."""
    if steps <= 0:
        return {}
    low = scipy.stats.chi2.ppf(0.025, 2 * went) / 2 if went else 0.0
    high = scipy.stats.chi2.ppf(0.975 if went else 0.95, 2 * went + 2) / 2
    return {
        "steps_in_source": steps,
        "rate": went / steps,
        "rate_low": float(low / steps),
        "rate_high": float(high / steps),
    }


def _answer(at_risk: int, went: int) -> str:
    """Whether the share that went is significantly above or below SHARED."""
    if not at_risk:
        return "unknown"
    low, high = _interval(at_risk, went)
    return "has" if low >= SHARED else "lacks" if high < SHARED else "unknown"


def _interval(at_risk: int, went: int) -> tuple[float, float]:
    """95 % interval of the share that went (Clopper and Pearson 1934)."""
    interval = scipy.stats.binomtest(went, at_risk).proportion_ci(0.95, method="exact")
    return float(interval.low), float(interval.high)


def posterior(level: Level, source: str, target: str) -> Finding:
    occupancy = level.occupancy
    if occupancy is None:
        return Finding("unknown", "there is no ladder", {})
    for transition in level.bayesian:
        if (transition.source, transition.target) == (source, target) and transition.n is not None:
            return _crossed(level, occupancy, transition)
    a, b = level.names.index(source), level.names.index(target)
    peak = np.nan_to_num(occupancy_summary(occupancy).mean).max(axis=0)
    evidence = {"peak_source": float(peak[a]), "peak_target": float(peak[b])}
    unseen = [name for name, i in ((source, a), (target, b)) if peak[i] == 0]
    if unseen:
        return Finding("unknown", _unseen(unseen, source, occupancy), evidence)
    odds = log_odds(occupancy, a, b)
    answer, why = _uncrossed(level, source, target, odds, occupancy.sample_sizes)
    return Finding(answer, why, evidence)


def _unseen(unseen: list[str], source: str, occupancy: Occupancy) -> str:
    floor, first, last = (
        float(occupancy.floor),
        int(occupancy.sample_sizes[0]),
        int(occupancy.sample_sizes[-1]),
    )
    least = f" above 1/{1 / floor:,.0f}" if floor else ""
    advice = f"continue beyond n = {last:,}"
    if source in unseen:
        advice = f"start below n = {first:,}" if first > 1 else "use more draws"
    return f"the ladder never saw {' or '.join(unseen)}{least}; {advice}"


def _crossed(level: Level, occupancy: Occupancy, seen: BayesianTransition) -> Finding:
    assert seen.n is not None
    mean = np.nan_to_num(occupancy_summary(occupancy).mean)
    shares = {
        name: float(np.interp(seen.n, occupancy.sample_sizes, mean[:, i]))
        for i, name in enumerate(level.names[:-1])
    }
    held = (shares.pop(seen.source) + shares.pop(seen.target)) / 2
    third = max(shares, key=lambda name: shares[name], default=None)
    direct = third is None or shares[third] <= held
    fields = ("n", "n_low", "n_high", "crossed", "datasets", "peak_source", "peak_target", "method")
    character = ("separation", "heat_capacity")
    evidence = {field: getattr(seen, field) for field in (*fields, *character)} | {
        "share_at_crossing": held,
        "direct": direct,
        "predictions": {p.approximation: [p.n, p.n_low, p.n_high] for p in seen.predictions},
        "agrees_with": [p.approximation for p in seen.predictions if _agrees(p, seen) is True],
        "disagrees_with": [p.approximation for p in seen.predictions if _agrees(p, seen) is False],
    }
    why = f"mass passes at n = {seen.n:,.0f} ({narrative.interval(seen)}), where each holds about {percent(held)}"
    why += f"; seen in {seen.crossed} of {seen.datasets} data sets"
    if text := narrative.predictions(seen.predictions, evidence["agrees_with"], evidence["disagrees_with"]):
        why += f"; {text}"
    if third is not None and not direct:
        why += f"; they change order while {third} holds more, {percent(shares[third])}"
    return Finding("has", why, evidence)


def _agrees(prediction: Prediction, seen: BayesianTransition) -> bool | None:
    """Whether a prediction's interval and that of what was seen have a point in common; None where that is
    unknown: one has no interval, or what was seen is exact but for interpolation in n. An open end has no bound."""
    exact = seen.n_low == seen.n == seen.n_high
    if prediction.n is None or exact or (seen.n_low is None and seen.n_high is None):
        return None
    if prediction.n_low is None and prediction.n_high is None:
        return None
    reach = [
        (0.0 if low is None else low, math.inf if high is None else high)
        for low, high in ((prediction.n_low, prediction.n_high), (seen.n_low, seen.n_high))
    ]
    return reach[0][0] <= reach[1][1] and reach[0][1] >= reach[1][0]


def _uncrossed(level: Level, source: str, target: str, odds: LogOdds, sample_sizes: Array) -> tuple[str, str]:
    """The answer where no crossing was found, of two phases that were both seen."""
    leads = odds.decisive[odds.decisive != 0]
    if not len(leads):
        return "unknown", f"{source} and {target} are too close, or too noisy, to be distinguished at any n"
    if leads[-1] < 0:
        last = int(np.flatnonzero(odds.decisive)[-1])
        at = f"at n = {int(sample_sizes[last]):,}, the last sample size" + (
            " at which they differ" if last < len(sample_sizes) - 1 else ""
        )
        loss = [min(fact.loss for fact in level.members[name]) for name in (source, target)]
        if loss[1] < loss[0]:
            why = f"{source} leads {target} {at}; {target} has lower loss and must overtake it at larger n"
            return "unknown", why + (
                ": continue to larger n" if last == len(sample_sizes) - 1 else ", where neither holds much"
            )
        return "lacks", f"{source} leads {target} {at}, and has no higher loss"
    if (leads < 0).any():
        why = f"the lead changes from {source} to {target}, but they never both held"
        return "unknown", f"{why} {percent(in_n.MINIMUM)} of the posterior"
    why = f"{target} leads {source} from n = {int(sample_sizes[odds.decisive > 0][0]):,} on, and never follows it"
    if sample_sizes[0] <= 1:
        return "lacks", why
    pairs = [(a, b) for a in level.members[source] for b in level.members[target]]
    if all(free_energy.always_preferred(free_energy.crossing(a, b, "prior")) for a, b in pairs):
        return "lacks", f"{why}, and the formula has it ahead at every n"
    return "unknown", f"{why}; if mass passes, it does so earlier: start at smaller n"
