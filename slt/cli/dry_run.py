"""`slt run --dry-run`: what would be run, what of it exists, and what the rest would cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from slt.config.schema import experiment
from slt.config.validation import TARGET
from slt.pipeline.plan import Stage, stages
from slt.storage.store import Store


def show(config: DictConfig) -> None:
    """Print the typed configuration and a line for each stage."""
    described, plain = experiment(config)
    store = Store(Path(described.store))
    print(OmegaConf.to_yaml(OmegaConf.create(plain)))
    table = Table(box=None, pad_edge=False)
    for column in ("stage", "what", "work", "record", "state"):
        table.add_column(column, justify="right" if column in ("work", "record") else "left")
    for stage in stages(described):
        amount = stage.plan.work.amount
        work = "" if amount is None else f"{amount:,} {stage.plan.work.unit}"
        kept = store.has(stage.recipe.name)
        started = (store.root / "unfinished" / stage.recipe.name).is_dir()
        state = f"{'started' if started else 'to be made'}{_estimate(store, stage)}"
        state = "kept from an earlier run" if kept else state
        size = "" if stage.plan.work.size is None else decimal(stage.plan.work.size)
        table.add_row(stage.name, stage.plan.description, work, size, state)
    Console().print(table)


def _estimate(store: Store, stage: Stage) -> str:
    """Seconds, at the rate of the latest record of this stage that the same classes made and whose work is known."""
    classes = _classes(stage.recipe.config)
    for meta in store.metas(stage.name):
        if stage.plan.work.amount and meta.get("work") and _classes(meta.get("config")) == classes:
            seconds = meta["seconds"] * stage.plan.work.amount / meta["work"]
            return f", about {seconds:,.0f} s at the rate of the latest {stage.name}"
    return ""


def _classes(config: Any) -> list[str]:
    """Every class that a configuration names: model, sampler and optimizer decide the rate."""
    if not isinstance(config, Mapping):
        return []
    inner = (name for value in config.values() for name in _classes(value))
    return sorted([*inner, *([str(config[TARGET])] if TARGET in config else [])])
