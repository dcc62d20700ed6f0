"""A network of tanh units whose truth is zero, so that no unit is needed.

    y = f(x) + noise,   f(x) = sum_h b_h tanh(a_h x),   x ~ U(-1, 1),   noise ~ N(0, 1),   the truth being f = 0

The loss is the negative log-likelihood less its value at the truth, f^2 / 2 - y f; the population loss is
K = E[f^2] / 2. By the Taylor series of tanh, K is as small as the sum of the squares of
sum_h b_h a_h^(2 j - 1), j = 1 ... H, and with i = floor(sqrt(H))

    lambda = (H + i^2 + i) / (4 i + 2),   m = 2 if H = i^2, else 1.

Source: Aoyagi and Watanabe 2005, "Resolution of singularities and the generalization error with Bayesian estimation
for layered neural network", IEICE Transactions J88-D-II, 2112-2124; Aoyagi 2006, "The zeta function of learning
theory and generalization error of three layered neural perceptron", RIMS Kokyuroku 1501, 153-167.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Model, Params, Phase, as_model, static
from slt.models.common.checks import check_scales
from slt.models.common.gaussian import draw_normal, log_normal_peak
from slt.models.common.linear_networks import Pairs
from slt.models.drawing import Drawing

# f is odd, so f^2 needs nodes on [0, 1] alone; 48 give K to 1e-14 of itself for |a| <= 20, to 1e-10 at 40
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


@as_model
class TanhNetwork(Model):
    """One input, one output, and hidden tanh units that the truth does not need.

    Parameters {"a": (hidden,), "b": (hidden,)}; data are `Pairs` of x and y, each (n, 1).

    Args:
      hidden: H >= 1.
      prior_scale: standard deviation of the prior.
      init_scale: standard deviation of the weights where SGD starts.

    Raises ValueError for options out of these ranges.
    """

    hidden: int = static(2)
    prior_scale: float = static(1.0)
    init_scale: float = static(1.0)

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise ValueError(f"hidden must be at least 1, not {self.hidden}")
        check_scales(self.prior_scale, self.init_scale)

    def output(self, w: Params, x: jax.Array) -> jax.Array:
        """f(x), of the shape of x (n,)."""
        return w["b"] @ jnp.tanh(w["a"][:, None] * x)

    def init(self, key: jax.Array) -> Params:
        return self._normal(key, self.init_scale)

    def sample(self, key: jax.Array, n: int) -> Pairs:
        inputs, noise = jax.random.split(key)
        return Pairs(
            jax.random.uniform(inputs, (n, 1), jnp.float64, -1, 1),
            jax.random.normal(noise, (n, 1), jnp.float64),
        )

    def losses(self, w: Params, data: Pairs) -> jax.Array:
        f = self.output(w, data.x[:, 0])
        return f * (f / 2 - data.y[:, 0])

    def log_prior(self, w: Params) -> jax.Array:
        logpdf = jax.scipy.stats.norm.logpdf
        return jnp.sum(logpdf(w["a"], scale=self.prior_scale) + logpdf(w["b"], scale=self.prior_scale))

    def sample_prior(self, key: jax.Array) -> Params:
        return self._normal(key, self.prior_scale)

    def population_loss(self, w: Params) -> jax.Array:
        return jnp.sum(jnp.asarray(_WEIGHTS) * self.output(w, jnp.asarray(_NODES)) ** 2) / 2

    def phases(self) -> tuple[Phase, ...]:
        """The origin, the most singular point of the true set."""
        llc, multiplicity = learning_coefficient(self.hidden)
        return (
            Phase(
                name="origin",
                point={"a": np.zeros(self.hidden), "b": np.zeros(self.hidden)},
                loss=0.0,
                llc=llc,
                multiplicity=multiplicity,
                log_prior=log_normal_peak(2 * self.hidden, self.prior_scale),
                source="Aoyagi and Watanabe 2005; Aoyagi 2006",
            ),
        )

    def classify(self, w: Params) -> jax.Array:
        """0: the one phase is everywhere."""
        return jnp.zeros((), jnp.int32)

    def observables(self, w: Params) -> dict[str, jax.Array]:
        """sum_h b_h a_h^(2 j - 1) for j = 1, 2: what is left of the network's first two Taylor coefficients."""
        return {"linear part": w["b"] @ w["a"], "cubic part": w["b"] @ w["a"] ** 3}

    def drawing(self, w: Params) -> Drawing:
        """The network's output, and the truth's, which is zero."""
        x = np.linspace(-1, 1, 81)
        output = np.asarray(w["b"]) @ np.tanh(np.asarray(w["a"])[:, None] * x)
        return Drawing("curves", np.stack([output, 0 * x]), x, labels=("f(x)", "truth"), axes=("x", "output"))

    def _normal(self, key: jax.Array, scale: float) -> Params:
        return draw_normal(key, {"a": (self.hidden,), "b": (self.hidden,)}, scale)


def learning_coefficient(hidden: int) -> tuple[float, int]:
    """lambda and m for this many units."""
    i = math.isqrt(hidden)
    return (hidden + i**2 + i) / (4 * i + 2), 2 if hidden == i**2 else 1
