"""A run's summary, figures and page, from its stored records alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slt.comparer.summary import plain, summary_of
from slt.config.validation import build
from slt.models.drawing import Drawing
from slt.phases.exemplars import Exemplar
from slt.pipeline.status import diagnostics, statuses
from slt.posterior.diagnostics import untrusted, without
from slt.records.base import OK, from_dataset
from slt.records.comparison import Comparison
from slt.records.llc import LLCEstimate, LLCPath
from slt.records.phases import Occupancy, PhaseFacts, PhasePath
from slt.records.posterior import Ladder
from slt.records.training import Trajectory
from slt.report.page import ReportInputs, write_report
from slt.storage.runs import Run
from slt.storage.store import Record, StoreError, digest, write_json
from slt.transitions.essential_dynamics import EssentialDynamics
from slt.transitions.stages import SeedStages, headline, pool


def rewrite_report(this: Run) -> list[Path]:
    """Make summary.json, report.html and the figures again, from stored records alone."""
    records = {stage: this.record(stage) for stage in this.manifest["stages"] if stage != "report"}
    if "comparison" not in records:
        raise StoreError(
            f"{this.path} has no comparison yet: it is {this.status}\nFinish it with the same slt run"
        )
    return _write_report(this, this.manifest, records)


def _write_report(this: Run, manifest: Mapping[str, Any], records: Mapping[str, Record]) -> list[Path]:
    comparison = build(records["comparison"].json("comparison"), Comparison)
    labeled = records["phases"]
    names = tuple(labeled.json("names"))
    facts = build(labeled.json("facts"), tuple[PhaseFacts, ...])
    occupancy = path = trajectory = ladder = labels = None
    if "training" in records:
        trajectory = from_dataset(Trajectory, records["training"].array("trajectory"))
        path = from_dataset(PhasePath, labeled.array("path"))
    if "posterior" in records:
        ladder = from_dataset(Ladder, records["posterior"].array("ladder"))
        occupancy = from_dataset(Occupancy, labeled.array("occupancy"))
        labels = labeled.array("labels")["label"].values
    llc: LLCPath | None = None
    llc_estimate: LLCEstimate | None = None
    measured: dict[str, tuple[float, float, str]] = {}
    if "llc" in records:
        record = records["llc"]
        if record.has("path"):
            llc = from_dataset(LLCPath, record.array("path"))
            llc_estimate = from_dataset(LLCEstimate, record.array("estimate"))
        else:
            found = record.array("estimate")
            values = (found[name].values.tolist() for name in ("llc", "error", "status"))
            measured = dict(zip(record.json("phases"), zip(*values, strict=True), strict=True))
    refined: dict[str, LLCPath] = {}
    if "llc" in records and records["llc"].has("refined"):
        for i, name in enumerate(records["llc"].json("refined")):
            refined[name] = from_dataset(LLCPath, records["llc"].array(f"path_{i}"))
    stages: tuple[SeedStages, ...] = ()
    moved: EssentialDynamics | None = None
    if "development" in records:
        stages = build(records["development"].json("stages"), tuple[SeedStages, ...])
        if records["development"].has("essential"):
            moved = from_dataset(EssentialDynamics, records["development"].array("essential"))
    if stages and not comparison.verdicts:  # of phases there is nothing to say
        comparison = dataclasses.replace(comparison, headline=headline(stages))
    status = statuses(records)
    provenance = {
        **manifest["provenance"],
        "seed": manifest["config"]["seed"],
        "configuration_hash": digest(
            {k: v for k, v in manifest["config"].items() if k not in ("name", "store")}
        ),
        "run_hash": manifest["hash"],
        "started": manifest["started"],
        "seconds": {name: entry["seconds"] for name, entry in manifest["stages"].items()},
    }
    doubted = {} if ladder is None or occupancy is None else untrusted(ladder, occupancy)
    summary = {
        **summary_of(facts, occupancy, comparison, names),
        "untrusted": [{"n": n, "why": why} for n, why in doubted.items()],
        "development": development_of(stages),
        "diagnostics": diagnostics(records),
        "status": status,
        "provenance": provenance,
    }
    write_json(this.path / "summary.json", summary)
    inputs = ReportInputs(
        title=_title(manifest),
        names=names,
        comparison=comparison,
        trajectory=trajectory,
        path=path,
        llc=llc,
        llc_estimate=llc_estimate,
        phase_llc=measured,
        ladder=ladder,
        occupancy=None if occupancy is None else without(occupancy, doubted),
        untrusted=doubted,
        draw_labels=labels,
        exemplars=_exemplars(labeled),
        stages=stages,
        essential=moved,
        refined=refined,
        config=manifest["config"],
        provenance=provenance,
        status=_unseen(status),
    )
    return write_report(inputs, this.path)


def development_of(stages: tuple[SeedStages, ...]) -> dict[str, Any] | None:
    """What `summary.json` says of stages without a posterior; None where there are none."""
    if not stages:
        return None
    pooled = [dataclasses.asdict(boundary) for boundary in pool(stages)]
    seeds = [dataclasses.asdict(seed) for seed in stages]
    return {"headline": headline(stages), "boundaries": plain(pooled), "seeds": plain(seeds)}


def _exemplars(labeled: Record) -> tuple[Exemplar, ...]:
    if not labeled.has("exemplars"):  # of an earlier version
        return ()
    return tuple(
        Exemplar(**{**item, "drawing": Drawing(**item["drawing"])}) for item in labeled.json("exemplars")
    )


def _unseen(status: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """In words, the failures of the ladder on the population loss, whose record the page does not read."""
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
