"""A loss with chosen minima: wells in a plateau, one parameter, a Gaussian prior.

Every observation has the same loss, so there is no data noise and L_n = L for every n. With depth
d_i = plateau - height_i, well i is the monomial height_i + c_i (w - p_i)^k_i / k_i, rounded off where it
meets the plateau, at distance r_i = (k_i d_i / c_i)^(1/k_i) from its bottom:

    L(w) = min over i of height_i + d_i T(t_i),             t_i = min(1, ((w - p_i) / r_i)^k_i),
    T(t) = t + (1 - t) S(2 t - 1),

where S is the quintic smoothstep (0 below 0, 1 above 1). The lower half of every well is the monomial itself
since wells reach no further than r_i and may not overlap: heights are exact, lambda_i is
1 / k_i and the multiplicity 1. L is twice continuously differentiable (the minimum only picks the well that w
lies in), and its slope never exceeds 1.5 times the steepest slope of the bare monomial, c_i r_i^(k_i - 1).

Outside the wells L is flat: the gradient is zero, and gradient descent that starts there stays there.

`mirrored` puts |w| in the place of w. Then every well has a copy on the other side, and the two are one phase, as the
copies of a solution are that a model's symmetries make; a well at 0 is its own copy.
"""

from __future__ import annotations

import itertools
import math

import jax
import jax.numpy as jnp

from slt.models.base import Model, Params, Phase, as_model, static


