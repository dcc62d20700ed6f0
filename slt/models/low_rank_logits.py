"""A table of logits of low rank, W = A B, learned under cross-entropy: a bigram model with a bottleneck.

One observation is a row i, uniform, and a class j drawn from p_i = softmax(T_i). The loss is -log softmax(W_i)_j less
its value at the truth. With D = W - T, each row less its mean under p_i, it is C_i - D_ij, where

    C_i = log sum_j p_ij exp(D_ij)

and the population loss, KL(p_i || softmax(W_i)) averaged over rows, is the mean of C_i: exact, with no cancellation
but D itself. How often each pair was seen is sufficient.

Softmax does not depend on a constant added to a row, so near the truth the population loss is, up to bounded factors,
squared error on the centered product A (B - row means). These centered factors have one column less, and the learning
coefficient is that of reduced rank regression of that size: Aoyagi and Watanabe 2005, main theorem.

Here the best approximation of rank k is no truncation of the target; it is found by minimization among tables of
rank k, from the truncation. Padded with zeros it is a saddle of the full model. Target and factors: see
`slt.models.common.low_rank`.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize

from slt.models.base import Params, Phase, as_model
from slt.models.common.low_rank import LowRank
from slt.models.reduced_rank_regression import learning_coefficient

_LARGEST = 200  # entries of the factors up to which saddles are looked for
_CRITICAL = 1e-11  # norm of the gradient at a saddle, nats


class Pairs(NamedTuple):
    """Observations: row (n,) int32, and the class that was drawn, (n, columns), one in its place and else zero."""

    row: jax.Array
    drawn: jax.Array


@as_model
class LowRankLogits(LowRank):
    """Classes drawn from the softmax of a matrix of low rank. Options: see `LowRank`."""

    def sample(self, key: jax.Array, n: int) -> Pairs:
        rows, classes = jax.random.split(key)
        row = jax.random.randint(rows, (n,), 0, self.rows, jnp.int32)
        # by inversion: one uniform number for each observation keeps samples nested in n
        below = jnp.cumsum(self._truth(jnp.float64), axis=1)[row]
        uniform = jax.random.uniform(classes, (n, 1), jnp.float64)
        column = jnp.sum(below[:, :-1] < uniform, axis=1)
        return Pairs(row, jax.nn.one_hot(column, self.columns, dtype=jnp.float64))

    def losses(self, w: Params, data: Pairs) -> jax.Array:
        cumulant, difference = self._excess(w)
        return cumulant[data.row] - jnp.sum(data.drawn * difference[data.row], axis=1)

    def population_loss(self, w: Params) -> jax.Array:
        return jnp.mean(self._excess(w)[0])

    def summarize(self, data: Pairs, weights: jax.Array) -> jax.Array:
        """(rows, columns) weight of each pair's observations."""
        empty = jnp.zeros((self.rows, self.columns), weights.dtype)
        return empty.at[data.row].add(weights[:, None] * data.drawn)

    def summed_loss(self, w: Params, summary: jax.Array) -> jax.Array:
        cumulant, difference = self._excess(w)
        return jnp.sum(jnp.sum(summary, axis=1) * cumulant) - jnp.sum(summary * difference)

    def phases(self) -> tuple[Phase, ...]:
        """Rank 0 to the target's rank, by decreasing loss. The first and the last alone where the table is large, or
        its logits so large that a best table of lower rank has other modes than the target's first."""
        return tuple(self._phase(*known) for known in self._known())

    def classify(self, w: Params) -> jax.Array:
        ranks = [k for k, _ in self._known()]
        index = np.full(self.rank + 2, len(ranks), np.int32)  # by the index of `LowRank`; others are "other"
        index[ranks] = range(len(ranks))
        return jnp.asarray(index)[super().classify(w)]

    def _known(self) -> tuple[tuple[int, np.ndarray], ...]:
        """Rank and product of each phase."""
        return ((0, np.zeros((self.rows, self.columns))), *_saddles(self), (self.rank, self.target()))

    def _phase(self, k: int, product: np.ndarray) -> Phase:
        point = self.balanced(product, k)
        llc, multiplicity, source = None, None, "best table of rank k, by minimization: a saddle"
        if k == self.rank:
            llc, multiplicity = learning_coefficient(self.rows, self.width, self.columns - 1, k)
            source = "Aoyagi and Watanabe 2005, main theorem, with one column less"
        return Phase(
            name=f"rank {k}",
            point=point,
            loss=float(self.population_loss(point)),
            llc=llc,
            multiplicity=multiplicity,
            log_prior=self.peak(point),
            source=source,
        )

    def _truth(self, dtype: jnp.dtype) -> jax.Array:
        """p, (rows, columns)."""
        return jax.nn.softmax(jnp.asarray(self.target(), dtype), axis=1)

    def _excess(self, w: Params) -> tuple[jax.Array, jax.Array]:
        """C (rows,) and D (rows, columns)."""
        product = self.product(w)
        truth = self._truth(product.dtype)
        difference = product - jnp.asarray(self.target(), product.dtype)
        difference = difference - jnp.sum(truth * difference, axis=1, keepdims=True)
        small = jnp.max(jnp.abs(difference), axis=1, keepdims=True) < 1
        near = jnp.where(
            small, difference, 0.0
        )  # sum p D = 0: subtracting D leaves terms that are all positive
        cumulant = jnp.log1p(jnp.sum(truth * (jnp.expm1(near) - near), axis=1))
        far = jax.scipy.special.logsumexp(difference, b=truth, axis=1)
        return jnp.where(small[:, 0], cumulant, far), difference


@functools.lru_cache(maxsize=32)
def _saddles(model: LowRankLogits) -> tuple[tuple[int, np.ndarray], ...]:
    """Rank and product of the best tables of rank 1 to the target's less one; none in the cases
    that `phases` names."""
    if model.width * (model.rows + model.columns) > _LARGEST:
        return ()
    u, s, v = model.modes()
    found = []
    with jax.ensure_compile_time_eval():  # the classifier is traced, and needs the phases
        for k in range(1, model.rank):
            product = _best(model, u[:, :k] * np.sqrt(s[:k]), np.sqrt(s[:k])[:, None] * v[:, :k].T)
            strengths = np.diagonal(u.T @ product @ v) / s if product is not None else np.zeros(model.rank)
            if product is None or not np.array_equal(strengths > 0.5, np.arange(model.rank) < k):
                return ()
            found.append((k, product))
    return tuple(found)


def _best(model: LowRankLogits, A: np.ndarray, B: np.ndarray) -> np.ndarray | None:
    """The product of factors of this width that are critical, found from these; None where none was."""

    def factors(flat: jax.Array) -> Params:
        return {"A": flat[: A.size].reshape(A.shape), "B": flat[A.size :].reshape(B.shape)}

    loss = jax.jit(lambda flat: model.population_loss(factors(flat)))
    slope, bend = jax.jit(jax.grad(loss)), jax.jit(jax.hessian(loss))
    start = np.concatenate([A.ravel(), B.ravel()])
    flat = scipy.optimize.minimize(loss, start, jac=slope, method="BFGS", options={"gtol": 1e-7}).x
    for _ in range(
        10
    ):  # Newton's method; least squares, since factors of one product make the Hessian singular
        flat = flat - np.linalg.lstsq(np.asarray(bend(flat)), np.asarray(slope(flat)), rcond=1e-9)[0]
    found = factors(flat)
    return np.asarray(found["A"] @ found["B"]) if np.linalg.norm(slope(flat)) < _CRITICAL else None
