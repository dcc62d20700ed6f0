"""Options that the estimators by Markov chains share, and one place where they are checked."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from slt.errors import ConfigError
from slt.llc.base import Estimator
from slt.llc.problem import LLCProblem

_LEAST = {
    "burn_in": 16,
    "draws": 16,
    "max_draws": 16,
    "thin": 1,
    "batch": 1,
    "leapfrog_steps": 1,
    "control_variate_size": 2,
    "points_per_batch": 1,
    "traces": 0,
}


@dataclasses.dataclass(frozen=True)
class ChainOptions(Estimator):
    """Options of every estimator by chains. ValueError where no chain can walk by them.

    Attributes:
      chains: for each point.
      nbeta: n beta; None: n / log n on data, `POPULATION_NBETA` on the population loss.
      step_size, localization, burn_in: None: left to calibration.
      draws: of each chain; None: see `FullLossOptions`.
    """

    POPULATION_NBETA: ClassVar[float]

    chains: int = 8
    nbeta: float | None = None
    step_size: float | None = None
    localization: float | None = None
    burn_in: int | None = None
    draws: int | None = None

    def __post_init__(self) -> None:
        if self.chains < 2:
            raise ValueError(f"the error needs at least 2 chains, not {self.chains}")
        for name in ("step_size", "localization", "nbeta"):
            number = getattr(self, name)
            if number is not None and not number > 0:
                raise ValueError(f"{name} must be positive, not {number}")
        for name, least in _LEAST.items():
            count = getattr(self, name, None)
            if count is not None and count < least:
                raise ValueError(f"{name} must be at least {least}, not {count}")

    def inverse_temperature(self, problem: LLCProblem) -> float:
        """n beta of the chains. Raises ConfigError where n / log n makes none."""
        if self.nbeta is not None:
            return self.nbeta
        n = problem.observations
        if n is None:
            return self.POPULATION_NBETA
        if n < 3:
            raise ConfigError(
                f"n / log n makes no temperature for n = {n:g}: set nbeta, or give more observations"
            )
        return n / float(np.log(n))


@dataclasses.dataclass(frozen=True)
class FullLossOptions(ChainOptions):
    """Options of chains whose draws are measured by the loss on all the data.

    Attributes:
      precision: where `draws` is None, chains continue until half the points with a positive estimate have a relative
        standard error of at most this.
      max_draws: where `draws` is None, at most so many of each chain.
      thin: steps from draw to draw.
      The others: see `ChainOptions`.
    """

    POPULATION_NBETA: ClassVar[float] = 1e5

    precision: float = 0.03
    max_draws: int = 20_000
    thin: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.precision < 1:
            raise ValueError(f"precision must lie strictly between 0 and 1, not {self.precision}")


@dataclasses.dataclass(frozen=True)
class MinibatchOptions(ChainOptions):
    """Options of chains that see minibatches alone.

    Attributes:
      nbeta: the larger, the more steps and observations it takes to see as flat directions: their number grows as
        its square.
      batch: observations in each gradient.
      control_variate_size: fresh observations for the gradient at the point, where a problem has no data; n of them
        lower the estimate by the share nbeta / n.
      step_size: of the preconditioned coordinates.
      burn_in, draws: steps of each chain; every step after the burn-in is a draw.
      points_per_batch: points walked side by side. By fours a transformer of 26,000 parameters takes 0.6 of the time
        that it takes one by one (two cores); a GPU bears more. With fewer points, the work of the others is done for
        nothing.
      traces: observations from which the traces of Hessian and Fisher information are estimated; 0: neither.
      The others: see `ChainOptions`.
    """

    POPULATION_NBETA: ClassVar[float] = 100.0

    chains: int = 4
    burn_in: int = 100
    draws: int = 300
    batch: int = 32
    control_variate_size: int = 8192
    points_per_batch: int = 1
    traces: int = 256

    @property
    def max_points(self) -> int:
        return 8 * self.points_per_batch
