"""Two equal craters in k dimensions; to one of them a staircase of steps leads, one for each coordinate.

    K(w) = min(c r^2 / 2, G(w)), the corner rounded off;      r: distance to the nearer bottom
    G(w) = depth - drop / k  sum_j R_j(u_j) prod_{i<j} B(u_i / width)
    R_1(t) = B(t / first), R_j(t) = B(t / reach) beyond;      B(t) = (1 - t^2)^3 for |t| < 1, else 0

The bottoms lie at (-a, 0, ..., 0), alone in the plateau G = depth, and at (a, 0, ..., 0); u is counted from the
second. Step j of the staircase has a gradient that moves u_j to 0 from as far as `reach`, but only where the j - 1
coordinates before it are found, |u_i| < width: valleys of codimension 1, 2, ..., k, each in the floor of the one
before. Step 1 begins where the slab of the other crater ends, first = 2 a - radius. On the staircase every |u_j|
falls along the gradient flow until all are found, so the volume of the second crater's basin of attraction hardly
depends on k. The first crater's basin is its own ball alone, whose share falls with k like radius^k / Gamma(k / 2 +
1).

The posterior depends on neither basin. As in `slt.models.crater_valley` the loss *is* c r^2 / 2 around both bottoms
wherever that is below `level`, and the signal behind the data is the same at w and in its mirror (-w_1, w_2, ...):

    f(w) = sqrt(2 K) v / |v|,   v = (s(w_1) - a, w_2, ..., w_k),   |f|^2 / 2 = K,

where s(x) is |x|, made smooth for |x| < a - radius. So the craters have equal shares for every data set and every k,
but for what lies above the level, which vanishes like exp(-level n). Both have lambda = k / 2, m = 1.

The noise of gradients changes the direction v / |v| and cannot change |v|: on the plateau it moves runs around the
nearer bottom, not towards it.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Params, as_model, static
from slt.models.common.checks import check_positive
from slt.models.common.craters import ROUNDING, TwoCraters, bump
from slt.models.drawing import Drawing


@as_model
class CraterStaircase(TwoCraters):
    """Two identical craters in `dimension` parameters, one of them at the end of a staircase.

    Args:
      dimension: k >= 1 parameters, each of them a step.
      distance: between the bottoms, 2 a.
      radius: of the craters; at this distance from the first bottom the plateau begins.
      depth: loss of the plateau, nats per observation; both bottoms have loss 0.
      drop: height of the whole staircase, nats per observation; each step has drop / dimension.
      width: a coordinate counts as found within this distance of the second bottom's.
      reach: of the steps after the first, to either side.
      prior_scale: standard deviation of the prior.
      init_scale: SGD starts at a draw of N(0, init_scale^2), between the craters.

    Raises ValueError where the craters touch, or the staircase reaches too deep.
    """

    NAMES = ("crater", "staircase")

    dimension: int = static(4)
    distance: float = static(3.0)
    radius: float = static(1.0)
    depth: float = static(1.0)
    drop: float = static(0.4)
    width: float = static(0.7)
    reach: float = static(4.0)
    prior_scale: float = static(1.0)
    init_scale: float = static(1.0)

    def __post_init__(self) -> None:
        _check(self)

    @property
    def level(self) -> float:
        """Below this loss the two craters are the same, nats per observation."""
        return (1 - ROUNDING) * self.depth - self.drop

    @property
    def first(self) -> float:
        """Reach of the first step: up to the slab of the isolated crater."""
        return self.distance - self.radius

    def shape(self) -> tuple[int, int]:
        return self.dimension, self.dimension

    def ground(self, w: jax.Array) -> jax.Array:
        """G(w): the plateau and the staircase in it, without craters."""
        u = self._from_second(w)
        reach = np.full(self.dimension, self.reach).astype(w.dtype)
        reach[0] = self.first
        found = jnp.cumprod(bump(u / self.width))
        open_ = jnp.concatenate(
            [jnp.ones_like(found[:1]), found[:-1]]
        )  # step j is felt where all before are found
        return self.depth - self.drop / self.dimension * jnp.sum(open_ * bump(u / reach))

    def _from_second(self, w: jax.Array) -> jax.Array:
        """u: the way from the staircase's bottom."""
        return jnp.concatenate([w[:1] - self.distance / 2, w[1:]])

    def mirrored(self, w: jax.Array) -> jax.Array:
        """v: the way from the nearer bottom, the same at w and in its mirror."""
        a = self.distance / 2
        return jnp.concatenate([_smooth_modulus(w[:1], a - self.radius) - a, w[1:]])

    def signal(self, w: jax.Array) -> jax.Array:
        v = self.mirrored(w)
        return jnp.sqrt(2 * self.steepness(w, jnp.sum(v**2))) * v

    def classify(self, w: Params) -> jax.Array:
        """The crater whose ball holds w: 0 the isolated one, 1 the staircase's; outside, its steps too, 2."""
        x, rest = w["w"][0], w["w"][1:]
        outside = (jnp.abs(x) - self.distance / 2) ** 2 + jnp.sum(rest**2) >= self.radius**2
        return jnp.where(outside, 2, x > 0).astype(jnp.int32)

    def observables(self, w: Params) -> dict[str, jax.Array]:
        """The first coordinate, and how many coordinates in a row are found."""
        u = self._from_second(w["w"])
        return {"x": w["w"][0], "found": jnp.sum(jnp.cumprod(jnp.abs(u) < self.width))}

    def drawing(self, w: Params) -> Drawing:
        """The parameters as bars: the first is a at one bottom and -a at the other, all others 0 at both."""
        return Drawing("bars", w["w"], labels=tuple(f"w{i + 1}" for i in range(self.dimension)))


def _smooth_modulus(x: jax.Array, half: float) -> jax.Array:
    """|x|, exactly where it is `half` or more; even, and three times differentiable, inside."""
    t = (x / half) ** 2
    inside = half / 16 * (5 + 15 * t - 5 * t**2 + t**3)
    return jnp.where(t < 1, inside, jnp.abs(x))


def _check(model: CraterStaircase) -> None:
    """Raises ValueError for what would not be two craters and a staircase."""
    lengths = ("distance", "radius", "depth", "drop", "width", "reach", "prior_scale", "init_scale")
    check_positive(**{name: getattr(model, name) for name in lengths})
    a = model.distance / 2
    if model.dimension < 1:
        raise ValueError(f"dimension must be a whole number, at least 1, not {model.dimension}")
    if model.radius >= a:
        raise ValueError(
            f"craters of radius {model.radius:g} touch at distance {model.distance:g}: "
            f"the radius must be less than {a:g}"
        )
    if model.drop >= (1 - ROUNDING) * model.depth:
        raise ValueError(
            f"drop = {model.drop:g} must stay below {(1 - ROUNDING) * model.depth:.4g}, {1 - ROUNDING:g} of the "
            "depth: a deeper staircase would change the bottom of its crater"
        )
