"""Whole commands: the default experiment, its second run, what starting costs, compilation, and memory.

As a program, `slt` with the seconds it spent compiling on its last line: python -m scripts.benchmarks.whole ARGUMENTS
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from scripts.benchmarks.timing import process, spread

STARTS = {"slt --help": (["--help"], 0.7), "slt models": (["models"], 2.0)}
SGD_ALONE = ["run", "posterior=null"]
MANY = ["training.checkpoints=870", "training.spacing=linear"]


def rows() -> tuple[list[list[str]], dict[str, Any]]:
    """Rows (what, seconds, MiB at most, wanted), and their numbers."""
    with tempfile.TemporaryDirectory() as folder:
        table, numbers = _default(Path(folder))
        more, numbers["starts"] = _starts()
        memory, numbers["memory"] = _memory(Path(folder))
    return table + more + memory, numbers


def _default(folder: Path) -> tuple[list[list[str]], dict[str, Any]]:
    cache = {"XDG_CACHE_HOME": str(folder / "cache")}
    first = process(_slt("run", f"store={folder / 'a'}"), **cache)
    second = process(_slt("run", f"store={folder / 'b'}"), **cache)
    changed = process(_slt("run", f"store={folder / 'b'}", "training.optimizer.learning_rate=0.004"), **cache)
    again = process(_slt("run", f"store={folder / 'b'}"), **cache)
    named = {
        "the default experiment, compilation cache empty": (first, ""),
        "the default experiment, compilation cache filled": (second, "90 s"),
        "again with another learning rate (training and what depends on it)": (changed, ""),
        "again as it was (nothing to compute)": (again, ""),
    }
    table = [
        [name, f"{one.seconds:.1f}", f"{one.reported['compiling']:.1f}", f"{one.mib:.0f}", bar]
        for name, (one, bar) in named.items()
    ]
    numbers = {
        name: {"seconds": one.seconds, "mib": one.mib, "compiling": one.reported["compiling"]}
        for name, (one, _) in named.items()
    }
    numbers["compiling_second_over_first"] = second.reported["compiling"] / first.reported["compiling"]
    return table, numbers


def _starts() -> tuple[list[list[str]], dict[str, Any]]:
    table, numbers = [], {}
    for name, (arguments, bar) in STARTS.items():
        program = [sys.executable, "-c", "from slt.cli import main; raise SystemExit(main())", *arguments]
        taken = [process(program) for _ in range(6)][1:]
        middle = spread([one.seconds for one in taken])[1]
        numbers[name] = [one.seconds for one in taken]
        table.append([f"`{name}`", f"{middle:.2f}", "", f"{max(one.mib for one in taken):.0f}", f"{bar} s"])
    return table, numbers


def _memory(folder: Path) -> tuple[list[list[str]], dict[str, Any]]:
    """SGD alone: ten times the steps at the same checkpoints, then a million values of parameters at checkpoints."""
    asked = {
        "SGD alone, 64 seeds x 22,500 steps, 200 checkpoints": (["training.steps=22500"], ""),
        "SGD alone, 64 seeds x 225,000 steps, 200 checkpoints": ([], "1536 MiB"),
        "SGD alone, 64 seeds x 225,000 steps, 870 checkpoints: a million values": (MANY, ""),
    }
    table, numbers = [], {}
    for i, (name, (words, bar)) in enumerate(asked.items()):
        one = process(_slt(*SGD_ALONE, *words, f"store={folder / f'memory{i}'}"))
        table.append([name, f"{one.seconds:.1f}", f"{one.reported['compiling']:.1f}", f"{one.mib:.0f}", bar])
        numbers[name] = {"seconds": one.seconds, "mib": one.mib}
    return table, numbers


def _slt(*words: str) -> list[str]:
    return [sys.executable, "-m", "scripts.benchmarks.whole", *words]


def main(arguments: list[str]) -> int:
    """slt, counting what JAX says of its compiling: programs compiled, or read from the persistent cache."""
    import jax

    from slt.cli import main as slt

    compiling = 0.0

    def hear(event: str, duration_secs: float, **_: Any) -> None:
        nonlocal compiling
        if event.endswith("backend_compile_duration"):
            compiling += duration_secs

    jax.monitoring.register_event_duration_secs_listener(hear)
    status = slt(arguments)
    print()
    print(json.dumps({"compiling": compiling}))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
