"""The record of one stage: the stored one, or a new one, made and stored."""

from __future__ import annotations

import time

from slt.config.schema import Experiment
from slt.pipeline.codec import encode
from slt.pipeline.outputs import Outputs
from slt.pipeline.plan import Stage
from slt.runtime.jax_setup import in_float64
from slt.runtime.progress import Silent
from slt.storage.files import StoreError
from slt.storage.provenance import versions
from slt.storage.resumable import Driver
from slt.storage.store import Record, Store


def obtain(
    stage: Stage, experiment: Experiment, found: Outputs, store: Store, progress: Silent, *, again: bool
) -> tuple[Record, str]:
    """The record, and in words where it came from.

    Of several processes that want the same record one makes it, and the others wait and read it. A record that is
    damaged is made again.

    Args:
      stage: which one.
      experiment: of which run.
      found: outputs of the stages before it.
      store: where records are kept.
      progress: is told how far it is.
      again: make it even where it is stored.
    """
    drive = Driver(progress, store.root / "unfinished" / stage.recipe.name)
    with store.claim(stage.recipe.name, progress.wait):
        if again:
            drive.clear()
        record = None if again else _stored(store, stage)
        outcome = "kept from an earlier run"
        if record is None:
            damaged = store.has(stage.recipe.name)
            inputs = found.inputs(stage.module, stage.plan.inputs)
            started = time.monotonic()
            with in_float64():
                output = stage.module.run(experiment, inputs, drive)
            seconds = drive.before + time.monotonic() - started
            work = stage.plan.work
            facts = {"seconds": seconds, "work": work.amount, "unit": work.unit, **versions()}
            record = store.write(stage.recipe, encode(output), facts, replace=again or damaged)
            outcome = f"{seconds:.1f} s" + (", begun in an earlier run" if drive.before else "")
        drive.clear()
    return record, outcome


def _stored(store: Store, stage: Stage) -> Record | None:
    """The stored record, if there is a complete one."""
    if not store.has(stage.recipe.name):
        return None
    try:
        return store.read(stage.recipe.name)
    except StoreError:
        return None
