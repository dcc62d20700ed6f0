"""What all records share: array records to and from xarray, and how a status is written.

An array record names the axes of every field in `DIMS` (a trailing "..." stands for a parameter's own axes); dict
fields hold one array for each parameter or diagnostic. Small records, of numbers and names, are plain dataclasses
that `dataclasses.asdict` turns into JSON.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    import xarray

Array = np.ndarray

OK = "ok"

FLAGS = " | "  # between the flags of one status

T = TypeVar("T")


def to_dataset(record: Any) -> xarray.Dataset:
    """An array record as an xarray Dataset: dict fields become variables named "field.key"."""
    import xarray as xr

    variables: dict[str, Any] = {}
    for field, dims in type(record).DIMS.items():
        value = getattr(record, field)
        items = (
            {field: value} if not isinstance(value, dict) else {f"{field}.{k}": v for k, v in value.items()}
        )
        for name, array in items.items():
            array = np.asarray(array)
            base = [d for d in dims if d != "..."]
            own = [f"{name}_{i}" for i in range(array.ndim - len(base))]
            if (own and "..." not in dims) or array.ndim < len(base):
                raise ValueError(
                    f"{type(record).__name__}.{name}: shape {array.shape} does not fit axes {dims}"
                )
            variables[name] = ([*base, *own], array)
    return xr.Dataset(variables, attrs={"record": type(record).__name__})


def from_dataset(cls: type[T], dataset: xarray.Dataset) -> T:
    """The inverse of `to_dataset`. Raises ValueError naming what is missing or of another kind."""
    if dataset.attrs.get("record") != cls.__name__:
        raise ValueError(f"this is a {dataset.attrs.get('record', 'foreign')} record, not a {cls.__name__}")
    values: dict[str, Any] = {}
    hints = {f.name: f.type for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for field in cls.DIMS:  # type: ignore[attr-defined]
        if str(hints[field]).startswith("dict"):
            prefix = f"{field}."
            values[field] = {
                str(name)[len(prefix) :]: dataset[name].values
                for name in dataset.data_vars
                if str(name).startswith(prefix)
            }
        elif field in dataset:
            values[field] = dataset[field].values
        else:
            raise ValueError(f"this {cls.__name__} record lacks {field!r}")
    return cls(**values)


def flag_names(status: str) -> tuple[str, ...]:
    """The names of a status' flags, "name: what happened" each; () where it is ok."""
    return () if status == OK else tuple(flag.partition(":")[0] for flag in status.split(FLAGS))


def finite_or_none(value: float) -> float | None:
    """JSON has no NaN: a missing number is null."""
    return float(value) if math.isfinite(value) else None
