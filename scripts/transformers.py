"""Stages of two transformers: coefficients along training, refined ones, and the free energy formula."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scripts.result import ROOT, Result, table
from slt.pipeline.execute import run
from slt.pipeline.outputs import outputs
from slt.records.base import Array, flag_names
from slt.records.llc import LLCPath
from slt.storage.runs import Run
from slt.transitions.stages import broken

SIGMAS = 2.0  # standard errors by which a coefficient rises or falls
STAYS = 0.05  # of the whole fall of the loss
FALLS = 0.10  # of itself, by which lambda-hat falls where the loss stays
LAYERS = ("layer_0", "layer_1")
HEADS = tuple(f"{layer}.head_{head}" for layer in LAYERS for head in range(4))


def _refined(slices: tuple[str, ...], weights: tuple[str, ...]) -> list[str]:
    named = {
        name.replace("layer_", "head_").replace(".head_", "_") if "." in name else name: name
        for name in weights
    }
    return [
        *(f"+llc.refined.{part}={{weights: [{name}]}}" for part, name in named.items()),
        *(f"+llc.refined.{part}_tokens={{slice: {part}}}" for part in slices),
    ]


RUNS: dict[str, list[str]] = {
    "icl_stages": ["experiment=icl_stages"],
    "icl_parts": [
        "experiment=icl_stages",
        "llc.seeds=1",
        "llc.checkpoints=4",
        *_refined(("early", "late"), LAYERS),
    ],
    "induction": ["experiment=induction", "llc.checkpoints=20"],
    "induction_parts": [
        "experiment=induction",
        "llc.seeds=1",
        "llc.checkpoints=4",
        *_refined(("bigram", "trigram", "copy"), HEADS + LAYERS),
    ],
}


def study() -> Result:
    done = {name: run(overrides, store=ROOT / "runs") for name, overrides in RUNS.items()}
    seen = {name: _seen(one) for name, one in done.items()}
    figures = {
        f"transformers_{name}_{figure}.png": (one.path / "figures" / f"{figure}.png").read_bytes()
        for name, one in done.items()
        for figure in (("llc_refined",) if name.endswith("_parts") else ("stages", "essential"))
    }
    text = "\n".join(
        [
            _HEAD,
            _section("Regression in context", "icl_stages", done, seen),
            _section("Induction", "induction", done, seen),
        ]
    )
    return Result(text, {name: one.numbers for name, one in seen.items()}, figures)


_HEAD = """# Stages of transformers

Two small transformers, by the trainer, estimators and detectors of every other model. There is no posterior of so
many weights: the free energy formula, n L + λ̂ log n, with measured losses and coefficients, stands in for it.
The claims about stages themselves have studies of their own: [icl_stages](../experiments/icl_stages/README.md),
[ridge_retreat](../experiments/ridge_retreat/README.md), [induction](../experiments/induction/README.md).

