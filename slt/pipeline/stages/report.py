"""A run's summary, figures and page, from its stored records alone.

The last step of a run. It leaves files in the run's folder and no record, and it imports nothing that a record or a
configuration names, so that a report can be made of a run whose model is not at hand.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from slt.comparer.summary import plain, summary_of
from slt.pipeline.outputs import Outputs, outputs
from slt.pipeline.stages import llc
from slt.posterior.diagnostics import untrusted, without
from slt.records.base import OK, flag_names
from slt.records.posterior import Ladder
from slt.report.page import ReportInputs, write_report
from slt.storage.files import StoreError, digest, write_json
from slt.storage.runs import Run
from slt.transitions.stages import SeedStages, headline, pool

NAME = "report"


def run(of: Run, found: Outputs | None = None) -> list[Path]:
    """Write summary.json, report.html and the figures; returns the paths of the page and the figures.

    Args:
      of: the run.
      found: the outputs of its stages, where they are at hand.

    Raises StoreError for a run that has not come as far as its comparison.
    """
    found = outputs(of) if found is None else found
    if found.get("comparison") is None:
        raise StoreError(
            f"{of.path} has no comparison yet: it is {of.status}\nFinish it with the same slt run"
        )
    manifest = of.manifest
    ladder, labeled, coefficients = found.get("posterior"), found.get("phases"), found.get("llc")
    developed = found.get("development")
    comparison = found.get("comparison").comparison
    stages = () if developed is None else developed.stages
    if stages and not comparison.verdicts:  # of phases there is nothing to say
        comparison = dataclasses.replace(comparison, headline=headline(stages))
    status = statuses(found)
    provenance = _provenance(manifest)
    occupancy = labeled.occupancy
    bad = {} if ladder is None or occupancy is None else untrusted(ladder, occupancy)
    summary = {
        **summary_of(labeled.facts, occupancy, comparison, labeled.names),
        "not_trusted": [{"n": n, "why": why} for n, why in bad.items()],
        "development": development_of(stages),
        "diagnostics": [] if ladder is None else diagnostics(ladder),
        "status": status,
        "provenance": provenance,
    }
    write_json(of.path / "summary.json", summary)
    along = coefficients is not None and coefficients.path is not None
    inputs = ReportInputs(
        title=_title(manifest),
        names=labeled.names,
        comparison=comparison,
        trajectory=found.get("training"),
        path=labeled.path,
        llc=coefficients.path if along else None,
        llc_estimate=coefficients.estimate if along else None,
        phase_llc={} if coefficients is None else _at_phases(coefficients),
        ladder=ladder,
        occupancy=None if occupancy is None else without(occupancy, bad),
        not_trusted=bad,
        draw_labels=None if labeled.labels is None else labeled.labels.label,
        exemplars=labeled.exemplars,
        stages=stages,
        essential=None if developed is None else developed.essential,
        refined={name: part.path for name, part in coefficients.refined.items()} if along else {},
        config=manifest["config"],
        provenance=provenance,
        status=_not_on_the_page(status),
    )
    return write_report(inputs, of.path)


def statuses(found: Outputs) -> dict[str, dict[str, int]]:
    """How often each status occurs: {"training": {"ok": 63, "diverged at step 10": 1}, "posterior": ...}; of learning
    coefficients, how often each flag."""
    counts = {}
    for stage in ("training", "posterior", "population"):
        output = found.get(stage)
        if output is not None:
            values, times = np.unique(output.status, return_counts=True)
            counts[stage] = dict(zip(values.tolist(), times.tolist(), strict=True))
    coefficients = found.get("llc")
    if coefficients is not None:
        estimates = {"llc": coefficients.estimate}
        estimates |= {f"llc of {name}": part.estimate for name, part in coefficients.refined.items()}
        for name, estimate in estimates.items():
            flags = (flag for status in estimate.status.tolist() for flag in flag_names(status) or (OK,))
            counts[name] = dict(Counter(flags))
    return counts


def diagnostics(ladder: Ladder) -> list[dict[str, Any]]:
    """For each n, each of the sampler's diagnostics as [min, median, max] over data sets and repeats."""

    def spread(values: np.ndarray) -> list[float] | None:
        finite = values[np.isfinite(values)]
        return [float(f(finite)) for f in (np.min, np.median, np.max)] if finite.size else None

    return [
        {"n": n, **{name: spread(values[:, i]) for name, values in ladder.info.items()}}
        for i, n in enumerate(ladder.sample_sizes.tolist())
    ]


def development_of(stages: tuple[SeedStages, ...]) -> dict[str, Any] | None:
    """What `summary.json` says of stages without a posterior; None where there are none."""
    if not stages:
        return None
    pooled = [dataclasses.asdict(boundary) for boundary in pool(stages)]
    seeds = [dataclasses.asdict(seed) for seed in stages]
    return {"headline": headline(stages), "boundaries": plain(pooled), "seeds": plain(seeds)}


def _at_phases(coefficients: llc.Output) -> dict[str, tuple[float, float, str]]:
    estimate = coefficients.estimate
    values = zip(estimate.llc.tolist(), estimate.error.tolist(), estimate.status.tolist(), strict=True)
    return dict(zip(coefficients.phases or (), values, strict=True)) if coefficients.phases else {}


def _provenance(manifest: Mapping[str, Any]) -> dict[str, Any]:
    options = {key: value for key, value in manifest["config"].items() if key not in ("name", "store")}
    return {
        **manifest["provenance"],
        "seed": manifest["config"]["seed"],
        "configuration_hash": digest(options),
        "run_hash": manifest["hash"],
        "started": manifest["started"],
        "seconds": {name: entry["seconds"] for name, entry in manifest["stages"].items()},
    }


def _not_on_the_page(status: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """In words, the failures of the posterior on the population loss, whose record the page does not read."""
    counts = status.get("population", {})
    failed = [
        f"{count} of {sum(counts.values())} posteriors: {what}"
        for what, count in counts.items()
        if what != OK
    ]
    return {"without data noise": "; ".join(failed)} if failed else {}


def _title(manifest: Mapping[str, Any]) -> str:
    model = manifest["config"]["model"]
    name = str(model.get("_target_", "model")).rpartition(".")[2]
    options = ", ".join(
        f"{k} = {v}" for k, v in model.items() if isinstance(v, int | float) and k != "_target_"
    )
    return f"{name}: {options}" if options else name
