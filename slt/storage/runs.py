"""Runs on disk: a run is a manifest of stages, with a summary and a report beside it.

    root/runs/<name or time>-<hash>/   manifest.json, config.yaml, summary.json, report.html, figures/

The hash is that of the recipes of the run's stages. Whatever is read here is plain data.
"""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slt.errors import suggestion
from slt.storage.files import FORMAT, StoreError, check_format, now, read_json, write_json
from slt.storage.store import Record, Store

if TYPE_CHECKING:
    import xarray

_MANIFEST = "manifest.json"
DONE, RUNNING, INTERRUPTED, LOST = "done", "running", "interrupted", "lost"


@dataclasses.dataclass(frozen=True)
class Run:
    """One run directory. Everything is read when it is asked for. Raises StoreError for what cannot be read."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def manifest(self) -> dict[str, Any]:
        """What was run, how far it came, and where its records are."""
        if not self.path.is_dir():
            raise StoreError(f"{self.path} does not exist\nslt ls lists the runs")
        if not (self.path / _MANIFEST).is_file():
            raise StoreError(f"{self.path} is not a run: it has no {_MANIFEST}\nslt ls lists the runs")
        manifest = read_json(self.path / _MANIFEST)
        check_format(self.path, manifest, "run")
        return manifest

    @property
    def status(self) -> str:
        """ "done", "running", "interrupted", "failed: ...", or "lost": its process ended without recording why."""
        manifest = self.manifest
        return LOST if manifest["status"] == RUNNING and gone(manifest) else manifest["status"]

    @property
    def summary(self) -> dict[str, Any]:
        """The contents of summary.json."""
        path = self.path / "summary.json"
        if not path.is_file():
            raise StoreError(
                f"{self.path} has no summary.json: this run is {self.status}\n"
                "Finish it with the same slt run command; what it has finished is kept"
            )
        return read_json(path)

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration."""
        return self.manifest["config"]

    @property
    def records(self) -> xarray.DataTree:
        """Every array record as one tree: trajectory, path, ladder, occupancy, as far as they exist.

        Axes carry coordinates: `n` and `step` in their units, `phase` by name. The attribute "summary" holds
        summary.json.
        """
        import xarray as xr

        summary = self.summary
        names = [*(phase["name"] for phase in summary["phases"]), "other"]
        found = {
            item: _with_coordinates(self.record(stage).array(item), names)
            for stage, item in (
                ("training", "trajectory"),
                ("phases", "path"),
                ("posterior", "ladder"),
                ("phases", "occupancy"),
            )
            if stage in self.manifest["stages"] and self.record(stage).has(item)
        }
        tree = xr.DataTree.from_dict(found, name=self.id)
        tree.attrs["summary"] = summary
        return tree

    def record(self, stage: str) -> Record:
        """The stored record of one of this run's stages."""
        stages = self.manifest["stages"]
        if stage not in stages:
            raise StoreError(
                f"{self.path} has no {stage} stage: it is {self.status}" + suggestion(stage, stages)
            )
        return self.store.read(stages[stage]["record"])

    @property
    def store(self) -> Store:
        """Where its records are: the store that the run's directory lies in."""
        return Store(self.path.resolve().parent.parent)

    @property
    def size(self) -> int:
        """Bytes of its records and of its own files; records may be shared with other runs."""
        stages = (self.store.stages / entry["record"] for entry in self.manifest["stages"].values())
        return sum(file.stat().st_size for folder in (self.path, *stages) for file in _files(folder))


@dataclasses.dataclass
class Journal:
    """Writes a run's manifest as the run goes on; every change is on disk at once."""

    run: Run
    manifest: dict[str, Any]

    @classmethod
    def start(cls, run: Run, facts: dict[str, Any]) -> Journal:
        """Say that `run` has begun; `facts` are its name, config and provenance."""
        run.path.mkdir(parents=True, exist_ok=True)
        process = {"pid": os.getpid(), "host": socket.gethostname()}
        made = {"format": FORMAT, "kind": "run", "status": RUNNING, "started": now(), **process}
        journal = cls(run, {**made, **facts, "stages": {}})
        journal._save()
        return journal

    def stage(self, name: str, entry: dict[str, Any]) -> None:
        self.manifest["stages"][name] = entry
        self._save()

    def end(self, status: str) -> None:
        self.manifest.update(status=status, ended=now())
        self._save()

    def _save(self) -> None:
        write_json(self.run.path / _MANIFEST, self.manifest)


def run_directory(root: Path, name: str | None, hash_: str) -> Path:
    """Where a run of this name and hash lives: the directory that it has, or a new one."""
    short = hash_[:8]
    if name:
        return root / "runs" / f"{name}-{short}"
    for run in _runs(root):
        if run.id.endswith(f"-{short}") and _unnamed(run):
            return run.path
    stamp = now()[:19].replace("-", "").replace(":", "").replace("T", "-")
    return root / "runs" / f"{stamp}-{short}"


def list_runs(root: Path) -> list[Run]:
    """Every run under `root`, complete or not, latest first."""
    return sorted(_runs(root), key=_started, reverse=True)


def find_run(text: str, root: Path) -> Run:
    """The run that `text` means: a path, a run's directory name or label, a unique prefix, or "latest".

    Raises StoreError naming the nearest run where there is none, or the candidates where there are several.
    """
    if Path(text).is_dir():
        run = Run(Path(text))
        _ = run.manifest
        return run
    known = list_runs(root)
    if text == "latest" and known:
        return known[0]
    exact = [run for run in known if run.id == text]
    matching = exact or [run for run in known if run.id.startswith(text)]
    if not matching:
        where = f"no run is called {text!r} in {root / 'runs'}"
        raise StoreError(where + (suggestion(text, [run.id for run in known], "runs") or ": it holds no run"))
    labeled = [run for run in matching if run.id.rsplit("-", 1)[0] == text]
    if len(matching) > 1 and len(labeled) != 1:
        listed = ", ".join(run.id for run in matching[:8])
        raise StoreError(f"{text!r} could be any of {len(matching)} runs: {listed}\nGive more of its name")
    return (labeled or matching)[0]


def _runs(root: Path) -> Iterator[Run]:
    folder = root / "runs"
    if folder.is_dir():
        yield from (Run(path) for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _unnamed(run: Run) -> bool:
    try:
        return run.manifest.get("name") is None
    except StoreError:
        return False


def _started(run: Run) -> str:
    try:
        return run.manifest["started"]
    except (StoreError, KeyError):
        return ""


def gone(manifest: dict[str, Any]) -> bool:
    """Whether the process that was running is known to have ended."""
    if manifest.get("host") != socket.gethostname():
        return False
    try:
        os.kill(manifest["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _with_coordinates(dataset: xarray.Dataset, names: list[str]) -> xarray.Dataset:
    """Values along axes where the record keeps them as plain variables."""
    for variable, dim, name in (("sample_sizes", "n", "n"), ("steps", "checkpoint", "step")):
        if variable in dataset:
            values = dataset[variable].values
            dataset = dataset.drop_vars(variable).assign_coords({name: (dim, values)})
    return dataset.assign_coords(phase=names) if "phase" in dataset.dims else dataset
