"""Does the posterior of reduced rank regression jump from rank to rank where the free energy formula says?

The preset's network has widths 4, 3, 4, a teacher with modes 2 and 1, and the prior N(0, 0.15^2). The formula takes
for "rank k" the loss of the teacher's best approximation of rank k, and lambda and m of a truth of rank k (Aoyagi and
Watanabe 2005), at three levels: "leading" has these alone, "prior" adds the prior density at the balanced
factors, "volume" has in its place the constant that the population ladder measured. Parts of the claim, and when each
holds:

* order: both passages are seen on data, and 90 % of SGD's seeds pass through rank 0, rank 1, rank 2 and nothing else.
* jump: at both crossings of the population ladder fewer than a third of the draws have between a third and two thirds
  of the mode in question (`ladders.middle_share`).
* leading, prior, volume: the prediction of both crossings is within 20 % of where the posterior has them without
  data noise (the population ladder).

The claim holds if all do, fails if none does, and is mixed otherwise. Beside them stands a sum without lambda: under
a Gaussian prior of variance t^2 on both factors a mode of strength x costs x / t^2 nats at its likeliest factors, so
the likeliest strength is that of soft thresholding, s - 1 / (n t^2): it leaves 0 at n = 1 / (s t^2) without a jump,
and passes s / 2, where the classifier counts it as learned, at n = 2 / (s t^2).
"""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from experiments.finding import Finding, verdict_of
from experiments.ladders import JUMP, middle_share
from slt.models.deep_linear import DeepLinear
from slt.models.reduced_rank_regression import learning_coefficient
from slt.phases.classification import phase_facts
from slt.phases.occupancy import occupancy_summary
from slt.pipeline.execute import run
from slt.pipeline.outputs import outputs
from slt.records.phases import Occupancy, PhaseFacts, PhasePath
from slt.records.posterior import Ladder
from slt.storage.runs import Run
from slt.transitions import free_energy, volume

CLAIM = (
    "The posterior of reduced rank regression jumps from rank to rank as n grows, where the free energy formula with "
    "the known lambdas says, and SGD takes the same ranks in the same order."
)
SOURCE = "lambda: Aoyagi and Watanabe 2005; the jumps: a common claim without a source"
MODEL = DeepLinear(widths=(4, 3, 4), singular_values=(2.0, 1.0), prior_scale=0.15)

SEEDS, NEAR = 0.9, 0.2
REDUCED = (
    "training.seeds=2",
    "training.steps=100",
    "training.checkpoints=10",
    "posterior.sample_sizes=[20,300]",
    "posterior.sampler.particles=32",
    "posterior.sampler.repeats=2",
    "data.datasets=1",
)


class Seen(NamedTuple):
    """What the run left: the posterior on data and on the population loss, the latter's draws, SGD's labels, and the
    summary."""

    data: Occupancy
    population: Occupancy
    ladder: Ladder
    path: PhasePath
    summary: dict[str, Any]


def study(reduced: bool = False) -> Finding:
    with tempfile.TemporaryDirectory() as store:
        seen = _read(
            run(["experiment=reduced_rank", *(REDUCED if reduced else ())], store=store, progress=False)
        )
    facts = with_theory(MODEL)
    crossings = [crossing(seen, facts, k) for k in range(len(MODEL.singular_values))]
    paths = ["-".join(str(k) for k, _ in itertools.groupby(one)) for one in seen.path.label.tolist()]
    data: dict[str, Any] = {
        "crossings": crossings,
        "order": {path: paths.count(path) for path in sorted(set(paths))},
        "lambda": {fact.name: [fact.llc, fact.multiplicity] for fact in facts},
    }
    data["parts"] = parts = judge(data)
    verdict = verdict_of(parts.values())
    return Finding(verdict, _numbers(data), _figure(seen, data), data)


def _read(run: Run) -> Seen:
    stored = outputs(run)
    phases = stored.get("phases")
    return Seen(phases.occupancy, phases.population, stored.get("population"), phases.path, run.summary)


def with_theory(model: DeepLinear) -> tuple[PhaseFacts, ...]:
    """The phases, each with lambda and m of a truth of its rank."""
    inputs, hidden, outputs = model.widths
    values = [learning_coefficient(inputs, hidden, outputs, k) for k in range(len(model.phases()))]
    return tuple(
        dataclasses.replace(fact, llc=llc, multiplicity=multiplicity)
        for fact, (llc, multiplicity) in zip(phase_facts(model), values, strict=True)
    )


