"""Does 5 -> 6 stay missing? Batch size x learning rate x number of features, by `slt run -m` and `slt compare`.

Runs are kept in runs/, so that an interrupted study is resumed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from scripts.result import ROOT, Result, table

FIXED = ["experiment=demo", "name=null", "training.seeds=40", "training.steps=100000"]
SWEPT = {
    "model.features": (5, 6, 7, 8),
    "training.batch_size": (5, 20, 80),
    "training.optimizer.learning_rate": (0.001, 0.0025, 0.005, 0.01, 0.02),
}


def command() -> list[str]:
    return [*FIXED, *(f"{name}={','.join(map(str, values))}" for name, values in SWEPT.items())]


def study() -> Result:
    store = ROOT / "runs"
    printed = _slt("run", "-m", *command(), f"store={store}")
    folder = next(line.split(maxsplit=1)[1] for line in printed.splitlines() if line.startswith("sweep: "))
    with tempfile.TemporaryDirectory() as out:
        found = json.loads(_slt("compare", folder, "--out", out, "--json"))
        figure = (Path(out) / "verdicts.png").read_bytes()
    rows = [row for row in found["verdicts"] if row["level"] == "family"]
    runs = len({row["run"] for row in rows}) + len(found["without_result"])
    text = f"""# A sweep: batch size x learning rate x features

`slt run -m {" ".join(command())}`, then `slt compare` on the folder that it names: {runs} runs, of which
{len(found["without_result"])} are without a result. The posterior does not depend on batch size and rate, so that its
ladders are made once for each number of features.

![Verdicts against the options](sweep.png)

{_counts(rows)}

{_answer(rows)}
"""
    return Result(text, {"rows": rows, "without_result": found["without_result"]}, {"sweep.png": figure})


def _slt(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from slt.cli import main; raise SystemExit(main())", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"slt {words[0]} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def _pair(row: dict[str, Any]) -> str:
    return f"{row['from']} -> {row['to']}"


def _counts(rows: list[dict[str, Any]]) -> str:
    verdicts = ("both", "bayesian only", "dynamical only", "inconclusive", "neither")
    pairs = list(dict.fromkeys(_pair(row) for row in rows))
    body = []
    for pair in pairs:
        counts = Counter(row["verdict"] for row in rows if _pair(row) == pair)
        body.append([pair, *(counts.get(verdict, 0) for verdict in verdicts), counts.get(None, 0)])
    return table(["families", *verdicts, "no such phase"], body)


def _answer(rows: list[dict[str, Any]]) -> str:
    """Whether any seed of any run went from the 5-gons to the 6-gons."""
    asked = [row for row in rows if row["from"].startswith("5") and row["to"].startswith("6")]
    at_risk = sum(row.get("at_risk") or 0 for row in asked)
    went = sum(row.get("count") or 0 for row in asked)
    return (
        f"From the 5-family to the 6-family, over all runs in which it was judged: {went} of {at_risk} seeds in "
        f"a 5-gon passed to a 6-gon."
    )
