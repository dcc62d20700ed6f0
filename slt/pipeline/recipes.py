"""The stages of a run: what each is made from, how it is made, and what it would cost.

A stage's recipe is its slice of the typed configuration, the hashes of what it takes in, and the version of the
code that it stands on. Each `_make` turns stored records into new ones and knows nothing of files or caches.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from slt.adapters.user_model import UserModel
from slt.comparer.assemble import ComparisonInputs, assemble
from slt.comparer.summary import plain
from slt.config.schema import Experiment, llc_on_data
from slt.config.validation import build
from slt.llc.base import LLCProblem
from slt.llc.trajectory import AlongTraining, Part, free
from slt.models import datasets
from slt.models.base import Model
from slt.models.drawing import Drawn
from slt.phases import classification, discovery, exemplars
from slt.phases.classification import label_ladder
from slt.phases.occupancy import occupancy_of
from slt.posterior import diagnostics
from slt.posterior.base import LadderSampler
from slt.records.base import from_dataset, to_dataset
from slt.records.llc import LLCPath
from slt.records.phases import Occupancy, PhaseFacts, PhasePath
from slt.records.posterior import Ladder
from slt.records.training import Trajectory
from slt.records.transitions import Changepoints
from slt.runtime.random_keys import named_key
from slt.storage.code_version import code_version
from slt.storage.resumable import Driver
from slt.storage.store import Recipe, Record, digest
from slt.transitions import development

Records = Mapping[str, Record]
REPEATS = 4  # of an population ladder, at least
Items = dict[str, Any]
STAGES = (
    "data",
    "training",
    "posterior",
    "population",
    "llc",
    "phases",
    "comparison",
    "development",
    "report",
)


@dataclasses.dataclass(frozen=True)
class Work:
    """What a stage costs: `amount` of `unit`, and the bytes of its record; either may be unknown."""

    amount: int | None = None
    unit: str = ""
    size: int | None = None


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage of a run.

    Attributes:
      recipe: what determines its record.
      what: what it does, in a few words.
      needs: stages whose records `make` reads.
      make: from these records to the items of its own, by a driver of long stages.
      work: what it costs.
    """

    recipe: Recipe
    what: str
    needs: tuple[str, ...]
    make: Callable[[Experiment, Records, Driver], Items]
    work: Work = Work()

    @property
    def name(self) -> str:
        return self.recipe.stage


def plan(experiment: Experiment, config: Mapping[str, Any]) -> list[Stage]:
    """The stages of `experiment`, in order, all but the report.

    `config` is the typed configuration that `experiment` was built from.
    """
    made = [maker(experiment, config) for maker in (_data, _training, _posterior, _population)]
    stages = {stage.name: stage for stage in made if stage is not None}
    if experiment.llc is not None:
        stages["llc"] = _llc(experiment, config, stages)
    stages["phases"] = _phases(experiment, config, stages)
    stages["comparison"] = _comparison(config, stages)
    if experiment.training is not None and experiment.posterior is None:
        stages["development"] = _development(experiment, config, stages)
    return list(stages.values())


