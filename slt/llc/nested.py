"""Volume scaling: lambda by its definition, the exponent of the volume of almost-as-good parameters.

The prior mass V(eps) of {K < eps} falls like eps^lambda (-log eps)^(m - 1) as eps -> 0 (Watanabe 2009, theorem 7.1).
Nested sampling with log-likelihood -log K shrinks that volume by a known factor at every step, so that the steps'
thresholds are V(eps) itself. Kernel: BlackJAX's nested slice sampler (Yallup, Kroupa and Handley 2026,
arXiv:2601.23252).
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt.llc import flags as flag
from slt.llc.base import Estimator
from slt.llc.problem import LLCProblem, newton_decrement
from slt.llc.smc import power_law
from slt.records.base import Array
from slt.records.llc import LLCEstimate
from slt.runtime.jax_setup import import_untraced

TINY = 1e-300  # K at and below which a point counts as exact
BINS = 24
SKIP = 2.0  # nats of volume at the start that tell of the prior, not of the point


@dataclasses.dataclass(frozen=True)
class Volume(Estimator):
    """Nested sampling from the prior around each point into ever smaller {K < eps}.

    Attributes:
      localization: gamma of the prior N(point, 1 / gamma); None: the model's own prior.
      live: live points.
      replaced: of them, replaced at each step.
      inner: slice moves for each replaced point; None: twice the dimension, at least 5.
      nats: by how many the volume shrinks; the range of eps is about nats / lambda.
      repeats: independent runs; the error comes from their scatter. At least 4.

    `nbeta` of the record is 1 / eps at the middle of each bin; the curve holds "mean", the local slope of log V in
    log eps; info: "log_eps" where each point's run ended, "misfit", "probability" (of the multiplicity).
    """

    localization: float | None = 100.0
    live: int = 400
    replaced: int = 40
    inner: int | None = None
    nats: float = 25.0
    repeats: int = 8

    def __post_init__(self) -> None:
        if self.localization is not None and not self.localization > 0:
            raise ValueError(f"localization is an inverse variance, above 0, not {self.localization}")
        if not 1 <= self.replaced < self.live:
            raise ValueError(
                f"replaced must lie between 1 and live - 1 = {self.live - 1}, not {self.replaced}"
            )
        if self.inner is not None and self.inner < 1:
            raise ValueError(f"inner must be at least 1, not {self.inner}")
        if not self.nats > SKIP + 3:
            raise ValueError(f"nats must be above {SKIP + 3:g}, not {self.nats}")
        if self.repeats < 4:
            raise ValueError(f"the error comes from repeats: at least 4, not {self.repeats}")

    def __call__(self, problem: LLCProblem, key: jax.Array) -> LLCEstimate:
        gamma = None if self.localization is None else jnp.full(problem.count, self.localization)
        around = problem.around(gamma)
        shrink = float(np.sum(1.0 / (self.live - np.arange(self.replaced))))
        steps = int(np.ceil(self.nats / shrink))
        log_volume = -shrink * np.arange(1, steps + 1)
        inner = self.inner or max(5, 2 * problem.dimension)
        fits, found = [], []
        log_eps = np.empty((problem.count, self.repeats, steps))
        lower = np.empty(problem.count)
        for i in range(problem.count):
            target = jax.tree.map(lambda leaf, i=i: leaf[i], (around.model, around.n, around.beta))
            one = dataclasses.replace(around, model=target[0], n=target[1], beta=target[2])
            keys = jax.random.split(jax.random.fold_in(key, i), self.repeats)
            thresholds, below = _shrink(
                one, keys, live=self.live, replaced=self.replaced, inner=inner, steps=steps
            )
            log_eps[i], lower[i] = np.asarray(thresholds), float(jnp.mean(below))
            middle, slope = _slopes(log_eps[i], log_volume)
            found.append((middle, slope))
            fits.append(_fit(middle, slope, problem.dimension))
        table = {name: np.array([getattr(fit, name) for fit in fits]) for name in power_law.PowerLaw._fields}
        flags = flag.Flags(problem.count)
        nbeta = np.exp(-np.array([middle[-1] for middle, _ in found]))
        decrement = np.asarray(newton_decrement(problem.full(1.0), problem.points, problem.selected))
        flag.common(flags, table["llc"], table["error"], np.minimum(nbeta, 1e30), lower, decrement)
        with np.errstate(invalid="ignore"):
            flags.add("power law", table["misfit"] > 2, "the volume does not follow one power law")
        return LLCEstimate(
            **{name: table[name] for name in ("llc", "error", "low", "high", "multiplicity")},
            loss=np.asarray(problem.losses()),
            nbeta=np.exp(-np.array([middle for middle, _ in found])),
            curve={"mean": np.array([slope for _, slope in found])},
            info={
                "log_eps": np.array([middle[-1] for middle, _ in found]),
                "misfit": table["misfit"],
                "probability": table["probability"],
            },
            status=flags.status(),
        )


@partial(jax.jit, static_argnames=("live", "replaced", "inner", "steps"))
def _shrink(
    target: Any, keys: jax.Array, *, live: int, replaced: int, inner: int, steps: int
) -> tuple[jax.Array, jax.Array]:
    """(repeat, step) log K below which the live points lie after each step, and the share of live points with K < 0
    at the end (repeat,)."""

    def depth(w: Any) -> jax.Array:
        return -jnp.log(jnp.maximum(target.energy(w), TINY))

    algorithm = import_untraced("blackjax").nss(
        logprior_fn=target.model.log_prior,
        loglikelihood_fn=depth,
        num_inner_steps=inner,
        num_delete=replaced,
    )

    def run(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        first, key = jax.random.split(key)
        particles = jax.vmap(target.model.sample_prior)(jax.random.split(first, live))
        state = algorithm.init(particles)

        def step(state: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            state, info = algorithm.step(key, state)
            return state, -jnp.max(info.particles.loglikelihood)

        state, thresholds = jax.lax.scan(step, state, jax.random.split(key, steps))
        below = jax.vmap(target.energy)(state.particles.position) < 0
        return thresholds, jnp.mean(below)

    return jax.vmap(run)(keys)


def _slopes(log_eps: Array, log_volume: Array) -> tuple[Array, Array]:
    """Slope of log V in log eps within each of `BINS` bins of log eps: their middles (bin,), and (repeat, bin); NaN
    where the live points soon found K <= 0."""
    start = int(np.searchsorted(-log_volume, SKIP))
    positive = np.flatnonzero((log_eps > np.log(TINY) + 1).all(axis=0))
    end = int(positive[-1]) if len(positive) else 0
    shallow, deep = log_eps[:, start].min(), log_eps[:, end].max()
    if end <= start or deep >= shallow:
        return np.full(BINS, np.nan), np.full((len(log_eps), BINS), np.nan)
    edges = np.linspace(shallow, deep, BINS + 1)
    volumes = np.array([np.interp(-edges, -one, log_volume) for one in log_eps])
    return (edges[1:] + edges[:-1]) / 2, np.diff(volumes, axis=1) / np.diff(edges)


def _fit(middle: Array, slope: Array, dimension: int) -> power_law.PowerLaw:
    """The power law of a thermodynamic path, with 1 / eps for nbeta:
    d log V / d log eps = lambda - (m - 1) / (-log eps + c)."""
    repeats = len(slope)
    variance = np.broadcast_to(slope.var(axis=0, ddof=1), slope.shape)
    if not np.isfinite(slope).all():
        return power_law.MISSING
    onset = float(np.exp(-middle[0] - 1e-9))
    return power_law.fit(np.exp(-middle), slope, variance * repeats, repeats, onset * 0.99, dimension)
