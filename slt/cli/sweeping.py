"""`slt run -m`: a sweep through whichever Hydra launcher is configured. The same command goes on with it."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from slt.compose import compose, configs_dir, explained, quoted
from slt.differing import flat
from slt.errors import ConfigError, RunError, UserError
from slt.runs import DONE, INTERRUPTED, RUNNING, Run
from slt.store import digest
from slt.sweeps import Sweep

_PLACE = "hydra.sweep.dir"
_LONGEST = 60  # characters of a folder's name that say what is swept


def sweep(overrides: list[str], config_dir: str | None, force: list[str]) -> int:
    """Every combination of `overrides`: those whose run is done are left alone, the others run or go on.

    A job that fails does not stop the others: its file in the sweep's folder says why, and RunError is raised when
    all have run. Raises ConfigError for what cannot be composed, before anything runs.
    """
    with explained(overrides, config_dir):
        planned = _planned(overrides, config_dir)
        folder = _folder(overrides, planned, config_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"nothing can be written in {folder}: {error.strerror}\nChoose another place: store=DIR"
        ) from error
    made = Sweep(folder)
    given = any(word.startswith(f"{_PLACE}=") for word in overrides)
    place = [] if given else [f"{_PLACE}={quoted(str(folder))}"]
    where = [] if config_dir is None else ["--config-dir", str(Path(config_dir).resolve())]
    _launch([*overrides, *place, "-m", *where], _Task(made, overrides, planned, force), overrides, config_dir)
    jobs = made.jobs
    failed = [job for job in jobs if job.status.startswith("failed")]
    if failed:
        raise RunError(
            f"{len(failed)} of {len(jobs)} jobs failed, the last with: {failed[-1].status[len('failed: ') :]}\n"
            f"slt compare {folder} lists them; the same command tries them again"
        )
    print(f"\nsweep: {folder}\nread it: slt compare {folder}")
    return 0


@dataclasses.dataclass(frozen=True)
class _Task:
    """What Hydra calls for each job, perhaps in another process. It raises nothing but an interruption: a launcher
    may stop at the first error."""

    sweep: Sweep
    overrides: list[str]
    planned: list[dict[str, Any]]
    force: list[str]

    def __call__(self, config: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig

        job = HydraConfig.get()
        number, words = int(job.job.num), list(job.overrides.task)
        number_of = f"{number + 1}/{len(self.planned)}" if self.planned else f"{number + 1}"
        print(f"[{number_of}] {' '.join(words)}", file=sys.stderr)
        self.sweep.begin(self.overrides, self.planned)
        self._run(config, number, words)

    def _run(self, config: DictConfig, number: int, words: list[str]) -> None:
        from slt.pipeline import execute
        from slt.progress import progress_for

        run: Run | None = None

        def begun(started: Run) -> None:
            nonlocal run
            run = started
            self.sweep.tell(number, words, RUNNING, run)

        try:
            done = execute(config, self.force, progress_for(True), only_missing=True, begun=begun)
        except KeyboardInterrupt:
            self.sweep.tell(number, words, INTERRUPTED, run)
            raise
        except Exception as error:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            self.sweep.tell(number, words, f"failed: {said}", run)
            if isinstance(error, UserError):
                print(f"     failed: {said}", file=sys.stderr)
            else:
                traceback.print_exc()  # a bug: where it is matters
        else:
            if run is None:
                print("     done already", file=sys.stderr)
            self.sweep.tell(number, words, DONE, done)


def _launch(argv: list[str], task: _Task, overrides: Sequence[str], config_dir: str | None) -> None:
    """Hand the jobs to Hydra, which reads its command line from `sys.argv`."""
    import hydra

    before, environment = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv, os.environ["HYDRA_FULL_ERROR"] = ["slt", *argv], "1"
    try:
        with explained(overrides, config_dir):
            hydra.main(version_base="1.3", config_path=str(configs_dir()), config_name="config")(task)()
    finally:
        sys.argv = before
        if environment is None:
            os.environ.pop("HYDRA_FULL_ERROR", None)


def _planned(overrides: Sequence[str], config_dir: str | None) -> list[dict[str, Any]]:
    """For each job its overrides and, typed, their values; none where a sweeper chooses them as it goes on."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    parser = OverridesParser.create()
    parsed = parser.parse_overrides(list(overrides))
    if not all(o.is_choice_sweep() or o.is_range_sweep() for o in parsed if o.is_sweep_override()):
        return []
    (combinations,) = BasicSweeper.split_arguments(parsed, None)
    named = any(o.is_sweep_override() and "." not in o.key_or_group for o in parsed)

    def options(words: list[str]) -> dict[str, Any]:
        if named:  # of a preset, perhaps: only composing tells what it stands for
            whole: Any = OmegaConf.to_container(compose(words, config_dir), resolve=True)
            return flat(whole)
        return {o.key_or_group: o.value() for o in parser.parse_overrides(words) if not o.is_delete()}

    return [{"overrides": words, "options": options(words)} for words in combinations]


def _folder(overrides: Sequence[str], planned: list[dict[str, Any]], config_dir: str | None) -> Path:
    """The sweep's folder: that which was asked for, or the one place that follows from the overrides."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    for override in parsed:
        if override.key_or_group == _PLACE:
            return Path(str(override.value()))
    swept = [override for override in parsed if override.is_sweep_override()]
    fixed = [str(override.input_line) for override in parsed if override not in swept]
    one: list[str] = planned[0]["overrides"] if planned else fixed
    store = Path(compose(one, config_dir).store)
    more = None if config_dir is None else str(Path(config_dir).resolve())
    hash_ = digest([[word for word in overrides if not word.startswith("store=")], more])[:8]
    about = ",".join(override.key_or_group.rpartition(".")[2] for override in swept) or "sweep"
    return store / "sweeps" / f"{re.sub(r'[^A-Za-z0-9_,]', '_', about)[:_LONGEST]}-{hash_}"
