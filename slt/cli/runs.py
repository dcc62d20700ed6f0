"""`slt ls`, `show` and `report`: runs that exist, read as plain data."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from slt.cli.arguments import Parser
from slt.comparer.config_diff import differences, flat, short
from slt.errors import ConfigError
from slt.storage.files import StoreError
from slt.storage.runs import find_run, list_runs


def ls(words: list[str]) -> int:
    options = _options("ls", "Runs, latest first, with what differs between their configurations.", words)
    runs = list_runs(Path(options.store))
    configs = {run.id: flat(if_readable(lambda run=run: run.config, {})) for run in runs}
    differing = differences([configs[run.id] for run in runs])
    rows = [
        {
            "run": run.id,
            "status": if_readable(lambda run=run: run.status, "unreadable"),
            "started": if_readable(lambda run=run: run.manifest["started"], None),
            "bytes": if_readable(lambda run=run: run.size, None),
            "differs": {key: configs[run.id][key] for key in differing if key in configs[run.id]},
        }
        for run in runs
    ]
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    if not rows:
        print(f"no runs in {Path(options.store) / 'runs'} yet: slt run makes one")
        return 0
    table = _table("run", "status", "age", "size", "differs in")
    for row in rows:
        shown = ", ".join(f"{key}={short(value)}" for key, value in row["differs"].items())
        size = "" if row["bytes"] is None else decimal(row["bytes"])
        table.add_row(row["run"], row["status"], _age(row["started"]), size, shown)
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
    for row in summary.get("not_trusted", []):
        print(f"not trusted at n = {row['n']:,}: {row['why']}")
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
    from slt.pipeline.stages import report
    from slt.runtime.jax_setup import configure_jax

    configure_jax()
    print(report.run(run)[0])
    return 0


def _options(command: str, description: str, words: list[str], wants: str = "") -> Any:
    parser = Parser(command, description)
    if wants == "run":
        parser.add_argument("run", metavar="RUN")
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


def if_readable(read: Any, otherwise: Any) -> Any:
    """What `read` gives, or `otherwise` for a run that cannot be read: a list of runs names it all the same."""
    try:
        return read()
    except (StoreError, ConfigError, OSError, KeyError):
        return otherwise