def crossing(seen: Seen, facts: tuple[PhaseFacts, ...], k: int) -> dict[str, Any]:
    """Rank k gives way to rank k + 1: where it was measured, and where it was predicted."""
    source, target = facts[k], facts[k + 1]
    found = [
        one for one in seen.summary["bayesian"] if (one["from"], one["to"]) == (source.name, target.name)
    ]
    nothing: dict[str, Any] = dict.fromkeys(("n", "n_low", "n_high", "separation"))
    measured = found[0] if found else {**nothing, "predictions": []}
    without_noise = (one for one in measured["predictions"] if one["approximation"] == "population")
    population = next(without_noise, None)
    levels = free_energy.predictions_of(source, target, volume.constants(seen.population, facts) or None)
    return {
        "from": source.name,
        "to": target.name,
        **{name: measured[name] for name in ("n", "n_low", "n_high", "separation")},
        "population": population and {name: population[name] for name in ("n", "n_low", "n_high")},
        "middle": middle_share(MODEL, seen.ladder, k, population["n"])
        if population and population["n"]
        else None,
        "predicted": {one.approximation: one.n for one in levels},
        "why": {one.approximation: one.why for one in levels if one.n is None},
        "soft threshold": 2 / (MODEL.singular_values[k] * MODEL.prior_scale**2),
    }


def judge(data: dict[str, Any]) -> dict[str, bool]:
    """The rules of the module's docstring."""
    crossings = data["crossings"]
    whole = "-".join(map(str, range(len(crossings) + 1)))
    passed = data["order"].get(whole, 0) >= SEEDS * sum(data["order"].values())
    parts = {
        "order": passed and all(one["n"] is not None for one in crossings),
        "jump": all(one["middle"] is not None and one["middle"]["share"] < JUMP for one in crossings),
    }
    for level in free_energy.APPROXIMATIONS:
        parts[level] = all(_near(one["predicted"].get(level), one["population"]) for one in crossings)
    return parts


def _near(n: float | None, measured: dict[str, Any] | None) -> bool:
    if n is None or measured is None or measured["n"] is None:
        return False
    return bool(abs(n - measured["n"]) <= NEAR * measured["n"])


def _numbers(data: dict[str, Any]) -> str:
    def sentence(one: dict[str, Any]) -> str:
        levels = ", ".join(
            f"{level} {'none' if n is None else f'{n:.0f}'}" for level, n in one["predicted"].items()
        )
        population = one["population"]
        without = "none" if population is None or population["n"] is None else f"{population['n']:.0f}"
        measured = "not seen" if one["n"] is None else f"n = {one['n']:.0f} {_interval(one)}"
        middle = one["middle"]
        inside = "unknown" if middle is None else f"{middle['share']:.2f} ± {middle['error']:.2f}"
        return (
            f"{one['from']} -> {one['to']} at {measured}, without data noise {without}; {levels}, "
            f"soft threshold {one['soft threshold']:.0f}; share in the middle of the mode {inside}"
        )

    return "; ".join(sentence(one) for one in data["crossings"])


def _interval(one: dict[str, Any]) -> str:
    ends = ("?" if end is None else f"{end:.0f}" for end in (one["n_low"], one["n_high"]))
    return f"[{' to '.join(ends)}]"


def _figure(seen: Seen, data: dict[str, Any]) -> Figure:
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    figure.suptitle("The posterior's rank grows with n; the formula's crossings beside it", fontweight="bold")
    ax = figure.subplots()
    share = occupancy_summary(seen.population).mean
    on_data = occupancy_summary(seen.data)
    for k in range(share.shape[1] - 1):
        ax.plot(
            seen.population.sample_sizes, share[:, k], color=f"C{k}", label=f"rank {k}, without data noise"
        )
        ax.errorbar(
            seen.data.sample_sizes,
            on_data.mean[:, k],
            on_data.error[:, k],
            fmt="o",
            ms=3,
            color=f"C{k}",
            alpha=0.5,
        )
    marks = {"leading": ":", "prior": "--", "volume": "-.", "soft threshold": "-"}
    for k, one in enumerate(data["crossings"]):
        for level, style in marks.items():
            n = one["soft threshold"] if level == "soft threshold" else one["predicted"].get(level)
            if n is not None:
                ax.axvline(
                    n, ls=style, color=f"C{k + 1}", lw=1, label=f"to rank {k + 1}: {level}, n = {n:.0f}"
                )
    ax.set(
        xscale="log", xlabel="observations n", ylabel="posterior share (points: mean over data sets ± s.e.)"
    )
    ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
