"""The toy model of superposition: c features compressed to r hidden dimensions, and a ReLU.

    f(x) = ReLU(W^T W x + b),   W of shape (r, c), b of shape (c,)

Source: Elhage et al. 2022, "Toy models of superposition"; here in the sparse limit of Chen, Lau, Mendel, Wei
and Murfet 2023 (arXiv:2310.06301): one feature i is active, uniform on {1..c}, and x = t e_i with t ~ U[0, 1].

Conventions: the loss is ||x - f(x)||^2, unhalved (a Gaussian of variance 1/2), and the prior is N(0, 1) on
every parameter. Predicted crossings depend on both.

On input t e_i, output j is ReLU(a t + b_j) with a = w_j . w_i, which is
positive on one interval of t. On it the squared error is a quadratic in t, so its sum over any set of inputs
needs only the sums of (1, t, t^2) over an interval: moments of U[0, 1] for the population loss, differences
of prefix sums of the sorted inputs for a data set. The latter makes n L_n and its gradient exact at a cost of
O(c^2 log n).
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from slt.models.base import Model, Params, Phase, as_model, static
from slt.models.common.gaussian import draw_normal, log_normal
from slt.models.superposition import kgons

_TINY = 1e-100  # below this |a| the pre-activation is constant in t (and 1/a would overflow)


class Inputs(NamedTuple):
    """Observations x = value e_feature: `feature` (n,) int32 in [0, c), `value` (n,) in [0, 1)."""

    feature: jax.Array
    value: jax.Array


class Sorted(NamedTuple):
    """Observations in the order of (feature, value).

    Attributes:
      keys: (N,) feature + value, non-decreasing.
      value: (N,).
      order: (N,) which observation each is.
      starts: (c + 1,) where each feature's block starts in `keys`.
      cells: (c G + 1,) how many keys lie below k / G: where to look for a key, from the cell that it is in. There are
        G cells between one whole number and the next.
      crowd: (1,) how many keys the fullest cell holds.
    """

    keys: jax.Array
    value: jax.Array
    order: jax.Array
    starts: jax.Array
    cells: jax.Array
    crowd: jax.Array


class PrefixSums(NamedTuple):
    """Weighted observations: sorted, and running `sums` (N + 1, 3) of weight x (1, t, t^2) over those before each."""

    inputs: Sorted
    sums: jax.Array


@as_model
class Superposition(Model):
    """One active feature out of `features`, compressed to `hidden` dimensions.

    Args:
      features: c >= 1.
      hidden: r, 1 <= r <= c.
      init_scale: standard deviation of W where SGD starts (b starts at 0).
    """

    features: int = static(6)
    hidden: int = static(2)
    init_scale: float = static(0.1)

    def __post_init__(self) -> None:
        if self.features < 1:
            raise ValueError(f"features must be at least 1, not {self.features}")
        if not 1 <= self.hidden <= self.features:
            raise ValueError(f"hidden must lie between 1 and features = {self.features}, not {self.hidden}")
        if self.init_scale < 0:
            raise ValueError(f"init_scale is a standard deviation and cannot be {self.init_scale}")

    def init(self, key: jax.Array) -> Params:
        shape = (self.hidden, self.features)
        return {"W": self.init_scale * jax.random.normal(key, shape), "b": jnp.zeros(self.features)}

    def sample(self, key: jax.Array, n: int) -> Inputs:
        # nested in n: JAX's counter-based generator gives row i the same bits whatever the length
        which, size = jax.random.split(key)
        return Inputs(
            jax.random.randint(which, (n,), 0, self.features, dtype=jnp.int32),
            jax.random.uniform(size, (n,), dtype=jnp.float64),
        )

    def losses(self, w: Params, data: Inputs) -> jax.Array:
        # observations on the trailing axis: small batched products are about 2 x faster so on a CPU
        x = jnp.where(jnp.arange(self.features)[:, None] == data.feature, data.value, 0)
        output = jax.nn.relu(w["W"].T @ (w["W"] @ x) + w["b"][:, None])
        return jnp.sum((x - output) ** 2, axis=0)

    def log_prior(self, w: Params) -> jax.Array:
        return log_normal(w, 1.0)

    def sample_prior(self, key: jax.Array) -> Params:
        return draw_normal(key, {"W": (self.hidden, self.features), "b": (self.features,)}, 1.0)

    def population_loss(self, w: Params) -> jax.Array:
        slope, threshold = _threshold(w)
        low = jnp.where(slope > 0, threshold, 0.0)
        high = jnp.where(slope > 0, 1.0, threshold)
        active = jnp.stack([high - low, (high**2 - low**2) / 2, (high**3 - low**3) / 3], axis=-1)
        return _squared_error(w, active, self.features / 3) / self.features

    @jax.jit  # one dispatch, where it is not part of a larger program
    def arrange(self, data: Inputs) -> Sorted:
        order = jnp.lexsort((data.value, data.feature))
        feature, value = data.feature[order], data.value[order]
        keys = feature + value
        # 2 to 4 cells for each key: more would shorten the search, but not fit the cache where keys are a million
        grid = 1 << (2 * len(keys) // self.features).bit_length()
        counts = jnp.bincount((grid * keys).astype(jnp.int32), length=self.features * grid + 1)
        return Sorted(
            keys=keys,
            value=value,
            order=order,
            starts=jnp.searchsorted(feature, jnp.arange(self.features + 1)),
            cells=(jnp.cumsum(counts) - counts).astype(jnp.int32),
            crowd=jnp.max(counts, keepdims=True).astype(jnp.int32),
        )

    @jax.jit
    def summarize(self, data: Inputs | Sorted, weights: jax.Array) -> PrefixSums:
        inputs = data if isinstance(data, Sorted) else self.arrange(data)
        value = inputs.value
        terms = weights[inputs.order, None] * jnp.stack([jnp.ones_like(value), value, value**2], axis=-1)
        return PrefixSums(inputs, jnp.concatenate([jnp.zeros((1, 3)), jnp.cumsum(terms, axis=0)]))

    @partial(jax.jit, static_argnames=("rows",))
    def coreset(self, data: Inputs, weights: jax.Array, rows: int) -> tuple[Inputs, jax.Array]:
        """One input for all of a feature that fall into the same of equal cells, at their mean. It errs by how much
        inputs vary inside a cell, n / (12 cells^2) for each unit of squared slope of the error, and about as much
        where an output sets in or ends."""
        cells = max(rows // self.features, 1)  # of each feature
        cell = jnp.minimum((cells * data.value).astype(jnp.int32), cells - 1)
        place = data.feature * cells + cell
        terms = jnp.stack([weights, weights * data.value], axis=-1)
        count, total = jax.ops.segment_sum(terms, place, self.features * cells).T
        center = jnp.tile((jnp.arange(cells) + 0.5) / cells, self.features)
        value = jnp.where(count > 0, total / jnp.where(count > 0, count, 1.0), center)
        return Inputs(jnp.repeat(jnp.arange(self.features, dtype=jnp.int32), cells), value), count

    def summed_loss(self, w: Params, summary: PrefixSums) -> jax.Array:
        slope, threshold = _threshold(w)
        inputs = summary.inputs
        start, end = inputs.starts[:-1, None], inputs.starts[1:, None]
        query = jnp.arange(self.features)[:, None] + threshold
        cut = jnp.clip(_search(inputs, query), start, end)
        at_start, at_cut, at_end = (summary.sums[i] for i in (start, cut, end))
        active = jnp.where((slope > 0)[..., None], at_end - at_cut, at_cut - at_start)
        return _squared_error(w, active, jnp.sum((at_end - at_start)[:, 0, 2]))

    def phases(self) -> tuple[Phase, ...]:
        return kgons.phases(self.features) if self.hidden == 2 else ()

    def classify(self, w: Params) -> jax.Array:
        if self.hidden != 2:
            return jnp.asarray(0, jnp.int32)
        return kgons.classify(w["W"], w["b"])

    def nearest_copy(self, w: Params, to: Params) -> Params:
        return kgons.nearest_copy(w, to) if self.hidden == 2 else w

    def observables(self, w: Params) -> dict[str, jax.Array]:
        norms = jnp.linalg.norm(w["W"], axis=0)
        return {"alive": jnp.sum(norms > kgons.ALIVE), "norm": jnp.sum(norms**2)}


def _search(inputs: Sorted, query: jax.Array) -> jax.Array:
    """How many keys are less than each query in [0, c], exactly; where all N are, the answer may be more than N.

    As `jnp.searchsorted`, with which a gradient takes twice as long: keys in lower cells than the query's are less,
    those in higher ones are not (a power of two times a key is exact), and only its own cell is searched, by halving.
    """
    grid = (len(inputs.cells) - 1) // (len(inputs.starts) - 1)
    found = inputs.cells[(grid * query).astype(jnp.int32)]

    def advance(found: jax.Array, step: Any) -> jax.Array:
        return jnp.where(inputs.keys[found + step - 1] < query, found + step, found)

    halvings = 32 - jax.lax.clz(inputs.crowd[0])
    found = jax.lax.fori_loop(3, halvings, lambda k, found: advance(found, 1 << (halvings + 2 - k)), found)
    return advance(advance(advance(found, 4), 2), 1)  # enough where no cell holds more than seven keys


def _threshold(w: Params) -> tuple[jax.Array, jax.Array]:
    """For every input feature i and output j, both (c, c): the slope w_i . w_j of the pre-activation, and the t in
    [0, 1] at which slope t + b_j changes sign, such that it is positive above the threshold if slope > 0 and below it
    otherwise (a constant counts as slope <= 0)."""
    slope = _slope(w)
    bias = jnp.broadcast_to(w["b"], slope.shape)
    flat = jnp.abs(slope) < _TINY
    root = -bias / jnp.where(flat, 1.0, slope)
    return slope, jnp.clip(jnp.where(flat, jnp.where((bias > 0) == (slope <= 0), 1.0, 0.0), root), 0.0, 1.0)


def _slope(w: Params) -> jax.Array:
    return w["W"].T @ w["W"]


@jax.custom_jvp
def _squared_error(w: Params, active: jax.Array, squares: jax.Array) -> jax.Array:
    """Summed ||x - f(x)||^2 from sums of (1, t, t^2) over the inputs on which each output is positive.

    Its derivative is written out: samplers take a quarter less time than with autodiff's. It leaves out how `active`
    moves with w, since outputs are 0 where an interval ends; second derivatives have it again.

    Args:
      w: the parameters.
      active: (c, c, 3) sums of (1, t, t^2) over the active interval, input feature by output.
      squares: the sum of t^2 over all inputs.
    """
    return _error_and_gradient(w, active, squares)[0]


@_squared_error.defjvp
def _(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[jax.Array, jax.Array]:
    value, gradient = _error_and_gradient(*primals)
    return value, jnp.vdot(gradient["W"], tangents[0]["W"]) + jnp.vdot(gradient["b"], tangents[0]["b"])


def _error_and_gradient(w: Params, active: jax.Array, squares: jax.Array) -> tuple[jax.Array, Params]:
    slope, bias = _slope(w), w["b"]
    s0, s1, s2 = active[..., 0], active[..., 1], active[..., 2]
    own = jnp.eye(slope.shape[0], dtype=slope.dtype)  # the output that should equal the input
    against_t, against_1 = slope * s2 + bias * s1, slope * s1 + bias * s0  # sums of t f(x)_j and f(x)_j
    value = squares + jnp.sum((slope - 2 * own) * against_t + bias * against_1)
    by_slope = 2 * (against_t - own * s2)
    by_bias = 2 * jnp.sum(against_1 - own * s1, axis=0)
    return value, {"W": w["W"] @ (by_slope + by_slope.T), "b": by_bias}
