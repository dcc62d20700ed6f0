"""How a model draws one of its parameters."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:  # the report reads drawings, and does without JAX
    from slt.models.base import Params

_AXES = {"bars": 1, "curves": 2, "matrix": 2, "arrows": 2}


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A picture of one parameter, as numbers.

    Attributes:
      kind: "bars": values (k,), one bar each, named by `labels`; "curves": values (line, point) over `x`, lines named
        by `labels`; "matrix": values (row, column) as a map; "arrows": values (k, 2), from the origin.
      values: what is drawn; converted to a float64 array.
      x: (point,) of curves.
      labels: of bars or lines; may be empty.
      axes: what the horizontal and the vertical axis are.

    Raises ValueError for an unknown kind, or values whose shape is not the kind's.
    """

    kind: str
    values: np.ndarray
    x: np.ndarray | None = None
    labels: tuple[str, ...] = ()
    axes: tuple[str, str] = ("", "")

    def __post_init__(self) -> None:
        if self.kind not in _AXES:
            raise ValueError(f"a drawing is one of {', '.join(_AXES)}, not {self.kind!r}")
        values = np.asarray(self.values, float)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "labels", tuple(map(str, self.labels)))
        if values.ndim != _AXES[self.kind] or (self.kind == "arrows" and values.shape[1] != 2):
            raise ValueError(f"values of shape {values.shape} cannot be drawn as {self.kind}")
        if self.kind == "curves":
            x = np.asarray(np.arange(values.shape[1]) if self.x is None else self.x, float)
            if x.shape != values.shape[1:]:
                raise ValueError(f"x of shape {x.shape} does not fit curves of {values.shape[1]} points")
            object.__setattr__(self, "x", x)
        if self.labels and len(self.labels) != len(values):
            raise ValueError(f"{len(self.labels)} labels do not fit {len(values)} {self.kind}")


@runtime_checkable
class Drawn(Protocol):
    """A model that can show a parameter. Not traced: parameters come as numpy arrays."""

    def drawing(self, w: Params) -> Drawing: ...
