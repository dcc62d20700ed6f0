"""What decides whether neurons stand for one feature each: initial bias, learning rate, number of neurons; and Bayes.

Rule. Runs that succeed are those whose loss is within 5 % of the lowest of their condition. Among them, each part of
the claim compares two ends of a sweep by a 95 % interval of the difference of means (Welch), which must lie above 0:

* bias: the share of monosemantic neurons among live ones, initial bias -0.5 over 0;
* rate: the same, the largest learning rate over the smallest;
* neurons: the same, and monosemantic neurons per feature too, sixteen neurons over four: the source shows both.

And the losses must be alike: in the sweeps of bias and rate the medians of successful runs differ by 3 % at most.
The claim holds where all four do, fails where bias and rate both do not, and is mixed otherwise. Noise (over all
runs, as few come near the lowest loss), barriers and the posterior are measured beside it and have no part in the
verdict.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import spearmanr, t

from experiments.finding import Finding
from experiments.monosemantic.landscape import barriers, posterior
from slt.models.monosemantic import Monosemantic
from slt.phases.classification import label_trajectory
from slt.runtime.long_computation import drive
from slt.training.optimizers import Adam
from slt.training.trainer import Trainer

CLAIM = (
    "Initial bias and learning rate decide how monosemantic the neurons are that training finds, at equal loss; "
    "more neurons make a network more monosemantic"
)
SOURCE = "Jermyn, Schiefer and Hubinger 2022, arXiv:2211.09169"
NEURONS, BIAS, RATE, BATCH = 8, 0.0, 3e-3, 32  # where nothing else is said
SUCCESS, ALIKE = 1.05, 0.03


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is run."""

    biases: tuple[float, ...] = (0.0, -0.25, -0.5)
    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2, 3e-2)
    neurons: tuple[int, ...] = (4, 6, 8, 16)
    noises: tuple[float, ...] = (0.0, 0.2)
    seeds: int = 128
    steps: int = 6000
    particles: int = 256
    repeats: int = 4
    sample_sizes: tuple[int, ...] = (100, 300, 1000, 3000, 10_000, 100_000)
    pairs: int = 12


REDUCED = Sizes(
    biases=(0.0,), rates=(RATE,), neurons=(NEURONS,), noises=(0.0,), seeds=8, steps=300, particles=32, repeats=2,
    sample_sizes=(20,), pairs=2,
)  # fmt: skip


def study(reduced: bool = False) -> Finding:
    sizes = REDUCED if reduced else Sizes()
    runs = _Runs(sizes)
    sweeps = {
        "bias": [runs(init_bias=bias) for bias in sizes.biases],
        "rate": [runs(rate=rate) for rate in sizes.rates],
        "neurons": [runs(neurons=neurons) for neurons in sizes.neurons],
        "noise": [runs(noise=noise) for noise in sizes.noises],
    }
    compared = {
        "bias": _difference(sweeps["bias"], "share"),
        "rate": _difference(sweeps["rate"], "share"),
        "neurons": _difference(sweeps["neurons"], "per_feature"),
        "neurons, share": _difference(sweeps["neurons"], "share"),
        "noise": _difference(sweeps["noise"], "share"),
    }
    parts = {name: compared[name]["low"] > 0 for name in ("bias", "rate")}
    parts["neurons"] = min(compared["neurons"]["low"], compared["neurons, share"]["low"]) > 0
    medians = [[float(np.median(one["loss"])) for one in sweeps[name]] for name in ("bias", "rate")]
    parts["alike"] = all(max(losses) / min(losses) - 1 <= ALIKE for losses in medians)
    bayes = posterior(Monosemantic(neurons=NEURONS), sizes.sample_sizes, sizes.particles, sizes.repeats)
    ends = list({id(one): one for one in (*sweeps["bias"], *sweeps["rate"])}.values())
    passes = barriers(Monosemantic(neurons=NEURONS), ends, sizes.pairs)
    verdict = "holds" if all(parts.values()) else "mixed" if parts["bias"] or parts["rate"] else "fails"
    data = {
        "sweeps": {name: [_summary(one) for one in sweep] for name, sweep in sweeps.items()},
        "compared": compared,
        "parts": parts,
        "posterior": bayes,
        "barriers": passes,
    }
    return Finding(verdict, _numbers(data), _figure(sweeps, bayes), data)


