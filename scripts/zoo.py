"""Every model of the collection: 256 seeds of SGD, the posterior, and at which sample sizes it is trusted."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np

from scripts.result import ROOT, Result, table
from slt.errors import UserError
from slt.pipeline.execute import run
from slt.records.base import OK
from slt.storage.runs import Run

SEEDS = 256
OPTIONS = (
    f"training.seeds={SEEDS}",
    "training.steps=2000",
    "training.n=300",
    "training.checkpoints=40",
    "data.datasets=2",
    "posterior.sample_sizes=[10,30,100,300]",
    "posterior.sampler.particles=256",
    "posterior.sampler.repeats=4",
    "posterior.population=false",
)


def study() -> Result:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as store:
        for file in _models():
            try:
                one = run([f"model={file.stem}", *OPTIONS], store=store, progress=False)
                found[file.stem] = _measured(one)
            except UserError as error:
                found[file.stem] = {"error": str(error).splitlines()[0]}
            jax.clear_caches()
    rows = [
        [name, one["error"], "", "", "", ""]
        if "error" in one
        else [
            name,
            one["dimension"],
            one["phases"],
            f"{one['seeds_ok']} of {SEEDS}",
            f"{one['seed_steps_per_second']:,.0f}",
            _untrusted(one),
        ]
        for name, one in found.items()
    ]
    failed = sum("error" in one for one in found.values())
    untrusted = sum(bool(one.get("untrusted")) for one in found.values())
    header = [
        "model",
        "parameters",
        "phases",
        "seeds that stayed finite",
        "seed-steps/s",
        "sample sizes not trusted",
    ]
    markdown = (
        "# The model collection: SGD and the posterior on every model\n\n"
        f"`slt run model=NAME {' '.join(OPTIONS)}` for each of {len(found)} configurations: {failed} failed; of "
        f"{untrusted} the posterior is not trusted at some n with so few particles, and "
        "the report leaves it out. "
        "Rates include compilation. No step size is fitted to a model: a seed that diverges is one for which "
        "learning rate 0.005 is too large.\n\n" + table(header, rows)
    )
    return Result(markdown, found)


def _models() -> list[Path]:
    return sorted((ROOT / "configs" / "model").glob("*.yaml"))


def _measured(one: Run) -> dict[str, Any]:
    trajectory = one.record("training").array("trajectory")
    params = [trajectory[name] for name in trajectory.data_vars if str(name).startswith("params.")]
    seconds = one.manifest["stages"]["training"]["seconds"]
    return {
        "dimension": int(sum(np.prod(leaf.shape[2:], dtype=int) for leaf in params)),
        "phases": len(one.summary["phases"]),
        "seeds_ok": int((trajectory["status"].values == OK).sum()),
        "seed_steps_per_second": SEEDS * 2000 / seconds,
        "untrusted": one.summary["not_trusted"],
        "posterior_seconds": one.manifest["stages"]["posterior"]["seconds"],
    }


def _untrusted(one: dict[str, Any]) -> str:
    return "; ".join(f"n = {row['n']}: {row['why']}" for row in one["untrusted"]) or "none"
