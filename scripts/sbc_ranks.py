"""Are ranks uniform? One p-value for each rank histogram, and the band in which an exact sampler's bars lie.

Of the parameter that made the data, the rank is how many of L posterior draws lie below it, on some test quantity. If
the draws come from the posterior, ranks are uniform on 0 ... L (Cook, Gelman and Rubin 2006; Talts et al. 2018,
arXiv:1804.06788). How far from uniform is told by the ECDF: at each rank z the number of replications with a rank of
at most z is binomial, and the smallest of the 2-sided binomial tail probabilities over all z is gamma (Säilynoja,
Bürkner and Vehtari 2022, arXiv:2103.10522). Its distribution under uniformity is simulated, which makes the p-value
simultaneous over z.
"""

from __future__ import annotations

import functools

import numpy as np
from scipy.stats import binom

NULL = 100_000  # simulated sets of uniform ranks
BINS = 8  # bars of a histogram that is shown
ALARM = 0.01  # chance that any histogram of a study fails if every sampler is exact


def ranks(truth: np.ndarray, draws: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(replication,) ranks of `truth` (replication,) among `draws` (replication, draw); ties fall by chance. A draw
    that is not a number lies below everything."""
    draws = np.where(np.isfinite(draws), draws, -np.inf)
    below = (draws < truth[:, None]).sum(axis=1)
    tied = (draws == truth[:, None]).sum(axis=1)
    return below + rng.integers(0, tied + 1)


def p_value(counts: np.ndarray) -> float:
    """Probability that uniform ranks are at least as uneven as `counts` (rank,) of replications."""
    null = _null(int(counts.sum()), len(counts) - 1)
    gamma = _gamma(np.asarray(counts)[None])[0]
    return float((1 + np.searchsorted(null, gamma * (1 + 1e-9), side="right")) / (1 + len(null)))


def threshold(histograms: int) -> float:
    """The p-value below which one of so many histograms fails (Bonferroni)."""
    return ALARM / histograms


def bars(counts: np.ndarray) -> np.ndarray:
    """(BINS,) replications in each of equally wide bins of ranks."""
    return np.reshape(counts, (BINS, -1)).sum(axis=1)


def band(count: int, share: float) -> tuple[float, float]:
    """Between what numbers all bars of an exact sampler's histogram lie, with at least probability `share`
    (Bonferroni over bars)."""
    tail = (1 - share) / 2 / BINS
    low, high = binom.ppf([tail, 1 - tail], count, 1 / BINS)
    return float(low), float(high)


@functools.cache
def _null(count: int, most: int) -> np.ndarray:
    """Gamma of sets of `count` uniform ranks, sorted."""
    rng = np.random.default_rng(0)
    sets = rng.multinomial(count, np.full(most + 1, 1 / (most + 1)), size=NULL)
    return np.sort(_gamma(sets))


def _gamma(counts: np.ndarray) -> np.ndarray:
    """(set,) from `counts` (set, rank)."""
    size, total = counts.shape[1], int(counts[0].sum())
    seen = np.arange(total + 1)
    lowest = np.ones(len(counts))
    for z in range(size - 1):
        share = (z + 1) / size
        tails = 2 * np.minimum(binom.cdf(seen, total, share), binom.sf(seen - 1, total, share))
        lowest = np.minimum(lowest, tails[counts[:, : z + 1].sum(axis=1)])
    return lowest
