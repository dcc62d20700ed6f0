"""The command line. This file only finds out which command is meant, so that `slt --help` need not import JAX."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from slt import __version__
from slt.errors import ConfigError, RunError, UserError, suggestion

HELP = """\
slt: when a model learns in sudden jumps, do SGD and Bayes jump alike?

usage: slt [run] [KEY=VALUE ...]       run an experiment (the default: superposition)
       slt models [NAME]               the model collection; or one model's phases, solved
       slt ls                          runs, and what differs between them
       slt show RUN                    what a run found, as tables
       slt report RUN                  make a run's figures and page again
       slt compare RUN [RUN ...]       verdicts of several runs, or of a sweep: counts, a table, a figure

run:
  experiment=NAME                      a preset: demo, two_bump, three_wells, degenerate
  training.seeds=16 optimizer=adam     set anything; slt run --dry-run shows what there is
  -m training.batch_size=10,20,50      sweep: one run for each value; the same again: what is missing
  --dry-run                            the resolved configuration, what is kept already, what it would cost
  --force STAGE                        make a stage again (data, training, posterior, phases, comparison)
  --config-dir DIR                     more configurations, your own models' for example

RUN is a directory, a name or its beginning, or "latest". ls, models, show and compare take --json.
Every command takes --help.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Exit status: 0; 1 for a run without a result; 2 for wrong input; 130 if interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except UserError as error:
        print("slt: " + "\n     ".join(str(error).splitlines()[:3]), file=sys.stderr)
        return 1 if isinstance(error, RunError) else 2
    except KeyboardInterrupt:
        print("slt: interrupted. What was finished is kept: the same command resumes it", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `slt ls | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _dispatch(words: list[str]) -> int:
    first = words[0] if words else ""
    if first in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if first == "--version":
        print(f"slt {__version__}")
        return 0
    if first == "" or "=" in first or first.startswith(("-", "+", "~")):
        from slt.cli import run

        return run.main(words)
    if first == "run":
        from slt.cli import run

        return run.main(words[1:])
    if first == "models":
        from slt.cli import models

        return models.main(words[1:])
    from slt.cli import compare, runs

    commands = {
        "ls": runs.ls,
        "show": runs.show,
        "report": runs.report,
        "compare": compare.main,
    }
    if first not in commands:
        raise ConfigError(
            f"there is no command {first!r}" + suggestion(first, ["run", "models", *commands], "commands")
        )
    return commands[first](words[1:])