λ̂ is that of `llc=minibatch`: localized SGLD at nbeta = n β, one step size and one localization for all checkpoints,
found on four of them. An estimate that found lower loss than its point's, or is negative, is not counted as one.
"""


class _Seen(NamedTuple):
    path: LLCPath
    parts: dict[str, LLCPath]
    numbers: dict[str, Any]


def _seen(done: Run) -> _Seen:
    trajectory, llc = outputs(done).get("training"), outputs(done).get("llc")
    estimate, path = llc.estimate, llc.path
    parts = {name: part.path for name, part in llc.refined.items()}
    rows = np.searchsorted(trajectory.steps, path.steps)
    loss = trajectory.population_loss[path.seed][:, rows]
    value = known(path)
    with np.errstate(invalid="ignore"):
        relative = np.where(np.isfinite(value), path.error / value, np.nan)
    info = {name: float(values[0]) for name, values in estimate.info.items()}
    numbers = {
        "parameters": int(sum(leaf[0, 0].size for leaf in trajectory.params.values())),
        "seeds": len(path.seed),
        "checkpoints": len(path.steps),
        "counted": int(np.isfinite(value).sum()),
        "points": int(value.size),
        "flags": flags(path),
        "median_relative_error": float(np.nanmedian(relative)),
        "llc_end": value[:, -1].tolist(),
        "llc_largest": np.nanmax(value, axis=1).tolist(),
        "hessian_trace_end": estimate.info["hessian_trace"].reshape(value.shape)[:, -1].tolist(),
        "fisher_trace_end": estimate.info["fisher_trace"].reshape(value.shape)[:, -1].tolist(),
        "setting": {
            name: info[name]
            for name in (
                "localization",
                "step_size",
                "noise",
                "sensitivity",
                "step_sensitivity",
                "start_sensitivity",
            )
        },
        "type_b": [type_b(path.steps, *one) for one in zip(loss, value, path.error, strict=True)],
        "development": done.summary["development"]["headline"],
        "seconds": {name: entry["seconds"] for name, entry in done.manifest["stages"].items()},
        "parts": {
            name: [rise_and_fall(*one) for one in zip(known(part), part.error, strict=True)]
            for name, part in parts.items()
        },
        "parts_end": {name: known(part)[:, -1].tolist() for name, part in parts.items()},
    }
    return _Seen(path, parts, numbers)


def known(path: LLCPath) -> Array:
    """(seed, checkpoint) lambda-hat, NaN where it is no estimate."""
    return np.where(np.vectorize(broken)(path.status), np.nan, path.llc)


def flags(path: LLCPath) -> dict[str, int]:
    """How many checkpoints carry each flag."""
    raised = [name for status in path.status.ravel() for name in flag_names(str(status))]
    return {name: raised.count(name) for name in sorted(set(raised))}


def type_b(steps: Array, loss: Array, llc: Array, error: Array) -> list[int] | None:
    """The longest stretch of steps, in log, over which the loss changes by at most `STAYS` of its whole fall while
    lambda-hat falls by `FALLS` of itself and by `SIGMAS` standard errors; None if there is none."""
    fall = float(np.nanmax(loss) - np.nanmin(loss))
    best: tuple[float, list[int]] | None = None
    for i, j in zip(*np.triu_indices(len(steps), 3), strict=True):
        if not np.isfinite(llc[[i, j]]).all() or np.ptp(loss[i : j + 1]) > STAYS * fall:
            continue
        drop = llc[i] - llc[j]
        if drop > FALLS * llc[i] and drop > SIGMAS * np.hypot(error[i], error[j]):
            length = float(np.log((1 + steps[j]) / (1 + steps[i])))
            if best is None or length > best[0]:
                best = length, [int(steps[i]), int(steps[j])]
    return None if best is None else best[1]


def rise_and_fall(llc: Array, error: Array) -> str:
    """Whether a coefficient rises, falls, or "rises, then falls": each by `SIGMAS` standard errors."""
    there = np.flatnonzero(np.isfinite(llc))
    if len(there) < 3:
        return "unknown"
    value, spread = llc[there], error[there]
    top = int(np.argmax(value))

    def beyond(k: int) -> bool:
        return bool(value[top] - value[k] > SIGMAS * np.hypot(spread[top], spread[k]))

    rises, falls = top > 0 and beyond(0), top < len(value) - 1 and beyond(len(value) - 1)
    return {(1, 1): "rises, then falls", (1, 0): "rises", (0, 1): "falls"}.get((rises, falls), "stays")


def _section(title: str, name: str, done: dict[str, Run], seen: dict[str, _Seen]) -> str:
    whole, parts = seen[name].numbers, seen[name.removesuffix("_stages") + "_parts"].numbers
    stretches = [stretch for stretch in whole["type_b"] if stretch is not None]
    seconds = whole["seconds"]
    setting = whole["setting"]
    rows = [
        ["parameters", f"{whole['parameters']:,}"],
        ["seeds x checkpoints with λ̂", f"{whole['seeds']} x {whole['checkpoints']}"],
        ["of these, estimates", f"{whole['counted']} of {whole['points']}"],
        ["flags", ", ".join(f"{flag} {count}" for flag, count in whole["flags"].items()) or "none"],
        ["median standard error of λ̂", f"{whole['median_relative_error']:.1%}"],
        ["γ, step size", f"{setting['localization']:.3g}, {setting['step_size']:.3g}"],
        [
            "λ̂ at ten times γ, at half the step size, with chains from the point",
            ", ".join(_change(setting[f"{kind}sensitivity"]) for kind in ("", "step_", "start_")),
        ],
        ["largest λ̂, by seed", _numbers(whole["llc_largest"])],
        ["λ̂ at the end, by seed", _numbers(whole["llc_end"])],
        ["trace of the Hessian at the end", _numbers(whole["hessian_trace_end"])],
        ["trace of the Fisher information at the end", _numbers(whole["fisher_trace_end"])],
        [
            "type B: loss stays, λ̂ falls",
            f"{len(stretches)} of {whole['seeds']} seeds; steps " + _steps(stretches),
        ],
        ["seconds of training, of λ̂", f"{seconds['training']:,.0f}, {seconds['llc']:,.0f}"],
    ]
    courses = [
        [part, ", ".join(course), _numbers(parts["parts_end"][part])]
        for part, course in parts["parts"].items()
    ]
    return f"""## {title}

{done[name].summary["development"]["headline"]}

![stages](transformers_{name}_stages.png)
![essential dynamics of the function](transformers_{name}_essential.png)

{table(["", ""], rows)}

Refined coefficients, of {parts["seeds"]} seed at {parts["checkpoints"]} checkpoints, in
{parts["seconds"]["llc"]:,.0f} s:

{table(["weights or tokens", "course of λ̂", "at the end"], courses)}

![refined](transformers_{name.removesuffix("_stages")}_parts_llc_refined.png)
"""


def _change(value: float) -> str:
    return "not tried" if not np.isfinite(value) else f"{value:.0%} off"


def _numbers(values: list[float]) -> str:
    return ", ".join("–" if value is None or not np.isfinite(value) else f"{value:,.3g}" for value in values)


def _steps(stretches: list[list[int]]) -> str:
    return ", ".join(f"{a:,} to {b:,}" for a, b in stretches) or "none"
