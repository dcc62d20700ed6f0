"""Sweeps on disk: what one consists of, and how far each of its jobs came.

    root/sweeps/<what is swept>-<hash>/   sweep.json, job-0000.json, job-0001.json, ...

`sweep.json` says before the first job what all of them are; each job keeps its own file, so that jobs may run in
any order and in several processes, and the folder can be read at any moment. Whatever is read here is plain data.
"""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slt.storage.files import FORMAT, StoreError, check_format, now, read_json, write_json
from slt.storage.runs import LOST, RUNNING, Run, gone

_PLAN = "sweep.json"
WAITING = "waiting"


@dataclasses.dataclass(frozen=True)
class Job:
    """One combination of a sweep.

    Attributes:
      number: its place in the sweep.
      overrides: what it was asked for, "key=value".
      options: the same as typed values, by dotted name.
      status: "waiting", or as of a `Run`: its run's own, once it has one.
      run: None where none was begun.
    """

    number: int
    overrides: tuple[str, ...]
    options: Mapping[str, Any]
    status: str
    run: Run | None


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A sweep's folder. Everything is read when it is asked for. Raises StoreError for what cannot be read."""

    path: Path

    @property
    def exists(self) -> bool:
        """Whether this folder is a sweep's."""
        return (self.path / _PLAN).is_file() or any(self.path.glob("job-*.json"))

    def begin(self, command: Sequence[str], jobs: Sequence[Mapping[str, Any]]) -> None:
        """Record what the sweep consists of, once.

        Args:
          command: the overrides that were given.
          jobs: for each, its "overrides" and "options"; empty where they are not known before they run.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if not (self.path / _PLAN).is_file():
            facts = {"format": FORMAT, "kind": "sweep", "begun": now()}
            write_json(self.path / _PLAN, {**facts, "command": list(command), "jobs": list(jobs)})

    def tell(self, number: int, overrides: Sequence[str], status: str, run: Run | None = None) -> None:
        """Record how far a job came; `run` as soon as it is known."""
        process = {"pid": os.getpid(), "host": socket.gethostname()}
        # relative, so that a store can be moved
        place = None if run is None else os.path.relpath(run.path.resolve(), self.path.resolve())
        entry = {"job": number, "overrides": list(overrides), "run": place, "status": status, **process}
        write_json(self._file(number), entry)

    @property
    def jobs(self) -> list[Job]:
        """Every job in order, begun or not."""
        planned: list[dict[str, Any]] = []
        if (self.path / _PLAN).is_file():
            plan = read_json(self.path / _PLAN)
            check_format(self.path, plan, "sweep")
            planned = plan["jobs"]
        begun = {int(file.stem.removeprefix("job-")): file for file in self.path.glob("job-*.json")}
        numbers = sorted({*range(len(planned)), *begun})
        return [
            self._job(number, planned[number] if number < len(planned) else {}, begun.get(number))
            for number in numbers
        ]

    def _file(self, number: int) -> Path:
        return self.path / f"job-{number:04d}.json"

    def _job(self, number: int, plan: Mapping[str, Any], file: Path | None) -> Job:
        entry = {"status": WAITING, **plan} if file is None else read_json(file)
        run = Run((self.path / entry["run"]).resolve()) if entry.get("run") else None
        status = str(entry["status"])
        if run is not None:
            try:
                status = run.status
            except StoreError:
                status = "unreadable"
        elif status == RUNNING and gone(entry):
            status = LOST
        return Job(number, tuple(entry.get("overrides", ())), plan.get("options", {}), status, run)