@as_model
class Crafted(Model):
    """Wells in a plateau; parameters {"w": ()}, prior N(0, prior_scale^2).

    Args:
      positions: p_i, where each well has its bottom.
      heights: loss at the bottoms, nats per observation.
      curvatures: c_i > 0; well i rises as c_i (w - p_i)^k_i / k_i. For k_i = 2 this is the second derivative.
      orders: k_i, even and at least 2.
      plateau: loss outside the wells, nats per observation, above every height.
      names: one for each well; default "well at p_i".
      mirrored: whether L(w) = L(-w), so that positions are those of |w|.
      prior_scale: standard deviation of the prior.
      init_center, init_scale: SGD starts at a draw of N(init_center, init_scale^2).

    Raises ValueError where these do not make separate wells.
    """

    positions: tuple[float, ...] = static()
    heights: tuple[float, ...] = static()
    curvatures: tuple[float, ...] = static()
    orders: tuple[int, ...] = static()
    plateau: float = static()
    names: tuple[str, ...] = static(())
    mirrored: bool = static(False)
    prior_scale: float = static(1.0)
    init_center: float = static(0.0)
    init_scale: float = static(1.0)

    def __post_init__(self) -> None:
        for field in ("positions", "heights", "curvatures", "orders", "names"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        if not self.names:
            object.__setattr__(self, "names", tuple(f"well at {p:g}" for p in self.positions))
        _check(self)

    @property
    def depths(self) -> tuple[float, ...]:
        """d_i: how far each bottom lies below the plateau, nats per observation."""
        return tuple(self.plateau - height for height in self.heights)

    @property
    def radii(self) -> tuple[float, ...]:
        """r_i: the distance from each bottom at which the plateau begins."""
        wells = zip(self.depths, self.curvatures, self.orders, strict=True)
        return tuple((k * d / c) ** (1 / k) for d, c, k in wells)

    def init(self, key: jax.Array) -> Params:
        return {"w": self.init_center + self.init_scale * jax.random.normal(key, ())}

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """(n,) zeros: observations that carry no information."""
        return jnp.zeros(n, jnp.float64)

    def losses(self, w: Params, data: jax.Array) -> jax.Array:
        return jnp.broadcast_to(self.population_loss(w), data.shape)

    def log_prior(self, w: Params) -> jax.Array:
        return jax.scipy.stats.norm.logpdf(w["w"], scale=self.prior_scale)

    def sample_prior(self, key: jax.Array) -> Params:
        return {"w": self.prior_scale * jax.random.normal(key, ())}

    def population_loss(self, w: Params) -> jax.Array:
        x = self._place(w)
        loss = jnp.full_like(x, self.plateau)
        wells = zip(self.positions, self.heights, self.depths, self.radii, self.orders, strict=True)
        for position, height, depth, radius, order in wells:
            t = jnp.clip((x - position) / radius, -1, 1) ** order
            loss = jnp.minimum(loss, height + depth * (t + (1 - t) * _smoothstep(2 * t - 1)))
        return loss

    def summarize(self, data: jax.Array, weights: jax.Array) -> jax.Array:
        """(): the total weight, the sufficient statistic."""
        return jnp.sum(weights)

    def summed_loss(self, w: Params, summary: jax.Array) -> jax.Array:
        return summary * self.population_loss(w)

    def phases(self) -> tuple[Phase, ...]:
        """One for each well, in the order given."""
        wells = zip(self.names, self.positions, self.heights, self.orders, strict=True)
        return tuple(
            Phase(
                name=name,
                point={"w": jnp.asarray(position, jnp.float64)},
                loss=height,
                llc=1 / order,
                multiplicity=1,
                log_prior=-0.5 * (position / self.prior_scale) ** 2
                - math.log(self.prior_scale * math.sqrt(2 * math.pi)),
                source=f"by construction: w^{order} in one coordinate",
            )
            for name, position, height, order in wells
        )

    def classify(self, w: Params) -> jax.Array:
        """The well whose basin of attraction holds w, |w - p_i| < r_i; on the plateau, "other"."""
        inside = jnp.abs(self._place(w) - jnp.asarray(self.positions)) < jnp.asarray(self.radii)
        return jnp.where(jnp.any(inside), jnp.argmax(inside), len(self.positions)).astype(jnp.int32)

    def observables(self, w: Params) -> dict[str, jax.Array]:
        return {"w": w["w"]}

    def _place(self, w: Params) -> jax.Array:
        """Where w is among `positions`."""
        x = w["w"]
        return (
            jnp.where(x < 0, -x, x) if self.mirrored else x
        )  # `abs` has slope 0 at 0, which hides curvature


def _smoothstep(x: jax.Array) -> jax.Array:
    """0 below 0, 1 above 1, and between them the quintic with two vanishing derivatives at both ends."""
    x = jnp.clip(x, 0, 1)
    return x**3 * (10 - 15 * x + 6 * x**2)


def _check(model: Crafted) -> None:
    """Raises ValueError for options that do not give wells, or give wells that overlap."""
    lists = ("positions", "heights", "curvatures", "orders", "names")
    lengths = {field: len(getattr(model, field)) for field in lists}
    if not model.positions or len(set(lengths.values())) != 1:
        counts = ", ".join(f"{length} {field}" for field, length in lengths.items())
        raise ValueError(
            f"every well needs one of each, and there must be at least one well; given: {counts}"
        )
    numbers = (*model.positions, *model.heights, *model.curvatures, model.plateau, model.init_center)
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError("positions, heights, curvatures, plateau and init_center must be finite numbers")
    if len({*model.names, "other"}) != len(model.names) + 1:
        raise ValueError(f'names must differ from one another and from "other": {", ".join(model.names)}')
    for name, order, curvature, depth in zip(
        model.names, model.orders, model.curvatures, model.depths, strict=True
    ):
        if order < 2 or order % 2:
            raise ValueError(f"{name}: an order must be an even whole number, at least 2, not {order}")
        if curvature <= 0:
            raise ValueError(f"{name}: a curvature must be positive, not {curvature}")
        if depth <= 0:
            raise ValueError(f"{name}: its bottom must lie below the plateau at {model.plateau}")
    if model.prior_scale <= 0 or model.init_scale < 0:
        raise ValueError("prior_scale must be positive, and init_scale not negative")
    wells = sorted(zip(model.positions, model.radii, model.names, strict=True))
    for position, radius, name in wells:
        if model.mirrored and position != 0 and position < radius:
            raise ValueError(
                f"{name} reaches from {position - radius:.4g} to {position + radius:.4g}: where wells are mirrored, "
                "each must lie above 0, or have its bottom there"
            )
    for (left, left_radius, one), (right, right_radius, other) in itertools.pairwise(wells):
        if left + left_radius > right - right_radius:
            raise ValueError(
                f"{one} reaches to {left + left_radius:.4g} and {other} from {right - right_radius:.4g}: "
                "wells may not overlap. Raise a curvature, lower the plateau, or move them apart"
            )
