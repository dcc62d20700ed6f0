"""`slt run`: one experiment; `slt.cli.sweep` has sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from slt.cli.arguments import Parser
from slt.config.composition import compose, make_importable
from slt.errors import ConfigError, suggestion

_FLAGS = ("--dry-run", "--force", "--config-dir", "--multirun", "-m", "--help")


def main(words: list[str]) -> int:
    parser = Parser("run", "Run an experiment; any KEY=VALUE overrides the configuration.")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("-m", "--multirun", action="store_true", help="sweep over values given as a,b,c")
    parser.add_argument(
        "--dry-run", action="store_true", help="show the configuration and the cost, and run nothing"
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
        from slt.cli.sweep import sweep

        return sweep(options.overrides, options.config_dir, options.force)
    config = compose(options.overrides, options.config_dir)
    if options.dry_run:
        from slt.cli.dry_run import show
        from slt.pipeline.execute import known_stages
        from slt.runtime.jax_setup import configure_jax

        known_stages(options.force)
        configure_jax()
        show(config)
        return 0
    return _one(config, options.force)


def _one(config: DictConfig, force: list[str]) -> int:
    from slt.pipeline.execute import execute
    from slt.runtime.jax_setup import configure_jax
    from slt.runtime.progress import progress_for

    configure_jax()
    run = execute(config, force, progress_for(True))
    _say(run)
    return 0


def _say(run: Any) -> None:
    """What was found, and where the report is."""
    print(f"\n{run.summary['headline']}")
    development = run.summary["development"]
    if development and development["headline"] != run.summary["headline"]:
        print(development["headline"])
    for note in run.summary["notes"]:
        print(f"  {note}")
    print(f"\nreport: {run.path / 'report.html'}")
