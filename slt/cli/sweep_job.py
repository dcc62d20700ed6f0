"""One job of a sweep, wherever a launcher runs it: in this process, in another, on another machine."""

from __future__ import annotations

import dataclasses
import os
import sys
import traceback
from pathlib import Path

from omegaconf import DictConfig

from slt.config.composition import make_importable
from slt.errors import UserError
from slt.storage.runs import DONE, INTERRUPTED, RUNNING, Run
from slt.storage.sweeps import Sweep


@dataclasses.dataclass(frozen=True)
class Task:
    """What Hydra calls for each job, perhaps in another process or on another machine. It raises nothing but an
    interruption: a launcher may stop at the first error.

    Attributes:
      sweep: whose jobs these are.
      jobs: how many; 0 where that is not known.
      force: stages to make again.
      home: the working directory of the command, which all processes must see: relative paths begin there.
      process: that of the command. There a job shows its progress; elsewhere, where several run
        side by side, only its end.
    """

    sweep: Sweep
    jobs: int
    force: list[str]
    home: Path
    process: int

    def __call__(self, config: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig

        here = os.getpid() == self.process
        if not here:
            os.chdir(self.home)
            make_importable(self.home)
        job = HydraConfig.get()
        number, words = int(job.job.num), list(job.overrides.task)
        label = f"[{number + 1}/{self.jobs}]" if self.jobs else f"[{number + 1}]"
        _say(f"{label} {' '.join(words)}")
        self._run(config, number, words, here, "    " if here else label)

    def _run(self, config: DictConfig, number: int, words: list[str], here: bool, label: str) -> None:
        from slt.pipeline.execute import execute
        from slt.runtime.jax_setup import configure_jax
        from slt.runtime.progress import progress_for

        configure_jax()
        run: Run | None = None

        def started(new: Run) -> None:
            nonlocal run
            run = new
            self.sweep.tell(number, words, RUNNING, run)

        try:
            done = execute(config, self.force, progress_for(here), only_missing=True, begun=started)
        except KeyboardInterrupt:
            self.sweep.tell(number, words, INTERRUPTED, run)
            raise
        except Exception as error:
            message = first_line(error) or type(error).__name__
            self.sweep.tell(number, words, f"failed: {message}", run)
            if isinstance(error, UserError):
                _say(f"{label} failed: {message}")
            else:
                traceback.print_exc()  # a bug: where it is matters
        else:
            if run is None or not here:
                _say(f"{label} done{' already' if run is None else ''}")
            self.sweep.tell(number, words, DONE, done)


def _say(line: str) -> None:
    """In one piece: several jobs may share the terminal."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def first_line(error: BaseException) -> str:
    """What an error says first; "" where it says nothing."""
    return (str(error).strip().splitlines() or [""])[0]
