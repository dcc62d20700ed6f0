"""`slt run`: one experiment, or a sweep through Hydra's launchers."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from slt.cli.arguments import Parser
from slt.compose import compose, configs_dir, explained, make_importable
from slt.errors import ConfigError, RunError, UserError, suggestion

_FLAGS = ("--dry", "--force", "--config-dir", "--multirun", "-m", "--help")


def main(words: list[str]) -> int:
    parser = Parser("run", "Run an experiment; any KEY=VALUE overrides the configuration.")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("-m", "--multirun", action="store_true", help="sweep over values given as a,b,c")
    parser.add_argument(
        "--dry", action="store_true", help="show the configuration and the cost, and run nothing"
    )
    parser.add_argument("--force", action="append", default=[], metavar="STAGE", help="make a stage again")
    parser.add_argument("--config-dir", metavar="DIR", help="a directory with more configurations")
    options, unknown = parser.parse_known_intermixed_args(words)
    for word in unknown:
        raise ConfigError(f"slt run has no option {word.split('=')[0]}" + suggestion(word, _FLAGS, "options"))
    for word in options.overrides:
        if "=" not in word and not word.startswith("~"):
            raise ConfigError(f"{word!r} is not a valid override\nWrite key=value, e.g. training.seeds=16")
    make_importable(Path.cwd())
    if options.multirun:
        return _sweep(options.overrides, options.config_dir, options.force)
    config = compose(options.overrides, options.config_dir)
    if options.dry:
        from slt.cli.dry import show

        show(config)
        return 0
    return _one(config, options.force)


def _one(config: DictConfig, force: list[str]) -> int:
    from slt.pipeline import execute
    from slt.progress import progress_for

    run = execute(config, force, progress_for(True))
    _say(run)
    return 0


def _say(run: Any) -> None:
    """What was found, and where the report is."""
    print(f"\n{run.summary['headline']}")
    for note in run.summary["notes"]:
        print(f"  {note}")
    print(f"\nreport: {run.path / 'report.html'}")


def _sweep(overrides: list[str], config_dir: str | None, force: list[str]) -> int:
    """Every combination, through whichever launcher is configured. A failed job does not stop the others: each
    leaves a small file in the sweep's folder, and the failures are raised when all have run."""
    import hydra
    from hydra.core.hydra_config import HydraConfig

    folders: list[Path] = []

    def task(config: DictConfig) -> None:
        from slt.pipeline import execute
        from slt.progress import progress_for
        from slt.runs import INTERRUPTED
        from slt.store import write_json

        job = HydraConfig.get()
        folder = Path(job.sweep.dir)
        folders.append(folder)
        entry: dict[str, Any] = {
            "job": int(job.job.num),
            "overrides": list(job.overrides.task),
            "run": None,
            "status": "running",
        }
        file = folder / f"job-{int(job.job.num):04d}.json"
        print(f"[{job.job.num}] {' '.join(entry['overrides'])}", file=sys.stderr)
        write_json(file, entry)
        try:
            run = execute(config, force, progress_for(True))
        except KeyboardInterrupt:
            write_json(file, {**entry, "status": INTERRUPTED})
            raise
        except BaseException as error:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            write_json(file, {**entry, "status": f"failed: {said}"})
            if not isinstance(error, UserError):
                traceback.print_exc()  # a bug, which Hydra would tell in a word
            raise
        write_json(file, {**entry, "run": str(run.path.resolve()), "status": "done"})

    where = [] if config_dir is None else ["--config-dir", str(Path(config_dir).resolve())]
    argv, environment = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv, os.environ["HYDRA_FULL_ERROR"] = ["slt", *overrides, "-m", *where], "1"
    try:
        with explained(overrides, config_dir):
            hydra.main(version_base="1.3", config_path=str(configs_dir()), config_name="config")(task)()
    except Exception as error:
        if not folders:
            raise
        failed = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(
            f"some jobs failed, the last with: {failed}\nslt compare {folders[0]} lists them"
        ) from error
    finally:
        sys.argv = argv
        if environment is None:
            os.environ.pop("HYDRA_FULL_ERROR", None)
    if folders:
        print(f"\nsweep: {folders[0]}\nread it: slt compare {folders[0]}")
    return 0
