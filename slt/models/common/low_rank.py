"""A target matrix of known rank, and its factorization W = A B: the low-rank models.

The target is T = sum_k s_k u_k v_k^T with s_k proportional to k^(-decay), scaled such that its entries have the root
mean square `scale` whatever the size. The frames u and v are random orthonormal ones, the same in every process: all
entries are alike, unlike in a diagonal target, which matters to optimizers that scale each entry by itself (Adam).
Every v_k sums to zero, so that T is also a table of logits without a part that softmax does not depend on.

From small weights gradient descent learns the modes one by one, the largest first, each along a sigmoid in time:
Saxe, McClelland and Ganguli 2014 (arXiv:1312.6120).
"""

from __future__ import annotations

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Model, Params, static
from slt.models.common.checks import check_positive, check_scales
from slt.models.common.gaussian import draw_normal, log_normal, log_normal_peak
from slt.models.drawing import Drawing

_WATCHED = 4  # modes and singular values among the observables, at most
_BARS = "mode", "singular value of A B"
_DRAWN = 8  # singular values in a drawing, at most


@dataclasses.dataclass(frozen=True, kw_only=True)
class LowRank(Model):
    """Parameters {"A": (rows, hidden), "B": (hidden, columns)}; phase "rank k" has learned the k largest modes.

    Args:
      rows, columns: of the target.
      hidden: inner dimension of the factorization, at least the target's rank; None: that rank.
      rank: of the target, at least 1, at most rows and columns - 1 (its rows sum to zero).
      scale: root mean square of the target's entries.
      decay: singular values fall like k^(-decay); positive, so that modes are learned at different times.
      prior_scale: standard deviation of the prior N(0, prior_scale^2) on every parameter.
      init_scale: standard deviation of the parameters where SGD starts; small, so that it starts at rank 0.

    Raises ValueError for options out of these ranges.
    """

    rows: int = static(4)
    columns: int = static(4)
    hidden: int | None = static(None)
    rank: int = static(2)
    scale: float = static(1.0)
    decay: float = static(1.0)
    prior_scale: float = static(1.0)
    init_scale: float = static(0.1)

    def __post_init__(self) -> None:
        largest = min(self.rows, self.columns - 1)
        if not 1 <= self.rank <= largest:
            raise ValueError(
                f"rank must lie between 1 and {largest}, the largest rank of a {self.rows} x {self.columns} matrix "
                f"whose rows sum to zero, not {self.rank}"
            )
        if self.width < self.rank:
            raise ValueError(f"hidden must be at least the rank, {self.rank}, not {self.hidden}")
        check_positive(scale=self.scale, decay=self.decay)
        check_scales(self.prior_scale, self.init_scale)

    @property
    def width(self) -> int:
        """The factorization's inner dimension."""
        return self.rank if self.hidden is None else self.hidden

    def modes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The target's u (rows, rank), s (rank,) falling, and v (columns, rank)."""
        return _modes(self.rows, self.columns, self.rank, self.scale, self.decay)

    def target(self) -> np.ndarray:
        """T, (rows, columns)."""
        u, s, v = self.modes()
        return (u * s) @ v.T

    def product(self, w: Params) -> jax.Array:
        """W = A B, (rows, columns)."""
        return w["A"] @ w["B"]

    def init(self, key: jax.Array) -> Params:
        return self._normal(key, self.init_scale)

    def log_prior(self, w: Params) -> jax.Array:
        return log_normal(w, self.prior_scale)

    def sample_prior(self, key: jax.Array) -> Params:
        return self._normal(key, self.prior_scale)

    def strengths(self, w: Params) -> jax.Array:
        """(rank,) how much of each mode the product has, u^T W v / s: 0 before it is learned, 1 after."""
        u, s, v = (jnp.asarray(part, w["A"].dtype) for part in self.modes())
        return jnp.sum((u.T @ w["A"]) * (w["B"] @ v).T, axis=1) / s

    def classify(self, w: Params) -> jax.Array:
        """k where the product has more than half of exactly the k largest modes, else "other". Like the loss, it
        depends on the product alone, which A G and G^-1 B share."""
        learned = self.strengths(w) > 0.5
        in_order = jnp.all(learned[1:] <= learned[:-1])
        return jnp.where(in_order, jnp.sum(learned), self.rank + 1).astype(jnp.int32)

    def singular_values(self, w: Params) -> jax.Array:
        """(hidden,) of the product, falling. At the cost of the factors: those of R_A R_B^T where A = Q_A R_A and
        B^T = Q_B R_B, so that nothing of size rows x columns is decomposed."""
        right = jnp.linalg.qr(w["A"], mode="r")
        left = jnp.linalg.qr(w["B"].T, mode="r")
        return jnp.linalg.svd(right @ left.T, compute_uv=False)

    def observables(self, w: Params) -> dict[str, jax.Array]:
        """Strengths of the first modes, the product's first singular values in units of the target's largest, and
        its rank: how many exceed half of the target's smallest."""
        s = self.modes()[1]
        strengths, values = self.strengths(w)[:_WATCHED], self.singular_values(w)
        seen = {f"mode {i + 1}": value for i, value in enumerate(strengths)}
        seen |= {f"singular value {i + 1}": value / s[0] for i, value in enumerate(values[:_WATCHED])}
        return seen | {"rank": jnp.sum(values > s[-1] / 2).astype(w["A"].dtype)}

    def drawing(self, w: Params) -> Drawing:
        """The product's singular values."""
        values = np.asarray(self.singular_values(w))[:_DRAWN]
        return Drawing("bars", values, labels=tuple(map(str, range(1, len(values) + 1))), axes=_BARS)

    def balanced(self, product: np.ndarray, k: int) -> Params:
        """The factors of a matrix of rank k that have the smallest norm, so the highest prior density."""
        u, s, v = np.linalg.svd(product)
        A, B = np.zeros((self.rows, self.width)), np.zeros((self.width, self.columns))
        A[:, :k], B[:k] = u[:, :k] * np.sqrt(s[:k]), np.sqrt(s[:k])[:, None] * v[:k]
        return {"A": A, "B": B}

    def peak(self, point: Params) -> float:
        """Log prior density at balanced factors, nats."""
        norm = sum(float(np.sum(leaf**2)) for leaf in point.values())
        return log_normal_peak(self.width * (self.rows + self.columns), self.prior_scale) - norm / (
            2 * self.prior_scale**2
        )

    def _normal(self, key: jax.Array, scale: float) -> Params:
        return draw_normal(key, {"A": (self.rows, self.width), "B": (self.width, self.columns)}, scale)


@functools.lru_cache(maxsize=32)
def _modes(
    rows: int, columns: int, rank: int, scale: float, decay: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)  # one target for each size
    left, right = random.normal(size=(rows, rank)), random.normal(size=(columns, rank))
    u, v = np.linalg.qr(left)[0], np.linalg.qr(right - right.mean(axis=0))[0]
    s = np.arange(1, rank + 1.0) ** -decay
    return u, s * scale * math.sqrt(rows * columns) / np.linalg.norm(s), v
