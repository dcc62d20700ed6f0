"""Records on disk, each under the hash of what it was made from.

    root/stages/<stage>-<hash>/   one record: <item>.zarr for arrays, <item>.json for the rest, meta.json
    root/runs/...                 see `slt.storage.runs`

A record is written into a hidden sibling directory, flushed, and moved into place, so that what has its name is
complete. `meta.json` says what made the record and lists every file with its size and checksum: a file that is
missing, cut short or altered is an error, never a silent array of zeros. The store knows nothing of what the
items mean.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slt.storage.files import FORMAT, StoreError, check_format, digest, now, read_json, text_of

if TYPE_CHECKING:
    import xarray

_META = "meta.json"
_CLAIMS = ".claims"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What determines a record.

    Attributes:
      stage: which computation.
      config: its typed options, plain values only.
      inputs: name -> hash of the recipes of what it takes in.
      code: version of its code (`slt.storage.code_version`).
    """

    stage: str
    config: Mapping[str, Any]
    inputs: Mapping[str, str]
    code: str

    @property
    def hash(self) -> str:
        return digest(dataclasses.asdict(self))

    @property
    def name(self) -> str:
        return f"{self.stage}-{self.hash}"


@dataclasses.dataclass(frozen=True)
class Record:
    """A stored record, checked to be complete."""

    path: Path
    meta: dict[str, Any]

    def array(self, item: str) -> xarray.Dataset:
        """The arrays of `item`, in memory."""
        import xarray as xr

        path = self._existing(f"{item}.zarr")
        with xr.open_zarr(path, consolidated=False, chunks=None) as dataset:
            return dataset.load()

    def json(self, item: str) -> Any:
        return read_json(self._existing(f"{item}.json"))

    def has(self, item: str) -> bool:
        return any((self.path / f"{item}.{kind}").exists() for kind in ("zarr", "json"))

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(size for size, _ in self.meta["files"].values())

    def _existing(self, name: str) -> Path:
        path = self.path / name
        if not path.exists():
            held = ", ".join(sorted({file.split("/")[0] for file in self.meta["files"]}))
            raise StoreError(f"{self.path} holds no {name}\nIt holds: {held}")
        return path


@dataclasses.dataclass(frozen=True)
class Store:
    """The records under `root`."""

    root: Path

    @property
    def stages(self) -> Path:
        return self.root / "stages"

    def has(self, name: str) -> bool:
        """Whether a record has this name; reading it is what checks it."""
        return (self.stages / name).is_dir()

    def read(self, name: str) -> Record:
        """Raises StoreError if there is no such record, or it is not complete."""
        path = self.stages / name
        remedy = f"\nMake it again: slt run --force {name.rsplit('-', 1)[0]}, with the overrides of its run"
        if not path.is_dir():
            raise StoreError(f"{path} does not exist: the record was deleted or the run was moved{remedy}")
        if not (path / _META).is_file():
            raise StoreError(f"{path} is not a record: it has no {_META}{remedy}")
        meta = read_json(path / _META)
        check_format(path, meta, "record")
        for file, expected in meta["files"].items():
            actual = _fingerprint(path / file) if (path / file).is_file() else None
            if actual is None or list(actual) != list(expected):
                wrong = "is missing" if actual is None else f"has {actual[0]} bytes or a checksum that differ"
                raise StoreError(f"{path} is damaged: {file} {wrong} from what was written{remedy}")
        return Record(path, meta)

    def write(
        self, recipe: Recipe, items: Mapping[str, Any], facts: Mapping[str, Any], replace: bool = False
    ) -> Record:
        """Store `items`: xarray Datasets as Zarr, everything else as JSON.

        Args:
          recipe: what the items were made from; gives the record its name.
          items: name -> Dataset or plain values.
          facts: more about the making, for people (seconds, versions, ...).
          replace: put the record in the place of one of the same name; otherwise that one stays.
        """
        self.stages.mkdir(parents=True, exist_ok=True)
        final = self.stages / recipe.name
        temporary = Path(tempfile.mkdtemp(prefix=f".{recipe.name}-", dir=self.stages))
        try:
            for name, item in items.items():
                _write_item(temporary, name, item)
            files = {str(f.relative_to(temporary)): _fingerprint(f) for f in sorted(_files(temporary))}
            made = {"format": FORMAT, "kind": "record", **dataclasses.asdict(recipe), "hash": recipe.hash}
            _dump(temporary / _META, {**made, **facts, "created": now(), "files": files})
            _flush(temporary)
            _publish(temporary, final, replace)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return self.read(recipe.name)

    @contextlib.contextmanager
    def claim(self, name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the making of the record `name`: of several processes that want it one makes it, and the rest wait.

        `waiting` is called if another process holds it. The system ends the claim of a process that ends, however
        it ends. On a file system without locks nobody waits: each makes the record, and the first one stays.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        place = int(name[-15:], 16)  # one byte for each record, of a file that stays empty
        with open(self.root / _CLAIMS, "ab") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
            except (BlockingIOError, PermissionError):
                waiting()
                fcntl.lockf(file, fcntl.LOCK_EX, 1, place)
            except OSError as error:
                if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                    raise
            yield

    def metas(self, stage: str) -> list[dict[str, Any]]:
        """The `meta.json` of every readable record of `stage`, latest first."""
        found = []
        for path in self.stages.glob(f"{stage}-*/{_META}"):
            try:
                found.append(read_json(path))
            except StoreError:
                continue
        return sorted(found, key=lambda meta: meta.get("created", ""), reverse=True)


# -- items and folders ------------------------------------------------------------------------------------------


def _dump(path: Path, value: Any) -> None:
    path.write_text(text_of(value), encoding="utf-8")


def _write_item(folder: Path, name: str, item: Any) -> None:
    if hasattr(item, "to_zarr"):
        # Zarr's format 2 has a specification for fixed-width strings, which statuses are; format 3 has none
        item.to_zarr(folder / f"{name}.zarr", zarr_format=2, consolidated=False)
    else:
        _dump(folder / f"{name}.json", item)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _fingerprint(path: Path) -> tuple[int, int]:
    content = path.read_bytes()
    return len(content), zlib.crc32(content)


def _flush(folder: Path) -> None:
    """Make everything under `folder` reach the disk, files first and the directories that name them after."""
    for path in [*_files(folder), *(p for p in folder.rglob("*") if p.is_dir()), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _publish(temporary: Path, final: Path, replace: bool) -> None:
    """Give `temporary` its name. Someone else may have made the same record meanwhile: theirs is as good."""
    temporary.chmod(0o755)
    if replace and final.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{final.name}-old-", dir=final.parent))
        with contextlib.suppress(FileNotFoundError):
            os.replace(final, old)
        shutil.rmtree(old, ignore_errors=True)
    try:
        os.replace(temporary, final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
