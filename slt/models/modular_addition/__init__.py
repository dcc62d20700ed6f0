"""Addition modulo p by a network with one hidden layer, the model of grokking.

    f(x) = phi(x W) V,   x = (e_a, e_b),   W of shape (2p, hidden), V of shape (hidden, p),   phi(z) = z^2 or ReLU

Sources: Power et al. 2022 (arXiv:2201.02177) for grokking; Gromov 2023 (arXiv:2301.02679) for the network, and for
its solution with phi(z) = z^2, in which every neuron is a wave of one frequency over a and over b, and a wave over
the output whose phase is the sum of the other two.

Conventions. The target is the one-hot of (a + b) mod p and carries no noise. "squared" is |y - f|^2 / (2 noise^2),
the negative log-likelihood of Gaussian outputs less its constant: `noise` only scales the loss, like a temperature.
"cross_entropy" takes f for logits.

There are only p^2 inputs. So the counts of the pairs are sufficient statistics, `summed_loss` costs the same at every
n, and the population loss, the mean over all p^2 pairs, is exact.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Model, Params, Phase, as_model, static
from slt.models.common.checks import check_positive
from slt.models.common.gaussian import draw_normal, log_normal
from slt.models.drawing import Drawing
from slt.models.modular_addition import solutions
from slt.models.modular_addition.phases import phases

GENERALIZING = 0.95  # accuracy over all pairs from which on a network generalizes


class Sums(NamedTuple):
    """Observations: x (n, 2p) the one-hots of a and b side by side, y (n, p) that of (a + b) mod p."""

    x: jax.Array
    y: jax.Array


@as_model
class ModularAddition(Model):
    """Sums modulo p; parameters {"W": (2p, hidden), "V": (hidden, p)} under the prior N(0, prior_scale^2).

    Args:
      p: the modulus, odd, at least 3.
      hidden: neurons; at least 7 for "quadratic" and 2p - 1 for "relu", so that a solution is known.
      activation: "quadratic" or "relu".
      loss: "squared" or "cross_entropy".
      noise: standard deviation of the Gaussian in "squared"; "cross_entropy" has no use for it.
      replacement: whether every observation is any pair, whatever came before. If not, a data set goes through all
        pairs in an order of its own, again and again: its first n <= p^2 observations are n different pairs, so that
        n / p^2 is the training fraction of the literature.
      prior_scale: standard deviation of the prior.
      init_scale: standard deviation of the weights where SGD starts.

    Raises ValueError for options that are not of this form.
    """

    p: int = static(11)
    hidden: int = static(31)
    activation: str = static("quadratic")
    loss: str = static("squared")
    noise: float = static(0.1)
    replacement: bool = static(True)
    prior_scale: float = static(1.0)
    init_scale: float = static(0.3)

    def __post_init__(self) -> None:
        check_positive(noise=self.noise, prior_scale=self.prior_scale, init_scale=self.init_scale)
        if self.p < 3 or self.p % 2 == 0:
            raise ValueError(f"p must be odd and at least 3, not {self.p}")
        for name, value, known in (
            ("activation", self.activation, ("quadratic", "relu")),
            ("loss", self.loss, ("squared", "cross_entropy")),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
        least = solutions.narrowest(self.activation, self.p)
        if self.hidden < least:
            raise ValueError(
                f"hidden must be at least {least} for {self.activation} neurons and p = {self.p}, "
                f"where a network that generalizes is known; it is {self.hidden}"
            )

    # -- data -------------------------------------------------------------------------------------------
    def init(self, key: jax.Array) -> Params:
        return self._normal(key, self.init_scale)

    def sample(self, key: jax.Array, n: int) -> Sums:
        if self.replacement:
            pair = jax.random.randint(key, (n,), 0, self.p**2)
        else:
            pair = jax.random.permutation(key, self.p**2)[jnp.arange(n) % self.p**2]
        a, b = jnp.eye(self.p, dtype=jnp.float64)[jnp.stack(jnp.divmod(pair, self.p))]
        return Sums(jnp.concatenate([a, b], axis=1), jnp.asarray(self.answers(), jnp.float64)[pair])

    def answers(self) -> np.ndarray:
        """(p^2, p) the right output for each pair, in the order of `summarize`."""
        return solutions.answers(self.p)

    # -- losses -----------------------------------------------------------------------------------------
    def losses(self, w: Params, data: Sums) -> jax.Array:
        return self._losses(self._activate(data.x @ w["W"]) @ w["V"], data.y)

    def population_loss(self, w: Params) -> jax.Array:
        return jnp.mean(self._losses(self.table(w), jnp.asarray(self.answers(), w["V"].dtype)))

    def summarize(self, data: Sums, weights: jax.Array) -> jax.Array:
        """(p^2,) how often each pair was observed; pair (a, b) has index a p + b."""
        a, b = data.x[:, : self.p], data.x[:, self.p :]
        return ((weights[:, None] * a).T @ b).ravel()

    def summed_loss(self, w: Params, summary: jax.Array) -> jax.Array:
        return summary @ self._losses(self.table(w), jnp.asarray(self.answers(), w["V"].dtype))

    def table(self, w: Params) -> jax.Array:
        """(p^2, p) outputs on all pairs, in the order of `summarize`."""
        before = w["W"][: self.p, None] + w["W"][None, self.p :]
        return self._activate(before.reshape(self.p**2, self.hidden)) @ w["V"]

    def correct(self, w: Params) -> jax.Array:
        """(p^2,) for each pair, whether the largest output is the right one."""
        return jnp.argmax(self.table(w), axis=1) == self.answers().argmax(axis=1)

    def train_and_test(self, w: Params, counts: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Accuracy on the pairs in a data set, and on all others (NaN where there are none).

        Args:
          w: parameters.
          counts: (p^2,) of the data set, as `summarize` makes them.
        """
        correct, seen = self.correct(w), counts > 0
        return jnp.mean(correct, where=seen), jnp.mean(correct, where=~seen)

    # -- prior ------------------------------------------------------------------------------------------
    def log_prior(self, w: Params) -> jax.Array:
        return log_normal(w, self.prior_scale)

    def sample_prior(self, key: jax.Array) -> Params:
        return self._normal(key, self.prior_scale)

    # -- phases -----------------------------------------------------------------------------------------
    def phases(self) -> tuple[Phase, ...]:
        """Chance, memorizing and generalizing, distinguished by the accuracy over all p^2 pairs; see `classify`.

        Their points: no weights at all; random neurons whose outputs are fitted to some pairs; and an exact or
        approximate solution (`solutions`).
        """
        return phases(self)

    def classify(self, w: Params) -> jax.Array:
        """0 below accuracy 2 / p, twice that of a guess; 2 from 0.95 on; 1 between.

        A parameter does not say which pairs it was trained on. So "memorizing" means some right sums and some wrong
        ones: a network half way to the rule is here too, and a lookup table of more than 95 % of all sums
        generalizes.
        """
        right = jnp.sum(self.correct(w))
        return ((right >= 2 * self.p).astype(jnp.int32) + (right >= GENERALIZING * self.p**2)).astype(
            jnp.int32
        )

    def accuracy(self, w: Params) -> jax.Array:
        """Share of all p^2 pairs that come out right."""
        return jnp.mean(self.correct(w), dtype=jnp.float64)

    def observables(self, w: Params) -> dict[str, jax.Array]:
        """Accuracy over all pairs; the norm of all weights; and of the waves (Gromov 2023, sections 3 and 4):

        "ipr": inverse participation ratio of neurons' power over frequencies, 1 where each neuron has a single one,
        2 / (p - 1) where power is spread evenly; neurons count by their power.
        "frequencies": how many the network as a whole uses (participation number of the summed power).
        "alignment": cosine of phase(a) + phase(b) - phase(output), weighted by amplitudes: 1 where all waves line up,
        about 0 by chance.
        """
        a, b, c = self.waves(w)
        power = jnp.abs(a) ** 2 + jnp.abs(b) ** 2
        by_neuron, by_frequency = jnp.sum(power, axis=1), jnp.sum(power, axis=0)
        concentrated = jnp.sum(power**2 / jnp.maximum(by_neuron, _TINY)[:, None])
        total = jnp.maximum(jnp.sum(power), _TINY)
        product = a * b * jnp.conj(c)
        return {
            "accuracy": self.accuracy(w),
            "norm": jnp.sqrt(jnp.sum(w["W"] ** 2) + jnp.sum(w["V"] ** 2)),
            "ipr": concentrated / total,
            "frequencies": total**2 / jnp.maximum(jnp.sum(by_frequency**2), _TINY),
            "alignment": jnp.sum(product.real) / jnp.maximum(jnp.sum(jnp.abs(product)), _TINY),
        }

    def waves(self, w: Params) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Amplitudes (hidden, (p - 1) / 2) of each neuron's weights over a, b and the output; constants left out.

        By a product with the characters: XLA's Fourier transforms of so short a row are slower.
        """
        angle = 2 * np.pi / self.p * np.outer(np.arange(self.p), np.arange(1, (self.p + 1) // 2))
        characters = np.exp(-1j * angle)
        return (w["W"][: self.p].T @ characters, w["W"][self.p :].T @ characters, w["V"] @ characters)

    def drawing(self, w: Params) -> Drawing:
        """Power of every neuron's input weights at every frequency, neurons by their strongest one."""
        a, b, _ = (np.asarray(amplitudes) for amplitudes in self.waves(w))
        power = np.abs(a) ** 2 + np.abs(b) ** 2
        weak = power.sum(axis=1) < 1e-12 * max(power.sum(), _TINY)
        order = np.lexsort((-power.max(axis=1), power.argmax(axis=1), weak))
        return Drawing("matrix", power[order], axes=("frequency", "neuron"))

    # -- parts ------------------------------------------------------------------------------------------
    def _activate(self, z: jax.Array) -> jax.Array:
        return z**2 if self.activation == "quadratic" else jax.nn.relu(z)

    def _losses(self, output: jax.Array, y: jax.Array) -> jax.Array:
        if self.loss == "squared":
            return jnp.sum((y - output) ** 2, axis=-1) / (2 * self.noise**2)
        return jax.scipy.special.logsumexp(output, axis=-1) - jnp.sum(y * output, axis=-1)

    def _normal(self, key: jax.Array, scale: float) -> Params:
        return draw_normal(key, {"W": (2 * self.p, self.hidden), "V": (self.hidden, self.p)}, scale)


_TINY = 1e-100  # a power or a product of amplitudes below this is none
