"""Typed outputs of a run's stages, each decoded once, when it is first asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from slt.pipeline.codec import decode
from slt.pipeline.plan import MODULES
from slt.storage.runs import Run
from slt.storage.store import Record

_MODULES = {module.NAME: module for module in MODULES}


class Outputs:
    """The outputs of stages by name."""

    def __init__(self, records: Mapping[str, Record]) -> None:
        self.records = dict(records)
        self._decoded: dict[str, Any] = {}

    def get(self, stage: str) -> Any:
        """The Output of a stage; None where the run has none."""
        if stage not in self.records:
            return None
        if stage not in self._decoded:
            self._decoded[stage] = decode(_MODULES[stage].Output, self.records[stage])
        return self._decoded[stage]

    def add(self, stage: str, record: Record) -> None:
        self.records[stage] = record
        self._decoded.pop(stage, None)

    def inputs(self, module: ModuleType, wanted: tuple[str, ...]) -> Any:
        """The Inputs of a stage: the fields that are `wanted`, None for the others."""
        fields = (field.name for field in dataclasses.fields(module.Inputs))
        return module.Inputs(**{name: self.get(name) if name in wanted else None for name in fields})


def outputs(run: Run) -> Outputs:
    """What a stored run holds."""
    return Outputs({stage: run.record(stage) for stage in run.manifest["stages"] if stage in _MODULES})
