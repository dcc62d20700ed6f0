"""What a toy model is: its data, its losses, its prior, and the phases it is known to have."""

from __future__ import annotations

import abc
import dataclasses
import math
from typing import Any, NamedTuple, TypeVar, dataclass_transform

import jax
import jax.numpy as jnp

T = TypeVar("T")
Params = dict[str, Any]
Data = Any  # a pytree whose leaves share the leading axis n
Summary = Any  # whatever `summed_loss` needs of weighted observations


@dataclasses.dataclass(frozen=True)
class Phase:
    """A named region of parameter space, represented by a critical point in it.

    Attributes:
      name: e.g. "5+".
      point: representative parameters (pytree).
      loss: population loss at the point, nats per observation.
      llc: learning coefficient lambda, or None where theory gives none.
      multiplicity: m, or None.
      log_prior: highest prior log density on the phase's critical set, nats. It differs from the density at
        `point` where the critical set is a continuum and the point was chosen inside it.
      critical: whether the loss is differentiable and stationary at the point.
      source: where the numbers come from.
      family: phases that share a family differ in detail only ("5" and "5+" are both "5"); default: the name.
    """

    name: str
    point: Params
    loss: float
    llc: float | None = None
    multiplicity: int | None = None
    log_prior: float = math.nan
    critical: bool = True
    source: str = ""
    family: str = ""

    def __post_init__(self) -> None:
        if not self.family:
            object.__setattr__(self, "family", self.name)


class Weighted(NamedTuple):
    """The summary of a model that has no sufficient statistics: the observations and their weights."""

    data: Data
    weights: jax.Array


class Model(abc.ABC):
    """A toy model. Subclasses are frozen dataclasses; the decorator `as_model` makes them
    pytrees.

    Parameters `w` are a dict pytree. All methods are pure and traceable; `sample` is nested in n: under one
    key the first m observations do not depend on n.
    """

    # -- what every model has ---------------------------------------------------------------------------
    @abc.abstractmethod
    def init(self, key: jax.Array) -> Params:
        """Parameters where SGD starts."""

    @abc.abstractmethod
    def sample(self, key: jax.Array, n: int) -> Data:
        """n observations, leading axis n, float64; the first m rows are those of `sample(key, m)`."""

    @abc.abstractmethod
    def losses(self, w: Params, data: Data) -> jax.Array:
        """(n,) nats per observation: the negative log-likelihood up to a constant free of w."""

    @abc.abstractmethod
    def log_prior(self, w: Params) -> jax.Array:
        """Log density of the prior, nats, normalized."""

    @abc.abstractmethod
    def sample_prior(self, key: jax.Array) -> Params:
        """One draw from the prior."""

    # -- what a model may add; stages use it when it is there -------------------------------------------
    def population_loss(self, w: Params) -> jax.Array:
        """Exact expectation of `losses`, nats per observation. See `has_population_loss`."""
        raise TypeError(f"{type(self).__name__} has no closed-form population loss")

    @property
    def has_population_loss(self) -> bool:
        return type(self).population_loss is not Model.population_loss

    def arrange(self, data: Data) -> Data:
        """The observations prepared so that they can be summarized many times with different weights; `data` itself
        where that saves nothing. Every array of it has a leading axis, and that of the first is the observations'."""
        return data

    def summarize(self, data: Data, weights: jax.Array) -> Summary:
        """What `summed_loss` needs of observations, as they are or arranged, each counted `weights[i]` >= 0 times.

        Weights do three things: zeros pad a data set so that one compiled program serves every n, fractions temper
        observations, and any other values reweight the data.
        """
        return Weighted(data, weights)

    def summed_loss(self, w: Params, summary: Summary) -> jax.Array:
        """Sum over observations of weight x loss, nats."""
        return jnp.sum(summary.weights * self.losses(w, summary.data))

    def coreset(self, data: Data, weights: jax.Array, rows: int) -> tuple[Data, jax.Array]:
        """About `rows` observations and their weights, of the same total, whose summed loss hardly differs from that
        of `data` (Huggins, Campbell and Broderick 2016, arXiv:1605.06423). Where observations are many, data
        tempering moves particles on these, and changes to all of them at each sample size. See `has_coreset`."""
        raise TypeError(f"{type(self).__name__} has no coreset")

    @property
    def has_coreset(self) -> bool:
        return type(self).coreset is not Model.coreset

    def nearest_copy(self, w: Params, to: Params) -> Params:
        """Of all parameters that the model's symmetries make equal to `w`, one that lies near `to`; `w` itself where
        a model does not define its symmetries."""
        return w

    def phases(self) -> tuple[Phase, ...]:
        """The known phases, by decreasing loss where that makes sense. Without any they are found by
        clustering (`slt.phases.discovery`)."""
        return ()

    def classify(self, w: Params) -> jax.Array:
        """Index into `phases()`; `len(phases())` means "other". Respects the model's symmetries."""
        return jnp.asarray(len(self.phases()), jnp.int32)

    def observables(self, w: Params) -> dict[str, jax.Array]:
        """Named scalars that are recorded along training."""
        return {}


def phase_names(model: Model) -> tuple[str, ...]:
    """Names by classifier index: the phases, then "other"."""
    return (*(phase.name for phase in model.phases()), "other")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def as_model(cls: type[T]) -> type[T]:
    """Class decorator: a frozen keyword-only dataclass that is a pytree.

    Fields marked `static()` are sizes, part of the compiled program; all others are leaves.
    """
    return jax.tree_util.register_dataclass(dataclasses.dataclass(frozen=True, kw_only=True)(cls))


def static(default: Any = dataclasses.MISSING) -> Any:
    """A field that is part of the compiled program (it must hash): sizes, names, tuples of numbers."""
    return dataclasses.field(default=default, metadata={"static": True})