# -- SGD ------------------------------------------------------------------------------------------------------


class _Runs:
    """Ends of training under one condition, each trained once."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.known: dict[tuple[Any, ...], dict[str, Any]] = {}

    def __call__(self, rate: float = RATE, **options: Any) -> dict[str, Any]:
        noisy = "noise" in options
        chosen = {"neurons": NEURONS, "init_bias": BIAS, "noise": 0.0, **options}
        key = (rate, noisy, *sorted(chosen.items()))
        if key not in self.known:
            self.known[key] = _ends(Monosemantic(**chosen), rate, self.sizes, noisy)
        return self.known[key]


def _ends(model: Monosemantic, rate: float, sizes: Sizes, noisy: bool) -> dict[str, Any]:
    """What successful runs end in, or all where the sweep is of noise: arrays over runs, and the parameters."""
    trainer = Trainer(
        seeds=sizes.seeds,
        steps=sizes.steps,
        batch_size=BATCH,
        n=None,
        checkpoints=2,
        optimizer=Adam(rate),
    )
    trajectory = drive(trainer.stage(model, None), jax.random.key(0))
    label = label_trajectory(model, trajectory).label[:, -1]
    last = {name: values[:, -1] for name, values in trajectory.observables.items()}
    loss = trajectory.population_loss[:, -1]
    good = np.isfinite(loss) if noisy else loss <= SUCCESS * loss.min()
    live = model.neurons - last["dead"]
    return {
        "model": model,
        "rate": rate,
        "runs": len(loss),
        "loss": loss[good],
        "share": (last["monosemantic"] / np.maximum(live, 1))[good],
        "per_feature": last["monosemantic"][good] / 4,
        "polysemanticity": last["polysemanticity"][good],
        "live": live[good],
        "bias": trajectory.params["b"][good, -1].mean(axis=1),
        "label": label[good],
        "params": {name: leaf[good, -1].astype(float) for name, leaf in trajectory.params.items()},
    }


def _difference(sweep: list[dict[str, Any]], what: str) -> dict[str, float]:
    """Last condition of a sweep minus the first, with its 95 % interval."""
    last, first = sweep[-1][what], sweep[0][what]
    difference, half = float(np.mean(last) - np.mean(first)), 0.0
    squares = [np.var(one, ddof=1) / len(one) if len(one) > 1 else 0.0 for one in (last, first)]
    if last is not first and sum(squares) > 0:
        freedom = sum(squares) ** 2 / sum(
            v**2 / (len(one) - 1) for v, one in zip(squares, (last, first), strict=True) if v > 0
        )
        half = float(t.ppf(0.975, freedom) * np.sqrt(sum(squares)))
    return {"difference": difference, "low": difference - half, "high": difference + half}


def _summary(one: dict[str, Any]) -> dict[str, Any]:
    """A condition in numbers: means over successful runs, with standard errors."""
    model, kept = one["model"], len(one["loss"])
    means = {
        what: [
            float(np.mean(one[what])),
            float(np.std(one[what], ddof=1) / np.sqrt(kept)) if kept > 1 else 0.0,
        ]
        for what in ("share", "per_feature", "polysemanticity", "live", "bias")
    }
    return {
        "neurons": model.neurons,
        "init_bias": model.init_bias,
        "noise": model.noise,
        "rate": one["rate"],
        "succeeded": kept,
        "runs": one["runs"],
        "median_loss": float(np.median(one["loss"])),
        "loss_and_share": _rank_correlation(one["loss"], one["share"]),
        "labels": np.bincount(one["label"], minlength=4).tolist(),
        **means,
    }


def _rank_correlation(loss: np.ndarray, share: np.ndarray) -> float:
    """Spearman's, over runs of one condition; 0 where either is constant."""
    if len(loss) < 3 or np.ptp(loss) == 0 or np.ptp(share) == 0:
        return 0.0
    return float(spearmanr(loss, share).statistic)


# -- words and picture ----------------------------------------------------------------------------------------


