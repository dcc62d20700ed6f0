"""results/: what was measured, stamped with the version of the code that measured it.

A study is a module of `scripts` with a function `study() -> Result`. Its version is `experiments.study_version`.
"""

from __future__ import annotations

import importlib
import json
import re
import time
from pathlib import Path
from typing import Any

from experiments.making import provenance
from experiments.study_version import study_version
from scripts.result import RESULTS, ROOT, Result

PEERS = ("llc_peer", "benchmarks")  # need the extra `peers`, and are made only when named


def names() -> list[str]:
    """Every module of `scripts` that is a study."""
    files = [*ROOT.glob("scripts/*.py"), *ROOT.glob("scripts/*/__init__.py")]
    studies = [file for file in files if re.search(r"^def study\(", file.read_text(), re.MULTILINE)]
    return sorted(file.parent.name if file.name == "__init__.py" else file.stem for file in studies)


def version(name: str) -> str:
    """The version of the code and presets that the study's numbers rest on."""
    return study_version(f"scripts.{name}")


def state(name: str) -> str:
    """Whether what is kept of a study is "current", "stale" or "missing"."""
    file = RESULTS / f"{name}.json"
    if not file.exists():
        return "missing"
    made_by = json.loads(file.read_text())["provenance"]["code_version"]
    return "current" if made_by == version(name) else "stale"


def make(name: str) -> Path:
    """Run a study and write results/NAME.md, NAME.json and its figures."""
    study = importlib.import_module(f"scripts.{name}").study
    version_of_code, started = (
        version(name),
        time.monotonic(),
    )  # before the run: the files may change meanwhile
    result: Result = study()
    made: dict[str, Any] = {"study": name, **provenance(version_of_code, started)}
    RESULTS.mkdir(exist_ok=True)
    for file, figure in result.figures.items():
        (RESULTS / file).write_bytes(figure)
    (RESULTS / f"{name}.json").write_text(json.dumps({"provenance": made, **result.numbers}, indent=1) + "\n")
    footer = (
        f"\n---\nMade by `python -m scripts.science {name}` in {made['seconds']:.0f} s on two cores, "
        f"code version `{made['code_version'][:12]}`, jax {made['jax']}.\n"
    )
    (RESULTS / f"{name}.md").write_text(result.markdown.rstrip() + "\n" + footer)
    return RESULTS / f"{name}.md"