# -- data -------------------------------------------------------------------------------------------------------
def _data_slice(experiment: Experiment, config: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": config["model"], "seed": experiment.seed, "data": config["data"]}


def _data(experiment: Experiment, config: Mapping[str, Any]) -> Stage | None:
    rows = experiment.rows
    if experiment.data is None or rows == 0:
        return None
    recipe = Recipe(
        "data", {**_data_slice(experiment, config), "rows": rows}, {}, _code(_make_data, [experiment.model])
    )
    what = f"{_times(experiment.data.datasets, 'data set')} of {rows:,} observations"
    shape = jax.eval_shape(lambda: experiment.model.sample(jax.random.key(0), rows))
    return Stage(recipe, what, (), _make_data, Work(size=experiment.data.datasets * _bytes(shape)))


def _make_data(experiment: Experiment, records: Records, drive: Driver) -> Items:
    assert experiment.data is not None
    data = datasets.draw(experiment.model, experiment.seed, experiment.data.datasets, experiment.rows)
    return {"data": datasets.to_dataset(data)}


def _data_inputs(experiment: Experiment, config: Mapping[str, Any]) -> dict[str, str]:
    """The hash of the data that a learner meets. Data sets are nested in n, and each learner looks at the first
    rows only, so that it does not matter how many were drawn for the other."""
    code = _code(_make_data, [experiment.model])
    return {"data": digest([_data_slice(experiment, config), code])}


def _first_rows(experiment: Experiment, records: Records, size: int) -> Any:
    data = datasets.from_dataset(experiment.model, records["data"].array("data"))
    return datasets.first(data, size)


# -- SGD --------------------------------------------------------------------------------------------------------
def _training(experiment: Experiment, config: Mapping[str, Any]) -> Stage | None:
    trainer, model = experiment.training, experiment.model
    if trainer is None:
        return None
    streaming = trainer.n is None
    recipe = Recipe(
        "training",
        {"model": config["model"], "seed": experiment.seed, "training": config["training"]},
        {} if streaming else _data_inputs(experiment, config),
        _code(_make_training, [model, trainer]),
    )
    point = _bytes(jax.eval_shape(lambda: model.init(jax.random.key(0)))) // 2  # float32
    work = Work(
        trainer.seeds * trainer.steps, "seed-steps", trainer.seeds * trainer.checkpoints * (point + 16)
    )
    what = f"{_times(trainer.seeds, 'seed')} x {trainer.steps:,} steps"
    return Stage(recipe, what, () if streaming else ("data",), _make_training, work)


def _make_training(experiment: Experiment, records: Records, drive: Driver) -> Items:
    trainer = experiment.training
    assert trainer is not None
    data = None if trainer.n is None else _first_rows(experiment, records, trainer.n)
    stage = trainer.stage(experiment.model, data)
    trajectory = drive(stage, named_key(experiment.seed, "training"))
    return {"trajectory": to_dataset(trajectory)}


# -- the posterior ----------------------------------------------------------------------------------------------
def _posterior(experiment: Experiment, config: Mapping[str, Any]) -> Stage | None:
    plan, model = experiment.posterior, experiment.model
    if plan is None:
        return None
    population = experiment.data is None
    recipe = Recipe(
        "posterior",
        {"model": config["model"], "seed": experiment.seed, "posterior": _climb(config)},
        {} if population else _data_inputs(experiment, config),
        _code(_make_posterior, [model, plan.sampler]),
    )
    count = 1 if experiment.data is None else experiment.data.datasets
    draws = plan.sampler.draws_per_rung
    point = _bytes(jax.eval_shape(lambda: model.sample_prior(jax.random.key(0))))
    kept = None if draws is None else count * len(plan.sample_sizes) * draws
    work = Work(kept, "draws", None if kept is None else kept * (point + 16))
    kind = "the population loss" if population else _times(count, "data set")
    what = f"{_times(len(plan.sample_sizes), 'rung')} to n = {plan.sample_sizes[-1]:,} on {kind}"
    return Stage(recipe, what, () if population else ("data",), _make_posterior, work)


def _climb(config: Mapping[str, Any]) -> dict[str, Any]:
    """What determines a ladder, whatever loss it is climbed on."""
    return {key: value for key, value in config["posterior"].items() if key != "population"}


def _population(experiment: Experiment, config: Mapping[str, Any]) -> Stage | None:
    """The same ladder on the population loss, beside one on data."""
    plan, model = experiment.posterior, experiment.model
    wanted = plan is not None and plan.population and experiment.data is not None
    if plan is None or not wanted or not model.has_population_loss:
        return None
    recipe = Recipe(
        "population",
        {"model": config["model"], "seed": experiment.seed, "posterior": _climb(config), "repeats": REPEATS},
        {},
        _code(_make_population, [model, plan.sampler]),
    )
    draws = plan.sampler.draws_per_rung
    work = Work(None if draws is None else len(plan.sample_sizes) * draws, "draws")
    return Stage(recipe, "the same rungs on the population loss", (), _make_population, work)


def _make_population(experiment: Experiment, records: Records, drive: Driver) -> Items:
    plan = experiment.posterior
    assert plan is not None
    stage = _several(plan.sampler).stage(experiment.model, None, plan.sample_sizes)
    return {"ladder": to_dataset(drive(stage, named_key(experiment.seed, "annealed")))}


def _several(sampler: LadderSampler) -> LadderSampler:
    """The sampler with repeats enough for an error, which data sets do not lend to an population ladder."""
    repeats = getattr(sampler, "repeats", None)
    if repeats is None:
        return sampler
    return dataclasses.replace(sampler, repeats=max(REPEATS, repeats))  # type: ignore[type-var]


def _make_posterior(experiment: Experiment, records: Records, drive: Driver) -> Items:
    plan = experiment.posterior
    assert plan is not None
    data = None if experiment.data is None else _first_rows(experiment, records, plan.sample_sizes[-1])
    stage = plan.sampler.stage(experiment.model, data, plan.sample_sizes)
    ladder = drive(stage, named_key(experiment.seed, "posterior"))
    return {"ladder": to_dataset(ladder)}


# -- learning coefficients ---------------------------------------------------------------------------------------
def _llc(experiment: Experiment, config: Mapping[str, Any], stages: Mapping[str, Stage]) -> Stage:
    plan, model = experiment.llc, experiment.model
    assert plan is not None
    inputs: dict[str, str] = {}
    needs: tuple[str, ...] = ()
    if plan.at == "phases":
        count = len(model.phases())
        what = f"learning coefficients of {_times(count, 'phase')}"
    else:
        assert experiment.training is not None
        needs, inputs = ("training",), {"training": stages["training"].recipe.hash}
        kept = experiment.training.checkpoints
        seeds = min(plan.seeds, experiment.training.seeds)
        count = (1 + len(plan.restricted)) * seeds * min(plan.checkpoints or kept, kept)
        what = f"learning coefficients at checkpoints of {_times(seeds, 'seed')}"
        if plan.restricted:
            what += f", and {_times(len(plan.restricted), 'restricted one')}"
    if llc_on_data(experiment):
        needs, inputs = ("data", *needs), inputs | _data_inputs(experiment, config)
    recipe = Recipe(
        "llc",
        {"model": config["model"], "seed": experiment.seed, "llc": config["llc"]},
        inputs,
        _code(_make_llc, [model, plan.estimator]),
    )
    return Stage(recipe, what, needs, _make_llc, Work(count, "points"))


def _make_llc(experiment: Experiment, records: Records, drive: Driver) -> Items:
    plan, model = experiment.llc, experiment.model
    assert plan is not None
    key = named_key(experiment.seed, "llc")
    if plan.at == "phases":
        points = jax.tree.map(lambda *leaves: np.stack(leaves), *[phase.point for phase in model.phases()])
        moving = free(model, plan.weights)
        drive.progress.begin(1, "batches")
        estimate = plan.estimator(LLCProblem(model, points, free=moving), key)
        return {"estimate": to_dataset(estimate), "phases": [phase.name for phase in model.phases()]}
    assert experiment.training is not None
    trajectory = from_dataset(Trajectory, records["training"].array("trajectory"))
    n = experiment.training.n
    data = _first_rows(experiment, records, n) if n is not None and llc_on_data(experiment) else None
    parts = experiment.parts()
    asked = tuple(Part(of, free(model, weights)) for of, weights in parts.values())
    stage = AlongTraining(plan.estimator, asked, trajectory, data, plan.seeds, plan.checkpoints)
    (whole, path), *restricted = drive(stage, key)
    items: Items = {"estimate": to_dataset(whole), "path": to_dataset(path)}
    if restricted:
        items["restricted"] = list(plan.restricted)
    for i, (estimate, path) in enumerate(restricted):
        items |= {f"estimate_{i}": to_dataset(estimate), f"path_{i}": to_dataset(path)}
    return items


# -- phases and comparison --------------------------------------------------------------------------------------
def _phases(experiment: Experiment, config: Mapping[str, Any], stages: Mapping[str, Stage]) -> Stage:
    needs = tuple(name for name in ("training", "posterior", "population") if name in stages)
    inputs = {name: stages[name].recipe.hash for name in needs}
    recipe = Recipe("phases", {"model": config["model"]}, inputs, _code(_make_phases, [experiment.model]))
    return Stage(recipe, "labels checkpoints and draws", needs, _make_phases)


def _make_phases(experiment: Experiment, records: Records, drive: Driver) -> Items:
    model: Model = experiment.model
    trajectory = ladder = path = labels = None
    if "training" in records:
        trajectory = from_dataset(Trajectory, records["training"].array("trajectory"))
    if "posterior" in records:
        ladder = from_dataset(Ladder, records["posterior"].array("ladder"))
    if model.phases():
        facts, notes = classification.phase_facts(model), []
        path = None if trajectory is None else classification.label_trajectory(model, trajectory)
        labels = None if ladder is None else classification.label_draws(model, ladder)
    else:
        facts, path, labels, note = discovery.find(model, trajectory, ladder)
        notes = [note]
    items: Items = {
        "facts": plain([dataclasses.asdict(fact) for fact in facts]),
        "names": [*(fact.name for fact in facts), "other"],
        "notes": notes,
    }
    if path is not None:
        items["path"] = to_dataset(path)
    if ladder is not None and labels is not None:
        import xarray as xr

        chains = "r_hat" in ladder.info  # draws in order, so that they can switch phase
        items["occupancy"] = to_dataset(occupancy_of(ladder, labels, len(facts), ordered=chains))
        items["labels"] = xr.Dataset({"label": (Ladder.DIMS["log_weights"], labels.astype(np.int16))})
    drawn = exemplars.exemplars(model, items["names"], trajectory, path, ladder, labels)
    items["exemplars"] = plain([dataclasses.asdict(exemplar) for exemplar in drawn])
    if "population" in records and model.phases():
        quiet = from_dataset(Ladder, records["population"].array("ladder"))
        items["population"] = to_dataset(label_ladder(model, quiet, ordered="r_hat" in quiet.info))
    return items


def _comparison(config: Mapping[str, Any], stages: Mapping[str, Stage]) -> Stage:
    needs = tuple(name for name in ("training", "posterior", "llc", "phases") if name in stages)
    inputs = {"phases": stages["phases"].recipe.hash}  # which holds the hashes of training and posterior
    if "llc" in stages:
        inputs["llc"] = stages["llc"].recipe.hash
    recipe = Recipe("comparison", {"comparison": config["comparison"]}, inputs, _code(_make_comparison, []))
    return Stage(recipe, "matches SGD's transitions with the posterior's", needs, _make_comparison)


def _make_comparison(experiment: Experiment, records: Records, drive: Driver) -> Items:
    labeled = records["phases"]
    optional: dict[str, Any] = {}
    if "training" in records:
        optional["trajectory"] = from_dataset(Trajectory, records["training"].array("trajectory"))
        optional["path"] = from_dataset(PhasePath, labeled.array("path"))
    if "llc" in records and records["llc"].has("path"):
        optional["llc"] = from_dataset(LLCPath, records["llc"].array("path"))
    doubts: dict[int, str] = {}
    if "posterior" in records:
        ladder = from_dataset(Ladder, records["posterior"].array("ladder"))
        occupancy = from_dataset(Occupancy, labeled.array("occupancy"))
        doubts = diagnostics.untrusted(ladder, occupancy)
        optional["occupancy"] = diagnostics.trusted(occupancy, doubts)
        optional["ladder_status"] = ladder.status
    if labeled.has("population"):
        optional["population"] = from_dataset(Occupancy, labeled.array("population"))
    both = ComparisonInputs(
        facts=build(labeled.json("facts"), tuple[PhaseFacts, ...]),
        names=tuple(labeled.json("names")),
        notes=(*labeled.json("notes"), *_doubted(doubts)),
        n=None if experiment.training is None else experiment.training.n,
        **optional,
    )
    comparison, jumps = assemble(experiment.model, both, experiment.comparison.hysteresis)
    found = {} if jumps is None else {"jumps": to_dataset(jumps)}
    return {**found, "comparison": plain(dataclasses.asdict(comparison))}


def _development(experiment: Experiment, config: Mapping[str, Any], stages: Mapping[str, Stage]) -> Stage:
    """Stages of learning by the formula alone, of a run that has no posterior."""
    needs = tuple(name for name in ("training", "llc", "comparison") if name in stages)
    inputs = {name: stages[name].recipe.hash for name in needs}
    code = _code(_make_development, [experiment.model])
    recipe = Recipe("development", {"model": config["model"]}, inputs, code)
    return Stage(recipe, "stages of learning, by the formula", needs, _make_development)


def _make_development(experiment: Experiment, records: Records, drive: Driver) -> Items:
    trajectory = from_dataset(Trajectory, records["training"].array("trajectory"))
    path = None
    if "llc" in records and records["llc"].has("path"):
        path = from_dataset(LLCPath, records["llc"].array("path"))
    jumps = from_dataset(Changepoints, records["comparison"].array("jumps"))
    found, moved = development.develop(experiment.model, trajectory, path, jumps)
    items: Items = {"stages": plain([dataclasses.asdict(seed) for seed in found])}
    return items if moved is None else items | {"essential": to_dataset(moved)}


def _doubted(rungs: Mapping[int, str]) -> list[str]:
    if not rungs:
        return []
    return [
        f"The posterior at n = {', '.join(f'{n:,}' for n in rungs)} is not trusted, and nothing rests on it here."
    ]


# -- what a recipe says of code and cost ------------------------------------------------------------------------
def _code(make: Callable, parts: list[Any]) -> str:
    """The version of `make`, of all modules of slt that it uses, and of those that define `parts`."""
    used = {
        _make_data: ("slt.models.datasets",),
        _make_phases: ("slt.phases.discovery", "slt.phases.exemplars", "slt.models.drawing"),
        _make_comparison: ("slt.comparer.assemble", "slt.posterior.diagnostics"),
        _make_development: ("slt.transitions.development",),
    }
    functions = [make, _several] if make is _make_population else [make]
    if make is _make_phases:
        functions += [type(part).drawing for part in parts if isinstance(part, Drawn)]
    version = code_version(sorted(set(used.get(make, ())).union(*map(_modules, parts))), functions)
    borrowed = [file for part in parts if isinstance(part, UserModel) for file in part.outside().files]
    if not borrowed:
        return version
    return digest([version, [hashlib.sha256(file.read_bytes()).hexdigest() for file in borrowed]])


def _modules(value: Any) -> set[str]:
    """The modules that define a dataclass instance and those that it holds, and what a model borrows besides."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return set()
    held = (_modules(getattr(value, field.name)) for field in dataclasses.fields(value))
    outside = value.outside().modules if isinstance(value, UserModel) else ()
    return {type(value).__module__, *outside}.union(*held)


def _bytes(shapes: Any) -> int:
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes))


def _times(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
