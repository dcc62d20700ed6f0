"""What particle samplers record: populations as posteriors, with a status for each repeat."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from slt.posterior.tempering import Options, Population
from slt.records.base import OK
from slt.records.posterior import Posterior


@dataclasses.dataclass(frozen=True)
class ParticleOptions:
    """The options that every particle sampler offers; see `tempering.Options`. `repeats` are independent, and `moves`
    are of each of two kinds."""

    particles: int = 1024
    repeats: int = 4
    ess: float = 0.5
    leapfrog: int = 10
    moves: int = 3
    forget: float = 0.3
    max_rounds: int = 4
    max_temperatures: int = 200

    def __post_init__(self) -> None:
        for name in ("particles", "repeats", "leapfrog", "moves", "max_rounds", "max_temperatures"):
            least = 4 if name == "particles" else 1
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        for name in ("ess", "forget"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must lie strictly between 0 and 1, not {getattr(self, name)}")

    @property
    def draws_per_rung(self) -> int:
        return self.particles * self.repeats

    @property
    def options(self) -> Options:
        names = (field.name for field in dataclasses.fields(ParticleOptions) if field.name != "repeats")
        return Options(**{name: getattr(self, name) for name in names})


def to_posterior(
    population: Population, loss: np.ndarray, temperatures: int, moves: int, options: Options
) -> Posterior:
    """The record of populations with one leading axis, (repeat,), and their losses (repeat, draw).

    Info: "ess" (distinct ancestors among the particles that started this stretch: a bound on independent
    draws), "acceptance" of the last HMC moves, "correlation" of energies across the last temperature's moves
    (1: nothing was forgotten), "temperatures" and "moves" spent.
    """
    one = jax.tree.map(np.asarray, population)
    repeats, count = one.ancestors.shape
    distinct = np.array([np.unique(ancestors).size for ancestors in one.ancestors])
    return Posterior(
        draws=one.particles,
        log_weights=np.full((repeats, count), -np.log(count)),
        loss=np.asarray(loss),
        log_evidence=one.log_evidence,
        info={
            "ess": distinct.astype(float),
            "acceptance": one.acceptance,
            "correlation": one.correlation,
            "temperatures": np.full(repeats, float(temperatures)),
            "moves": np.full(repeats, float(moves)),
        },
        status=np.array([_status(one, i, distinct[i], options) for i in range(repeats)]),
    )


def _status(one: Population, repeat: int, distinct: int, options: Options) -> str:
    if not np.isfinite(one.log_evidence[repeat]):
        return "not finite: the evidence is not a number; the loss may be NaN or infinite under the prior"
    if one.phi[repeat] < 1:
        return f"unfinished: after {options.max_temperatures} temperatures phi was only {one.phi[repeat]:.3g}"
    if distinct < max(10, 0.01 * options.particles):
        return f"degenerate: only {distinct} distinct ancestors of {options.particles} particles"
    if one.acceptance[repeat] < 0.2:
        return f"stuck: only {one.acceptance[repeat]:.0%} of HMC moves were accepted"
    return OK
