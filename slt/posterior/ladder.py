"""The whole ladder in one pass: particles at n carried to n' > n by their own new observations.

Data sets are nested, so the posterior at n is the natural starting point for the posterior at n'. Bridging from
one to the other costs only the new information, and gives log Z, hence the free energy F_n = -log Z, at every
rung. Repeats are independent populations; their scatter is the honest error, since an error estimated inside
one population misses what the whole population missed.

Two compiled programs serve every rung (`tempering`): observations not yet seen have weight zero, and weights are
arguments. Where observations are very many, sums over them are formed once for the first rung, which is then climbed
by inverse temperature: the same path, whose every look would else cost as much as a move.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from slt.models.base import Data, Model
from slt.posterior import tempering
from slt.posterior.base import LadderSampler, stack_ladder
from slt.posterior.particles import ParticleOptions, to_posterior
from slt.potential import potential, prefix_weights
from slt.records import Ladder, Posterior

PERCENT = 100  # progress counts hundredths of a rung
MANY = 65_536  # observations, beyond which the first rung is climbed by inverse temperature


@dataclasses.dataclass(frozen=True)
class BridgingSMC(ParticleOptions, LadderSampler):
    """SMC over n by data tempering."""

    def stage(self, model: Model, data: Data, ns: tuple[int, ...]) -> LadderRun:
        arranged = None if data is None else jax.vmap(model.arrange)(data)
        return LadderRun(self, model, arranged, tuple(ns))


class State(NamedTuple):
    """Where the ladder stands: populations (dataset, repeat, ...), the next key, the rung being climbed, and
    temperatures and moves spent on it so far."""

    populations: tempering.Population
    key: jax.Array
    rung: int
    temperatures: int
    moves: int


@dataclasses.dataclass(frozen=True)
class LadderRun:
    """Long stage: `advance` is one temperature; its chunk is the finished rung (a `Posterior` for each data
    set), or None on the way there. `data` are arranged, leading axes (dataset, N)."""

    sampler: BridgingSMC
    model: Model
    data: Data
    ns: tuple[int, ...]
    unit: str = "% of a rung"

    @property
    def datasets(self) -> int:
        return 1 if self.data is None else jax.tree.leaves(self.data)[0].shape[0]

    @property
    def total(self) -> int:
        return PERCENT * len(self.ns)

    def init(self, key: jax.Array) -> State:
        first, key = jax.random.split(key)
        keys = jax.random.split(first, (self.datasets, self.sampler.repeats))
        populations = tempering.from_prior_all(self._shared(self.model), self.sampler.options, keys)
        return State(populations, key, 0, 0, 0)

    def progress(self, state: State) -> int:
        if state.temperatures == 0:
            return PERCENT * state.rung
        share = float(jnp.min(state.populations.phi))
        return PERCENT * state.rung + min(PERCENT - 1, int(PERCENT * share))

    def advance(self, state: State) -> tuple[State, list[Posterior] | None]:
        options = self.sampler.options
        populations = state.populations
        if state.temperatures == 0:
            populations = jax.vmap(jax.vmap(tempering.start_rung))(populations)
        fresh, key = jax.random.split(state.key)
        populations, moves = tempering.temperature(self._path(state.rung), populations, fresh, options)
        temperatures, moves = state.temperatures + 1, state.moves + moves
        arrived = bool(jnp.all(populations.phi >= 1))
        if not arrived and temperatures < options.max_temperatures:
            return State(populations, key, state.rung, temperatures, moves), None
        loss = _losses(self._path(state.rung), populations.particles)
        rung = [
            to_posterior(
                jax.tree.map(lambda leaf, i=i: leaf[i], populations), loss[i], temperatures, moves, options
            )
            for i in range(self.datasets)
        ]
        return State(populations, key, state.rung + 1, 0, 0), rung

    def finish(self, chunks: list[list[Posterior] | None]) -> Ladder:
        rungs = [chunk for chunk in chunks if chunk is not None]
        return stack_ladder(self.ns, [list(dataset) for dataset in zip(*rungs, strict=True)])

    def _path(self, rung: int) -> tempering.Path:
        """From the previous rung to this one; every leaf has the leading axis (dataset,)."""
        if rung == 0 and self.data is not None and self._rows > MANY:
            return self._heating
        start, stop = (self._weights(n) for n in (self.ns[rung - 1] if rung else 0, self.ns[rung]))
        model, start, stop = self._shared((self.model, start, stop))
        return tempering.Observing(model, self.data, start, stop)

    @functools.cached_property
    def _heating(self) -> tempering.Heating:
        """From the prior to the first rung, with sums over observations that are formed once."""
        weights = self._weights(self.ns[0])
        return tempering.Heating(jax.vmap(lambda data: potential(self.model, data, weights))(self.data))

    def _shared(self, tree: Any) -> Any:
        """The same for every data set."""
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (self.datasets, *jnp.shape(leaf))), tree)

    @property
    def _rows(self) -> int:
        return jax.tree.leaves(self.data)[0].shape[1]

    def _weights(self, n: int) -> jax.Array:
        if self.data is None:
            return jnp.asarray(float(n))
        return prefix_weights(self._rows, n)


@jax.jit
def _losses(path: tempering.Path, particles: Any) -> jax.Array:
    """(dataset, repeat, draw) mean losses at the end of the path."""

    def one(path: tempering.Path, particles: Any) -> jax.Array:
        target = path.at(jnp.ones(()))
        return jax.vmap(jax.vmap(target.loss))(particles)

    return jax.vmap(one)(path, particles)
