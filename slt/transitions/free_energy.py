"""Where the free energy formula predicts that one phase gives way to another.

    F_n(W_a) = n L_a + lambda_a log n - (m_a - 1) log log n - log prior(w_a) + const

Source: Watanabe 2009, "Algebraic geometry and statistical learning theory", main formula II, applied to
neighborhoods of phases as in Chen et al. 2023 (arXiv:2310.06301). With approximation "leading" the constant and the
prior are dropped, with "prior" the constant, with "volume" both are replaced by what a ladder on the population loss
measured (`volume`). All drop the fluctuation of L_n(w_a) about L_a.

A prediction's interval carries the errors of lambda (where it was estimated) and of the measured constants to n, to
first order: an error of the difference of free energies, over its slope in n. It is left open where that slope
vanishes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import scipy.optimize
import scipy.special

from slt.records.phases import PhaseFacts
from slt.records.transitions import Prediction
from slt.transitions.volume import Constant, difference

APPROXIMATIONS = ("leading", "prior", "volume")
_LARGEST = 690.0  # log n: beyond it n overflows
_ALWAYS = "is preferred at every n"


def crossing(
    source: PhaseFacts,
    target: PhaseFacts,
    approximation: str,
    constants: Mapping[str, Constant] | None = None,
) -> Prediction:
    """The n at which `target` takes over from `source` for good.

    The difference of free energies can vanish at none, one or several n >= 1. What is returned is the largest
    n at which it changes from favoring `source` to favoring `target`: beyond it `target` is preferred for
    ever. `approximation` "leading" has the terms in loss, lambda and, where both are known, multiplicity; "prior"
    adds the prior density at the points, "volume" the measured `constants` instead. With different multiplicities n
    starts at e, where log log n is 0.

    Raises ValueError for an unknown approximation.
    """
    known = constants or {}
    if approximation not in APPROXIMATIONS:
        raise ValueError(f"approximation must be one of {', '.join(APPROXIMATIONS)}, not {approximation!r}")
    missing = _missing(source, target, approximation, known)
    if missing or source.llc is None or target.llc is None:
        return Prediction(approximation, None, missing)
    d_loss = target.loss - source.loss
    if math.isclose(target.loss, source.loss, rel_tol=1e-12, abs_tol=1e-15):
        d_loss = 0.0  # wells of one height, up to rounding: only degeneracy decides
    d_llc = target.llc - source.llc
    both = source.multiplicity is not None and target.multiplicity is not None
    d_mult = target.multiplicity - source.multiplicity if both else 0  # type: ignore[operator]
    if approximation == "volume":  # the constants were measured with 1 where it is unknown
        d_mult = (target.multiplicity or 1) - (source.multiplicity or 1)
    d_const = source.log_prior - target.log_prior if approximation == "prior" else 0.0
    error = 0.0
    if approximation == "volume":
        d_const, error = difference(known[source.name], known[target.name])
    loses = _loses(d_loss, d_llc, d_mult)
    if loses:
        return Prediction(approximation, None, f"{target.name} {loses}")
    x = _takeover(d_loss, d_llc, d_mult, d_const)
    if x is None:
        return Prediction(approximation, None, f"{target.name} {_ALWAYS}")
    if x > _LARGEST:
        return Prediction(approximation, None, "the crossing lies beyond n = 1e299")
    error = math.hypot(error, x * math.hypot(source.llc_error, target.llc_error))
    slope = math.exp(x) * d_loss + d_llc - (d_mult / x if d_mult else 0.0)
    n = math.exp(x)
    if error == 0:
        return Prediction(approximation, n, n_low=n, n_high=n)
    if slope >= 0:
        return Prediction(approximation, n)
    reach = 1.96 * error / -slope  # of log n
    return Prediction(approximation, n, n_low=math.exp(x - reach), n_high=math.exp(min(x + reach, _LARGEST)))


def predictions_of(
    source: PhaseFacts, target: PhaseFacts, constants: Mapping[str, Constant] | None = None
) -> tuple[Prediction, ...]:
    """`crossing` by each approximation, from least to most informed; "volume" only where constants were measured."""
    approximations = APPROXIMATIONS if constants else APPROXIMATIONS[:-1]
    return tuple(crossing(source, target, approximation, constants) for approximation in approximations)


def always_preferred(prediction: Prediction) -> bool:
    """Whether the formula has no crossing because the target is preferred at every n."""
    return prediction.why.endswith(_ALWAYS)


def _missing(
    source: PhaseFacts, target: PhaseFacts, approximation: str, constants: Mapping[str, Constant]
) -> str:
    both = (source, target)
    volume = [constants[f.name].value if f.name in constants else None for f in both]
    for what, values in (
        ("learning coefficient", [fact.llc for fact in both]),
        ("prior density", [fact.log_prior if approximation == "prior" else 0.0 for fact in both]),
        (
            "local volume (the ladder on the population loss saw too little of it)",
            volume if approximation == "volume" else [0.0, 0.0],
        ),
    ):
        names = [
            f.name for f, v in zip((source, target), values, strict=True) if v is None or not math.isfinite(v)
        ]
        if names:
            return f"unknown {what}: {', '.join(names)}"
    return ""


def _loses(d_loss: float, d_llc: float, d_mult: float) -> str:
    """Why the target is not preferred as n grows without end; "" where it is. d = target - source."""
    if d_loss > 0 and d_llc < 0:
        return "has higher loss: its lower lambda helps at small n only"
    if d_loss > 0:
        return "has higher loss and no lower lambda: it never takes over"
    if d_loss == 0 and d_llc > 0:
        return "has equal loss and higher lambda: it never takes over"
    if d_loss == 0 and d_llc == 0 and d_mult <= 0:
        return "has equal loss, equal lambda and no higher multiplicity: neither takes over"
    return ""


def _takeover(d_loss: float, d_llc: float, d_mult: float, d_const: float) -> float | None:
    """Largest x = log n at which gap(x) = F_target - F_source turns from positive to negative.

    The gap falls without end. x times its slope is concave in x, so the gap has at most two stationary points
    and is monotone between them: a sign change is bracketed by these, the start and a far end. None: the gap
    is negative from the start. Returns inf where the crossing overflows.
    """
    start = 1.0 if d_mult else 0.0

    def gap(x: float) -> float:
        return math.exp(x) * d_loss + d_llc * x - (d_mult * math.log(x) if d_mult else 0.0) + d_const

    def slope(x: float) -> float:  # times x, which is positive
        return x * math.exp(x) * d_loss + d_llc * x - d_mult

    top = _top(d_loss, d_llc, start)
    end = top + 1  # past the top the slope only falls: where it is negative, it stays so
    while end < _LARGEST and (gap(end) >= 0 or slope(end) >= 0):
        end = min(2 * end, _LARGEST)
    if gap(end) > 0:
        return math.inf
    knots = [start, *_stationary(slope, start, top, end), end]
    for left, right in zip(knots[-2::-1], knots[:0:-1], strict=True):
        if gap(left) > 0 and gap(right) <= 0:
            return float(scipy.optimize.brentq(gap, left, right, xtol=1e-13))
    return None


def _top(d_loss: float, d_llc: float, start: float) -> float:
    """Where x times the slope of the gap is largest: x e^x d_loss + d_llc x has derivative 0."""
    if d_loss == 0 or d_llc <= 0:
        return start  # it falls throughout, or is a line
    return max(start, float(scipy.special.lambertw(math.e * d_llc / -d_loss).real) - 1)


def _stationary(slope: Callable[[float], float], start: float, top: float, end: float) -> list[float]:
    """Roots of `slope` strictly inside (start, end), in order: one on either side of its top at most."""
    return [
        float(scipy.optimize.brentq(slope, left, right, xtol=1e-13))
        for left, right in ((start, top), (top, end))
        if slope(left) * slope(right) < 0
    ]
