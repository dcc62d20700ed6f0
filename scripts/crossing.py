"""Where the posterior of superposition passes from the 5-gon to the 6-gon, beside where formulas put it."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import jax
import jax.numpy as jnp
from matplotlib.figure import Figure

from scripts.result import Result, table
from slt.models.base import Params, as_model, phase_names
from slt.models.superposition import Superposition, kgons
from slt.phases import classification
from slt.phases.classification import label_ladder
from slt.phases.occupancy import merge_families, occupancy_summary
from slt.posterior.data_tempering import DataTempering
from slt.records.phases import Occupancy
from slt.records.posterior import Ladder
from slt.records.transitions import BayesianTransition
from slt.runtime.long_computation import drive
from slt.transitions import bayesian, free_energy, volume

NS = (30, 60, 100, 150, 200, 250, 300, 350, 400, 450, 500, 550, 600, 700, 850, 1000)
DATASETS = 16
REPEATS = 4
PARTICLES = 1024
MODEL = Superposition()
POPULATION = "population (population loss, no data noise)"


@as_model
class CountingColumns(Superposition):
    """k-gons by the number of long columns alone, whether they go round evenly or not."""

    def classify(self, w: Params) -> jax.Array:
        k = jnp.sum(jnp.linalg.norm(w["W"], axis=0) > kgons.ALIVE)
        names = phase_names(self)
        index = [names.index(str(i)) if str(i) in names else len(names) - 1 for i in range(self.features + 1)]
        return jnp.asarray(index, jnp.int32)[k]


COUNTING = CountingColumns()


def study() -> Result:
    keys = jax.random.split(jax.random.key(0), DATASETS)
    data = jax.vmap(lambda key: MODEL.sample(key, NS[-1]))(keys)
    ladders = {
        "on data": _ladder(data, PARTICLES, REPEATS, 1),
        "on half of the data sets, twice the particles": _ladder(
            jax.tree.map(lambda leaf: leaf[: DATASETS // 2], data), 2 * PARTICLES, REPEATS // 2, 2
        ),
        POPULATION: _ladder(None, 2 * PARTICLES, 2 * REPEATS, 3),
    }
    occupancies = {name: label_ladder(MODEL, ladder, ordered=False) for name, ladder in ladders.items()}
    counted = {
        f"{name}, counting long columns only": label_ladder(COUNTING, ladders[name], ordered=False)
        for name in ("on data", POPULATION)
    }
    facts = classification.phase_facts(MODEL)
    crossings = {name: _transitions(occupancy) for name, occupancy in (occupancies | counted).items()}
    by_name = {fact.name: fact for fact in facts}
    constants = volume.constants(occupancies[POPULATION], facts)
    formulas = {
        f"{a} -> {b}": {
            p.approximation: [p.n, p.n_low, p.n_high]
            for p in free_energy.predictions_of(by_name[a], by_name[b], constants)
        }
        for a, b in (("5", "6"), ("5+", "6"))
    }
    numbers = {
        "sample_sizes": NS,
        "datasets": DATASETS,
        "repeats": REPEATS,
        "particles": PARTICLES,
        "predicted": formulas,
        "constants": {name: constant._asdict() for name, constant in constants.items()},
        "crossings": {
            name: [dataclasses.asdict(transition) for transition in found]
            for name, found in crossings.items()
        },
        "share": {
            name: merge_families(occupancy, facts)[1].share.tolist()
            for name, occupancy in occupancies.items()
        },
        "free_energy": {name: (-ladder.log_evidence).tolist() for name, ladder in ladders.items()},
        "each_data_set": {
            f"data set {d}": _location(_single(occupancies["on data"], d)) for d in range(DATASETS)
        },
    }
    return Result(
        _text(numbers, crossings, occupancies), numbers, {"crossing.png": _figure(occupancies, numbers)}
    )


def _ladder(data: Any, particles: int, repeats: int, seed: int) -> Ladder:
    sampler = DataTempering(particles=particles, repeats=repeats)
    return drive(sampler.stage(MODEL, data, NS), jax.random.key(seed))


def _transitions(occupancy: Occupancy) -> list[BayesianTransition]:
    """5-family -> 6, and 5 -> 6."""
    facts = classification.phase_facts(MODEL)
    names, merged = merge_families(occupancy, facts)
    found = [*bayesian.find(merged, names, facts), *bayesian.find(occupancy, phase_names(MODEL), facts)]
    return [t for t in found if t.target == "6" and t.source in ("5-family", "5")]


def _single(occupancy: Occupancy, d: int) -> Occupancy:
    names = ("share", "free_energy", "visits", "switches", "loss", "loss_variance")
    return dataclasses.replace(occupancy, **{name: getattr(occupancy, name)[d : d + 1] for name in names})


def _location(occupancy: Occupancy) -> float | None:
    return next((t.n for t in _transitions(occupancy) if t.source == "5-family"), None)


def _interval(t: BayesianTransition) -> str:
    ends = ["beyond the ladder" if end is None else f"{end:.0f}" for end in (t.n_low, t.n_high)]
    return f"{ends[0]} to {ends[1]}"


def _text(numbers: dict, crossings: dict, occupancies: dict) -> str:
    rows = [
        [name, f"{t.source} -> {t.target}", f"{t.n:.0f}", _interval(t), f"{t.crossed} of {t.datasets}"]
        for name, found in crossings.items()
        for t in found
    ]
    formulas = [
        [f"formula, {pair}", *(_predicted(*levels[level]) for level in free_energy.APPROXIMATIONS)]
        for pair, levels in numbers["predicted"].items()
    ]
    each = ", ".join("none" if n is None else f"{n:.0f}" for n in numbers["each_data_set"].values())
    other = occupancy_summary(occupancies["on data"]).mean[:, -1]
    return f"""# 5-gon to 6-gon: the n of equal occupancy

