"""One pass of tempered SMC over many points: log Z, E[K] and Var[K] all along inverse temperature t.

Populations start at each point's localizing prior, or at the model's own, and are heated to t_max by `tempering`.
The repeats of a point share every temperature, so that their curves can be compared. K is the loss above the
point's, Z(t) = E_prior[exp(-t K)].
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from slt.llc.flags import ESCAPED
from slt.posterior import paths, tempering
from slt.posterior.targets import Potential
from slt.posterior.tempering import Options, Population
from slt.records.base import Array
from slt.runtime.devices import spread_populations

NOTICED = 0.5  # tempering has begun where it leaves this share of a prior population effective
LOST = 0.4  # correlation across moves above which a temperature is not believed, nor any beyond it
GONE = 0.5  # share of draws with lower loss than the point's at which its heating ends


class Curve(NamedTuple):
    """What was seen at each temperature; NaN after a point's last.

    Attributes:
      t: (point, level). onset: (point,) t at which the loss began to matter.
      log_z, mean, variance: (point, repeat, level) log Z(t); mean and variance of t K over the population.
      lower: (point, repeat, level) share of draws whose loss is lower than the point's by over 0.1 nat / t.
      correlation, acceptance: (point, repeat, level) of the moves.
      finished: (point,) whether t_max was reached; otherwise moves no longer forgot, or it took too long.
      broken: (point,) whether the loss was NaN or infinite from the start.
      populations: where the heating ended.
    """

    t: Array
    onset: Array
    log_z: Array
    mean: Array
    variance: Array
    lower: Array
    correlation: Array
    acceptance: Array
    finished: Array
    broken: Array
    populations: Population


def heat(
    around: Potential,
    t_max: Array | None,
    decades: float,
    limit: Array,
    repeats: int,
    options: Options,
    key: jax.Array,
    give_up: bool = True,
) -> Curve:
    """Heat every point of `around`.

    Args:
      around: potentials at t = 1, every leaf but the summary with the leading axis (point,).
      t_max: (point,) where to end; None: `decades` beyond each point's onset, but never beyond `limit`.
      limit: (point,) t beyond which rounding would show.
      repeats: independent populations for each point.
      options: of each population.
      key: randomness.
      give_up: end a point's heating once most draws have lower loss than it.
    """
    count = around.n.shape[0]
    first, key = jax.random.split(key)
    populations = tempering.from_prior_all(around.model, options, jax.random.split(first, (count, repeats)))
    populations = jax.vmap(jax.vmap(tempering.start_rung))(populations)
    around, populations = spread_populations((_repeated(around, count), populations), axes=1)
    onset = np.asarray(_onset(around, populations))
    end = np.minimum(onset * 10**decades, limit) if t_max is None else np.asarray(t_max)
    path = paths.Heating(dataclasses.replace(around, beta=around.beta * end))
    seen: list[dict[str, Array]] = []
    alive, arrived = np.ones(count, bool), np.zeros(count, bool)
    while alive.any() and len(seen) < options.max_temperatures:
        fresh, key = jax.random.split(key)
        populations, _ = tempering.temperature(path, populations, fresh, options, together=True)
        level = {name: np.array(value) for name, value in _observe(path, populations).items()}
        if not seen:
            broken = ~np.isfinite(level["log_z"]).all(axis=1)
        lost = level["correlation"].mean(axis=1) > LOST
        for value in level.values():
            value[~alive | lost] = np.nan
        seen.append(level)
        arrived |= alive & ~lost & np.asarray(populations.phi[:, 0] >= 1)
        # once lower loss was found, heat only makes it worse
        escaped = (level["lower"].mean(axis=1) > GONE) & (level["t"][:, 0] > onset)
        alive &= ~lost & ~arrived & ~(escaped & give_up)
    stacked = {name: np.stack([level[name] for level in seen], axis=-1) for name in seen[0]}
    t = stacked.pop("t")[:, 0]
    return Curve(t=t, onset=onset, finished=arrived, broken=broken, populations=populations, **stacked)


def _repeated(around: Potential, count: int) -> Potential:
    """The same potentials, the shared summary repeated for every point."""
    summary = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), around.summary)
    return dataclasses.replace(around, summary=summary)


@jax.jit
def _onset(around: Potential, populations: Population) -> jax.Array:
    """(point,) t at which exp(-t K) leaves half of the prior's draws effective."""

    def one(target: Potential, particles: dict[str, jax.Array]) -> jax.Array:
        excess = jax.vmap(jax.vmap(target.energy))(particles).ravel()
        excess = jnp.where(jnp.isfinite(excess), excess, jnp.inf)

        def effective(log_t: Any) -> jax.Array:
            weights = -jnp.exp(log_t) * (excess - jnp.min(excess))
            return 2 * logsumexp(weights) - logsumexp(2 * weights) - jnp.log(NOTICED * excess.size)

        def halve(bounds: tuple[jax.Array, jax.Array], _: None) -> tuple[tuple[jax.Array, jax.Array], None]:
            middle = (bounds[0] + bounds[1]) / 2
            above = effective(middle) > 0
            return (jnp.where(above, middle, bounds[0]), jnp.where(above, bounds[1], middle)), None

        (low, _), _ = jax.lax.scan(halve, (jnp.asarray(-60.0), jnp.asarray(120.0)), None, length=60)
        return jnp.exp(low)

    return jax.vmap(one)(around, populations.particles)


@jax.jit
def _observe(path: paths.Heating, populations: Population) -> dict[str, jax.Array]:
    """What `Curve` keeps of the present temperature, each (point, repeat)."""

    def one(path: paths.Heating, population: Population) -> dict[str, jax.Array]:
        now = path.at(population.phi)
        energy = jax.vmap(now.energy)(population.particles)
        return {
            "t": now.beta * now.n,
            "log_z": population.log_evidence,
            "mean": jnp.mean(energy),
            "variance": jnp.var(energy),
            "lower": jnp.mean(energy < -ESCAPED),
            "correlation": population.correlation,
            "acceptance": population.acceptance,
        }

    return jax.vmap(jax.vmap(one, in_axes=(None, 0)))(path, populations)
