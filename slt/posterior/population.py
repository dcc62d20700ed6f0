"""Populations of particles: the options of those who use them, and what the next temperature needs to know."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from slt.models.base import Params
from slt.posterior.targets import Prior

# Kinds of HMC moves: where their masses come from, and which step sizes they take.
#   "variance": the particles' variances, which suit a valley along the axes.
#   "gradient": mean squared gradients, which suit the steepest directions. Where symmetric copies spread weights all
#     over and leave biases narrow, steps that suit the valley of weights leave the biases where they are, the more so
#     the larger n.
#   "wide": after "gradient", with its masses and steps of every size up to the largest that particles with the
#     smallest gradients accept.
SAMPLING_KINDS = ("gradient", "variance")
# For populations that concentrate on a singular set, a valley far longer than wide and wider at its crossings.
ALL_KINDS = ("variance", "gradient", "wide")


@dataclasses.dataclass(frozen=True)
class Options:
    """How a population is tempered: `ParticleOptions` with nothing left open, and the kinds of moves that are made in
    turn. Frozen and hashable: part of the compiled program."""

    particles: int
    target_ess: float
    leapfrog_steps: int
    mcmc_steps: int
    max_autocorrelation: float
    max_rounds: int
    max_temperatures: int
    kinds: tuple[str, ...] = SAMPLING_KINDS

    @property
    def tuned(self) -> int:
        """Kinds of moves whose step size adapts."""
        return len(self.kinds) - self.wide

    @property
    def wide(self) -> bool:
        """Whether some steps have every size; where parameters are few there are then scaling moves too."""
        return "wide" in self.kinds


@dataclasses.dataclass(frozen=True)
class ParticleOptions:
    """The options of everything that tempers populations.

    Attributes:
      particles: P, of each repeat; None: chosen by dimension.
      repeats: independent populations; errors come from their scatter.
      target_ess: effective sample size kept at each temperature, as a share of P; None: chosen by dimension.
      leapfrog_steps: of one HMC move; their size adapts to 80 % acceptance.
      mcmc_steps: HMC moves of each kind between checks of the correlation.
      max_autocorrelation: moves continue until the energies' correlation with those before the moves is at most
        this ...
      max_rounds: ... or this many rounds of `mcmc_steps` were made.
      max_temperatures: up to the next sample size, or in all; beyond it the repeat is given up, with a status.

    Raises ValueError for values that are out of range.
    """

    particles: int | None = None
    repeats: int = 8
    target_ess: float | None = None
    leapfrog_steps: int = 10
    mcmc_steps: int = 5
    max_autocorrelation: float = 0.1
    max_rounds: int = 8
    max_temperatures: int = 2000

    def __post_init__(self) -> None:
        self._check(particles=4, repeats=1)

    def _check(self, **least: int) -> None:
        for name in (
            "particles",
            "repeats",
            "leapfrog_steps",
            "mcmc_steps",
            "max_rounds",
            "max_temperatures",
        ):
            value, bound = getattr(self, name), least.get(name, 1)
            if value is not None and value < bound:
                raise ValueError(f"{name} must be at least {bound}, not {value}")
        for name in ("target_ess", "max_autocorrelation"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise ValueError(f"{name} must lie strictly between 0 and 1, not {value}")

    def chosen(self, **changes: Any) -> Options:
        """`Options` with these values, `changes` in place of what is left open."""
        names = {field.name for field in dataclasses.fields(Options)} - {"kinds"}
        return Options(**({name: getattr(self, name) for name in names} | changes))


class Population(NamedTuple):
    """What the next temperature needs: particles (P, ...), phi, log Z, step sizes (tuned kind,), ancestors at the
    path's start (P,), the energies before the current moves (P,), and the last correlation and acceptance."""

    particles: Params
    phi: jax.Array
    log_evidence: jax.Array
    step_size: jax.Array
    ancestors: jax.Array
    before: jax.Array
    correlation: jax.Array
    acceptance: jax.Array


def from_prior(model: Prior, options: Options, key: jax.Array) -> Population:
    """P independent draws from the prior, log Z = 0, at the start of a path."""
    count = options.particles
    particles = jax.vmap(model.sample_prior)(jax.random.split(key, count))
    particles = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), particles)
    dimension = ravel_pytree(particles)[0].size // count
    zero = jnp.zeros(())
    return Population(
        particles=particles,
        phi=zero,
        log_evidence=zero,
        # typed: a weak type would compile twice
        step_size=jnp.full(options.tuned, dimension**-0.25, jnp.float64),
        ancestors=jnp.arange(count),
        before=jnp.zeros(count),
        correlation=zero,
        acceptance=jnp.ones(()),
    )
