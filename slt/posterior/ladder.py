"""The whole ladder in one pass: particles at n carried to n' > n by their own new observations.

Data sets are nested, so the posterior at n is the natural starting point for the posterior at n'. Bridging from
one to the other costs only the new information, and gives log Z, hence the free energy F_n = -log Z, at every
rung. Repeats are independent populations; their scatter is the honest error, since an error estimated inside
one population misses what the whole population missed.

Two compiled programs serve every rung (`tempering`): observations not yet seen have weight zero, and weights are
arguments. Beyond `MANY` observations two more do: populations stop there on their way, since tables of sums that fit
a cache are quick where particles are still all over, and from there on each end's sums are formed once, since forming
them at every look would cost as much as moving.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from slt.models.base import Data, Model
from slt.posterior import paths, tempering
from slt.posterior.base import LadderSampler, stack_ladder
from slt.posterior.particles import ParticleOptions, to_posterior
from slt.potential import Potential, potential, prefix_weights
from slt.records import Ladder, Posterior
from slt.sharding import spread_populations

PERCENT = 100  # progress counts hundredths of a rung
MANY = 16_384  # observations
GROWTH = 4  # beyond them, rows are padded to the next of MANY x GROWTH, x GROWTH^2, ...


@dataclasses.dataclass(frozen=True)
class BridgingSMC(ParticleOptions, LadderSampler):
    """SMC over n by data tempering."""

    def stage(self, model: Model, data: Data, ns: tuple[int, ...]) -> LadderRun:
        return LadderRun(self, model, data, tuple(ns))


class State(NamedTuple):
    """Where the ladder stands: populations (dataset, repeat, ...), the next key, the leg of the way being climbed,
    and temperatures and moves spent so far on the rung it leads to."""

    populations: tempering.Population
    key: jax.Array
    leg: int
    temperatures: int
    moves: int


@dataclasses.dataclass(frozen=True)
class LadderRun:
    """Long stage: `advance` is one temperature; its chunk is the finished rung (a `Posterior` for each data
    set), or None on the way there. `data` have leading axes (dataset, N)."""

    sampler: BridgingSMC
    model: Model
    data: Data
    ns: tuple[int, ...]
    unit: str = "% of a rung"

    @property
    def datasets(self) -> int:
        return 1 if self.data is None else jax.tree.leaves(self.data)[0].shape[0]

    @functools.cached_property
    def stops(self) -> tuple[int, ...]:
        """The n at which every leg ends: the rungs, and a stop between where observations become many."""
        if self.data is None or self.ns[-1] <= MANY:
            return self.ns
        return tuple(sorted({*self.ns, MANY}))

    @property
    def total(self) -> int:
        return PERCENT * len(self.stops)

    def init(self, key: jax.Array) -> State:
        first, key = jax.random.split(key)
        keys = jax.random.split(first, (self.datasets, self.sampler.repeats))
        populations = tempering.from_prior_all(self._shared(self.model), self.sampler.options, keys)
        return State(populations, key, 0, 0, 0)

    def progress(self, state: State) -> int:
        if state.temperatures == 0:
            return PERCENT * state.leg
        share = float(jnp.min(state.populations.phi))
        return PERCENT * state.leg + min(PERCENT - 1, int(PERCENT * share))

    def advance(self, state: State) -> tuple[State, list[Posterior] | None]:
        options, leg = self.sampler.options, state.leg
        populations = spread_populations(state.populations)
        if state.temperatures == 0:
            populations = jax.vmap(jax.vmap(tempering.start_rung))(populations)
        fresh, key = jax.random.split(state.key)
        populations, moves = tempering.temperature(self._path(leg), populations, fresh, options)
        temperatures, moves = state.temperatures + 1, state.moves + moves
        arrived = bool(jnp.all(populations.phi >= 1))
        if not arrived and temperatures < options.max_temperatures:
            return State(populations, key, leg, temperatures, moves), None
        if self.stops[leg] not in self.ns:
            if arrived and temperatures < options.max_temperatures:
                onward = populations._replace(phi=jnp.zeros_like(populations.phi))
                return State(onward, key, leg + 1, temperatures, moves), None
            # given up before the rung: its record says how far along the way to it populations came
            start, stop, end = (self.stops[leg - 1] if leg else 0, self.stops[leg], self.stops[leg + 1])
            populations = populations._replace(phi=populations.phi * (stop - start) / (end - start))
            leg += 1
        loss = _losses(self._path(leg), populations.particles)
        rung = [
            to_posterior(
                jax.tree.map(lambda leaf, i=i: leaf[i], populations), loss[i], temperatures, moves, options
            )
            for i in range(self.datasets)
        ]
        return State(populations, key, leg + 1, 0, 0), rung

    def finish(self, chunks: list[list[Posterior] | None]) -> Ladder:
        rungs = [chunk for chunk in chunks if chunk is not None]
        return stack_ladder(self.ns, [list(dataset) for dataset in zip(*rungs, strict=True)])

    @functools.cached_property
    def _path(self) -> Callable[[int], paths.Path]:
        """`_make_path`, made once for each leg: its sums are worth as much as many moves."""
        return functools.lru_cache(maxsize=1)(self._make_path)

    def _make_path(self, leg: int) -> paths.Path:
        """From the previous stop to this one; every leaf has the leading axis (dataset,)."""
        start, stop = self.stops[leg - 1] if leg else 0, self.stops[leg]
        if self.data is not None and stop > MANY:
            return paths.Bridging(self._formed(start), self._formed(stop))
        if self.data is None:
            data, before, after = None, jnp.asarray(float(start)), jnp.asarray(float(stop))
        else:
            rows = self._rows(MANY)
            data, before, after = (
                self._arranged(rows),
                prefix_weights(rows, start),
                prefix_weights(rows, stop),
            )
        return paths.Observing(self._shared(self.model), data, self._shared(before), self._shared(after))

    def _formed(self, n: int) -> Potential:
        """The potential of the first n observations, with their sums."""
        rows = self._rows(n)
        weights = prefix_weights(rows, n)
        return jax.vmap(lambda data: potential(self.model, data, weights))(self._arranged(rows))

    def _arranged(self, rows: int) -> Data:
        return jax.vmap(self.model.arrange)(jax.tree.map(lambda leaf: leaf[:, :rows], self.data))

    def _rows(self, n: int) -> int:
        """How many observations are read for the first n."""
        rows = MANY
        while rows < n:
            rows *= GROWTH
        return min(rows, jax.tree.leaves(self.data)[0].shape[1])

    def _shared(self, tree: Any) -> Any:
        """The same for every data set."""
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (self.datasets, *jnp.shape(leaf))), tree)


@jax.jit
def _losses(path: paths.Path, particles: Any) -> jax.Array:
    """(dataset, repeat, draw) mean losses at the end of the path."""

    def one(path: paths.Path, particles: Any) -> jax.Array:
        target = path.at(jnp.ones(()))
        return jax.vmap(jax.vmap(target.loss))(particles)

    return jax.vmap(one)(path, particles)
