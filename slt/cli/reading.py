"""`slt ls`, `show`, `report` and `compare`: runs that exist, read as plain data."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from slt.cli.arguments import Parser
from slt.errors import ConfigError
from slt.runs import DONE, Run, find_run, list_runs
from slt.store import StoreError, read_json


def ls(words: list[str]) -> int:
    options = _options("ls", "Runs, latest first, with what differs between their configurations.", words)
    runs = list_runs(Path(options.store))
    configs = {run.id: _quietly(lambda run=run: run.config, {}) for run in runs}
    differing = differences([configs[run.id] for run in runs])
    rows = [
        {
            "run": run.id,
            "status": _quietly(lambda run=run: run.status, "unreadable"),
            "started": _quietly(lambda run=run: run.manifest["started"], None),
            "bytes": _quietly(lambda run=run: run.size, None),
            "differs": _differing(configs[run.id], differing),
        }
        for run in runs
    ]
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    if not rows:
        print(f"no runs in {Path(options.store) / 'runs'} yet: slt run makes one")
        return 0
    from slt.cli.dry import in_bytes

    table = _table("run", "status", "age", "size", "differs in")
    for row in rows:
        shown = ", ".join(f"{key}={_short(value)}" for key, value in row["differs"].items())
        table.add_row(row["run"], row["status"], _age(row["started"]), in_bytes(row["bytes"]), shown)
    Console().print(table)
    return 0


def show(words: list[str]) -> int:
    options = _options("show", "What a run found.", words, "run")
    run = find_run(options.run, Path(options.store))
    summary = run.summary
    if options.json:
        print(json.dumps(summary, indent=1))
        return 0
    print(f"{run.id} ({run.status})\n\n{summary['headline']}\n")
    console = Console()
    verdicts = _table("from", "to", "verdict", "why")
    for row in summary["comparison"]:
        verdicts.add_row(row["from"], row["to"], row["verdict"], row["why"])
    console.print(verdicts)
    names = [phase["name"] for phase in summary["phases"]] + ["other"]
    if summary["occupancy"]:
        print("\nshare of the posterior")
        shares = _table("n", "free energy", *names)
        for row, energy in zip(summary["occupancy"], summary["free_energy"], strict=True):
            cells = [_with_error(row["share"][name], row["error"][name], 3) for name in names]
            shares.add_row(f"{row['n']:,}", _with_error(energy["value"], energy["error"], 2), *cells)
        console.print(shares)
    for note in summary["notes"]:
        print(f"note: {note}")
    for stage, counts in summary["status"].items():
        for status, times in counts.items():
            if status != "ok":
                print(f"{stage}: {times} x {status}")
    print(f"\nreport: {run.path / 'report.html'}")
    return 0


def report(words: list[str]) -> int:
    options = _options(
        "report", "Make a run's summary, figures and page again from its records.", words, "run"
    )
    run = find_run(options.run, Path(options.store))
    from slt.pipeline import rewrite_report

    print(rewrite_report(run)[0])
    return 0


def compare(words: list[str]) -> int:
    options = _options("compare", "Verdicts of several runs, or of a sweep's folder.", words, "runs")
    found = [pair for text in options.runs for pair in _expand(text, Path(options.store))]
    configs = [_quietly(lambda run=run: run.config, {}) if run else {} for run, _ in found]
    differing = differences(configs)
    rows, missing = [], []
    for (run, trouble), config in zip(found, configs, strict=True):
        label = _differing(config, differing)
        status = trouble or _quietly(lambda run=run: run.status, "unreadable")
        if run is None or status != DONE:
            missing.append({"run": run.id if run else None, "status": status, "differs": label})
            continue
        for verdict in run.summary["comparison"]:
            rows.append({"run": run.id, "differs": label, **verdict})
    if options.json:
        print(json.dumps({"verdicts": rows, "without_result": missing}, indent=1))
        return 0
    table = _table("run", *differing, "from", "to", "verdict", "SGD", "posterior n")
    for row in rows:
        told = row["evidence"]
        went = f"{told.get('went', '')} of {told['at_risk']}" if told.get("at_risk") else ""
        n = "" if told.get("n") is None else f"{told['n']:,.0f}"
        values = [_short(row["differs"][key]) if key in row["differs"] else "" for key in differing]
        table.add_row(row["run"], *values, row["from"], row["to"], row["verdict"], went, n)
    Console().print(table)
    for entry in missing:
        print(f"without a result: {entry['run'] or ''} {entry['status']}".replace("  ", " "))
    return 0


def differences(configs: list[Mapping[str, Any]]) -> list[str]:
    """Dotted keys that tell `configs` apart: those with more than one value, and branches that are null in some.

    What only some have, because they chose another class or a whole branch, is not listed key by key; labels and
    places do not count.
    """
    flat = [_flat(config) for config in configs]
    keys = dict.fromkeys(key for one in flat for key in one if key not in ("name", "store"))

    def telling(key: str) -> bool:
        values = {json.dumps(one[key]) for one in flat if key in one}
        return len(values) > 1 or (values == {"null"} and any(key not in one for one in flat if one))

    return [key for key in keys if telling(key)]


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options by dotted key; a class stands under the key of its node, by its short name."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif key == "_target_":
            flat[prefix.rstrip(".")] = str(value).rpartition(".")[2]
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _differing(config: Mapping[str, Any], keys: list[str]) -> dict[str, Any]:
    flat = _flat(config)
    return {key: flat[key] for key in keys if key in flat}


def _short(value: Any) -> str:
    if isinstance(value, list) and len(value) > 4:
        return f"[{value[0]}, ... {len(value) - 2} more ..., {value[-1]}]"
    return "null" if value is None else str(value)


def _expand(text: str, store: Path) -> list[tuple[Run | None, str]]:
    """The runs that an argument means, each with the trouble that kept it from a result, if any."""
    jobs = sorted(Path(text).glob("job-*.json")) if Path(text).is_dir() else []
    if not jobs:
        return [(find_run(text, store), "")]
    found: list[tuple[Run | None, str]] = []
    for file in jobs:
        job = read_json(file)
        run = Run(Path(job["run"])) if job.get("run") else None
        trouble = "" if job["status"] == DONE else f"{' '.join(job['overrides'])}: {job['status']}"
        found.append((run, trouble))
    return found


def _options(command: str, description: str, words: list[str], wants: str = "") -> Any:
    parser = Parser(command, description)
    if wants == "run":
        parser.add_argument("run", metavar="RUN")
    if wants == "runs":
        parser.add_argument("runs", metavar="RUN", nargs="+")
    parser.add_argument("--store", default="runs", metavar="DIR", help="where runs are kept (default: runs)")
    if command != "report":
        parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(words)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _with_error(value: float | None, error: float | None, digits: int) -> str:
    if value is None:
        return ""
    return f"{value:.{digits}f}" + ("" if error is None else f" ±{error:.{digits}f}")


def _age(started: str | None) -> str:
    if started is None:
        return ""
    seconds = (datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(started)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _quietly(read: Any, otherwise: Any) -> Any:
    """What `read` gives, or `otherwise` for a run that cannot be read: a list of runs names it all the same."""
    try:
        return read()
    except (StoreError, ConfigError, OSError, KeyError):
        return otherwise
