"""`slt run -m`: a sweep through whichever Hydra launcher is configured. The same command resumes it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from slt.cli.sweep_job import Task, first_line
from slt.comparer.config_diff import flat
from slt.config.composition import compose, configs_dir, explained, quoted
from slt.errors import ConfigError, RunError, UserError
from slt.storage.files import digest
from slt.storage.runs import DONE
from slt.storage.sweeps import WAITING, Sweep

_PLACE = "hydra.sweep.dir"
_LAUNCHING = "hydra/launching"  # for each launcher whose package is an extra, what slt sets it to
_HOW = ("hydra/launcher=", "hydra.launcher.", "hydra.job.")  # where and how jobs run, and not what they are
_NAMED = 4  # jobs without a result, in a message
_LONGEST_ERROR = 120  # characters of what a launcher says of itself
_LONGEST = 60  # characters of a folder's name that say what is swept


def sweep(overrides: list[str], config_dir: str | None, force: list[str]) -> int:
    """Every combination of `overrides`: those whose run is done are left alone, the others run or resume.

    A job that fails does not stop the others: its file in the sweep's folder says why, and RunError is raised when
    all have run. Raises ConfigError for what cannot be composed, before anything runs, and for a launcher that cannot
    start.
    """
    how = [word for word in overrides if word.lstrip("+").startswith(_HOW)]
    what = [word for word in overrides if word not in how]
    launcher, settings = _launcher(how)
    compose([*settings, *how], config_dir)
    with explained(overrides, config_dir):
        planned = _planned(what, config_dir)
        folder = _folder(what, planned, config_dir)
    made = Sweep(folder)
    try:
        made.begin(overrides, planned)
    except OSError as error:
        raise ConfigError(
            f"nothing can be written in {folder}: {error.strerror}\nChoose another place: store=DIR"
        ) from error
    given = any(word.startswith(f"{_PLACE}=") for word in overrides)
    place = [] if given else [f"{_PLACE}={quoted(str(folder))}"]
    where = [] if config_dir is None else ["--config-dir", str(Path(config_dir).resolve())]
    task = Task(made, len(planned), force, Path.cwd(), os.getpid())
    launcher_error = ""
    if settings:  # jobs run elsewhere, some of them without a word here
        print(f"{launcher}: slt compare {folder} reads the sweep at any moment", file=sys.stderr, flush=True)
    try:
        _launch([*settings, *overrides, *place, "-m", *where], task, overrides, config_dir)
    except (KeyboardInterrupt, UserError):
        raise
    except Exception as error:  # the launcher's own: a worker that was killed, no SLURM on this machine, ...
        launcher_error = f"{launcher} stopped: {type(error).__name__}: {first_line(error)[:_LONGEST_ERROR]}"
    _judge(made, launcher_error)
    print(f"\nsweep: {folder}\nread it: slt compare {folder}")
    return 0


def _judge(made: Sweep, launcher_error: str) -> None:
    """Raises RunError naming the jobs without a result, ConfigError where the launcher failed before any started."""
    jobs = made.jobs
    without = [job for job in jobs if job.status != DONE]
    if launcher_error and all(job.status == WAITING for job in jobs):
        raise ConfigError(f"hydra/launcher={launcher_error}")
    if not without and not launcher_error:
        return
    failed = [job.status for job in without if job.status.startswith("failed")]
    all_failed = len(failed) == len(without)
    shared = set.intersection(*(set(job.overrides) for job in jobs))
    names = []
    for job in without[:_NAMED]:
        own = [word for word in job.overrides if word not in shared]
        kind = "" if all_failed else f" ({job.status.partition(':')[0]})"
        names.append((" ".join(own) or f"job {job.number + 1}") + kind)
    more = f" and {len(without) - _NAMED} more" if len(without) > _NAMED else ""
    last = launcher_error or f"the last {failed[-1] if failed else f'is {without[-1].status}'}"
    what = "failed" if all_failed else "have no result"
    raise RunError(
        f"{len(without)} of {len(jobs)} jobs {what}: {', '.join(names)}{more}\n"
        f"{last}\nslt compare {made.path} lists them; the same command tries them again"
    )


def _launcher(overrides: Sequence[str]) -> tuple[str, list[str]]:
    """The chosen launcher, and the override that adds slt's settings of it. Raises ConfigError if it is missing."""
    chosen = [word.partition("=")[2] for word in overrides if word.startswith("hydra/launcher=")]
    name = chosen[-1] if chosen else "basic"
    if not (configs_dir() / _LAUNCHING / f"{name}.yaml").is_file():
        return name, []
    extra = name.partition("_")[0]
    if find_spec("hydra_plugins") is None or find_spec(f"hydra_plugins.hydra_{extra}_launcher") is None:
        raise ConfigError(
            f"hydra/launcher={name} needs a package that is not installed\nInstall it: pip install 'slt[{extra}]'"
        )
    return name, [f"+{_LAUNCHING}={name}"]


def _launch(argv: list[str], task: Task, overrides: Sequence[str], config_dir: str | None) -> None:
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
    """For each job its overrides and, typed, their values; none where a sweeper chooses them one after another."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    parser = OverridesParser.create()
    parsed = parser.parse_overrides(list(overrides))
    if not all(o.is_choice_sweep() or o.is_range_sweep() for o in parsed if o.is_sweep_override()):
        return []
    (combinations,) = BasicSweeper.split_arguments(parsed, None)
    named = any(o.is_sweep_override() and "." not in o.key_or_group for o in parsed)

    def options(words: list[str]) -> dict[str, Any]:
        if named:  # of a preset, perhaps: only composing tells what it stands for
            complete: Any = OmegaConf.to_container(compose(words, config_dir), resolve=True)
            return flat(complete)
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
