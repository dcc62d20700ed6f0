"""A run: its stages in order, each made once and kept, and the report at the end.

A stage whose record exists is not made again. The manifest is on disk before the first stage begins and after each
one ends, so that whatever stops a run, what it finished is kept and the same command resumes there.
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
from slt.pipeline import plan
from slt.pipeline.obtain import obtain
from slt.pipeline.outputs import Outputs
from slt.pipeline.plan import Stage
from slt.pipeline.stages import report
from slt.runtime.jax_setup import configure_jax, require_float64
from slt.runtime.progress import Silent, progress_for
from slt.storage.files import StoreError, digest, write_text
from slt.storage.provenance import versions
from slt.storage.runs import DONE, INTERRUPTED, Journal, Run, run_directory
from slt.storage.store import Store


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
    stages = plan.stages(described)
    forced = _with_dependents(stages, known_stages(force))
    hash_ = run_hash(stages)
    this = Run(run_directory(Path(described.store), described.name, hash_))
    if only_missing and not forced and _is_done(this):
        return this
    try:
        journal = Journal.start(
            this, {"name": described.name, "hash": hash_, "config": plain, "provenance": versions()}
        )
    except OSError as error:
        raise ConfigError(
            f"nothing can be written in {this.path.parent}: {error.strerror}\nChoose another place: store=DIR"
        ) from error
    begun(this)
    try:
        write_text(this.path / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(plain)))
        found = _make_all(described, stages, forced, journal, progress)
        _report(this, found, progress)
    except KeyboardInterrupt:
        journal.end(INTERRUPTED)
        raise
    except OSError as error:  # such as a full disk: whatever was finished is complete
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
    """Record how the run ended, if the disk permits: the error that ended it matters more."""
    with contextlib.suppress(OSError):
        journal.end(status)


# -- stages -----------------------------------------------------------------------------------------------------
def known_stages(force: Sequence[str]) -> set[str]:
    """Raises ConfigError for a name that no stage has."""
    names = [module.NAME for module in (*plan.MODULES, report)]
    for name in force:
        if name not in names:
            raise ConfigError(f"there is no stage called {name!r}" + suggestion(name, names, "stages"))
    return set(force)


def _with_dependents(stages: Sequence[Stage], forced: set[str]) -> set[str]:
    """The forced stages, and those that read what they make."""
    chosen = set(forced)
    for stage in stages:
        if chosen.intersection(stage.plan.inputs):
            chosen.add(stage.name)
    return chosen


def _make_all(
    described: Experiment, stages: Sequence[Stage], forced: set[str], journal: Journal, progress: Silent
) -> Outputs:
    store = Store(Path(described.store))
    found = Outputs({})
    for stage in stages:
        progress.start(stage.name, stage.plan.description)
        try:
            record, outcome = obtain(stage, described, found, store, progress, again=stage.name in forced)
        except BaseException:
            progress.end()
            raise
        progress.end(outcome)
        found.add(stage.name, record)
        entry = {
            "record": stage.recipe.name,
            "seconds": record.meta["seconds"],
            "made": record.meta["created"],
        }
        journal.stage(stage.name, entry)
        reason = stage.module.failure(found.get(stage.name)) if hasattr(stage.module, "failure") else ""
        if reason:
            raise RunError(
                f"{stage.name} gave no result: {reason}\nWhat was finished is in {journal.run.path}"
            )
    return found


# -- the report -------------------------------------------------------------------------------------------------
def _report(this: Run, found: Outputs, progress: Silent) -> None:
    progress.start("report", "figures and the page")
    started = time.monotonic()
    try:
        report.run(this, found)
    except BaseException:
        progress.end()
        raise
    progress.end(f"{time.monotonic() - started:.1f} s")
