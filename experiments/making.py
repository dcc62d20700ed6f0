"""Run studies, keep what they found with the version of the code that found it, and make the table of all.

A study is experiments/NAME/study.py with CLAIM, SOURCE, MODULES (the slt modules that its numbers rest on) and
`study(reduced) -> Finding`. Its stamp hashes those modules and all that they import, the files of its folder and what
they take from beside it, and its preset configs/experiment/NAME.yaml as it composes.
"""

from __future__ import annotations

import ast
import importlib
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from experiments.finding import VERDICTS, Finding

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "experiments"
TABLE = ROOT / "results" / "experiments.md"


def names() -> list[str]:
    """Every experiment that has a study."""
    return sorted(file.parent.name for file in FOLDER.glob("*/study.py"))


def load(name: str) -> ModuleType:
    return importlib.import_module(f"experiments.{name}.study")


def stamp(name: str) -> str:
    """Version of the code and options that the study's numbers rest on."""
    from slt.config.composition import compose
    from slt.config.schema import experiment
    from slt.storage.code_version import code_version
    from slt.storage.store import digest

    study = load(name)
    for module in study.MODULES:
        importlib.import_module(module)
    settings = None
    if (ROOT / "configs" / "experiment" / f"{name}.yaml").exists():
        settings = experiment(compose([f"experiment={name}"]))[1]
    own = [ast.unparse(ast.parse(file.read_text(encoding="utf-8"))) for file in _files(name)]
    return digest([code_version(study.MODULES), own, settings])


def _files(name: str) -> list[Path]:
    """The study's own files, and those beside its folder that they import."""
    own = sorted((FOLDER / name).glob("*.py"))
    imported = {
        part
        for file in own
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == FOLDER.name
        for part in [*(node.module or "").split(".")[1:2], *(alias.name for alias in node.names)]
    }
    others = sorted(imported - {"finding", name})
    found = [[*FOLDER.glob(f"{part}.py"), *sorted(FOLDER.glob(f"{part}/*.py"))] for part in others]
    return own + [file for files in found for file in files]


def make(name: str) -> dict[str, Any]:
    """Run a study in full and keep its figure.png and finding.json; returns the latter."""
    study = load(name)
    version_of_code = stamp(name)  # before the run: the files may change meanwhile
    started = time.monotonic()
    found: Finding = study.study()
    record = {
        "claim": study.CLAIM,
        "source": study.SOURCE,
        "verdict": found.verdict,
        "numbers": found.numbers,
        "provenance": {
            "code_version": version_of_code,
            "seconds": round(time.monotonic() - started, 1),
            "python": platform.python_version(),
            **{
                package: version(package)
                for package in ("slt", "jax", "blackjax", "numpyro", "optax", "flax")
            },
        },
        "data": found.data,
    }
    found.figure.savefig(FOLDER / name / "figure.png", dpi=120, metadata={"Software": None})
    (FOLDER / name / "finding.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record


def findings() -> dict[str, dict[str, Any]]:
    """What has been found so far, by experiment."""
    files = {name: FOLDER / name / "finding.json" for name in names()}
    return {
        name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items() if file.exists()
    }


def is_current(name: str, found: dict[str, Any]) -> bool:
    return bool(found["provenance"]["code_version"] == stamp(name))


def write_table() -> Path:
    """results/experiments.md: one row for each experiment."""
    found = findings()
    counts = {verdict: sum(one["verdict"] == verdict for one in found.values()) for verdict in VERDICTS}
    lines = [
        "# Claims about toy models, put to the test",
        "",
        f"{len(found)} claims; "
        + ", ".join(f"{verdict}: {count}" for verdict, count in counts.items())
        + ".",
        "Each verdict is computed from what was measured, by the rule that the study states; numbers in brackets are",
        "95 % intervals and ± is one standard error, unless said otherwise.",
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
