"""Outputs of stages as items of the store, and back: arrays as xarray Datasets, everything else as plain JSON
values."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from slt.comparer.summary import plain
from slt.config.validation import build
from slt.records.base import from_dataset, to_dataset
from slt.storage.store import Record

T = TypeVar("T")


def encode(output: Any) -> dict[str, Any]:
    """Items by name: the fields of `output`, or one item for an array record by itself. None leaves no item; a dict
    of records leaves the list of its names and "field_INDEX_..." for each."""
    if _is_array(type(output)):
        return {_item(type(output)): to_dataset(output)}
    items: dict[str, Any] = {}
    for field in dataclasses.fields(output):
        value = getattr(output, field.name)
        if value is None:
            continue
        if _is_array(type(value)):
            items[field.name] = to_dataset(value)
        elif isinstance(value, Mapping):
            items[field.name] = list(value)
            for i, part in enumerate(value.values()):
                items |= {f"{field.name}_{i}_{name}": item for name, item in encode(part).items()}
        else:
            items[field.name] = plain(_fields(value))
    return items


def decode(cls: type[T], record: Record, prefix: str = "") -> T:
    """The inverse of `encode`. Raises StoreError or ValueError for a record that is not of `cls`."""
    if _is_array(cls):
        return from_dataset(cls, record.array(f"{prefix}{_item(cls)}"))
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        name, hint = f"{prefix}{field.name}", _without_none(hints[field.name])
        if not record.has(name):
            values[field.name] = None
        elif _is_array(hint):
            values[field.name] = from_dataset(hint, record.array(name))
        elif typing.get_origin(hint) is dict:
            part = typing.get_args(hint)[1]
            names = record.json(name)
            values[field.name] = {key: decode(part, record, f"{name}_{i}_") for i, key in enumerate(names)}
        else:
            values[field.name] = build(record.json(name), hint)
    return cls(**values)


def _is_array(cls: Any) -> bool:
    return hasattr(cls, "DIMS")


def _item(cls: type) -> str:
    """Trajectory -> trajectory, DataSets -> data_sets."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()


def _fields(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return [_fields(item) for item in value] if isinstance(value, tuple) else value


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        (hint,) = (part for part in typing.get_args(hint) if part is not types.NoneType)
    return hint
