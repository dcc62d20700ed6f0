"""Linear regression by a product of matrices: reduced rank regression and deep linear networks.

    y = P x + noise,   P = W_L ... W_1,   x ~ N(0, I),   noise ~ N(0, I)

The truth is y = T x + noise. The teacher T is diagonal, its singular values in decreasing order: any other T is a
rotation of inputs and outputs away, and inputs, noise and prior are invariant under rotations.

The loss is the negative log-likelihood less its value at the truth. With D = P - T it is |D x|^2 / 2 - noise . D x,
and the population loss is K = |D|^2 / 2 in the Frobenius norm: zero on the true set, with no cancellation but D
itself.
"""

from __future__ import annotations

import abc
import functools
import operator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Model, Params, Phase
from slt.models.common.gaussian import draw_normal, log_normal_peak
from slt.models.drawing import Drawing


class Pairs(NamedTuple):
    """Observations: x (n, inputs), y (n, outputs)."""

    x: jax.Array
    y: jax.Array


class Moments(NamedTuple):
    """Weighted sums over observations: of x x^T (inputs, inputs), and of noise x^T (outputs, inputs)."""

    xx: jax.Array
    noise_x: jax.Array


class LinearNetwork(Model):
    """Layers under the prior N(0, prior_scale^2) on every weight; SGD starts at N(0, init_scale^2)."""

    prior_scale: float
    init_scale: float

    @abc.abstractmethod
    def layers(self) -> tuple[str, ...]:
        """The layers' names in `Params`, from input to output."""

    @abc.abstractmethod
    def sizes(self) -> tuple[int, ...]:
        """Widths from input to output, one more than there are layers."""

    @abc.abstractmethod
    def modes(self) -> tuple[float, ...]:
        """The teacher's positive singular values, largest first."""

    def teacher(self) -> np.ndarray:
        """T, (outputs, inputs): its singular values on the diagonal."""
        return _diagonal(self.modes(), self.sizes()[-1], self.sizes()[0])

    def product(self, w: Params) -> jax.Array:
        """P = W_L ... W_1, (outputs, inputs)."""
        return functools.reduce(operator.matmul, [w[name] for name in reversed(self.layers())])

    def init(self, key: jax.Array) -> Params:
        return self._normal(key, self.init_scale)

    def sample(self, key: jax.Array, n: int) -> Pairs:
        inputs, noise = jax.random.split(key)
        teacher = self.teacher()
        x = jax.random.normal(inputs, (n, teacher.shape[1]), jnp.float64)
        return Pairs(x, x @ teacher.T + jax.random.normal(noise, (n, teacher.shape[0]), jnp.float64))

    def losses(self, w: Params, data: Pairs) -> jax.Array:
        gap = data.x @ self._difference(w).T
        return jnp.sum(gap * (gap / 2 - self._noise(data)), axis=1)

    def log_prior(self, w: Params) -> jax.Array:
        logpdf = jax.scipy.stats.norm.logpdf
        return jnp.sum(
            jnp.stack([jnp.sum(logpdf(w[name], scale=self.prior_scale)) for name in self.layers()])
        )

    def sample_prior(self, key: jax.Array) -> Params:
        return self._normal(key, self.prior_scale)

    def population_loss(self, w: Params) -> jax.Array:
        return jnp.sum(self._difference(w) ** 2) / 2

    def summarize(self, data: Pairs, weights: jax.Array) -> Moments:
        weighted = weights[:, None] * data.x
        return Moments(data.x.T @ weighted, self._noise(data).T @ weighted)

    def summed_loss(self, w: Params, summary: Moments) -> jax.Array:
        difference = self._difference(w)
        return jnp.sum(difference * (difference @ summary.xx / 2 - summary.noise_x))

    def learned(self, w: Params) -> jax.Array:
        """(modes,) which of the teacher's modes the product has more than half of."""
        rank = len(self.modes())
        return jnp.diagonal(self.product(w))[:rank] > jnp.asarray(self.modes()) / 2

    def observables(self, w: Params) -> dict[str, jax.Array]:
        """How much of each of the teacher's modes the product has, and the product's norm."""
        product = self.product(w)
        learned = {f"mode {i + 1}": product[i, i] / s for i, s in enumerate(self.modes())}
        return learned | {"norm": jnp.sqrt(jnp.sum(product**2))}

    def drawing(self, w: Params) -> Drawing:
        """The product's singular values."""
        values = np.linalg.svd(np.asarray(self.product(w)), compute_uv=False)
        labels = tuple(map(str, range(1, len(values) + 1)))
        return Drawing("bars", values, labels=labels, axes=("mode", "singular value of the product"))

    def rank_phase(self, k: int, llc: float | None, multiplicity: int | None, source: str) -> Phase:
        """The product is the teacher's best approximation of rank k: a saddle for k below the teacher's rank.

        The point is balanced, each mode divided evenly over the layers. Of all factors of this product it has the
        smallest norm, so the highest prior density, and the lowest ranks, so it is the most singular.
        """
        modes, sizes, depth = np.array(self.modes()), self.sizes(), len(self.layers())
        shares = modes[:k] ** (1 / depth)
        dimension = sum(a * b for a, b in zip(sizes[1:], sizes[:-1], strict=True))
        return Phase(
            name=f"rank {k}",
            point={
                name: _diagonal(shares, rows, columns)
                for name, rows, columns in zip(self.layers(), sizes[1:], sizes[:-1], strict=True)
            },
            loss=float(np.sum(modes[k:] ** 2) / 2),
            llc=llc,
            multiplicity=multiplicity,
            log_prior=float(
                log_normal_peak(dimension, self.prior_scale)
                - depth * np.sum(shares**2) / (2 * self.prior_scale**2)
            ),
            source=source,
        )

    def _difference(self, w: Params) -> jax.Array:
        """D = P - T, (outputs, inputs)."""
        product = self.product(w)
        return product - jnp.asarray(self.teacher(), product.dtype)

    def _noise(self, data: Pairs) -> jax.Array:
        """What the teacher leaves of y, (n, outputs)."""
        return data.y - data.x @ jnp.asarray(self.teacher().T, data.x.dtype)

    def _normal(self, key: jax.Array, scale: float) -> Params:
        sizes = self.sizes()
        shapes = zip(sizes[1:], sizes[:-1], strict=True)
        return draw_normal(key, dict(zip(self.layers(), shapes, strict=True)), scale)


def _diagonal(values: tuple[float, ...] | np.ndarray, rows: int, columns: int) -> np.ndarray:
    """(rows, columns) with `values` at the top of the diagonal."""
    matrix = np.zeros((rows, columns))
    np.fill_diagonal(matrix[: len(values), : len(values)], values)
    return matrix
