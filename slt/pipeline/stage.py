"""What the module of a stage declares.

A stage is a module of `slt.pipeline.stages` with

    NAME      what it is called
    Output    the type of its record (a dataclass of records)
    Inputs    a dataclass whose fields are named as the stages that it reads, with the types of their records
    plan      from the experiment to a `Plan`, or None where this run has no such stage
    run       from the experiment, its Inputs and a driver of long computations to its Output
    failure   (optional) why nothing can be learned from an Output; "" where something can

Nothing else passes between stages. This module imports nothing of slt, since whatever it imported would belong to the
code of every stage; how a record is named is in `slt.pipeline.plan`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Work:
    """What a stage costs: `amount` of `unit`, and the bytes of its record; either may be unknown."""

    amount: int | None = None
    unit: str = ""
    size: int | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a stage rests on in one run.

    Attributes:
      config: the parts of the experiment that determine its record: objects of the configuration, and plain values.
      inputs: the fields of its Inputs that it reads.
      description: what it does, in a few words.
      work: what it costs.
      extent: options that only make its record longer. They are part of its name, but not of the names of the stages
        that read it, since these read the part that they need.
      drawings: whether it draws parameters, so that the models' methods `drawing` belong to its code.
    """

    config: Mapping[str, Any]
    inputs: tuple[str, ...]
    description: str
    work: Work = Work()
    extent: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    drawings: bool = False


def size_of(shapes: Any) -> int:
    """Bytes of a pytree of shapes."""
    import jax

    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes))


def times(count: int, noun: str) -> str:
    """ "1 seed", "2 seeds"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
