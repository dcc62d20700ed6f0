"""The update rules SGD may use: frozen options that build an optax transformation.

Each class is one rule; its fields are the options a configuration may set, and it hashes, so that it is
static under jit. A rule of your own is a frozen dataclass that inherits `Optimizer` and has a `build`.
"""

from __future__ import annotations

import abc
import dataclasses
import math

import optax

SCHEDULES = ("constant", "linear", "cosine")


@dataclasses.dataclass(frozen=True)
class Optimizer(abc.ABC):
    """A rule that turns gradients into updates.

    Attributes:
      learning_rate: positive and finite; loss is in nats per observation, averaged over the minibatch.
      schedule: "constant", or how the rate falls to 0 at the last step: "linear" or "cosine".
      warmup: the share of the steps, at first, over which the rate rises from 0, in proportion to the step.
    """

    learning_rate: float = 0.005
    schedule: str = dataclasses.field(default="constant", kw_only=True)
    warmup: float = dataclasses.field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        """Raises ValueError naming the option that is out of range."""
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise ValueError(f"learning_rate must be positive and finite, not {self.learning_rate}")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, not {self.schedule!r}")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup is a share of the steps, at least 0 and less than 1, not {self.warmup}")

    @abc.abstractmethod
    def build(self, steps: int | None) -> optax.GradientTransformation:
        """The optax transformation of a run of `steps` steps (None: they do not matter), at `self.rate(steps)`."""

    def horizon(self, steps: int) -> int | None:
        """`steps`, or None where the rate is constant: one compiled program then serves runs of any length."""
        return None if self.schedule == "constant" and not self.warmup else steps

    def rate(self, steps: int | None) -> float | optax.Schedule:
        """The learning rate, or what it is at each step."""
        if steps is None:
            return self.learning_rate
        rising = round(self.warmup * steps)
        falling = max(1, steps - rising)
        after: optax.Schedule = {
            "constant": lambda: optax.schedules.constant_schedule(self.learning_rate),
            "linear": lambda: optax.schedules.linear_schedule(self.learning_rate, 0.0, falling),
            "cosine": lambda: optax.schedules.cosine_decay_schedule(self.learning_rate, falling),
        }[self.schedule]()
        if not rising:
            return after
        up = optax.schedules.linear_schedule(0.0, self.learning_rate, rising)
        return optax.schedules.join_schedules([up, after], [rising])


@dataclasses.dataclass(frozen=True)
class Sgd(Optimizer):
    """w <- w - learning_rate g."""

    def build(self, steps: int | None) -> optax.GradientTransformation:
        return optax.sgd(self.rate(steps))


@dataclasses.dataclass(frozen=True)
class Momentum(Optimizer):
    """Heavy ball: v <- momentum v + g, w <- w - learning_rate v; Nesterov's form uses momentum v + g for v."""

    momentum: float = 0.9
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_decay("momentum", self.momentum)

    def build(self, steps: int | None) -> optax.GradientTransformation:
        return optax.sgd(self.rate(steps), momentum=self.momentum, nesterov=self.nesterov)


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

    def build(self, steps: int | None) -> optax.GradientTransformation:
        return optax.adam(self.rate(steps), b1=self.b1, b2=self.b2, eps=self.eps)


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

    def build(self, steps: int | None) -> optax.GradientTransformation:
        return optax.adamw(
            self.rate(steps), b1=self.b1, b2=self.b2, eps=self.eps, weight_decay=self.weight_decay
        )


def _check_decay(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be at least 0 and less than 1, not {value}")
