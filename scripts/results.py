"""results/: what was measured, stamped with the version of the code that measured it.

A study is a module of `scripts` with `MODULES` (the slt modules that its numbers rest on) and
`study() -> Result`; if it runs presets, `settings()` gives their typed configuration. Its stamp hashes those modules,
all that they import (comments and docstrings aside), the study itself, and the settings. Plumbing that a study runs
through but that decides no number (the store, the command line, the report) is not in it.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"
STUDIES = (
    "verdicts",
    "crossing",
    "agreement",
    "evidence",
    "sbc",
    "crafted",
    "statistics_cost",
    "detection",
    "sweep",
    "llc_truth",
    "llc_coverage",
    "llc_kgons",
    "llc_along",
    "llc_peer",
    "llc_medium",
    "transformers",
    "killed",
    "zoo",
    "benchmarks",
    "posterior_cost",
)
PEERS = ("llc_peer", "benchmarks")  # need the extra `peers`, and are made only when named


@dataclasses.dataclass(frozen=True)
class Result:
    """What a study found: `markdown` for people, `numbers` (JSON) for programs, PNG figures by file name."""

    markdown: str
    numbers: dict[str, Any]
    figures: dict[str, bytes] = dataclasses.field(default_factory=dict)


def load(study: str) -> ModuleType:
    return importlib.import_module(f"scripts.{study}")


def stamp(study: ModuleType) -> str:
    """Version of the code that the study's numbers rest on."""
    for module in study.MODULES:
        importlib.import_module(module)
    from slt.storage.code_version import code_version
    from slt.storage.store import digest

    settings = study.settings() if hasattr(study, "settings") else None
    own = ast.unparse(ast.parse(Path(str(study.__file__)).read_text()))
    return digest([code_version(study.MODULES), own, settings])


def make(name: str) -> Path:
    """Run a study and write results/NAME.md, NAME.json and its figures."""
    study = load(name)
    version_of_code = stamp(study)  # before the run: the files may change meanwhile
    versions = {package: version(package) for package in ("slt", "jax", "blackjax", "numpyro", "optax")}
    started = time.time()
    result: Result = study.study()
    provenance: dict[str, Any] = {
        "study": name,
        "code_version": version_of_code,
        "seconds": round(time.time() - started, 1),
        "python": platform.python_version(),
        **versions,
    }
    RESULTS.mkdir(exist_ok=True)
    for file, figure in result.figures.items():
        (RESULTS / file).write_bytes(figure)
    record = {"provenance": provenance, **result.numbers}
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    footer = (
        f"\n---\nMade by `python -m scripts.science {name}` in {provenance['seconds']:.0f} s on two cores, "
        f"code version `{provenance['code_version'][:12]}`, jax {provenance['jax']}.\n"
    )
    (RESULTS / f"{name}.md").write_text(result.markdown.rstrip() + "\n" + footer)
    return RESULTS / f"{name}.md"


def table(header: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])
