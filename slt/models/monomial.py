"""Sums of squared monomials: normal crossings, sums of powers, and all combinations of them.

    K(w) = 1/2 sum_j prod_i w_i^(2 k_ji),   prior density proportional to prod_i |w_i|^(h_i) exp(-w_i^2 / (2 s^2))

One term is a normal crossing: lambda = min_i (h_i + 1) / (2 k_i), and m is how many i attain it. One term for each
coordinate is a sum of powers: lambda = sum_i (h_i + 1) / (2 k_i), and m = 1. In general, with one weight alpha_i for
each coordinate,

    lambda = min { sum_i alpha_i (h_i + 1) : alpha >= 0, 2 sum_i k_ji alpha_i >= 1 for every term j },

and m is one more than the dimension of the face on which the minimum is attained. All coefficients being positive,
K is non-degenerate and its Newton polyhedron decides. Source: Varchenko 1976, "Newton polyhedra and estimation of
oscillating integrals", section 3; Howald 2001, "Multiplier ideals of monomial ideals"; for statistics Watanabe 2009,
"Algebraic geometry and statistical learning theory", and Lin 2011, "Algebraic methods for evaluating integrals in
Bayesian statistics", theorem 3.20.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
import scipy.sparse
import scipy.special

from slt.models.base import Params, Phase, as_model, static
from slt.models.common.checks import check_positive
from slt.models.common.signal import Signal


@as_model
class Monomial(Signal):
    """Monomials seen through noise, one output for each; the phase is the origin, where all vanish together.

    Args:
      exponents: k_ji >= 0, one row for each term j, one column for each coordinate i; no row is all zero. The
        loss does not depend on a coordinate whose column is zero.
      prior_exponents: h_i >= 0, one for each coordinate; default all 0, a Gaussian prior. Where one is positive the
        prior density is zero at the origin; lambda then belongs to this prior, not to a Gaussian around the point.
      prior_scale: s, the prior's scale.

    Raises ValueError for exponents that are not of this form.
    """

    exponents: tuple[tuple[int, ...], ...] = static()
    prior_exponents: tuple[float, ...] = static(())
    prior_scale: float = static(1.0)

    def __post_init__(self) -> None:
        rows = tuple(tuple(row) for row in self.exponents)
        dimension = len(rows[0]) if rows else 0
        object.__setattr__(self, "exponents", rows)
        object.__setattr__(self, "prior_exponents", tuple(self.prior_exponents) or (0.0,) * dimension)
        _check(self)

    def shape(self) -> tuple[int, int]:
        return len(self.exponents[0]), len(self.exponents)

    def signal(self, w: jax.Array) -> jax.Array:
        which, powers = _factors(np.asarray(self.exponents))
        # a gather is many times slower than the rest: crossings and sums of powers do without
        in_order = np.array_equal(which.ravel(), np.arange(w.size))
        base = w.reshape(which.shape) if in_order else w[which]
        factors = jnp.ones_like(base)
        for power in range(powers.max()):
            factors = jnp.where(power < powers, factors * base, factors)
        return jnp.prod(factors, axis=1)

    def log_prior(self, w: Params) -> jax.Array:
        h, s = np.asarray(self.prior_exponents), self.prior_scale
        if not h.any():
            return super().log_prior(w)
        normalizer = (h + 1) / 2 * math.log(2 * s**2) + scipy.special.gammaln((h + 1) / 2)
        vanishing = jnp.where(h > 0, h * jnp.log(jnp.abs(jnp.where(h > 0, w["w"], 1.0))), 0.0)
        return jnp.sum(vanishing - w["w"] ** 2 / (2 * s**2) - normalizer)

    def sample_prior(self, key: jax.Array) -> Params:
        """w^2 / (2 s^2) is a gamma variable of shape (h + 1) / 2, and both signs are as likely."""
        h = np.asarray(self.prior_exponents)
        if not h.any():
            return super().sample_prior(key)
        size, sign = jax.random.split(key)
        half_square = jax.random.gamma(size, (h + 1) / 2)
        return {"w": self.prior_scale * jax.random.rademacher(sign, h.shape) * jnp.sqrt(2 * half_square)}

    def phases(self) -> tuple[Phase, ...]:
        llc, multiplicity = learning_coefficient(self.exponents, self.prior_exponents)
        return (
            Phase(
                name="origin",
                point={"w": np.zeros(self.shape()[0])},
                loss=0.0,
                llc=llc,
                multiplicity=multiplicity,
                log_prior=_highest_prior(self),
                source="the Newton polyhedron (Varchenko 1976, Lin 2011)",
            ),
        )


def learning_coefficient(
    exponents: tuple[tuple[int, ...], ...], prior_exponents: tuple[float, ...]
) -> tuple[float, int]:
    """lambda and m at the origin, from the exponents k (term, coordinate) and h (coordinate,).

    The optimal face's dimension comes from a second linear program, whose solution lies in the face's relative
    interior: as many inequalities as possible are strict there. Those that are not, are equalities on all of the
    face. Homogeneous coordinates (alpha, tau) make the slack 1 whatever the scale.
    """
    powers, cost = 2 * np.asarray(exponents, float), np.asarray(prior_exponents, float) + 1
    terms, dimension = powers.shape
    sparse = scipy.sparse.csr_array(powers)
    best = scipy.optimize.linprog(cost, A_ub=-sparse, b_ub=-np.ones(terms)).fun

    count = dimension + terms  # inequalities: alpha >= 0, then powers @ alpha >= tau
    values = scipy.sparse.block_array(
        [[scipy.sparse.eye_array(dimension), None], [sparse, scipy.sparse.csr_array(-np.ones((terms, 1)))]]
    )
    slacks = scipy.sparse.hstack([-values, scipy.sparse.eye_array(count)])
    inside = scipy.optimize.linprog(
        np.r_[np.zeros(dimension + 1), -np.ones(count)],
        A_ub=slacks,
        b_ub=np.zeros(count),
        A_eq=np.r_[cost, -best, np.zeros(count)][None],
        b_eq=[0.0],
        bounds=[(0, None)] * dimension + [(1, None)] + [(0, 1)] * count,
    )
    slack = inside.x[dimension + 1 :] > 0.5
    positive, tight = slack[:dimension], ~slack[dimension:]
    face = int(positive.sum() - np.linalg.matrix_rank(powers[tight][:, positive]))
    return float(best), 1 + face


def _factors(exponents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(terms, most factors) which coordinates each term multiplies, and to which powers; 0 where it has fewer."""
    row, column = np.nonzero(exponents)
    counts = np.bincount(row)
    present = np.arange(counts.max()) < counts[:, None]
    which, powers = np.zeros(present.shape, int), np.zeros(present.shape, int)
    which[present], powers[present] = column, exponents[row, column]
    return which, powers


