"""What chains say of themselves, and the record that is made of their draws.

The estimate at inverse temperature n beta is nbeta E[K], K being the loss above the point's (Lau et al. 2023,
arXiv:2308.12108, equation 8, where n beta = n / log n). Its distance from lambda at finite nbeta is not in the
error: for a multiplicity m it is about -(m - 1) / log(nbeta).

`energy` is always nbeta K, nats, (point, chain, draw).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from slt.llc import flags as flag
from slt.records.base import Array
from slt.records.llc import LLCEstimate

DIVERGED = 1e100  # nats at which a chain is left out
FEW = 50.0  # effective draws, all chains together
LEVELS = 64  # means of draws that the record keeps of each chain


def left_out(energy: Array, limit: float = DIVERGED) -> Array:
    """`energy` with all draws of a chain NaN where one of them is not finite, or `limit` nats or more."""
    finite = (np.abs(energy) < limit).all(axis=2, keepdims=True)
    return np.where(finite, energy, np.nan)


def moments(energy: Array, limit: float = DIVERGED) -> tuple[Array, Array, Array]:
    """Mean, standard error and effective draws (point,) of the chains that are not `left_out`.

    Effective draws are those of the mean over all chains together (Gelman et al. 2013, "Bayesian Data Analysis",
    section 11.5; Geyer 1992, Statistical Science 7, 473-483, section 3.3): chains that disagree count as correlated.
    """
    from numpyro.diagnostics import effective_sample_size  # 0.13 s, which not every start has to pay

    kept = left_out(energy, limit)
    finite = np.isfinite(kept).all(axis=2)
    ess = np.full(len(kept), np.nan)
    complete, some = finite.all(axis=1), finite.any(axis=1)
    if complete.any():
        ess[complete] = effective_sample_size(np.moveaxis(kept[complete], 0, -1))
    for i in np.flatnonzero(~complete & (finite.sum(axis=1) >= 2)):
        ess[i] = effective_sample_size(kept[i, finite[i]])
    mean, scatter = np.full(len(kept), np.nan), np.full(len(kept), np.nan)
    mean[some] = np.nanmean(kept[some], axis=(1, 2))
    scatter[some] = np.nanvar(kept[some], axis=(1, 2))
    ess = np.clip(np.nan_to_num(ess, nan=1.0), 1.0, kept.shape[1] * kept.shape[2])
    return mean, np.sqrt(scatter / ess), ess


def steady(trace: Array) -> Array:
    """(point,) whether the two halves of each trace (point, step) agree: within 3 standard errors, by means of
    batches, or within 5 %."""
    half = trace.shape[1] // 2
    count = min(8, half)
    first, second = (
        np.stack([batch.mean(axis=1) for batch in np.array_split(part, count, axis=1)], axis=1)
        for part in (trace[:, :half], trace[:, half : 2 * half])
    )
    error = np.sqrt((first.var(axis=1, ddof=1) + second.var(axis=1, ddof=1)) / count)
    gap = np.abs(first.mean(axis=1) - second.mean(axis=1))
    return gap <= 3 * error + 0.05 * np.abs(second.mean(axis=1))


def median_change(other: Array, estimate: Array) -> float:
    """Median relative change from `estimate` to `other`; NaN where there is none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        change = np.abs(other / estimate - 1)
    return float(np.nanmedian(change)) if np.isfinite(change).any() else np.nan


def record(
    energy: Array,
    nbeta: float,
    *,
    loss: Any,
    lower: Array,
    decrement: Any,
    info: Mapping[str, Any],
    warnings: Sequence[tuple[str, bool, str]] = (),
) -> LLCEstimate:
    """The estimate that draws come to, with its flags.

    The curve holds "mean": nbeta K averaged over successive draws. Info holds "draws" and "ess" (all chains
    together) beside `info`.

    Args:
      energy: (point, chain, draw), chains that diverged `left_out`.
      nbeta: n beta of the chains.
      loss: (point,) loss at each point.
      lower: (point,) share of draws at lower loss than the point's.
      decrement: (point,) see `problem.newton_decrement`.
      info: name -> a number or (point,).
      warnings: further flags for all points: name, whether it is raised, text.
    """
    count, chains, draws = energy.shape
    llc, error, ess = moments(energy)
    diverged = (~np.isfinite(energy).all(axis=2)).sum(axis=1)
    drifting = ~steady(np.where(diverged[:, None] == 0, energy.mean(axis=1), 0.0))
    flags = flag.Flags(count)
    flag.common(flags, llc, error, np.full(count, nbeta), lower, np.asarray(decrement, float))
    flags.add("diverged", diverged > 0, [f"{k} of {chains} chains left the finite numbers" for k in diverged])
    if not any(raised for name, raised, _ in warnings if name == "burn-in"):
        flags.add("burn-in", drifting, "the halves of the draws disagree: burn in longer, or walk longer")
    for name, raised, text in warnings:
        flags.add(name, np.full(count, raised), text)
    few = (ess < FEW) & (diverged < chains)
    flags.add("few effective draws", few, [f"{k:.0f}, all chains together" for k in ess])
    parts = np.array_split(energy, min(LEVELS, draws), axis=2)
    return LLCEstimate(
        llc=llc,
        error=error,
        low=llc - 1.96 * error,
        high=llc + 1.96 * error,
        multiplicity=np.zeros(count, int),
        loss=np.asarray(loss, float),
        nbeta=np.full((count, len(parts)), nbeta),
        curve={"mean": np.stack([part.mean(axis=2) for part in parts], axis=-1)},
        info={name: np.full(count, value, float) for name, value in info.items()}
        | {"draws": np.full(count, float(draws)), "ess": ess},
        status=flags.status(),
    )
