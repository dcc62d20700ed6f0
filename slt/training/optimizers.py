"""The update rules SGD may use: frozen options that build an optax transformation.

Each class is one rule; its fields are the options a configuration may set, and it hashes, so that it is
static under jit. A rule of your own is a frozen dataclass that inherits `Optimizer` and has a `build`.
"""

from __future__ import annotations

import abc
import dataclasses
import math

import optax


@dataclasses.dataclass(frozen=True)
class Optimizer(abc.ABC):
    """A rule that turns gradients into updates.

    Attributes:
      learning_rate: positive and finite; loss is in nats per observation, averaged over the minibatch.
    """

    learning_rate: float = 0.005

    def __post_init__(self) -> None:
        """Raises ValueError naming the option that is out of range."""
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise ValueError(f"learning_rate must be positive and finite, not {self.learning_rate}")

    @abc.abstractmethod
    def build(self) -> optax.GradientTransformation:
        """The optax transformation."""


@dataclasses.dataclass(frozen=True)
class Sgd(Optimizer):
    """w <- w - learning_rate g."""

    def build(self) -> optax.GradientTransformation:
        return optax.sgd(self.learning_rate)


@dataclasses.dataclass(frozen=True)
class Momentum(Optimizer):
    """Heavy ball: v <- momentum v + g, w <- w - learning_rate v; Nesterov's form uses momentum v + g for v."""

    momentum: float = 0.9
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_decay("momentum", self.momentum)

    def build(self) -> optax.GradientTransformation:
        return optax.sgd(self.learning_rate, momentum=self.momentum, nesterov=self.nesterov)


@dataclasses.dataclass(frozen=True)
class Adam(Optimizer):
    """Kingma and Ba 2015 (arXiv:1412.6980), algorithm 1.

    Attributes:
      b1, b2: decay of the running mean of gradients and of their squares, in [0, 1).
      eps: added to the root of the second moment; positive.
    """

    learning_rate: float = 0.001
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_decay("b1", self.b1)
        _check_decay("b2", self.b2)
        if not (self.eps > 0 and math.isfinite(self.eps)):
            raise ValueError(f"eps must be positive and finite, not {self.eps}")

    def build(self) -> optax.GradientTransformation:
        return optax.adam(self.learning_rate, b1=self.b1, b2=self.b2, eps=self.eps)


@dataclasses.dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: Loshchilov and Hutter 2019 (arXiv:1711.05101), algorithm 2.

    Attributes:
      weight_decay: w also shrinks by learning_rate x weight_decay x w in each step; 0 or more.
    """

    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.weight_decay >= 0 and math.isfinite(self.weight_decay)):
            raise ValueError(f"weight_decay must be 0 or more and finite, not {self.weight_decay}")

    def build(self) -> optax.GradientTransformation:
        return optax.adamw(
            self.learning_rate, b1=self.b1, b2=self.b2, eps=self.eps, weight_decay=self.weight_decay
        )


def _check_decay(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be at least 0 and less than 1, not {value}")