def _numbers(data: dict[str, Any]) -> str:
    def sweep(name: str, option: str, what: str = "share", compared: str = "") -> str:
        first, last = data["sweeps"][name][0], data["sweeps"][name][-1]
        interval = data["compared"][compared or name]
        return (
            f"{first[what][0]:.2f} to {last[what][0]:.2f} for {option} {first[option]:g} to {last[option]:g} "
            f"[{interval['low']:+.2f}, {interval['high']:+.2f}]"
        )

    bayes, passes = data["posterior"], data["barriers"]["polysemantic - monosemantic"]
    return (
        f"monosemantic share of live neurons {sweep('bias', 'init_bias')}, {sweep('rate', 'rate')}; per feature "
        f"{sweep('neurons', 'neurons', 'per_feature')}, but the share "
        f"{sweep('neurons', 'neurons', compared='neurons, share')}; barrier from least to most monosemantic "
        f"{100 * passes['median']:.2g} % of the loss; wholly monosemantic posterior "
        f"{bayes['monosemantic'][0]:.2f} ± {bayes['monosemantic_error'][0]:.2f} at n = {bayes['sample_sizes'][0]}, "
        f"{bayes['monosemantic'][-1]:.2f} ± {bayes['monosemantic_error'][-1]:.2f} at {bayes['sample_sizes'][-1]}"
    )


def _figure(sweeps: dict[str, list[dict[str, Any]]], bayes: dict[str, Any]) -> Figure:
    figure = Figure(figsize=(9.0, 5.4), layout="constrained")
    axes = figure.subplots(2, 3)
    panels = (
        (axes[0, 0], "bias", "initial bias", lambda one: f"{one['model'].init_bias:g}"),
        (axes[0, 1], "rate", "learning rate", lambda one: f"{one['rate']:g}"),
        (axes[0, 2], "neurons", "neurons", lambda one: str(one["model"].neurons)),
        (axes[1, 0], "noise", "noise on the input", lambda one: f"{one['model'].noise:g}"),
    )
    for ax, name, words, tick in panels:
        _panel(ax, sweeps[name], words, tick)
    axes[0, 0].set_ylabel("share of live neurons\nthat are monosemantic")
    axes[1, 0].set_ylabel("share of live neurons\nthat are monosemantic")
    _losses(axes[1, 1], sweeps)
    mean, error = np.array(bayes["share"]), np.array(bayes["share_error"])
    axes[1, 2].errorbar(bayes["sample_sizes"], mean, error, fmt="o-", color="#0072B2", capsize=2)
    axes[1, 2].set(xscale="log", ylim=(-0.05, 1.05), xlabel="observations n", title="posterior (SMC)")
    figure.suptitle(
        "Equal loss, other neurons: each dot is a run, the line is the mean (bars: 2 standard errors)",
        fontsize=11,
    )
    return figure


def _panel(ax: Axes, sweep: list[dict[str, Any]], words: str, tick: Any) -> None:
    random = np.random.default_rng(0)
    at = np.arange(len(sweep))
    for x, one in zip(at, sweep, strict=True):
        spread = random.uniform(-0.2, 0.2, len(one["share"]))
        jitter = random.normal(0, 0.012, len(one["share"]))
        ax.plot(x + spread, one["share"] + jitter, ".", color="#8f8f8f", ms=3, alpha=0.6)
    mean = [np.mean(one["share"]) for one in sweep]
    error = [2 * np.std(one["share"]) / np.sqrt(len(one["share"])) for one in sweep]
    ax.errorbar(at, mean, error, fmt="o-", color="#D55E00", capsize=2)
    ax.set(
        xticks=at,
        xticklabels=[tick(one) for one in sweep],
        xlabel=words,
        ylim=(-0.05, 1.05),
        title=f"SGD: {words}",
    )


def _losses(ax: Axes, sweeps: dict[str, list[dict[str, Any]]]) -> None:
    """Loss against the monosemantic share, over the runs of the sweeps of bias and rate."""
    runs = [*sweeps["bias"], *sweeps["rate"]]
    share, loss = (np.concatenate([one[what] for one in runs]) for what in ("share", "loss"))
    ax.plot(share, loss, ".", color="#8f8f8f", ms=3, alpha=0.6)
    ax.set(xlabel="monosemantic share", ylabel="loss, nats per observation", title="SGD: loss, bias and rate")
    ax.set_ylim(0, 1.3 * loss.max())
