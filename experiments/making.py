"""Run studies, keep what they found with the version of the code that found it, and make the table of all.

A study is experiments/NAME/study.py with CLAIM, SOURCE and `study(reduced) -> Finding`.
"""

from __future__ import annotations

import importlib
import json
import platform
import time
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from experiments.finding import VERDICTS, Finding
from experiments.study_version import ROOT, study_version

FOLDER = ROOT / "experiments"
TABLE = ROOT / "results" / "experiments.md"


def names() -> list[str]:
    """Every experiment that has a study."""
    return sorted(file.parent.name for file in FOLDER.glob("*/study.py"))


def load(name: str) -> ModuleType:
    return importlib.import_module(f"experiments.{name}.study")


def make(name: str) -> dict[str, Any]:
    """Run a study in full and keep its figure.png and finding.json; returns the latter."""
    study = load(name)
    version, started = (
        study_version(study.__name__),
        time.monotonic(),
    )  # before the run: files may change meanwhile
    found: Finding = study.study()
    record = {
        "claim": study.CLAIM,
        "source": study.SOURCE,
        "verdict": found.verdict,
        "numbers": found.numbers,
        "provenance": provenance(version, started),
        "data": found.data,
    }
    found.figure.savefig(FOLDER / name / "figure.png", dpi=120, metadata={"Software": None})
    (FOLDER / name / "finding.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record


def make_all(chosen: Iterable[str]) -> None:
    """Run these studies one after the other, say what they found, and write the table."""
    for name in chosen:
        print(f"{name} ...", flush=True)
        found = make(name)
        print(f"  {found['verdict']}: {found['numbers']}", flush=True)
    print(write_table())


def provenance(version: str, started: float) -> dict[str, Any]:
    """What is kept with a result: the version of its study, seconds since `started` (monotonic), and packages."""
    packages = ("slt", "jax", "blackjax", "numpyro", "optax", "flax")
    return {
        "code_version": version,
        "seconds": round(time.monotonic() - started, 1),
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
    }


def findings() -> dict[str, dict[str, Any]]:
    """What has been found so far, by experiment."""
    files = {name: FOLDER / name / "finding.json" for name in names()}
    return {
        name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items() if file.exists()
    }


def state(name: str) -> str:
    """Whether what is kept of a study is "current", "stale" or "missing"."""
    found = findings().get(name)
    if found is None:
        return "missing"
    current = found["provenance"]["code_version"] == study_version(f"experiments.{name}.study")
    return "current" if current else "stale"


def write_table() -> Path:
    """results/experiments.md: one row for each experiment."""
    found = findings()
    counts = {verdict: sum(one["verdict"] == verdict for one in found.values()) for verdict in VERDICTS}
    lines = [
        "# Claims about toy models, tested",
        "",
        f"{len(found)} claims; "
        + ", ".join(f"{verdict}: {count}" for verdict, count in counts.items())
        + ".",
        "Each verdict is computed from what was measured, by the rule that the study states; numbers in brackets are",
        "95 % intervals and ± is one standard error, unless noted.",
        "",
        "| experiment | claim | verdict | numbers | command | seconds |",
        "| --- | --- | --- | --- | --- | ---: |",
    ]
    for name, one in found.items():
        claim = f"{one['claim']} ({one['source']})"
        cells = [
            f"[{name}](../experiments/{name}/README.md)",
            claim,
            f"**{one['verdict']}**",
            one["numbers"],
            f"`python -m experiments {name}`",
            f"{one['provenance']['seconds']:.0f}",
        ]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return TABLE
