"""Does a network find the rule of addition long after it knows its examples, and does it need weight decay for that?

Verdict. A run knows its examples at train accuracy 0.99, and the rule at test accuracy 0.95. A setting *generalizes*
if more than half of its runs reach the rule; it *groks* if also their median step for that is at least `LATE` times
the median step for the examples. Of the settings that generalize with decay (none: the claim fails), the claim

* holds if at least one groks, and in every one at most a `FEW` share of runs reach the rule without decay;
* fails if none groks, or if more than half of them generalize without decay as well;
* is mixed otherwise.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.finding import Finding
from experiments.modular import KNOWN, RULE, Trained, fit
from experiments.statistics import first_step
from slt.models.modular_addition import ModularAddition
from slt.report.style import figure, look, plain_log

CLAIM = "A network that has memorized its examples finds the rule long after, and only with weight regularization."
SOURCE = "Power et al. 2022, arXiv:2201.02177; Gromov 2023, arXiv:2301.02679, found it without"
LATE, FEW = 3.0, 0.05
PATIENCE = (
    10  # the first setting is trained so many times as long without decay, to see whether that is enough
)
SCALES = (0.3, 0.03)  # of the weights where training starts
DECAYS = (0.0, 1.0)
COLORS = {0.0: "#D55E00", 1.0: "#0072B2"}
NETWORKS = tuple(itertools.product(("quadratic", "relu"), ("squared", "cross_entropy")))


def study(reduced: bool = False) -> Finding:
    p, hidden, seeds, steps = (5, 9, 2, 60) if reduced else (17, 64, 6, 4000)
    settings = _settings()[:1] if reduced else _settings()
    rows: list[dict[str, Any]] = []
    shown: dict[float, Trained] = {}

    def train(setting: dict[str, Any], decay: float, steps: int) -> Trained:
        model = ModularAddition(
            p=p,
            hidden=hidden,
            activation=setting["activation"],
            loss=setting["loss"],
            init_scale=setting["init_scale"],
            replacement=False,
        )
        return fit(model, round(setting["fraction"] * p**2), decay=decay, seeds=seeds, steps=steps)

    for setting, decay in itertools.product(settings, DECAYS):
        trained = train(setting, decay, steps)
        rows.append(setting | {"decay": decay} | measured(trained))
        if setting == settings[0]:
            shown[decay] = trained
    verdict, numbers = judged(rows)
    patient = rows[0] | {"steps": PATIENCE * steps} | measured(train(settings[0], 0.0, PATIENCE * steps))
    data = {"p": p, "hidden": hidden, "steps": steps, "settings": rows, "much_longer": patient}
    return Finding(verdict, numbers, picture(shown, rows), data)


def _settings() -> list[dict[str, Any]]:
    """Chosen before the runs: all four networks at two scales of the start, the first at two training fractions."""
    combinations = [("quadratic", "squared", 0.6), *((*network, 0.7) for network in NETWORKS)]
    return [
        {"activation": activation, "loss": loss, "fraction": fraction, "init_scale": scale}
        for activation, loss, fraction in combinations
        for scale in SCALES
    ]


def measured(trained: Trained) -> dict[str, Any]:
    """Of one setting: median steps to the examples and to the rule, over the runs that get there, and the end."""
    steps = trained.trajectory.steps
    known = first_step(steps, trained.train >= KNOWN, np.nan)
    rule = first_step(steps, trained.test >= RULE, np.nan)
    return {
        "runs": len(known),
        "reached_rule": int(np.isfinite(rule).sum()),
        "step_known": _median(known),
        "step_rule": _median(rule),
        "train_end": float(np.median(trained.train[:, -1])),
        "test_end": [round(float(value), 4) for value in trained.test[:, -1]],
        "norm_end": float(np.median(trained.trajectory.observables["norm"][:, -1])),
        "diverged": int(np.sum(trained.trajectory.status != "ok")),
    }


def judged(rows: list[dict[str, Any]]) -> tuple[str, str]:
    """The verdict by the rule above, and its numbers; `rows` hold each setting without decay, then with it."""
    pairs = [(plain, decayed) for plain, decayed in zip(rows[::2], rows[1::2], strict=True)]
    able = [(plain, decayed) for plain, decayed in pairs if generalizes(decayed)]
    grok = [decayed for _, decayed in able if groks(decayed)]
    without = [plain for plain, _ in able if generalizes(plain)]
    some = [plain for plain, _ in able if plain["reached_rule"] > FEW * plain["runs"]]
    verdict = "fails" if not grok or len(without) > len(able) / 2 else "mixed" if some else "holds"
    if not able:
        return verdict, f"0 of {len(pairs)} settings generalize with decay"
    large, small = ([plain for plain, _ in able if plain["init_scale"] == scale] for scale in SCALES)
    delays = [row["step_rule"] / max(row["step_known"], 1) for row in grok]
    late = f", the rule {min(delays):.0f} to {max(delays):.0f} x later than the examples" if delays else ""
    numbers = (
        f"{len(able)} of {len(pairs)} settings generalize with decay, {len(grok)} of them grok{late}; in these, "
        f"{_reached(large)} runs without decay find the rule from large weights ({SCALES[0]:g}), "
        f"{_reached(small)} from small ones ({SCALES[1]:g})"
    )
    return verdict, numbers


def generalizes(row: dict[str, Any]) -> bool:
    return bool(row["reached_rule"] > row["runs"] / 2)


def groks(row: dict[str, Any]) -> bool:
    return generalizes(row) and row["step_rule"] >= LATE * row["step_known"]


def picture(shown: dict[float, Trained], rows: list[dict[str, Any]]) -> Figure:
    with look():
        fig = figure(4.2, 11.0)
        fig.suptitle(
            "With weight decay the rule comes long after the examples; from small weights it can come without"
        )
        left, right = fig.subplots(1, 2, width_ratios=(1.25, 1))
        for decay, trained in shown.items():
            x = trained.trajectory.steps + 1
            name = "decay 1" if decay else "no decay"
            for curves, style, kind in ((trained.train, ":", "train"), (trained.test, "-", "test")):
                left.plot(x, curves.T, style, color=COLORS[decay], alpha=0.25, linewidth=0.8)
                left.plot(x, np.median(curves, axis=0), style, color=COLORS[decay], label=f"{kind}, {name}")
        left.set_xscale("log")
        plain_log(left.xaxis, 1, float(x[-1]))
        left.set(xlabel="optimizer steps + 1 (log scale)", ylabel="accuracy", ylim=(-0.03, 1.03))
        first = rows[0]
        left.set_title(f"{_name(first)} (thick: median)")
        left.legend(loc="upper left", handlelength=1.4)
        names = [_name(row) for row in rows[::2]]
        y = np.arange(len(names))
        for decay, shift in zip(DECAYS, (0.19, -0.19), strict=True):
            share = [100 * row["reached_rule"] / row["runs"] for row in rows if row["decay"] == decay]
            label = "weight decay 1" if decay else "no decay"
            right.barh(y + shift, np.maximum(share, 0.6), 0.36, color=COLORS[decay], label=label)
        right.set_yticks(y, names)
        right.invert_yaxis()
        right.set(xlim=(0, 103), xlabel="runs that reach test accuracy 95 % (%)")
        right.set_title("all settings")
        right.legend(loc="lower right", frameon=True)
    return fig


def _name(row: dict[str, Any]) -> str:
    loss = row["loss"].replace("_", " ")
    return f"{row['activation']}, {loss}, {row['fraction']:.0%} of pairs, start {row['init_scale']:g}"


def _reached(rows: list[dict[str, Any]]) -> str:
    return f"{sum(row['reached_rule'] for row in rows)} of {sum(row['runs'] for row in rows)}"


def _median(values: np.ndarray) -> float | None:
    there = values[np.isfinite(values)]
    return float(np.median(there)) if there.size else None
