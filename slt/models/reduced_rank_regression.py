"""Reduced rank regression: linear regression through a bottleneck, y = B A x + noise.

The first singular model whose learning coefficient was known at any size. With s = hidden + rank:

    N + r <= M + H, M + r <= N + H, s <= M + N:  lambda = (2 s (M + N) - (M - N)^2 - s^2) / 8,            m = 1
                                                 if M + H + N + r is even; and lambda + 1/8, m = 2 if it is odd
    N + r > M + H:                               lambda = (H M - H r + N r) / 2,                          m = 1
    M + r > N + H:                               lambda = (H N - H r + M r) / 2,                          m = 1
    s > M + N:                                   lambda = M N / 2,                                        m = 1

Source: Aoyagi and Watanabe 2005, "Stochastic complexities of reduced rank regression in Bayesian estimation", Neural
Networks 18, 924-933, main theorem. Conventions for the data and the loss: see
`slt.models.common.linear_networks`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from slt.models.base import Params, Phase, as_model, static
from slt.models.common.checks import check_scales
from slt.models.common.linear_networks import LinearNetwork


@as_model
class ReducedRankRegression(LinearNetwork):
    """Two linear layers, A then B, whose product has to match a teacher of given rank.

    Parameters {"A": (hidden, inputs), "B": (outputs, hidden)}; the teacher's singular values are all 1.

    Args:
      inputs, hidden, outputs: M, H, N >= 1.
      rank: r of the teacher, 0 <= r <= min(M, H, N).
      prior_scale: standard deviation of the prior.
      init_scale: standard deviation of the weights where SGD starts.

    Raises ValueError for options out of these ranges.
    """

    inputs: int = static(3)
    hidden: int = static(2)
    outputs: int = static(3)
    rank: int = static(1)
    prior_scale: float = static(1.0)
    init_scale: float = static(0.1)

    def __post_init__(self) -> None:
        if min(self.sizes()) < 1:
            raise ValueError(f"inputs, hidden and outputs must be at least 1, not {self.sizes()}")
        if not 0 <= self.rank <= min(self.sizes()):
            raise ValueError(
                f"rank must lie between 0 and {min(self.sizes())}, the smallest width, not {self.rank}"
            )
        check_scales(self.prior_scale, self.init_scale)

    def layers(self) -> tuple[str, ...]:
        return "A", "B"

    def sizes(self) -> tuple[int, ...]:
        return self.inputs, self.hidden, self.outputs

    def modes(self) -> tuple[float, ...]:
        return (1.0,) * self.rank

    def phases(self) -> tuple[Phase, ...]:
        """The truth alone: with equal singular values the saddles below it are not isolated from one another."""
        llc, multiplicity = learning_coefficient(self.inputs, self.hidden, self.outputs, self.rank)
        return (self.rank_phase(self.rank, llc, multiplicity, "Aoyagi and Watanabe 2005, main theorem"),)

    def classify(self, w: Params) -> jax.Array:
        """0 where the product has more than half of every mode of the teacher, else 1 ("other")."""
        return 1 - jnp.all(self.learned(w)).astype(jnp.int32)


def learning_coefficient(inputs: int, hidden: int, outputs: int, rank: int) -> tuple[float, int]:
    """lambda and m where the truth has the given rank."""
    M, H, N, r = inputs, hidden, outputs, rank
    if N + r > M + H:
        return (H * M - H * r + N * r) / 2, 1
    if M + r > N + H:
        return (H * N - H * r + M * r) / 2, 1
    if H + r > M + N:
        return M * N / 2, 1
    odd = (M + H + N + r) % 2
    return (2 * (H + r) * (M + N) - (M - N) ** 2 - (H + r) ** 2 + odd) / 8, 1 + odd
