"""A run: its stages in order, each made once and kept, and the report at the end.

A stage whose record exists is not made again. The manifest is on disk before the first stage begins and after each
one ends, so that whatever stops a run, what it finished is kept and the same command goes on from there.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from slt.config.composition import compose, quoted
from slt.config.schema import Experiment, experiment
from slt.errors import ConfigError, RunError, suggestion
from slt.pipeline.recipes import STAGES, Stage, plan
from slt.pipeline.reporting import rewrite_report
from slt.pipeline.status import failure
from slt.runtime.jax_setup import configure_jax, in_float64, require_float64
from slt.runtime.progress import Silent, progress_for
from slt.storage.provenance import versions
from slt.storage.resumable import Driver
from slt.storage.runs import DONE, INTERRUPTED, Journal, Run, run_directory
from slt.storage.store import Record, Store, StoreError, digest, write_text


def run(
    overrides: Sequence[str] = (),
    *,
    config_dir: str | Path | None = None,
    store: str | Path | None = None,
    force: Sequence[str] = (),
    progress: bool = True,
) -> Run:
    """Run an experiment and return it: `.summary`, `.records` (xarray), `.path`.

    Args:
      overrides: Hydra overrides, e.g. ["experiment=demo", "training.seeds=16"].
      config_dir: a directory with more configs.
      store: where records and runs are kept; default: the configuration's.
      force: stages to make again.
      progress: whether to show it.

    Raises UserError for wrong input and RunError for a run without a result.
    """
    configure_jax()
    more = [] if store is None else [f"store={quoted(str(store))}"]
    return execute(compose([*overrides, *more], config_dir), force, progress_for(progress))


def execute(
    config: DictConfig | Mapping[str, Any],
    force: Sequence[str],
    progress: Silent,
    *,
    only_missing: bool = False,
    begun: Callable[[Run], None] = lambda _: None,
) -> Run:
    """Run the experiment that a composed configuration describes.

    Args:
      force: stages to make again.
      only_missing: leave a run that is done as it is.
      begun: told of the run as soon as it is on disk.

    Raises ConfigError where float64 is switched off, before or by what the configuration names.
    """
    require_float64()
    described, plain = experiment(config)
    stages = plan(described, plain)
    forced = _with_dependents(stages, known_stages(force))
    whole = run_hash(stages)
    this = Run(run_directory(Path(described.store), described.name, whole))
    if only_missing and not forced and _is_done(this):
        return this
    try:
        journal = Journal.start(
            this, {"name": described.name, "hash": whole, "config": plain, "provenance": versions()}
        )
    except OSError as error:
        raise ConfigError(
            f"nothing can be written in {this.path.parent}: {error.strerror}\nChoose another place: store=DIR"
        ) from error
    begun(this)
    try:
        write_text(this.path / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(plain)))
        _make_all(described, stages, forced, journal, progress)
        _report(this, journal, progress)
    except KeyboardInterrupt:
        journal.end(INTERRUPTED)
        raise
    except OSError as error:  # a full disk, say: whatever was finished is whole
        _end_quietly(journal, f"failed: {error.strerror or error}")
        raise RunError(
            f"{this.id} stopped: {error}\nWhat it finished is kept; run the same command again"
        ) from error
    except BaseException as error:
        _end_quietly(journal, f"failed: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
        raise
    journal.end(DONE)
    return this


def run_hash(stages: Sequence[Stage]) -> str:
    """The hash of a run: of the recipes of its stages."""
    return digest([stage.recipe.hash for stage in stages])


def _is_done(this: Run) -> bool:
    try:
        return this.status == DONE and all(
            (this.path / name).is_file() for name in ("summary.json", "report.html")
        )
    except StoreError:
        return False


def _end_quietly(journal: Journal, status: str) -> None:
    """Say how the run ended, if the disk lets us: the error that ended it matters more."""
    with contextlib.suppress(OSError):
        journal.end(status)


# -- stages -----------------------------------------------------------------------------------------------------
def known_stages(force: Sequence[str]) -> set[str]:
    """Raises ConfigError for a name that no stage has."""
    for name in force:
        if name not in STAGES:
            raise ConfigError(f"there is no stage called {name!r}" + suggestion(name, STAGES, "stages"))
    return set(force)


def _with_dependents(stages: Sequence[Stage], forced: set[str]) -> set[str]:
    """The forced stages, and those that read what they make."""
    chosen = set(forced)
    for stage in stages:
        if chosen.intersection(stage.needs):
            chosen.add(stage.name)
    return chosen


def _make_all(
    described: Experiment, stages: Sequence[Stage], forced: set[str], journal: Journal, progress: Silent
) -> None:
    store = Store(Path(described.store))
    records: dict[str, Record] = {}
    for stage in stages:
        progress.start(stage.name, stage.what)
        try:
            with store.claim(stage.recipe.name, progress.wait):
                record, outcome = _make(described, stage, stage.name in forced, records, store, progress)
        except BaseException:
            progress.end()
            raise
        progress.end(outcome)
        records[stage.name] = record
        entry = {
            "record": stage.recipe.name,
            "seconds": record.meta["seconds"],
            "made": record.meta["created"],
        }
        journal.stage(stage.name, entry)
        reason = failure(record)
        if reason:
            raise RunError(
                f"{stage.name} gave no result: {reason}\nWhat was finished is in {journal.run.path}"
            )


def _make(
    described: Experiment,
    stage: Stage,
    again: bool,
    records: Mapping[str, Record],
    store: Store,
    progress: Silent,
) -> tuple[Record, str]:
    """A stage's record, and in words where it came from: it is made where there is none, or if it must be `again`."""
    drive = Driver(progress, store.root / "unfinished" / stage.recipe.name)
    if again:
        drive.clear()
    record = None if again else _kept(store, stage)
    outcome = "kept from an earlier run"
    if record is None:
        damaged = store.has(stage.recipe.name)
        started = time.monotonic()
        with in_float64():
            items = stage.make(described, records, drive)
        seconds = drive.before + time.monotonic() - started
        facts = {"seconds": seconds, "work": stage.work.amount, "unit": stage.work.unit}
        record = store.write(stage.recipe, items, {**facts, **versions()}, replace=again or damaged)
        outcome = f"{seconds:.1f} s" + (", begun in an earlier run" if drive.before else "")
    drive.clear()
    return record, outcome


def _kept(store: Store, stage: Stage) -> Record | None:
    """The stored record, if there is a whole one; a damaged one is made again."""
    if not store.has(stage.recipe.name):
        return None
    try:
        return store.read(stage.recipe.name)
    except StoreError:
        return None


# -- the report -------------------------------------------------------------------------------------------------
def _report(this: Run, journal: Journal, progress: Silent) -> None:
    progress.start("report", "figures and the page")
    started = time.monotonic()
    try:
        rewrite_report(this)
    except BaseException:
        progress.end()
        raise
    progress.end(f"{time.monotonic() - started:.1f} s")
