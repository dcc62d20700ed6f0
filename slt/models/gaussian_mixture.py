"""A mixture of Gaussians fitted to one Gaussian: known weights, unknown means, truth N(0, 1).

    p(x | b) = sum_h pi_h N(x; b_h, 1),   loss = -log(p(x | b) / N(x; 0, 1)) = -log(1 + delta),
    delta(x) = sum_h pi_h (exp(b_h x - b_h^2 / 2) - 1),   K(b) = E[-log(1 + delta)] = E[delta - log(1 + delta)]

The last step holds because E[delta] = 0 whatever b. It makes the integrand non-negative and of second order in delta,
so that K is accurate relative to itself however small it is.

lambda = (H + 1) / 4, m = 1. For delta = sum_k He_k(x) m_k / k! with the moments m_k = sum_h pi_h b_h^k, and He_k
orthogonal, so that near b = 0 K is between constants times sum_k m_k^2. The second moment is a positive definite form
in b, so |m_k| <= C |b| m_2 for k >= 3, and the first two moments suffice: K ~ m_1^2 + m_2^2. Take u = m_1 as a
coordinate and v, H - 1 others; modulo u, m_2 is a positive definite form in v. So K ~ u^2 + |v|^4, which gives
lambda = 1/2 + (H - 1) / 4. For H = 1 the model is regular. The same leading terms, with unknown weights as well,
are in Yamazaki and Watanabe 2003, "Singularities in mixture models and upper bounds of stochastic complexity", Neural
Networks 16, 1029-1038.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Model, Params, Phase, as_model, static
from slt.models.common.checks import check_positive
from slt.models.common.gaussian import log_normal_peak
from slt.models.drawing import Drawing

# The trapezoidal rule converges geometrically for functions analytic near the line, and log(1 + delta) is singular at
# the distance pi / |b_h - b_k| from it. K is right to 1e-14 of itself while the means lie within 6 of one another, to
# 1e-10 within 10.
_NODES = np.arange(-144, 145) / 9
_WEIGHTS = np.exp(-(_NODES**2) / 2) / (9 * np.sqrt(2 * np.pi))
_SERIES = 0.1  # below this |delta| a series replaces delta - log(1 + delta)


@as_model
class GaussianMixture(Model):
    """Unit-variance components with unknown means, fitted to a single one at 0.

    Parameters {"b": (components,)}; data x of shape (n,). SGD starts at a draw from the prior.

    Args:
      weights: pi_h > 0, one for each component, of sum 1.
      prior_scale: standard deviation of the prior on the means.

    Raises ValueError for weights that are not of this form.
    """

    weights: tuple[float, ...] = static((0.5, 0.5))
    prior_scale: float = static(1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", tuple(self.weights))
        if not self.weights or not min(self.weights) > 0 or not abs(sum(self.weights) - 1) < 1e-9:
            raise ValueError(f"weights must be positive and sum to 1, not {self.weights}")
        check_positive(prior_scale=self.prior_scale)

    def init(self, key: jax.Array) -> Params:
        return self.sample_prior(key)

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """(n,) draws of N(0, 1)."""
        return jax.random.normal(key, (n,), jnp.float64)

    def losses(self, w: Params, data: jax.Array) -> jax.Array:
        return -self._log_ratio(w["b"], data)[1]

    def log_prior(self, w: Params) -> jax.Array:
        return jnp.sum(jax.scipy.stats.norm.logpdf(w["b"], scale=self.prior_scale))

    def sample_prior(self, key: jax.Array) -> Params:
        return {"b": self.prior_scale * jax.random.normal(key, (len(self.weights),))}

    def population_loss(self, w: Params) -> jax.Array:
        delta, log_ratio = self._log_ratio(w["b"], jnp.asarray(_NODES))
        return jnp.sum(jnp.asarray(_WEIGHTS) * _excess(delta, log_ratio))

    def phases(self) -> tuple[Phase, ...]:
        """All means at 0."""
        components = len(self.weights)
        llc, multiplicity = learning_coefficient(components)
        return (
            Phase(
                name="origin",
                point={"b": np.zeros(components)},
                loss=0.0,
                llc=llc,
                multiplicity=multiplicity,
                log_prior=log_normal_peak(components, self.prior_scale),
                source="K ~ m_1^2 + m_2^2 in the moments; see the module's docstring",
            ),
        )

    def classify(self, w: Params) -> jax.Array:
        """0: the one phase is everywhere."""
        return jnp.zeros((), jnp.int32)

    def observables(self, w: Params) -> dict[str, jax.Array]:
        """The first two moments of the means."""
        weights = jnp.asarray(self.weights)
        return {"first moment": weights @ w["b"], "second moment": weights @ w["b"] ** 2}

    def drawing(self, w: Params) -> Drawing:
        """The mixture's density, beside the truth's."""
        x = np.linspace(-4, 4, 161)
        parts = np.exp(-((x - np.asarray(w["b"])[:, None]) ** 2) / 2) / np.sqrt(2 * np.pi)
        truth = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
        curves = np.stack([np.asarray(self.weights) @ parts, truth])
        return Drawing("curves", curves, x, labels=("mixture", "truth"), axes=("x", "density"))

    def _log_ratio(self, b: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """delta(x) and log(1 + delta(x)), each of the shape of x (n,)."""
        weights = jnp.asarray(self.weights, b.dtype)[:, None]
        exponents = b[:, None] * (x - b[:, None] / 2)
        delta = jnp.sum(weights * jnp.expm1(exponents), axis=0)
        small = delta < -0.5  # the ratio itself is small, and 1 + delta would round it away
        logs = jax.nn.logsumexp(exponents, axis=0, b=weights)
        return delta, jnp.where(small, logs, jnp.log1p(jnp.where(small, 0.0, delta)))


def learning_coefficient(components: int) -> tuple[float, int]:
    """lambda and m for this many unknown means."""
    return (components + 1) / 4, 1


def _excess(delta: jax.Array, log_ratio: jax.Array) -> jax.Array:
    """delta - log(1 + delta) >= 0. With u = delta / (2 + delta), log(1 + delta) = 2 artanh(u), so that for small
    delta it is delta u - 2 (u^3 / 3 + u^5 / 5 + ...)."""
    small = jnp.abs(delta) < _SERIES
    d = jnp.where(small, delta, 0.0)
    u = d / (2 + d)
    tail = jnp.polyval(jnp.array([1 / k for k in (15, 13, 11, 9, 7, 5, 3)]), u**2)
    return jnp.where(small, u * (d - 2 * u**2 * tail), delta - log_ratio)
