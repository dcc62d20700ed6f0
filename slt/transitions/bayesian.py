"""Transitions in n: where posterior mass passes from one phase to another.

The mass passes from a to b when
  1. each holds at least `minimum` of the posterior, on average, at some sample size;
  2. the log odds log(P_b / P_a) are decisive for a at some sample size, and at the last decisive sample size for b.
`odds` says what is decisive. So two phases with shares that stay about equal have no transition, and neither has a
pair whose order is reversed later. The crossing is the last upward zero of the mean log odds, from the first sample
size decisive for a since b was last ahead, to the last sample size decisive for b. Between sample sizes log odds are
taken to be linear in n, since their leading term is n (L_a - L_b): linear in log n, the crossing of a sparse ladder
comes out too early.

A crossing is one of order: which of the two holds more, whether or not they hold most of the mass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import scipy.stats

from slt.phases.occupancy import is_exact, mean_of, occupancy_summary
from slt.records.base import Array
from slt.records.phases import Occupancy, PhaseFacts
from slt.records.transitions import BayesianTransition, Prediction
from slt.transitions import free_energy
from slt.transitions.odds import LogOdds, last_upward, log_odds, passage, pooled_log_ratio
from slt.transitions.volume import Constant

MINIMUM = 0.05
DRAWS = 2000


class _Interval(NamedTuple):
    low: float | None
    high: float | None
    method: str


def find(
    occupancy: Occupancy,
    names: tuple[str, ...],
    facts: tuple[PhaseFacts, ...],
    population: Occupancy | None = None,
    constants: Mapping[str, Constant] | None = None,
    minimum: float = MINIMUM,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[BayesianTransition, ...]:
    """All transitions that the ladder saw, by the n of equal occupancy.

    The 95 % interval comes from a bootstrap over data sets and, within each, over repeats: on either side of
    the crossing the distance to the end of the central 68 % of draws, times t sqrt(k / (k - 1)) with k the
    number of data sets (of repeats, if there is one data set) and t the 97.5 % quantile of Student's
    distribution. Percentiles alone would be far too narrow for a handful of data sets (Hesterberg 2015, "What
    teachers should know about the bootstrap"). An end off the ladder is None, and `method` states so.

    `crossed` counts data sets whose own log odds have the crossing at the same sample sizes.

    Args:
      occupancy: of phases or of families.
      names: by index, the last "other".
      facts: of phases by name; pairs without facts get no predictions.
      population: of the ladder on the population loss: its crossings are predictions at level "population".
      constants: measured local volumes by phase, for predictions at level "volume".
      minimum: mean share that both phases must reach.
      draws: bootstrap draws.
      seed: of the bootstrap.
    """
    without_noise = (
        {} if population is None else {(t.source, t.target): t for t in find(population, names, ())}
    )
    peak = np.nan_to_num(occupancy_summary(occupancy).mean).max(axis=0)
    present = [phase for phase in range(len(names) - 1) if peak[phase] >= minimum]
    known = {fact.name: fact for fact in facts}
    found = []
    for a, b in ((a, b) for a in present for b in present if a != b):
        odds = log_odds(occupancy, a, b)
        n_indices = passage(odds)
        if n_indices is None:
            continue
        sample_sizes = np.asarray(occupancy.sample_sizes, float)[n_indices]
        n = float(last_upward(sample_sizes, odds.mean[n_indices]))
        interval = _interval(occupancy, (a, b), odds, n_indices, n, draws, seed)
        facts_of = [known[name] for name in (names[a], names[b]) if name in known]
        formula = (
            free_energy.predictions_of(facts_of[0], facts_of[1], constants) if len(facts_of) == 2 else ()
        )
        noiseless = (
            () if population is None else (_population_prediction(without_noise.get((names[a], names[b]))),)
        )
        beside = [
            n_indices[int(np.searchsorted(sample_sizes, n)) - 1],
            n_indices[int(np.searchsorted(sample_sizes, n))],
        ]
        found.append(
            BayesianTransition(
                source=names[a],
                target=names[b],
                n=n,
                n_low=interval.low,
                n_high=interval.high,
                crossed=int(np.isfinite(last_upward(sample_sizes, odds.per_dataset[:, n_indices])).sum()),
                datasets=len(occupancy.share),
                peak_source=float(peak[a]),
                peak_target=float(peak[b]),
                predictions=(*formula, *noiseless),
                method=interval.method,
                separation=_separation(
                    occupancy, a, b, min(beside, key=lambda k: abs(occupancy.sample_sizes[k] - n))
                ),
                heat_capacity=_heat_capacity(occupancy, beside),
            )
        )
    return tuple(sorted(found, key=lambda transition: transition.n or math.inf))


def _population_prediction(seen: BayesianTransition | None) -> Prediction:
    """A crossing of the ladder on the population loss, as a prediction of the one on data."""
    if seen is None or seen.n is None:
        return Prediction("population", None, "no crossing without data noise at these sample sizes")
    return Prediction("population", seen.n, "", seen.n_low, seen.n_high)


def _separation(occupancy: Occupancy, a: int, b: int, n_index: int) -> float | None:
    """Ashman's D of the losses of two phases: mean over data sets and repeats that saw both."""
    loss, variance = (values[:, n_index][..., [a, b]] for values in (occupancy.loss, occupancy.loss_variance))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.sqrt(2) * np.abs(loss[..., 0] - loss[..., 1]) / np.sqrt(variance.sum(axis=-1))
    return float(found[np.isfinite(found)].mean()) if np.isfinite(found).any() else None


def _heat_capacity(occupancy: Occupancy, n_indices: list[int]) -> float | None:
    """Posterior variance of n L_n, nats^2: mean over data sets and repeats, the largest of the sample sizes given."""
    share = occupancy.share[:, n_indices]  # NaN where a repeat failed, and so is what follows
    loss, variance = (
        np.where(share == 0, 0.0, v[:, n_indices]) for v in (occupancy.loss, occupancy.loss_variance)
    )
    mean = (share * loss).sum(axis=-1, keepdims=True)
    total = (share * (variance + (loss - mean) ** 2)).sum(axis=-1)
    capacity = total * np.asarray(occupancy.sample_sizes, float)[n_indices][:, None] ** 2
    known = mean_of(mean_of(capacity, axis=2), axis=0)
    return float(np.nanmax(known)) if np.isfinite(known).any() else None


def dominance(occupancy: Occupancy, names: tuple[str, ...]) -> list[tuple[float, float, str]]:
    """(first n, last n, name) of each phase in turn that has the largest mean share; "other" may be one."""
    mean = occupancy_summary(occupancy).mean
    turns: list[tuple[float, float, str]] = []
    for n_index in np.flatnonzero(np.isfinite(mean).all(axis=1)):
        n, name = float(occupancy.sample_sizes[n_index]), names[int(np.argmax(mean[n_index]))]
        first = turns.pop()[0] if turns and turns[-1][2] == name else n
        turns.append((first, n, name))
    return turns


def _interval(
    occupancy: Occupancy,
    pair: tuple[int, int],
    odds: LogOdds,
    n_indices: Array,
    n: float,
    draws: int,
    seed: int,
) -> _Interval:
    """95 % interval of the crossing at n, and how it was made."""
    sample_sizes = np.asarray(occupancy.sample_sizes, float)
    datasets, _, repeats, _ = occupancy.share.shape
    if datasets == repeats == 1:
        if is_exact(occupancy):
            return _Interval(
                n, n, "exact: quadrature at each sample size, log odds linear in n between sample sizes"
            )
        return _Interval(None, None, "one data set, one repeat: nothing to make an interval from")

    a, b = (np.asarray(occupancy.share)[:, n_indices][..., phase] for phase in pair)
    crossings = np.sort(_bootstrap(a, b, float(occupancy.floor), sample_sizes[n_indices], draws, seed))
    tail = scipy.stats.norm.cdf(-1)  # a standard deviation on either side, if the draws were Gaussian
    units = datasets if datasets > 1 else repeats
    stretch = scipy.stats.t.ppf(0.975, units - 1) * math.sqrt(units / (units - 1))
    low = n - stretch * (n - crossings[math.floor(tail * (draws - 1))])
    high = n + stretch * (crossings[math.ceil((1 - tail) * (draws - 1))] - n)
    method = f"bootstrap, {draws} draws over {datasets} data sets and, within each, {repeats} repeat(s)"
    if datasets == 1:
        method = f"bootstrap, {draws} draws over {repeats} repeats of one data set, so not of other data"
    if not low >= sample_sizes[0]:
        method += "; the interval is open below: it reaches below the ladder"
    if not high <= sample_sizes[-1]:
        method += "; the interval is open above: it reaches beyond the ladder"
    after = int(np.searchsorted(sample_sizes[n_indices], n))
    if odds.bounded[n_indices[[after - 1, after]]].any():
        method += "; limited by the number of draws: one phase was never visited at a sample size beside the crossing"
    return _Interval(
        float(low) if low >= sample_sizes[0] else None,
        float(high) if high <= sample_sizes[-1] else None,
        method,
    )


def _bootstrap(a: Array, b: Array, floor: float, sample_sizes: Array, draws: int, seed: int) -> Array:
    """(draws,) crossings; -inf where a draw has b ahead all along, inf where not at the end.

    Shares `a` and `b` are (dataset, n, repeat).
    """
    rng = np.random.default_rng(seed)
    datasets, _, repeats = a.shape
    which = rng.integers(datasets, size=(draws, datasets, 1))
    within = rng.integers(repeats, size=(draws, datasets, repeats))

    def resample(share: Array) -> Array:  # (draw, dataset, n, repeat)
        return np.moveaxis(share[which, :, within], 2, 3)

    return last_upward(sample_sizes, mean_of(pooled_log_ratio(resample(a), resample(b), floor), axis=1))
