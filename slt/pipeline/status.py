"""How stored stages turned out: failures, statuses, and what the sampler says of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from slt.records.base import OK, flag_names, from_dataset
from slt.records.posterior import Ladder
from slt.storage.store import Record

Records = Mapping[str, Record]


def failure(record: Record) -> str:
    """Why nothing can be learned from a record: every one of its parts failed. "" where something can."""
    stage = record.meta["stage"]
    if stage == "training":
        status = record.array("trajectory")["status"].values
        if np.all(status != OK):
            return f"every seed failed: {status[0]}"
    if stage == "posterior":
        ladder = record.array("ladder")
        if not np.isfinite(ladder["loss"].values).any():
            return f"no rung has a finite loss: {ladder['status'].values.flat[0]}"
    return ""


def statuses(records: Records) -> dict[str, dict[str, int]]:
    """How often each status occurs: {"training": {"ok": 63, "diverged at step 10": 1}, "posterior": ...}; of learning
    coefficients, how often each flag."""
    counts = {}
    for stage, item in (("training", "trajectory"), ("posterior", "ladder"), ("population", "ladder")):
        if stage in records:
            values, times = np.unique(records[stage].array(item)["status"].values, return_counts=True)
            counts[stage] = dict(zip(values.tolist(), times.tolist(), strict=True))
    if "llc" in records:
        record = records["llc"]
        items = {"llc": "estimate"}
        if record.has("refined"):
            items |= {f"llc of {part}": f"estimate_{i}" for i, part in enumerate(record.json("refined"))}
        for name, item in items.items():
            found = record.array(item)["status"].values.tolist()
            counts[name] = dict(Counter(flag for status in found for flag in flag_names(status) or (OK,)))
    return counts


def diagnostics(records: Records) -> list[dict[str, Any]]:
    """For each rung, n and each of the sampler's diagnostics as [min, median, max] over data sets and repeats;
    an empty list where there is no ladder."""
    if "posterior" not in records:
        return []
    ladder = from_dataset(Ladder, records["posterior"].array("ladder"))
    return [
        {"n": n, **{name: _spread(values[:, rung]) for name, values in ladder.info.items()}}
        for rung, n in enumerate(ladder.sample_sizes.tolist())
    ]


def _spread(values: np.ndarray) -> list[float] | None:
    finite = values[np.isfinite(values)]
    return [float(f(finite)) for f in (np.min, np.median, np.max)] if finite.size else None
