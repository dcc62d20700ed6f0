"""A run killed thirty times: are its records those of a run without interruption?

SIGKILL comes at a random moment after a stage has saved something new, so that most kills fall inside a stage; no
handler runs and nothing is cleaned up. Everything but the clock must be the same, bit for bit.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from scripts.result import Result, table
from slt.storage.runs import Run, find_run

KILLS = 30
OPTIONS = (
    "experiment=demo",
    "name=null",
    "training.seeds=16",
    "training.steps=200000",
    "data.datasets=2",
    "posterior.sample_sizes=[20,60,150,300,600]",
    "posterior.sampler.particles=512",
    "posterior.population=false",
)
ITEMS = {"training": "trajectory", "posterior": "ladder", "phases": "occupancy"}
_PROGRAM = "import sys; from slt.cli import main; sys.exit(main())"
_SAVING = (
    "import slt.storage.resumable; slt.storage.resumable.EVERY = {every}; "  # seconds between two savings
)


def start_and_kill(options: tuple[str, ...], store: Path, every: float, wait: float) -> tuple[int, str]:
    """Start a run and kill it `wait` seconds after it has saved something new of a stage.

    Args:
      options: its overrides.
      store: where it keeps records.
      every: seconds between two savings.
      wait: seconds.

    Returns its exit code and the stage that it was in; "" where it ended before that.
    """
    begun = time.time()
    process = subprocess.Popen(
        [sys.executable, "-c", _SAVING.format(every=every) + _PROGRAM, "run", *options, f"store={store}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None:
        new = [file for file in store.glob("unfinished/*/state.npz") if _modified(file) > begun]
        if new:
            time.sleep(wait)
            process.kill()
            return process.wait(), new[0].parent.name.rsplit("-", 1)[0]
        time.sleep(0.02)
    return process.returncode, ""


def run_to_the_end(options: tuple[str, ...], store: Path) -> Run:
    """The run of the command without interruption."""
    subprocess.run(
        [sys.executable, "-c", _PROGRAM, "run", *options, f"store={store}"],
        check=True,
        capture_output=True,
    )
    return find_run("latest", store)


def differing(one: Any, two: Any) -> list[str]:
    """The stages whose records differ between two runs (`slt.storage.runs.Run`) in anything but the clock."""
    return [
        stage
        for stage, item in ITEMS.items()
        if not one.record(stage).array(item).identical(two.record(stage).array(item))
    ]


def study() -> Result:
    dice = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        killed = Path(folder) / "killed"
        ends = [start_and_kill(OPTIONS, killed, 0.2, dice.uniform(0, 0.5)) for _ in range(KILLS)]
        inside = [stage for code, stage in ends if code == -signal.SIGKILL]
        if len(inside) < KILLS:
            raise RuntimeError(
                f"only {len(inside)} of {KILLS} starts were killed; codes: {[code for code, _ in ends]}"
            )
        wrong = differing(
            run_to_the_end(OPTIONS, killed), run_to_the_end(OPTIONS, Path(folder) / "uninterrupted")
        )
    counts = {stage: inside.count(stage) for stage in sorted(set(inside))}
    words = "no record differs" if not wrong else f"these records differ: {', '.join(wrong)}"
    markdown = (
        "# Killed thirty times\n\n"
        f"`slt run {' '.join(OPTIONS)}` was started {KILLS} times and killed each time by SIGKILL, at "
        "random moments inside a stage. Run once more to its end and compared with a run without interruption: "
        f"**{words}**.\n\n" + table(["stage", "kills"], [[*row] for row in counts.items()])
    )
    return Result(markdown, {"kills": len(inside), "by_stage": counts, "differing": wrong})


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:  # the stage has ended meanwhile
        return 0.0
