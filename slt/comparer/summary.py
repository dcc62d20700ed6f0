"""A comparison as plain values for JSON: `from` and `to`, and null for every number that is missing."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from slt.phases.local_free_energy import free_energy_summary
from slt.phases.occupancy import occupancy_summary
from slt.records.comparison import Comparison, Verdict
from slt.records.phases import Occupancy, PhaseFacts
from slt.records.transitions import BayesianTransition, DynamicalTransition
from slt.transitions.bayesian import dominance


def summary_of(
    facts: tuple[PhaseFacts, ...],
    occupancy: Occupancy | None,
    comparison: Comparison,
    names: tuple[str, ...],
) -> dict[str, Any]:
    """The scientific part of `summary.json`: all of it but `status`, `diagnostics` and `provenance`.

    `occupancy` and `free_energy` have one entry for each n, with mean and standard error over what
    `phases.occupancy.estimate` states (its text is in `error_source`); empty lists where there is no ladder.
    """
    found = to_json(comparison)
    return {
        "phases": plain([dataclasses.asdict(fact) for fact in facts]),
        "occupancy": [] if occupancy is None else plain(_occupancy(occupancy, names)),
        "free_energy": [] if occupancy is None else plain(_free_energy(occupancy)),
        "dominance": [] if occupancy is None else _dominance(occupancy, names),
        "dynamical": found["dynamical"],
        "bayesian": found["bayesian"],
        "comparison": found["verdicts"],
        **{name: found[name] for name in ("headline", "notes", "endpoints", "sigmoid_fits")},
    }


def to_json(comparison: Comparison) -> dict[str, Any]:
    """A comparison as plain values; `source` and `target` become `from` and `to`."""
    return {
        "headline": comparison.headline,
        "verdicts": [_pair(verdict) for verdict in comparison.verdicts],
        "dynamical": [_pair(transition) for transition in comparison.dynamical],
        "bayesian": [_pair(transition) for transition in comparison.bayesian],
        "phases": plain([dataclasses.asdict(fact) for fact in comparison.phases]),
        "notes": list(comparison.notes),
        "endpoints": plain([dataclasses.asdict(ending) for ending in comparison.endpoints]),
        "sigmoid_fits": None
        if comparison.sigmoid_fits is None
        else plain(dataclasses.asdict(comparison.sigmoid_fits)),
    }


def plain(value: Any) -> Any:
    """Nested plain Python values: arrays become lists, and a number that is not finite becomes None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _pair(record: Verdict | DynamicalTransition | BayesianTransition) -> dict[str, Any]:
    fields = dataclasses.asdict(record)
    return {"from": fields.pop("source"), "to": fields.pop("target"), **plain(fields)}


def _occupancy(occupancy: Occupancy, names: tuple[str, ...]) -> list[dict[str, Any]]:
    share = occupancy_summary(occupancy)
    return [
        {
            "n": occupancy.sample_sizes[n_index],
            "share": dict(zip(names, share.mean[n_index], strict=True)),
            "error": dict(zip(names, share.error[n_index], strict=True)),
            "error_source": share.method,
        }
        for n_index in range(len(occupancy.sample_sizes))
    ]


def _free_energy(occupancy: Occupancy) -> list[dict[str, Any]]:
    value = free_energy_summary(occupancy)
    rows = zip(occupancy.sample_sizes, value.mean, value.error, strict=True)
    return [{"n": n, "value": mean, "error": error, "error_source": value.method} for n, mean, error in rows]


def _dominance(occupancy: Occupancy, names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{"n_low": low, "n_high": high, "phase": name} for low, high, name in dominance(occupancy, names)]