Superposition, c = 6, r = 2; loss unhalved, prior N(0, 1). {DATASETS} data sets x {REPEATS} repeats x {PARTICLES}
particles, one ladder of {len(NS)} sample sizes up to n = {NS[-1]}. A draw is a k-gon when k columns of W are longer
than 0.6 and go round evenly (`slt/models/superposition/kgons.py`); "5-family" is 5 and 5+. Intervals are 95 %, by
bootstrap over data sets and repeats.

![Occupancy against n](crossing.png)

{table(["ladder", "transition", "n", "95 % interval", "data sets that crossed"], rows)}

{table(["", "leading order", "with the prior at the points", "with the measured volume"], formulas)}

Which level is right, for 5 -> 6. {_judgment(crossings, numbers)}

The crossing depends on the classifier as well: counting long columns alone, uneven 6-gons are 6-gons too, and they
come early.

Data set by data set, 5-family -> 6 crosses at n = {each}.
Draws that are no k-gon ("other") hold {other[NS.index(100)]:.0%} of the posterior at n = 100,
{other[NS.index(300)]:.0%} at n = 300 and {other[NS.index(600)]:.0%} at n = 600.
"""


def _predicted(n: float | None, low: float | None, high: float | None) -> str:
    if n is None:
        return "never"
    exact = low is None or high is None or low == high
    return f"{n:.0f}" if exact else f"{n:.0f} ({low:.0f} to {high:.0f})"


def _judgment(crossings: dict, numbers: dict) -> str:
    """Each prediction against the two crossings that were measured."""
    sentences = []
    for name in ("on data", POPULATION):
        seen = next(t for t in crossings[name] if t.source == "5")
        inside: list[str] = []
        outside: list[str] = []
        for level, (n, low, high) in numbers["predicted"]["5 -> 6"].items():
            low, high = (n if end is None else end for end in (low, high))
            agrees = low <= seen.n_high and high >= seen.n_low
            (inside if agrees else outside).append(f'"{level}" ({n:.0f})')
        sentences.append(
            f"The crossing {name}, {seen.n:.0f} ({_interval(seen)}), agrees with "
            f"{', '.join(inside) or 'no level'} and not with {', '.join(outside) or 'none'}."
        )
    return " ".join(sentences)


def _figure(occupancies: dict, numbers: dict) -> bytes:
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    facts = classification.phase_facts(MODEL)
    styles = {"on data": "-", POPULATION: ":"}
    colors = {"4-family": "tab:blue", "5-family": "tab:orange", "6": "tab:green", "other": "0.6"}
    for name, style in styles.items():
        names, merged = merge_families(occupancies[name], facts)
        summary = occupancy_summary(merged)
        for i, phase in enumerate(names):
            label = phase if name == "on data" else None
            axes.plot(NS, summary.mean[:, i], style, color=colors[phase], label=label)
            if name == "on data":
                low, high = summary.mean[:, i] - summary.error[:, i], summary.mean[:, i] + summary.error[:, i]
                axes.fill_between(NS, low, high, color=colors[phase], alpha=0.2, lw=0)
    labels = {
        "leading": "\nleading\norder",
        "prior": "\nwith the prior\nat the points",
        "volume": "5 → 6\nwith measured\nvolume",
    }
    for level, (n, _, _) in numbers["predicted"]["5 -> 6"].items():
        axes.axvline(n, color="0.3", ls="--", lw=1)
        side = {"leading": "center", "prior": "left", "volume": "right"}[level]
        what = labels[level]
        axes.text(n, 1.01, what, fontsize=8, ha=side, transform=axes.get_xaxis_transform())
    axes.set(xscale="log", xlabel="observations n", ylabel="share of the posterior", ylim=(0, 1))
    axes.plot([], [], "k:", label="population")
    axes.legend(loc="center left", frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=130, metadata={"Software": None})
    return buffer.getvalue()
