"""Two equal craters that differ in the ground around them: a long valley leads to one.

    K(w) = min(c r^2 / 2, G(w)), the corner rounded off;      r: distance to the nearer bottom
    G(w) = depth - drop B(s / length) B((|w| - a) / width);   B(t) = (1 - t^2)^3 for |t| < 1, else 0

The bottoms lie at (-a, 0), alone in the plateau G = depth, and at (a, 0), where the valley ends. The valley follows
the circle |w| = a: s = a arg w is the distance from the second bottom along it, on either side. Its floor falls from
the plateau by drop = slope x length; the longest that is allowed stops at the first crater.

The rounding is over where c r^2 / 2 and G differ by 0.2 depth. So wherever c r^2 / 2 is below 0.8 depth - drop, the
loss *is* c r^2 / 2 around both bottoms and does not depend on the valley. What lies above that level has a share of
the posterior that vanishes like exp(-level n). Both craters have lambda = 1, m = 1 and, in mirror places, equal
prior.

Yet their basins of attraction are very different. Descent cannot leave the valley, where G only falls, and the only
critical point of G there is at the second crater; the first crater's basin is its own disc alone.

Data are noise around a signal of two outputs (`slt.models.common.signal`). In complex notation, with |f|^2 / 2 = K,

    f(w) = sqrt(2 K) q / |q|,   q = (w - a) / (w + a),

which is smooth at both bottoms and the same at w and in its mirror (-x, y). So the two craters have equal shares for
every single data set, not on average alone. The likelihood sets the noise of gradients: a batch size tempers it, and
there is no other option for it.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from slt.models.base import Params, as_model, static
from slt.models.common.checks import check_positive
from slt.models.common.craters import ROUNDING, TwoCraters, bump


@as_model
class CraterValley(TwoCraters):
    """Two identical craters, one of them at the end of a valley; two parameters.

    Args:
      distance: between the bottoms, 2 a.
      radius: of the craters; at this distance from the first bottom the plateau begins.
      depth: loss of the plateau, nats per observation; both bottoms have loss 0.
      valley_length: along the circle |w| = a, to either side of the second crater.
      valley_width: half the width, from the floor to the edge.
      valley_slope: mean slope of the floor along the valley, nats per observation and unit of length.
      prior_scale: standard deviation of the prior.
      init_scale: SGD starts at a draw of N(0, init_scale^2), between the craters.

    Raises ValueError where the craters overlap, or the valley reaches too far or too deep.
    """

    NAMES = ("crater", "valley")

    distance: float = static(3.0)
    radius: float = static(0.5)
    depth: float = static(1.0)
    valley_length: float = static(4.0)
    valley_width: float = static(1.2)
    valley_slope: float = static(0.1)
    prior_scale: float = static(1.0)
    init_scale: float = static(1.0)

    def __post_init__(self) -> None:
        _check(self)

    @property
    def drop(self) -> float:
        """How far the valley's floor lies below the plateau at its deepest, nats per observation."""
        return self.valley_slope * self.valley_length

    @property
    def level(self) -> float:
        """Below this loss the two craters are the same, nats per observation."""
        return (1 - ROUNDING) * self.depth - self.drop

    def shape(self) -> tuple[int, int]:
        return 2, 2

    def ground(self, w: jax.Array) -> jax.Array:
        """G(w): the plateau and the valley in it, without craters."""
        origin = jnp.all(w == 0)  # where the angle has no derivative, and no valley comes
        x, y = jnp.where(origin, jnp.ones_like(w), w)
        a = self.distance / 2
        along, across = a * jnp.arctan2(y, x), jnp.hypot(x, y) - a
        valley = bump(along / self.valley_length) * bump(across / self.valley_width)
        return self.depth - self.drop * jnp.where(origin, 0.0, valley)

    def signal(self, w: jax.Array) -> jax.Array:
        x, y = w
        a = self.distance / 2
        left, right = (x + a) ** 2 + y**2, (x - a) ** 2 + y**2
        near, far = jnp.minimum(left, right), jnp.maximum(left, right)
        direction = jnp.stack([(x - a) * (x + a) + y**2, 2 * a * y])  # (w - a) (w + a)*
        return jnp.sqrt(2 * self.steepness(w, near) / far) * direction

    def classify(self, w: Params) -> jax.Array:
        """The crater whose disc holds w: 0 the isolated one, 1 the valley's; outside, the valley's floor too, 2."""
        x, y = w["w"]
        a = self.distance / 2
        outside = jnp.minimum((x + a) ** 2, (x - a) ** 2) + y**2 >= self.radius**2
        return jnp.where(outside, 2, x > 0).astype(jnp.int32)

    def observables(self, w: Params) -> dict[str, jax.Array]:
        return {"x": w["w"][0], "y": w["w"][1]}


def _check(model: CraterValley) -> None:
    """Raises ValueError for what would not be two craters and a valley."""
    lengths = ("distance", "radius", "depth", "valley_length", "valley_width", "valley_slope")
    check_positive(**{name: getattr(model, name) for name in (*lengths, "prior_scale", "init_scale")})
    a = model.distance / 2
    if model.radius > a:
        raise ValueError(
            f"craters of radius {model.radius:g} overlap at distance {model.distance:g}: "
            f"the radius may be {a:g} at most"
        )
    if model.valley_width >= a:
        raise ValueError(
            f"valley_width must be less than half the distance, {a:g}, so that the valley has a hill to go round; "
            f"it is {model.valley_width:g}"
        )
    longest = a * (math.pi - math.asin(model.radius / a))
    if not model.radius < model.valley_length <= longest:
        raise ValueError(
            f"valley_length must lie between the radius, {model.radius:g}, and {longest:.4g}, where the other crater "
            f"begins; it is {model.valley_length:g}"
        )
    if model.level <= 0:
        raise ValueError(
            f"valley_slope x valley_length = {model.drop:.4g} must stay below {(1 - ROUNDING) * model.depth:.4g}, "
            f"{1 - ROUNDING:g} of the depth: a deeper valley would change the bottom of its crater"
        )
