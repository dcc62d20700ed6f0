"""How fast, how much memory, and beside what else: side by side on one machine, in one run.

Needs the extra: pip install -e .[peers]
"""

from __future__ import annotations

import os
import platform
from typing import Any

from scripts.result import Result, table


def study() -> Result:
    from scripts.benchmarks import ensemble, ladder, sgld, whole
    from scripts.benchmarks.timing import HEADER

    commands, command_numbers = shown(whole.rows())  # first: nothing of ours is in memory yet
    sgd_rows, sgd_numbers = shown(ensemble.rows())
    llc_rows, llc_numbers = shown(sgld.rows())
    ladder_rows, ladder_numbers = shown(ladder.rows())
    share = command_numbers["compiling_second_over_first"]
    text = f"""# Speed and memory

Measured on {machine()}, nothing else running, the two sides of a row in turn. Ratios hold on other machines,
seconds do not. Warm means compiled; other columns are medians. Both sides have all cores: for slt each is a device of
JAX. "On one device" is JAX_NUM_CPU_DEVICES=1: one core, but for what XLA by itself divides.

{table(HEADER, llc_rows + sgd_rows + ladder_rows)}

devinterp is version 1.3.2 at its settings of [llc_peer](llc_peer.md): 10 chains of 500 burn-in steps and 1,000 draws,
n = 1,000. Ours looks at the full loss at every draw, in float64, and only its minibatches are float32; devinterp's
works in float32 and looks at the loss of the minibatch.
{ensemble.sentence(sgd_numbers)}

## Whole commands

| what | seconds | of which compiling | MiB at most | wanted |
| --- | --- | --- | --- | --- |
{chr(10).join("| " + " | ".join(row) + " |" for row in commands)}

In a second process compiling costs {share:.0%} of what it cost in the first: programs come from the persistent cache.
"""
    numbers: dict[str, Any] = {
        "machine": machine(),
        "sgld": llc_numbers,
        "sgd": sgd_numbers,
        "ladder": ladder_numbers,
        "commands": command_numbers,
    }
    return Result(text, numbers)


def shown(measured: tuple[list[list[Any]], Any]) -> tuple[list[list[Any]], Any]:
    """What was measured, printed now: the rest takes minutes."""
    for row in measured[0]:
        print("   ", " | ".join(str(cell) for cell in row), flush=True)
    return measured


def machine() -> str:
    import jax

    devices = ", ".join(sorted({device.device_kind for device in jax.devices()}))
    return f"{os.cpu_count()} cores ({platform.machine()}), JAX on {devices}"
