"""`slt compare`: the verdicts of many runs, or of a sweep, as counts, one table and one figure. Reads plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slt.cli.arguments import Parser
from slt.cli.runs import if_readable
from slt.comparer.config_diff import differences, flat
from slt.errors import ConfigError
from slt.storage.files import StoreError, digest
from slt.storage.runs import DONE, find_run
from slt.storage.sweeps import Job, Sweep

if TYPE_CHECKING:
    from slt.comparer.sweep import Entry


def main(words: list[str]) -> int:
    parser = Parser("compare", "Verdicts of several runs, or of a sweep: counts, one table and one figure.")
    add = parser.add_argument
    add("runs", metavar="RUN", nargs="+", help="a run, or the folder of a sweep, finished or not")
    add("--store", default="runs", metavar="DIR", help="where runs are kept (default: runs)")
    add("--out", metavar="DIR", help="where table and figure go (default: the sweep's folder, or the store)")
    add("--level", choices=("family", "phase"), help="what is counted and drawn (default: families)")
    add("--json", action="store_true", help="print JSON, and write files only with --out")
    asked = parser.parse_args(words)
    jobs = _jobs(asked.runs, Path(asked.store))
    entries, options = _entries(jobs)
    from slt.comparer.sweep import best_level, rows

    table = rows(entries, options)
    level = asked.level or best_level(table)
    written = []
    if asked.out or not asked.json:
        out = Path(asked.out) if asked.out else _place(asked.runs, Path(asked.store), jobs)
        written = _write(table, level, options, out)
    if asked.json:
        missing = [
            {"run": entry.run, "status": entry.status, "differs": entry.options}
            for entry in entries
            if entry.summary is None
        ]
        verdicts = [row for row in table if row["status"] == DONE]
        print(json.dumps({"verdicts": verdicts, "without_result": missing}, indent=1))
        return 0
    from slt.cli.verdict_counts import print_counts

    print_counts(table, entries, level, options)
    print("\n" + "\n".join(map(str, written)))
    return 0


def _jobs(texts: Sequence[str], store: Path) -> list[Job]:
    """Every run that is meant, once. Raises StoreError for what is neither a run nor a sweep."""
    jobs: dict[str, Job] = {}
    for text in texts:
        folder = Path(text)
        if Sweep(folder).exists:
            for job in Sweep(folder).jobs:
                jobs[str(job.run.path.resolve()) if job.run else f"{folder.resolve()} {job.number}"] = job
            continue
        if folder.is_dir() and not (folder / "manifest.json").is_file():
            raise StoreError(
                f"{text} is neither a run nor a sweep: it has no manifest.json and no sweep.json\n"
                f"slt ls lists the runs; sweeps, which slt run -m makes, are in {store / 'sweeps'}"
            )
        run = find_run(text, store)
        jobs[str(run.path.resolve())] = Job(
            0, (), {}, if_readable(lambda run=run: run.status, "unreadable"), run
        )
    if not jobs:
        raise StoreError(f"{' '.join(texts)}: no job has started yet\nIts slt run -m command starts them")
    return list(jobs.values())


def _entries(jobs: Sequence[Job]) -> tuple[list[Entry], list[str]]:
    """The runs, and the names of the options that tell them apart."""
    from slt.comparer.sweep import Entry

    configs = [_config(job) for job in jobs]
    options = differences(
        configs, [job.options for job, config in zip(jobs, configs, strict=True) if not config]
    )
    entries = []
    for job, config in zip(jobs, configs, strict=True):
        known = config or job.options
        own = {name: known[name] for name in options if name in known}
        summary = _summary(job) if job.status == DONE else None
        status = "unreadable" if job.status == DONE and summary is None else job.status
        entries.append(Entry(None if job.run is None else job.run.id, status, own, summary))
    return entries, options


def _config(job: Job) -> dict[str, Any]:
    """A run's flat configuration; empty where there is none to read."""
    run = job.run
    return {} if run is None else flat(if_readable(lambda: run.config, {}))


def _summary(job: Job) -> dict[str, Any] | None:
    run = job.run
    summary = None if run is None else if_readable(lambda: run.summary, None)
    return summary if isinstance(summary, dict) and {"phases", "comparison"} <= summary.keys() else None


def _place(texts: Sequence[str], store: Path, jobs: Sequence[Job]) -> Path:
    """Where a comparison goes if nobody says: into its sweep, or to the one place of these runs in the store."""
    if len(texts) == 1 and Sweep(Path(texts[0])).exists:
        return Path(texts[0])
    return store / "comparisons" / digest(sorted(job.run.id for job in jobs if job.run))[:8]


def _write(table: Sequence[Mapping[str, Any]], level: str, options: Sequence[str], out: Path) -> list[Path]:
    from slt.report.figures_sweep import write_figure
    from slt.report.sweep_table import write_table

    try:
        out.mkdir(parents=True, exist_ok=True)
        written = write_table(table, options, out)
        if any(row["level"] == level for row in table):
            written += write_figure(table, level, options, out)
    except OSError as error:
        raise ConfigError(
            f"nothing can be written in {out}: {error.strerror or error}\nChoose another place: --out DIR"
        ) from error
    return written