def _highest_prior(model: Monomial) -> float:
    """Highest prior log density on the true set, where every term has a vanishing coordinate.

    Coordinates with h > 0 do not vanish at the highest density, which is zero there; where each term has another that
    can, every coordinate sits at its own mode |w| = s sqrt(h).
    """
    h, s = np.asarray(model.prior_exponents, float), model.prior_scale
    if not np.all(np.asarray(model.exponents)[:, h == 0].any(axis=1)):
        return -math.inf
    return float(model.log_prior({"w": jnp.asarray(s * np.sqrt(h))}))


def _check(model: Monomial) -> None:
    """Raises ValueError for exponents that are not rows of whole numbers, or a prior that is not one."""
    lengths = {len(row) for row in model.exponents}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(
            "exponents must be rows of equal length, one for each term, and hold at least one number"
        )
    exponents = np.asarray(model.exponents)
    if not np.issubdtype(exponents.dtype, np.integer) or exponents.min() < 0:
        raise ValueError("exponents must be whole numbers, 0 or more")
    if not exponents.any(axis=1).all():
        raise ValueError("a row of exponents is all zero: that term is the constant 1 and vanishes nowhere")
    prior = np.asarray(model.prior_exponents, float)
    if prior.shape != exponents.shape[1:]:
        raise ValueError(f"{exponents.shape[1]} coordinates need as many prior_exponents, not {prior.size}")
    if not np.all(np.isfinite(prior) & (prior >= 0)):
        raise ValueError("prior_exponents must be numbers, 0 or more")
    check_positive(prior_scale=model.prior_scale)
