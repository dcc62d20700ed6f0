"""The table of a sweep's verdicts (`slt.comparer.sweep.rows`) as Parquet and CSV."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

_TEXT = ("run", "status", "level", "from", "to", "verdict", "reason")
_COUNTS = ("at_risk", "count")  # of seeds; every other column of ours is a float


def write_table(table: Sequence[Mapping[str, Any]], options: Sequence[str], folder: Path) -> list[Path]:
    """Write `folder`/verdicts.parquet and verdicts.csv. Raises OSError where they cannot be written.

    Options keep their types; lists, and options whose values are of several types, become JSON text.
    """
    from pyarrow import csv, parquet

    arrow = to_arrow(table, options)
    paths = [folder / "verdicts.parquet", folder / "verdicts.csv"]
    parquet.write_table(arrow, paths[0])
    csv.write_csv(arrow, paths[1])
    return paths


def to_arrow(table: Sequence[Mapping[str, Any]], options: Sequence[str]) -> pyarrow.Table:
    """The same rows as an Arrow table, at least one row; the types of our own columns never depend on the rows."""
    import pyarrow as pa

    types = {**dict.fromkeys(_TEXT, pa.string()), **dict.fromkeys(_COUNTS, pa.int64()), "direct": pa.bool_()}

    def column(name: str) -> pa.Array:
        values = [row[name] for row in table]
        return _option(values) if name in options else pa.array(values, types.get(name, pa.float64()))

    return pa.table({name: column(name) for name in table[0]})


def _option(values: list[Any]) -> pyarrow.Array:
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return pa.array(values, pa.float64())
    if len(kinds) <= 1 and not kinds & {list, dict}:
        return pa.array(values)
    return pa.array([None if value is None else json.dumps(value) for value in values], pa.string())
