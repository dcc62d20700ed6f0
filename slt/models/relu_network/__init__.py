"""A two-layer ReLU network in the plane, whose phases differ in how many nodes are used and which way they face.

    y = f(x) + noise,   f(x) = c + sum_i q_i max(0, <w_i, x> + b_i),   noise ~ N(0, noise^2)

The truth is symmetric: node j of m has gradient (cos, sin) of 2 pi j / m + pi / 2, bias -offset and outer weight
strengths[j], so that its line lies `offset` from the origin and the node is active beyond it. Source: Carroll 2021,
"Phase transitions in neural networks", MSc thesis, University of Melbourne, which studies such truths and the
phases of the model: nodes that are dead or share a line with another ("degenerate"), and nodes that face the other
way. For max(0, z) = z + max(0, -z), turning a set of nodes round changes f by a linear function; where that can be
made constant (here: all m of equal strength, m >= 2), c absorbs it and both are the truth.

Inputs are uniform on a finite grid that fills the unit disc: `rings` circles in annuli of equal area with `angles`
points on each. So every expectation is a finite sum, counts and summed noise by point are sufficient statistics, and
for angles a multiple of m the inputs are as symmetric as the truth. (In a square they would not be.)

The loss is the negative log-likelihood less its value at the truth, d (d / 2 - (y - f_0)) / noise^2 with d = f - f_0;
the population loss is K = E[d^2] / (2 noise^2).

A *kink* is what a node adds to f beyond a linear function on the grid. It is the same for (a w, a b, q / a) and for
a node that is turned round; nodes on one line have proportional kinks; a node that is active nowhere, or everywhere,
has none. Phases count kinks, after those on one line are added up.

lambda is half the rank of the Hessian where all flat directions are known: at the truth without spare nodes, and at a
best fit that leaves one node, active everywhere, for its linear part. That one is a minimum too, in which descent can
end. Fits that leave dead nodes are saddles.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Model, Params, Phase, as_model, static
from slt.models.common.checks import check_positive, check_scales
from slt.models.common.gaussian import draw_normal, log_normal
from slt.models.drawing import Drawing
from slt.models.relu_network.phases import phases
from slt.models.relu_network.truth import Truth, truth

_SAME_LINE = (
    0.9  # correlation of two kinks from which on they are one; lines 13 degrees apart at offset 1/3 have it
)
_EFFECTIVE = 0.5  # a kink counts when it has this share of the size of the truth's smallest


class Points(NamedTuple):
    """Observations: `point` (n,) int32 index into the grid, `y` (n,)."""

    point: jax.Array
    y: jax.Array


class Totals(NamedTuple):
    """At each point of the grid: summed weights, and summed weight x (y - f_0)."""

    weight: jax.Array
    noise: jax.Array


@as_model
class ReluNetwork(Model):
    """Hidden ReLU nodes under the prior N(0, prior_scale^2) on every parameter.

    Parameters {"w": (hidden, 2), "b": (hidden,), "q": (hidden,), "c": ()}.

    Args:
      hidden: H, at least as many as the truth has nodes.
      strengths: outer weights of the truth's nodes, positive; one to three of them. (Four or more may be turned round
        in part, which the classifier does not tell apart.)
      offset: distance of the truth's lines from the origin, in (0, 1).
      noise: standard deviation of the noise.
      rings, angles: of the grid of inputs.
      prior_scale: standard deviation of the prior.
      init_scale: standard deviation of the parameters where SGD starts.

    Raises ValueError for options out of these ranges.
    """

    hidden: int = static(3)
    strengths: tuple[float, ...] = static((1.0, 1.0, 1.0))
    offset: float = static(1 / 3)
    noise: float = static(0.3)
    rings: int = static(6)
    angles: int = static(24)
    prior_scale: float = static(1.0)
    init_scale: float = static(0.1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "strengths", tuple(self.strengths))
        _check(self)

    @property
    def truth(self) -> Truth:
        return truth(self.strengths, self.offset, self.rings, self.angles)

    def init(self, key: jax.Array) -> Params:
        return self._normal(key, self.init_scale)

    def sample(self, key: jax.Array, n: int) -> Points:
        where, noise = jax.random.split(key)
        point = jax.random.randint(where, (n,), 0, self.rings * self.angles, dtype=jnp.int32)
        draws = self.noise * jax.random.normal(noise, (n,), jnp.float64)
        return Points(point, jnp.asarray(self.truth.f)[point] + draws)

    def losses(self, w: Params, data: Points) -> jax.Array:
        x = jnp.asarray(self.truth.x, data.y.dtype)[data.point]
        f = jnp.asarray(self.truth.f, data.y.dtype)[data.point]
        gap = output(w, x) - f
        return gap * (gap / 2 - (data.y - f)) / self.noise**2

    def log_prior(self, w: Params) -> jax.Array:
        return log_normal({name: w[name] for name in "wbqc"}, self.prior_scale)

    def sample_prior(self, key: jax.Array) -> Params:
        return self._normal(key, self.prior_scale)

    def population_loss(self, w: Params) -> jax.Array:
        return jnp.mean(self._gap(w) ** 2) / (2 * self.noise**2)

    def summarize(self, data: Points, weights: jax.Array) -> Totals:
        empty = jnp.zeros(self.rings * self.angles)
        noise = data.y - jnp.asarray(self.truth.f)[data.point]
        return Totals(empty.at[data.point].add(weights), empty.at[data.point].add(weights * noise))

    def summed_loss(self, w: Params, summary: Totals) -> jax.Array:
        gap = self._gap(w)
        return jnp.sum(gap * (summary.weight * gap / 2 - summary.noise)) / self.noise**2

    def phases(self) -> tuple[Phase, ...]:
        """Best networks of 0 to m kinks, by falling loss; last the truth turned round, where it can be."""
        return phases(self)

    def classify(self, w: Params) -> jax.Array:
        """The number of kinks; where all m are present, also which way they face.

        A network with one kink or more belongs to a phase only where its loss is lower than that of the best function
        without. Without kinks it may have twice that function's loss. All else is "other", and so
        are more than m kinks, and m that do not face the same way.
        """
        kinks, inward = self._effective(w)
        m, straight = len(self.strengths), self.phases()[0].loss
        fits = self.population_loss(w) < jnp.where(kinks > 0, straight, 2 * straight)
        whole = (kinks == m) & (inward == m) & (len(self.phases()) == m + 2)
        mixed = (kinks == m) & (inward > 0) & ~whole
        label = jnp.where(whole, m + 1, kinks)
        return jnp.where(fits & ~mixed & (kinks <= m), label, len(self.phases())).astype(jnp.int32)

    def observables(self, w: Params) -> dict[str, jax.Array]:
        """How many kinks there are, how many of them face inward, and the size of all kinks together, in units of
        the truth's."""
        kinks, inward = self._effective(w)
        size = jnp.sqrt(jnp.mean(jnp.sum(self._kinks(w), axis=0) ** 2))
        whole = np.sqrt(np.mean(self._bent(self.truth.f) ** 2))
        return {"kinks": kinks.astype(float), "inward": inward.astype(float), "size of kinks": size / whole}

    def drawing(self, w: Params) -> Drawing:
        """f on the square around the disc, less its mean, second input upwards."""
        side = np.linspace(-1, 1, 33)
        x = np.stack(np.meshgrid(side, side[::-1]), -1).reshape(-1, 2)
        values = np.asarray(
            output({name: jnp.asarray(leaf, jnp.float64) for name, leaf in w.items()}, jnp.asarray(x))
        )
        return Drawing("matrix", (values - values.mean()).reshape(33, 33), axes=("x1", "x2"))

    def _normal(self, key: jax.Array, scale: float) -> Params:
        shapes = {"w": (self.hidden, 2), "b": (self.hidden,), "q": (self.hidden,), "c": ()}
        return draw_normal(key, shapes, scale)

    def _gap(self, w: Params) -> jax.Array:
        """f - f_0 at every point of the grid."""
        return output(w, jnp.asarray(self.truth.x)) - jnp.asarray(self.truth.f)

    def _kinks(self, w: Params) -> jax.Array:
        """(hidden, point) the kink of every node."""
        active = jax.nn.relu(w["w"] @ jnp.asarray(self.truth.x).T + w["b"][:, None])
        return self._bent(w["q"][:, None] * active)

    def _bent(self, values: Any) -> Any:
        """(..., point) functions on the grid, less their best linear approximations."""
        basis = self.truth.basis
        return values - (values @ basis) @ basis.T

    def _effective(self, w: Params) -> tuple[jax.Array, jax.Array]:
        """How many lines there are with a kink that counts, and at how many of them the nodes are active on the
        origin's side."""
        kinks = self._kinks(w)
        gram = kinks @ kinks.T
        size = jnp.sqrt(jnp.diagonal(gram))
        alive = size > 1e-9 * self.truth.size
        close = jnp.abs(gram) > _SAME_LINE * size[:, None] * size
        together = (close & alive & alive[:, None]) | jnp.eye(self.hidden, dtype=bool)
        for _ in range((self.hidden - 1).bit_length()):  # neighbors of neighbors, and so on
            together = jnp.any(together[:, :, None] & together[None], axis=1)
        members = together.astype(size.dtype)
        merged = jnp.sqrt(jnp.maximum(jnp.sum((members @ gram) * members, axis=1), 0.0))
        effective = merged > _EFFECTIVE * self.truth.size
        inward = members @ (size * jnp.sign(w["b"])) > 0
        share = 1 / jnp.sum(members, axis=1)
        count = [jnp.sum(jnp.where(which, share, 0.0)) for which in (effective, effective & inward)]
        return jnp.round(count[0]).astype(jnp.int32), jnp.round(count[1]).astype(jnp.int32)


def output(w: Params, x: jax.Array) -> jax.Array:
    """f(x), (n,), at x (n, 2)."""
    return jax.nn.relu(x @ w["w"].T + w["b"]) @ w["q"] + w["c"]


def _check(model: ReluNetwork) -> None:
    """Raises ValueError for options out of range."""
    if not 1 <= len(model.strengths) <= 3:
        raise ValueError(f"strengths must be one to three numbers, one for each node, not {model.strengths}")
    if not all(math.isfinite(q) and q > 0 for q in model.strengths):
        raise ValueError(f"strengths must be positive numbers, not {model.strengths}")
    if model.hidden < len(model.strengths):
        raise ValueError(
            f"hidden must be at least {len(model.strengths)}, the nodes of the truth, not {model.hidden}"
        )
    if not 0 < model.offset < 1:
        raise ValueError(f"offset must lie between 0 and 1, so that lines cross the disc, not {model.offset}")
    if model.rings < 2 or model.angles < 6:
        raise ValueError(
            f"the grid needs 2 rings and 6 angles at least, not {model.rings} and {model.angles}"
        )
    check_positive(noise=model.noise)
    check_scales(model.prior_scale, model.init_scale)
