"""Every model of the zoo: 256 seeds of SGD and the posterior ladder, and which of its rungs are to be trusted."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np

from scripts.results import ROOT, Result, table
from slt.config.model_index import entries
from slt.errors import UserError
from slt.pipeline.execute import run
from slt.records.base import OK
from slt.storage.runs import Run

MODULES = (
    "slt.posterior.diagnostics",
    "slt.phases.classification",
    "slt.phases.discovery",
    "slt.training.trainer",
    "slt.posterior.data_tempering",
    *sorted({entry.target.rpartition(".")[0] for entry in entries([ROOT / "configs"])}),
)
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


def settings() -> list[str]:
    return [*OPTIONS, *(file.read_text(encoding="utf-8") for file in _models())]


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
            _rungs(one),
        ]
        for name, one in found.items()
    ]
    failed = sum("error" in one for one in found.values())
    doubted = sum(bool(one.get("untrusted")) for one in found.values())
    header = [
        "model",
        "parameters",
        "phases",
        "seeds that stayed finite",
        "seed-steps/s",
        "rungs not trusted",
    ]
    markdown = (
        "# The zoo: SGD and the posterior on every model\n\n"
        f"`slt run model=NAME {' '.join(OPTIONS)}` for each of {len(found)} configurations: {failed} failed; of "
        f"{doubted} some rung is not trusted at this number of particles; the report of such a run leaves it out. "
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


def _rungs(one: dict[str, Any]) -> str:
    return "; ".join(f"n = {rung['n']}: {rung['why']}" for rung in one["untrusted"]) or "none"
