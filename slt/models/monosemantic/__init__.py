"""Whether neurons stand for one feature each: a decoder of sparse features from a plane.

    y = P x + noise,   f(y) = V ReLU(W y + b),   loss |x - f(y)|^2

Each of four features is present (x_i = 1) or not, independently, with a small `frequency`. The fixed P puts them on
the corners of a square (`slt.models.monosemantic.square`), so opposite features cancel. A neuron is monosemantic
where, of its activations by the four features alone, one makes up nearly all of the sum.

Source: Jermyn, Schiefer and Hubinger 2022, "Engineering monosemanticity in toy models" (arXiv:2211.09169): their
feature decoder, layer by layer, their loss and their measure of neurons. Smaller, to be solved exactly: they have 512
features of uniform size on random directions in 64 dimensions, and call a neuron monosemantic from 0.999 of the sum
on.

The loss is unhalved: a Gaussian of variance 1/2. The noise, ours, takes the values +- `noise` on each of the plane's
two axes, so there are 64 inputs in all: the population loss is their sum, and their counts are sufficient
statistics.

Eight neurons reach the same loss, within 0.3 % of the least possible, with or without monosemantic neurons; four
reach it with them alone.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Model, Params, Phase, as_model, static
from slt.models.common.checks import check_positive
from slt.models.common.gaussian import draw_normal, log_normal, log_normal_peak
from slt.models.drawing import Drawing
from slt.models.monosemantic import square

PURE = 0.9  # a neuron is monosemantic from this share of its largest activation on
ALIVE = 0.05  # a neuron adds more than this to the outputs, for at least one feature
_SIGNS = np.array(list(itertools.product([-1.0, 1.0], repeat=2)))
_BITS = np.array([8, 4, 2, 1])


class Observed(NamedTuple):
    """Features that are present, x (n, 4) of 0 and 1, and the signs of the noise on each axis, (n, 2) of -1 and 1."""

    x: jax.Array
    signs: jax.Array


@as_model
class Monosemantic(Model):
    """Four features, two dimensions, `neurons` hidden units: 7 x neurons parameters.

    Args:
      neurons: at least 4.
      frequency: probability that a feature is present, below 1/2.
      noise: on each axis of the plane, 0 or more; features have length 1.
      init_scale: SGD starts with W ~ N(0, init_scale^2) and V ~ N(0, init_scale^2 / neurons).
      init_bias: and with b = init_bias everywhere.
      prior_scale: standard deviation of the prior, in every parameter.

    Raises ValueError for an option out of its range.
    """

    neurons: int = static(4)
    frequency: float = static(0.05)
    noise: float = static(0.0)
    init_scale: float = static(1.0)
    init_bias: float = static(0.0)
    prior_scale: float = static(1.0)

    def __post_init__(self) -> None:
        check_positive(init_scale=self.init_scale, prior_scale=self.prior_scale)
        if self.neurons < square.FEATURES:
            raise ValueError(
                f"neurons must be at least {square.FEATURES}, one for each feature, not {self.neurons}"
            )
        if not 0 < self.frequency < 0.5:
            raise ValueError(
                f"frequency must lie between 0 and 1/2, so that features are sparse; it is {self.frequency}"
            )
        if not (self.noise >= 0 and math.isfinite(self.noise)):
            raise ValueError(f"noise must be 0 or more and finite, not {self.noise}")
        if not math.isfinite(self.init_bias):
            raise ValueError(f"init_bias must be finite, not {self.init_bias}")

    def init(self, key: jax.Array) -> Params:
        directions, outputs = jax.random.split(key)
        return {
            "W": self.init_scale * jax.random.normal(directions, (self.neurons, 2)),
            "b": jnp.full(self.neurons, float(self.init_bias)),
            "V": self.init_scale / math.sqrt(self.neurons) * jax.random.normal(outputs, (4, self.neurons)),
        }

    def sample(self, key: jax.Array, n: int) -> Observed:
        # nested in n: JAX's counter-based generator gives row i the same bits whatever the length
        features, signs = jax.random.split(key)
        present = jax.random.uniform(features, (n, 4), jnp.float64) < self.frequency
        return Observed(
            present.astype(jnp.float64),
            jnp.where(jax.random.bernoulli(signs, shape=(n, 2)), 1.0, -1.0).astype(jnp.float64),
        )

    def losses(self, w: Params, data: Observed) -> jax.Array:
        corners = jnp.asarray(square.CORNERS, w["W"].dtype)
        seen = data.x @ corners + self.noise * data.signs
        output = jax.nn.relu(seen @ w["W"].T + w["b"]) @ w["V"].T
        return jnp.sum((data.x - output) ** 2, axis=1)

    def population_loss(self, w: Params) -> jax.Array:
        weights = np.repeat(square.probabilities(self.frequency), len(_SIGNS)) / len(_SIGNS)
        return jnp.asarray(weights) @ self.losses(w, self._inputs())

    def summarize(self, data: Observed, weights: jax.Array) -> jax.Array:
        """(64,) the weight of every input there is."""
        which = 4 * (data.x @ _BITS) + (data.signs @ np.array([2, 1]) + 3) / 2
        return jnp.zeros(64).at[which.astype(jnp.int32)].add(weights)

    def summed_loss(self, w: Params, summary: jax.Array) -> jax.Array:
        return summary @ self.losses(w, self._inputs())

    def _inputs(self) -> Observed:
        """All 64 inputs, in the order that `summarize` numbers them."""
        return Observed(
            jnp.asarray(np.repeat(square.PATTERNS, len(_SIGNS), axis=0)),
            jnp.asarray(np.tile(_SIGNS, (len(square.PATTERNS), 1))),
        )

    def log_prior(self, w: Params) -> jax.Array:
        return log_normal(w, self.prior_scale)

    def sample_prior(self, key: jax.Array) -> Params:
        shapes = {"W": (self.neurons, 2), "b": (self.neurons,), "V": (4, self.neurons)}
        return draw_normal(key, shapes, self.prior_scale)

    def answers(self, w: Params) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Of every neuron: activations by the features alone (4, neurons); the largest one's share of their sum
        (neurons,); and whether it is alive (neurons,). None of the three depends on how a neuron is scaled but the
        first."""
        active = jax.nn.relu(jnp.asarray(square.CORNERS) @ w["W"].T + w["b"])
        largest = jnp.max(active, axis=0)
        alive = largest * jnp.linalg.norm(w["V"], axis=0) > ALIVE
        return active, largest / jnp.maximum(jnp.sum(active, axis=0), 1e-12), alive

    def classify(self, w: Params) -> jax.Array:
        """0 polysemantic: no live neuron stands for one feature; 1 mixed: some do, some do not; 2 monosemantic: all
        do, and no feature is left out. Other, 3: all do, but a feature is left out; or none is alive."""
        active, share, alive = self.answers(w)
        pure = alive & (share > PURE)
        stood_for = jnp.zeros(4, bool).at[jnp.argmax(active, axis=0)].max(pure)
        all_pure, none_pure = jnp.all(pure == alive), ~jnp.any(pure)
        label = jnp.where(none_pure, 0, jnp.where(all_pure, jnp.where(jnp.all(stood_for), 2, 3), 1))
        return jnp.where(jnp.any(alive), label, 3).astype(jnp.int32)

    def observables(self, w: Params) -> dict[str, jax.Array]:
        """Polysemanticity is the mean over live neurons of 1 - the largest answer's share; 0 to 3/4."""
        _, share, alive = self.answers(w)
        live = jnp.sum(alive)
        return {
            "polysemanticity": jnp.sum(jnp.where(alive, 1 - share, 0.0)) / jnp.maximum(live, 1),
            "monosemantic": jnp.sum(alive & (share > PURE)),
            "dead": self.neurons - live,
        }

    def phases(self) -> tuple[Phase, ...]:
        polysemantic = square.octagon if self.neurons >= square.OCTAGON else square.on_sides
        codes = {
            "polysemantic": polysemantic(self.neurons, self.frequency),
            "mixed": square.half_turned(self.neurons, self.frequency),
            "monosemantic": square.on_corners(self.neurons, self.frequency),
        }
        return tuple(self._phase(name, code) for name, code in codes.items())

    def _phase(self, name: str, code: square.Code) -> Phase:
        solved = self.noise == 0 and name != "mixed"
        llc, why = (
            _learning_coefficient(name, self.neurons) if solved else (None, "an example, not stationary")
        )
        squares = sum(float(np.sum(leaf**2)) for leaf in square.balanced(code).values())
        return Phase(
            name=name,
            point=code,
            loss=float(self.population_loss(jax.tree.map(jnp.asarray, code))),
            llc=llc,
            multiplicity=None if llc is None else 1,
            # the highest among rescaled neurons; a continuum of other codes may have a little more
            log_prior=log_normal_peak(7 * self.neurons, self.prior_scale)
            - 0.5 * squares / self.prior_scale**2,
            critical=solved,
            source=why,
        )

    def nearest_copy(self, w: Params, to: Params) -> Params:
        return square.nearest_copy(w, to)

    def drawing(self, w: Params) -> Drawing:
        """What every neuron answers to each feature alone, and what it then adds to that feature's output."""
        active, _, _ = jax.tree.map(np.asarray, self.answers(w))
        order = np.argsort(np.argmax(active * np.abs(w["V"]), axis=0), kind="stable")
        return Drawing("matrix", (active * np.asarray(w["V"]))[:, order], axes=("neuron", "feature"))


def _learning_coefficient(name: str, neurons: int) -> tuple[float | None, str]:
    """lambda without noise, and why: half the rank of the Hessian where the stationary points near by are a manifold
    of the corank's dimension."""
    if name == "monosemantic":  # free: scale and bias of each of four neurons, and all that is dead
        return 10.0, "minimally singular: 5 of 7 directions of each live neuron, (28 - 8) / 2"
    if neurons >= square.OCTAGON:  # four outputs at eight inputs are fixed
        return 16.0, "minimally singular: 8 x 4 outputs are fixed, and neurons enough to fix them, 32 / 2"
    return None, "a saddle: the best of its symmetry"
