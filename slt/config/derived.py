"""What follows from an experiment's options for more than one part of the package.

It imports none of the classes that an experiment is made of, so that a stage that asks here does not rest on all of
them.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slt.config.schema import Experiment
    from slt.models.base import Model


def rows(experiment: Experiment) -> int:
    """Observations drawn in each data set: as many as either learner will see; 0 where neither needs any."""
    wanted = [0]
    if experiment.data is not None and experiment.training is not None and experiment.training.n is not None:
        wanted.append(experiment.training.n)
    if experiment.data is not None and experiment.posterior is not None:
        wanted.append(experiment.posterior.sample_sizes[-1])
    return max(wanted)


def samples_population(experiment: Experiment) -> bool:
    """Whether the posterior is sampled on the population loss beside that on data."""
    plan = experiment.posterior
    wanted = plan is not None and plan.population and experiment.data is not None
    return wanted and experiment.model.has_population_loss


def llc_on_data(experiment: Experiment) -> bool:
    """Whether learning coefficients are of each seed's data, not of the population."""
    llc, training = experiment.llc, experiment.training
    return (
        llc is not None
        and llc.at == "checkpoints"
        and llc.loss == "data"
        and training is not None
        and training.n is not None
    )


def llc_parts(experiment: Experiment) -> dict[str, tuple[Model, tuple[str, ...]]]:
    """The coefficients along training by name, "" for the main one: of which model's losses, and which weights."""
    assert experiment.llc is not None
    main = {"": (experiment.model, experiment.llc.weights)}
    return main | {
        name: (experiment.model if part.slice is None else sliced(experiment.model, part.slice), part.weights)
        for name, part in experiment.llc.refined.items()
    }


def sliced(model: Model, wanted: str) -> Model:
    """The model whose losses are those of a slice of the data. Raises ValueError where it has no slices."""
    if not any(field.name == "slice" for field in dataclasses.fields(model)):  # type: ignore[arg-type]
        raise ValueError("this model has no slices of data")
    return dataclasses.replace(model, slice=wanted)  # type: ignore[type-var]
