"""The configuration of a run: what may be set, what it means, what it must satisfy."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from slt.config.derived import llc_on_data, sliced
from slt.config.validation import build, typed
from slt.errors import ConfigError
from slt.llc.base import Estimator
from slt.llc.problem import select_params
from slt.models.base import Model
from slt.posterior.base import LadderSampler
from slt.runtime.random_keys import random_key
from slt.training.trainer import Trainer


@dataclasses.dataclass(frozen=True)
class DataPlan:
    """The data sets that both learners share.

    Attributes:
      datasets: how many. SGD's seeds take them in turn; the posterior is sampled on every one.
    """

    datasets: int = 4

    def __post_init__(self) -> None:
        if self.datasets < 1:
            raise ValueError(f"datasets must be at least 1, not {self.datasets}")


@dataclasses.dataclass(frozen=True)
class PosteriorPlan:
    """The Bayesian branch.

    Attributes:
      sample_sizes: numbers of observations, increasing.
      sampler: how the posterior at each n is sampled.
      population: whether to sample the same posteriors on the population loss as well, where the model has one:
        crossings without the noise of data.
    """

    sample_sizes: tuple[int, ...]
    sampler: LadderSampler
    population: bool = True

    def __post_init__(self) -> None:
        if not self.sample_sizes:
            raise ValueError("sample_sizes must hold at least one number of observations")
        if min(self.sample_sizes) < 1:
            raise ValueError(
                f"sample_sizes counts observations: every n must be at least 1, not {min(self.sample_sizes)}"
            )
        for low, high in zip(self.sample_sizes[:-1], self.sample_sizes[1:], strict=True):
            if low >= high:
                raise ValueError(f"sample_sizes must increase, and {high} comes after {low}")


@dataclasses.dataclass(frozen=True)
class Refinement:
    """A learning coefficient of some of the weights, or of some of the data.

    Attributes:
      weights: the parameters that may move, by path ("W", "layer_0.head_1"); empty: all.
      slice: which losses count, as the model's own option `slice` names them; null: the model's.
    """

    weights: tuple[str, ...] = ()
    slice: str | None = None


@dataclasses.dataclass(frozen=True)
class LLCPlan:
    """Learning coefficients, by one estimator.

    Attributes:
      estimator: how.
      at: "checkpoints" of SGD, or the model's known "phases".
      loss: "data", that of the data set of each seed, or "population", its expectation. Phases are always measured
        on the population loss, as is a stream of fresh data.
      seeds: the first so many seeds of training.
      checkpoints: so many, evenly among those that were kept; null: all.
      weights: the parameters that may move, by path ("W", "head/0"); empty: all.
      refined: name -> further coefficients at the same checkpoints, with the same settings.
    """

    estimator: Estimator
    at: str = "checkpoints"
    loss: str = "data"
    seeds: int = 16
    checkpoints: int | None = None
    weights: tuple[str, ...] = ()
    refined: dict[str, Refinement] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.refined and self.at != "checkpoints":
            raise ValueError("refined coefficients are those of checkpoints: set at=checkpoints")
        for name, value, known in (
            ("at", self.at, ("checkpoints", "phases")),
            ("loss", self.loss, ("data", "population")),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
        if self.seeds < 1:
            raise ValueError(f"seeds must be at least 1, not {self.seeds}")
        if self.checkpoints is not None and self.checkpoints < 1:
            raise ValueError(f"checkpoints must be at least 1, not {self.checkpoints}")


@dataclasses.dataclass(frozen=True)
class ComparisonPlan:
    """How transitions are found and compared.

    Attributes:
      hysteresis: checkpoints that SGD must stay in a phase for it to count.
    """

    hysteresis: int = 2

    def __post_init__(self) -> None:
        if self.hysteresis < 1:
            raise ValueError(f"hysteresis counts checkpoints and must be at least 1, not {self.hysteresis}")


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A whole run.

    Attributes:
      model: the toy model.
      training: SGD, or None for no SGD.
      posterior: sample sizes and sampler, or None for no posterior; one of the two must be there.
      data: None means no finite data: SGD meets a fresh stream, the posterior the population loss.
      llc: learning coefficients to estimate, or None for none.
      comparison: how the two are compared.
      seed: all randomness comes from it.
      name: a label for the run's directory.
      store: where records and runs are kept.
    """

    model: Model
    training: Trainer | None = None
    posterior: PosteriorPlan | None = None
    data: DataPlan | None = None
    llc: LLCPlan | None = None
    comparison: ComparisonPlan = ComparisonPlan()
    seed: int = 0
    name: str | None = None
    store: str = "runs"

    def __post_init__(self) -> None:
        if self.training is None and self.posterior is None:
            raise ValueError(
                "training and posterior are both null, so there is nothing to do: set one of them"
            )
        if self.data is None and self.training is not None and self.training.n is not None:
            raise ValueError("data is null, so that SGD meets a fresh stream: set training.n=null as well")
        if self.data is None and self.posterior is not None and not self.model.has_population_loss:
            raise ValueError("data is null, which asks for the population loss, and this model has none")
        if self.llc is not None:
            self._check_llc(self.llc)
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must lie between 0 and 2^32 - 1, not {self.seed}")
        if not self.store:
            raise ValueError("store names a directory, and must not be empty")
        if self.name is not None and (not self.name or not _is_file_name(self.name)):
            raise ValueError(
                f"name labels a directory: letters, digits, '.', '_' and '-' only, not {self.name!r}"
            )

    def _check_llc(self, llc: LLCPlan) -> None:
        if llc.at == "phases" and not self.model.phases():
            raise ValueError("llc.at=phases, and this model knows no phases: set llc.at=checkpoints")
        if llc.at == "checkpoints" and self.training is None:
            raise ValueError("llc.at=checkpoints needs training, which is null: set llc.at=phases")
        if not llc_on_data(self) and not self.model.has_population_loss:
            raise ValueError("llc asks for the population loss, and this model has none: set llc.loss=data")
        shapes = jax.eval_shape(self.model.sample_prior, random_key(0))
        for name, part in {"": Refinement(llc.weights), **llc.refined}.items():
            if part.weights:
                select_params(shapes, part.weights)
            if part.slice is not None:
                try:
                    sliced(self.model, part.slice)
                except ValueError as error:
                    raise ValueError(f"llc.refined.{name}: {error}") from error


def experiment(config: DictConfig | Mapping[str, Any]) -> tuple[Experiment, dict[str, Any]]:
    """The experiment that a composed configuration describes, and that configuration typed, of plain values.

    Raises ConfigError naming the option that is unknown, of a wrong type, or out of range.
    """
    try:
        node = config if isinstance(config, DictConfig) else OmegaConf.create(dict(config))
        values = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError("\n".join(str(error).strip().splitlines()[:2])) from error
    plain = typed(values, Experiment)
    return build(plain, Experiment), plain


def _is_file_name(name: str) -> bool:
    return all(c.isalnum() or c in "._-" for c in name) and not name.startswith(".")
