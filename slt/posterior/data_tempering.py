"""The complete ladder in one pass: particles at n continue to n' > n by the observations that are new there.

Data sets are nested, so the posterior at n is the natural starting point for the posterior at n'. Bridging from
one to the other costs only the new information, and gives log Z, hence the free energy F_n = -log Z, at every
n. Repeats are independent populations; their scatter is the honest error, since an error estimated inside
one population misses what all of that population missed.

Up to `MANY` observations two compiled programs serve every n (`tempering`): observations not yet seen have weight
zero, and weights are arguments. Beyond, there are two for each size of table: each end's sums are formed once, since
forming them at every evaluation would cost as much as moving, and populations stop on their way. Where the model
knows of coresets, whose tables fit a cache, they are tempered to the next n's and from there it is one small step to
all of its observations. Where it knows of none they stop at `MANY` observations.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from slt.models.base import Data, Model
from slt.posterior import paths, tempering
from slt.posterior.base import LadderRun, stack_ladder
from slt.posterior.particles import ParticleSampler, to_posteriors
from slt.posterior.targets import Potential, potential, prefix_weights
from slt.records.posterior import Ladder, Posterior
from slt.runtime.devices import spread_populations
from slt.runtime.jax_setup import owned, require_float64

PERCENT = 100  # progress counts hundredths of a segment
MANY = 16_384  # observations
GROWTH = 4  # beyond them, rows are padded to the next of MANY x GROWTH, x GROWTH^2, ...
CORESET = 8_192  # weighted observations of a coreset
ALMOST = 0.999  # how much of the way to a sample size its coreset is


@dataclasses.dataclass(frozen=True)
class DataTempering(ParticleSampler):
    """SMC over n by data tempering."""

    def stage(self, model: Model, data: Data, sample_sizes: tuple[int, ...]) -> DataTemperingRun:
        require_float64()
        return DataTemperingRun(self, model, owned(data), tuple(sample_sizes))


class Stop(NamedTuple):
    """Where a segment ends: at the first n observations or, unrecorded, at their coreset."""

    n: int
    coreset: bool = False


class State(NamedTuple):
    """Where the ladder stands: populations with axes (dataset, repeat) on their way to the next sample size, and the
    segment that they are on."""

    on_path: tempering.State
    segment: int


@dataclasses.dataclass(frozen=True)
class DataTemperingRun(LadderRun):
    """Long computation: `advance` is one temperature; its chunk is the posterior at the sample size that was
    reached (a `Posterior` for each data set), or None on the way there."""

    unit: str = "% of a sample size"

    @functools.cached_property
    def stops(self) -> tuple[Stop, ...]:
        """Where every segment ends: sample sizes, and stops on the way to them where observations become many."""
        if self.data is None or self.sample_sizes[-1] <= MANY:
            return tuple(Stop(n) for n in self.sample_sizes)
        if not self.model.has_coreset:
            return tuple(Stop(n) for n in sorted({*self.sample_sizes, MANY}))
        return tuple(
            Stop(n, coreset)
            for n in self.sample_sizes
            for coreset in (True, False)
            if n > MANY or not coreset
        )

    @property
    def total(self) -> int:
        return PERCENT * len(self.stops)

    def init(self, key: jax.Array) -> State:
        shape = self.datasets, self.sampler.repeats
        return State(tempering.initialize(self._shared(self.model), self.sampler.options, shape, key), 0)

    def progress(self, state: State) -> int:
        share = float(jnp.min(state.on_path.populations.phi))
        return PERCENT * state.segment + min(PERCENT - 1, int(PERCENT * share))

    def advance(self, state: State) -> tuple[State, list[Posterior] | None]:
        options, segment = self.sampler.options, state.segment
        now = state.on_path._replace(populations=spread_populations(state.on_path.populations))
        now = tempering.advance(self._path(segment), now, options)
        arrived, given_up = tempering.arrived(now), tempering.given_up(now, options)
        if not arrived and not given_up:
            return State(now, segment), None
        last = next(i for i in range(segment, len(self.stops)) if self._is_recorded(i))
        phi = now.populations.phi
        if segment < last and not given_up:
            onward = now.populations._replace(phi=jnp.zeros_like(phi))
            return State(now._replace(populations=onward), segment + 1), None
        now = now._replace(populations=now.populations._replace(phi=self._way(segment, last, phi)))
        posteriors = to_posteriors(now, self._path(last), options)
        return State(tempering.start_path(now), last + 1), posteriors

    def finish(self, chunks: list[list[Posterior] | None]) -> Ladder:
        per_n = [chunk for chunk in chunks if chunk is not None]
        return stack_ladder(self.sample_sizes, [list(dataset) for dataset in zip(*per_n, strict=True)])

    @functools.cached_property
    def _path(self) -> Callable[[int], paths.Path]:
        """`_make_path`, called once for each segment: its sums cost as much as many moves."""
        return functools.lru_cache(maxsize=1)(self._make_path)

    def _make_path(self, segment: int) -> paths.Path:
        """From the previous stop to this one; every leaf has the leading axis (dataset,)."""
        start, stop = self._start(segment), self.stops[segment]
        if self.data is not None and stop.n > MANY:
            return (
                paths.BridgePath(self._formed(start), self._formed(stop))
                if start.n
                else paths.PriorPath(self._formed(stop))
            )
        if self.data is None:
            data, before, after = None, jnp.asarray(float(start.n)), jnp.asarray(float(stop.n))
        else:
            rows = self._rows(MANY)
            data = self._arranged(self._first(rows))
            before, after = prefix_weights(rows, start.n), prefix_weights(rows, stop.n)
        return paths.DataPath(self._shared(self.model), data, self._shared(before), self._shared(after))

    def _formed(self, stop: Stop) -> Potential:
        """The potential where a segment ends, with its sums."""
        rows = self._rows(stop.n)
        data, weights = self._first(rows), self._shared(prefix_weights(rows, stop.n))
        if stop.coreset:
            reduce = partial(self.model.coreset, rows=CORESET)
            data, weights = jax.vmap(reduce)(data, weights)
        return jax.vmap(partial(potential, self.model))(self._arranged(data), weights)

    def _arranged(self, data: Data) -> Data:
        return jax.vmap(self.model.arrange)(data)

    def _first(self, rows: int) -> Data:
        return jax.tree.map(lambda leaf: leaf[:, :rows], self.data)

    def _start(self, segment: int) -> Stop:
        return self.stops[segment - 1] if segment else Stop(0)

    def _is_recorded(self, segment: int) -> bool:
        return not self.stops[segment].coreset and self.stops[segment].n in self.sample_sizes

    def _way(self, segment: int, last: int, phi: jax.Array) -> jax.Array:
        """How much of the way from the previous sample size to the next populations have come; 1 only there."""
        start, stop, end = self._start(segment), self.stops[segment], self.stops[last]
        if start.n == end.n:  # its coreset
            return ALMOST + (1 - ALMOST) * phi
        origin = max((n for n in self.sample_sizes if n < end.n), default=0)
        way = ((1 - phi) * start.n + phi * stop.n - origin) / (end.n - origin)
        return way if segment == last else jnp.minimum(way, ALMOST)

    def _rows(self, n: int) -> int:
        """How many observations are read for the first n."""
        rows = MANY
        while rows < n:
            rows *= GROWTH
        return min(rows, jax.tree.leaves(self.data)[0].shape[1])

    def _shared(self, tree: Any) -> Any:
        """The same for every data set."""
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (self.datasets, *jnp.shape(leaf))), tree)
