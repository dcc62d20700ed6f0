"""The full toy model of superposition: sparse features of unequal importance, compressed to r hidden dimensions.

    f(x) = ReLU(W^T W x + b),   loss = sum_i I_i (x_i - f_i)^2,   W of shape (r, c), b of shape (c,)

Every feature is active independently, with probability 1 - S and then uniform on [0, 1]; otherwise it is 0. Its
importance is I_i = importance^i. Source: Elhage et al. 2022, "Toy models of superposition" (arXiv:2209.10652).
`superposition` is the limit S -> 1 seen from the observations in which anything is active at all.

Conventions: the loss is not halved (a Gaussian of variance 1 / (2 I_i)), and the prior is N(0, 1) on every parameter.
Observations count whether anything is active in them or not, so that for S near 1 most of them carry little
information.

The expectation of the loss is a sum over 3^c corners, over products of slopes that may vanish, which is not usable as
a closed form. So there is no population loss here; nor are there sufficient statistics, since the sign of an
output depends on the whole vector x.

Geometry is described by two kinds of numbers, both of Elhage et al. ("The geometry of superposition"):

    features per dimension   |W|_F^2 / r
    dimensionality           D_i = |W_i|^2 / sum_j (W_i . W_j / |W_i|)^2

D_i is the share of a dimension that feature i has for itself: 1 alone, 1/2 in an antipodal pair, 2/3 in a triangle,
3/4 in a tetrahedron, 2/5 in a pentagon, 0 without a column; a common factor of all columns does not change it.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Model, Params, Phase, as_model, static
from slt.models.common.gaussian import draw_normal, log_normal
from slt.models.drawing import Drawing
from slt.models.sparse_superposition import critical_points
from slt.models.sparse_superposition.critical_points import REPRESENTED, Setting


@as_model
class SparseSuperposition(Model):
    """`features` sparse features in `hidden` dimensions; observations are rows x, (n, features).

    Phases are distinguished by how many features are represented, those whose column of W is longer than 0.5. The
    classifier counts, so that rotations and permutations do not matter; it does not depend on which features are
    represented, and in which shape; observables show that. With more than 10 features phases are found by clustering
    instead.

    Args:
      features: c >= 1.
      hidden: r, 1 <= r <= c.
      sparsity: S, 0 <= S < 1: the probability that a feature is not active.
      importance: base of the importances, 0 < importance <= 1.
      init_scale: standard deviation of W where SGD starts (b starts at 0).

    Raises ValueError for options out of these ranges.
    """

    features: int = static(5)
    hidden: int = static(2)
    sparsity: float = static(0.9)
    importance: float = static(0.9)
    init_scale: float = static(0.1)

    def __post_init__(self) -> None:
        if self.features < 1:
            raise ValueError(f"features must be at least 1, not {self.features}")
        if not 1 <= self.hidden <= self.features:
            raise ValueError(f"hidden must lie between 1 and features = {self.features}, not {self.hidden}")
        if not 0 <= self.sparsity < 1:
            raise ValueError(
                f"sparsity is a probability less than 1 (at 1 nothing is ever active), not {self.sparsity}"
            )
        if not 0 < self.importance <= 1:
            raise ValueError(f"importance must be positive and at most 1, not {self.importance}")
        if not 0 <= self.init_scale < np.inf:
            raise ValueError(f"init_scale is a standard deviation and cannot be {self.init_scale}")

    @property
    def setting(self) -> Setting:
        """What the losses depend on."""
        return Setting(self.features, self.hidden, self.sparsity, self.importance)

    def init(self, key: jax.Array) -> Params:
        shape = (self.hidden, self.features)
        return {"W": self.init_scale * jax.random.normal(key, shape), "b": jnp.zeros(self.features)}

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        # one number decides both: below 1 - S the feature is active, and where below is uniform
        active = 1 - self.sparsity
        uniform = jax.random.uniform(key, (n, self.features), jnp.float64)
        return jnp.where(uniform < active, uniform / active, 0.0)

    def losses(self, w: Params, data: jax.Array) -> jax.Array:
        x = data.T  # observations on the trailing axis: small batched products are faster so on a CPU
        output = jax.nn.relu(w["W"].T @ (w["W"] @ x) + w["b"][:, None])
        return jnp.asarray(critical_points.importances(self.setting), x.dtype) @ (x - output) ** 2

    def log_prior(self, w: Params) -> jax.Array:
        return log_normal(w, 1.0)

    def sample_prior(self, key: jax.Array) -> Params:
        return draw_normal(key, {"W": (self.hidden, self.features), "b": (self.features,)}, 1.0)

    def phases(self) -> tuple[Phase, ...]:
        """By number of represented features, as far as there is such a stationary point (`critical_points`)."""
        return tuple(self._phase(k, point) for k, point in critical_points.points(self.setting).items())

    def classify(self, w: Params) -> jax.Array:
        """By the number of represented features; "other" where no stationary point has that many."""
        known = list(critical_points.points(self.setting))
        index = [known.index(k) if k in known else len(known) for k in range(self.features + 1)]
        return jnp.asarray(index, jnp.int32)[jnp.sum(jnp.linalg.norm(w["W"], axis=0) > REPRESENTED)]

    def observables(self, w: Params) -> dict[str, jax.Array]:
        """Features per dimension, the sum of the dimensionalities, and each of them: "d0", "d1", ... by feature, or
        by decreasing size where features are interchangeable (importance 1)."""
        each = dimensionalities(w["W"])
        if self.importance == 1:
            each = -jnp.sort(-each)
        return {
            "features per dimension": jnp.sum(w["W"] ** 2) / self.hidden,
            "dimensionality": jnp.sum(each),
            **{f"d{i}": each[i] for i in range(self.features)},
        }

    def drawing(self, w: Params) -> Drawing:
        """Columns of W as arrows in the plane; in other dimensions W^T W, the weights from features to outputs."""
        W = np.asarray(w["W"], float)
        if self.hidden == 2:
            return Drawing("arrows", W.T, labels=tuple(f"feature {i}" for i in range(self.features)))
        return Drawing("matrix", W.T @ W, axes=("input feature", "output feature"))

    def _phase(self, k: int, point: critical_points.Point) -> Phase:
        if k <= self.hidden:
            source = "orthonormal columns, reproduced exactly"
        else:
            source = (
                f"best of {critical_points.STARTS} descents; standard error of the loss {point.error:.1g}"
            )
        entries = np.concatenate([point.W.ravel(), point.b])
        return Phase(
            name=f"{k} feature{'' if k == 1 else 's'}",
            point={"W": point.W, "b": point.b},
            loss=point.loss,
            critical=k <= self.hidden,  # beyond, a minimum on fixed observations, near the population's
            log_prior=float(-0.5 * np.sum(entries**2) - 0.5 * entries.size * np.log(2 * np.pi)),
            source=f"loss of Elhage et al. 2022 (arXiv:2209.10652); {source}",
        )


def dimensionalities(W: jax.Array) -> jax.Array:
    """(c,) D_i of the columns of W (r, c): the share of a dimension that each has for itself; 0 without a column.

    The columns are scaled by their largest entry first, so that small ones do not underflow.
    """
    W = W / jnp.maximum(jnp.max(jnp.abs(W)), 1e-300)
    overlap = W.T @ W
    shared = jnp.sum(overlap**2, axis=1)
    return jnp.where(shared > 0, jnp.diagonal(overlap) ** 2 / jnp.where(shared > 0, shared, 1.0), 0.0)
