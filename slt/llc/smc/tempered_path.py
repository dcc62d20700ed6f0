"""One pass of tempered SMC over many points: log Z, E[K] and Var[K] all along inverse temperature nbeta.

Populations start at each point's localizing prior, or at the model's own, and are tempered to the largest nbeta. The
repeats of a point share every temperature, so that their curves can be compared. K is the loss above the point's,
Z(nbeta) = E_prior[exp(-nbeta K)].
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
from slt.posterior.population import Options, Population
from slt.posterior.targets import Potential
from slt.records.base import Array
from slt.runtime.devices import spread_populations

ONSET_ESS = 0.5  # the loss begins to matter where this share of a prior population is effective
MAX_CORRELATION = 0.4  # across moves; where it is more, a temperature is not believed, nor any beyond it
MAX_LOWER = 0.5  # share of draws with lower loss than the point's at which its tempering ends


class Curve(NamedTuple):
    """What was observed at each temperature; NaN after a point's last.

    Attributes:
      nbeta: (point, level). onset: (point,) nbeta at which the loss begins to matter.
      log_z, mean, variance: (point, repeat, level) log Z(nbeta); mean and variance of nbeta K over the population.
      lower: (point, repeat, level) share of draws whose loss is lower than the point's by over 0.1 nat / nbeta.
      correlation, acceptance: (point, repeat, level) of the moves.
      finished: (point,) whether the end was reached; otherwise moves no longer decorrelated, or it took too long.
      broken: (point,) whether the loss was NaN or infinite from the start.
      populations: where the path ended.
    """

    nbeta: Array
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


def temper(
    around: Potential,
    end: Array | None,
    decades: float,
    limit: Array,
    repeats: int,
    options: Options,
    key: jax.Array,
    give_up: bool = True,
) -> Curve:
    """Temper populations around every point of `around`.

    Args:
      around: potentials at nbeta = 1, every leaf but the summary with the leading axis (point,).
      end: (point,) the largest nbeta; None: `decades` beyond each point's onset, but never beyond `limit`.
      limit: (point,) nbeta beyond which rounding would show.
      repeats: independent populations for each point.
      options: of each population.
      key: randomness.
      give_up: end a point's curve once most draws have lower loss than it.
    """
    count = around.n.shape[0]
    state = tempering.initialize(around.model, options, (count, repeats), key)
    around, populations = spread_populations((_repeated(around, count), state.populations), axes=1)
    onset = np.asarray(_onset(around, populations))
    end = np.minimum(onset * 10**decades, limit) if end is None else np.asarray(end)
    path = paths.PriorPath(dataclasses.replace(around, beta=around.beta * end))
    levels: list[dict[str, Array]] = []
    believed: list[Array] = []
    alive, arrived = np.ones(count, bool), np.zeros(count, bool)

    def observe(state: tempering.State) -> bool:
        """Keep what this temperature shows; whether it was the last of every point."""
        nonlocal alive, arrived
        level = {name: np.asarray(value) for name, value in _observe(path, state.populations).items()}
        stuck = level["correlation"].mean(axis=1) > MAX_CORRELATION
        alive = alive & ~stuck
        levels.append(level)
        believed.append(alive)
        arrived |= alive & np.asarray(state.populations.phi[:, 0] >= 1)
        # once lower loss was found, larger nbeta only makes it worse
        escaped = (level["lower"].mean(axis=1) > MAX_LOWER) & (level["nbeta"][:, 0] > onset)
        alive = alive & ~arrived & ~(escaped & give_up)
        return not alive.any()

    state = tempering.run(path, state._replace(populations=populations), options, True, observe)
    broken = ~np.isfinite(levels[0]["log_z"]).all(axis=1)
    where = np.stack(believed, axis=-1)[:, None]
    stacked = {
        name: np.where(where, np.stack([level[name] for level in levels], axis=-1), np.nan)
        for name in levels[0]
    }
    nbeta = stacked.pop("nbeta")[:, 0]
    return Curve(nbeta, onset, finished=arrived, broken=broken, populations=state.populations, **stacked)


def _repeated(around: Potential, count: int) -> Potential:
    """The same potentials, the shared summary repeated for every point."""
    summary = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), around.summary)
    return dataclasses.replace(around, summary=summary)


@jax.jit
def _onset(around: Potential, populations: Population) -> jax.Array:
    """(point,) nbeta at which exp(-nbeta K) leaves half of the prior's draws effective."""

    def one(target: Potential, particles: dict[str, jax.Array]) -> jax.Array:
        excess = jax.vmap(jax.vmap(target.energy))(particles).ravel()
        excess = jnp.where(jnp.isfinite(excess), excess, jnp.inf)

        def effective(log_nbeta: Any) -> jax.Array:
            weights = -jnp.exp(log_nbeta) * (excess - jnp.min(excess))
            return 2 * logsumexp(weights) - logsumexp(2 * weights) - jnp.log(ONSET_ESS * excess.size)

        def halve(bounds: tuple[jax.Array, jax.Array], _: None) -> tuple[tuple[jax.Array, jax.Array], None]:
            middle = (bounds[0] + bounds[1]) / 2
            above = effective(middle) > 0
            return (jnp.where(above, middle, bounds[0]), jnp.where(above, bounds[1], middle)), None

        (low, _), _ = jax.lax.scan(halve, (jnp.asarray(-60.0), jnp.asarray(120.0)), None, length=60)
        return jnp.exp(low)

    return jax.vmap(one)(around, populations.particles)


@jax.jit
def _observe(path: paths.PriorPath, populations: Population) -> dict[str, jax.Array]:
    """What `Curve` keeps of the present temperature, each (point, repeat)."""

    def one(path: paths.PriorPath, population: Population) -> dict[str, jax.Array]:
        now = path.at(population.phi)
        energy = jax.vmap(now.energy)(population.particles)
        return {
            "nbeta": now.beta * now.n,
            "log_z": population.log_evidence,
            "mean": jnp.mean(energy),
            "variance": jnp.var(energy),
            "lower": jnp.mean(energy < -ESCAPED),
            "correlation": population.correlation,
            "acceptance": population.acceptance,
        }

    return jax.vmap(jax.vmap(one, in_axes=(None, 0)))(path, populations)
