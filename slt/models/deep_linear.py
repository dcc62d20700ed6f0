"""Deep linear networks, y = W_L ... W_1 x + noise: SGD learns the teacher's modes one by one, passing saddles.

The learning coefficient, for widths H_0 ... H_L and a teacher of rank r: let M_i = H_i - r be the excess widths, in
rising order. Take the ell + 1 smallest, as many as keep each below S / ell, S being their sum (two at least; a wider
layer has no effect). With Q the sum of their squares, a = S - (ceil(S / ell) - 1) ell:

    lambda = r (H_0 + H_L - r) / 2 + (S^2 - ell Q + a (ell - a)) / (4 ell),         m = a (ell - a) + 1

Source: Aoyagi 2024, "Consideration on the learning efficiency of multiple-layered neural networks with linear units",
Neural Networks 172, 106132, main theorem, with its sum over pairs written as (S^2 - Q) / 2. At depth 2 it is the
formula of reduced rank regression. Saddles and their order: Saxe, McClelland and Ganguli 2014 (arXiv:1312.6120).
Conventions for the data and the loss: see `slt.models.common.linear_networks`.
"""

from __future__ import annotations

import itertools
import math

import jax
import jax.numpy as jnp

from slt.models.base import Params, Phase, as_model, static
from slt.models.common.checks import check_scales
from slt.models.common.linear_networks import LinearNetwork


@as_model
class DeepLinear(LinearNetwork):
    """A linear network of any depth; phase "rank k" has learned the teacher's k largest modes.

    Parameters {"W1": (widths[1], widths[0]), "W2": ...}. Phases below the teacher's rank are saddles, and have no
    learning coefficient.

    Args:
      widths: from input to output, each at least 1, three or more of them.
      singular_values: of the teacher: positive, strictly decreasing (so that its modes are told apart and are learned
        at different times), no more of them than the smallest width.
      prior_scale: standard deviation of the prior.
      init_scale: standard deviation of the weights where SGD starts; small, so that it starts at rank 0.

    Raises ValueError for options that are not of this form.
    """

    widths: tuple[int, ...] = static((3, 3, 3, 3))
    singular_values: tuple[float, ...] = static((3.0, 1.5))
    prior_scale: float = static(1.0)
    init_scale: float = static(0.1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        object.__setattr__(self, "singular_values", tuple(self.singular_values))
        if len(self.widths) < 3 or min(self.widths) < 1:
            raise ValueError(f"widths must be three or more numbers, each at least 1, not {self.widths}")
        if len(self.singular_values) > min(self.widths):
            raise ValueError(
                f"{len(self.singular_values)} singular values do not fit through a layer of {min(self.widths)}"
            )
        if not all(math.isfinite(s) and s > 0 for s in self.singular_values):
            raise ValueError(f"singular_values must be positive numbers, not {self.singular_values}")
        if any(a <= b for a, b in itertools.pairwise(self.singular_values)):
            raise ValueError(f"singular_values must be strictly decreasing, not {self.singular_values}")
        check_scales(self.prior_scale, self.init_scale)

    def layers(self) -> tuple[str, ...]:
        return tuple(f"W{i}" for i in range(1, len(self.widths)))

    def sizes(self) -> tuple[int, ...]:
        return self.widths

    def modes(self) -> tuple[float, ...]:
        return self.singular_values

    def phases(self) -> tuple[Phase, ...]:
        """Rank 0 to the teacher's rank, so by decreasing loss."""
        rank = len(self.singular_values)
        llc, multiplicity = learning_coefficient(self.widths, rank)
        saddle = "a saddle: no learning coefficient (Saxe, McClelland and Ganguli 2014)"
        return (
            *(self.rank_phase(k, None, None, saddle) for k in range(rank)),
            self.rank_phase(rank, llc, multiplicity, "Aoyagi 2024, main theorem"),
        )

    def classify(self, w: Params) -> jax.Array:
        """k where the product has more than half of exactly the k largest modes of the teacher, else "other"."""
        learned = self.learned(w)
        in_order = jnp.all(learned[1:] <= learned[:-1])
        return jnp.where(in_order, jnp.sum(learned), learned.size + 1).astype(jnp.int32)


def learning_coefficient(widths: tuple[int, ...], rank: int) -> tuple[float, int]:
    """lambda and m for layers of these widths, from input to output, where the truth has the given rank."""
    excess = sorted(width - rank for width in widths)
    ell, total = 1, excess[0] + excess[1]
    for wider in excess[2:]:
        if wider * ell >= total:
            break
        ell, total = ell + 1, total + wider
    squares = sum(width**2 for width in excess[: ell + 1])
    a = total - (math.ceil(total / ell) - 1) * ell
    narrow = (total**2 - ell * squares + a * (ell - a)) / (4 * ell)
    return rank * (widths[0] + widths[-1] - rank) / 2 + narrow, a * (ell - a) + 1
