"""All that a report is made of: records, names, and what the run says of itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from slt.phases.exemplars import Exemplar
from slt.records.base import Array
from slt.records.comparison import Comparison
from slt.records.llc import LLCEstimate, LLCPath
from slt.records.phases import Occupancy, PhasePath
from slt.records.posterior import Ladder
from slt.records.training import Trajectory
from slt.transitions.essential_dynamics import EssentialDynamics
from slt.transitions.stages import SeedStages


@dataclasses.dataclass(frozen=True)
class ReportInputs:
    """What `slt.report.page.write_report` reads. Either branch may be absent (None).

    Attributes:
      title: what was run, in a few words.
      names: phase names by classifier index; the last is "other".
      comparison: facts of the phases, transitions, verdicts and the answer in words.
      trajectory, path: the SGD branch, both or neither.
      llc: learning coefficients along training.
      llc_estimate: the same with everything that the estimator recorded, points by seed and then by checkpoint.
      phase_llc: name of a phase -> estimate, standard error and status there, measured at its point.
      ladder: the posterior's draws; without it the parameters of draws are not drawn.
      occupancy: the posterior's mass by phase.
      untrusted: n of the rungs whose posteriors are not trusted -> why; `occupancy` has nothing of them.
      draw_labels: (dataset, n, repeat, draw) index into `names` of the ladder's draws, to color them by phase.
      exemplars: drawings of each phase, of a model that draws itself.
      stages: of each seed, in a run that has no posterior.
      essential: where the function of a model with a probe goes along training.
      refined: name -> coefficients of some of the weights or of the data.
      config: the resolved configuration (nested, of plain values).
      provenance: versions, seed, hash, device, seconds of each stage (nested, of plain values).
      status: stage -> "ok", or what went wrong.
    """

    title: str
    names: tuple[str, ...]
    comparison: Comparison
    trajectory: Trajectory | None = None
    path: PhasePath | None = None
    llc: LLCPath | None = None
    llc_estimate: LLCEstimate | None = None
    phase_llc: Mapping[str, tuple[float, float, str]] = dataclasses.field(default_factory=dict)
    ladder: Ladder | None = None
    occupancy: Occupancy | None = None
    untrusted: Mapping[int, str] = dataclasses.field(default_factory=dict)
    draw_labels: Array | None = None
    exemplars: tuple[Exemplar, ...] = ()
    stages: tuple[SeedStages, ...] = ()
    essential: EssentialDynamics | None = None
    refined: Mapping[str, LLCPath] = dataclasses.field(default_factory=dict)
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    status: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.trajectory is None) != (self.path is None):
            raise ValueError("a report needs a trajectory and its phase path together, or neither")
        if self.trajectory is not None and self.path is not None:
            _same("path.label", self.path.label.shape, "trajectory.loss", self.trajectory.loss.shape)
            self._known("path.label", self.path.label)
        if self.llc is not None:
            if self.path is None:
                raise ValueError("learning coefficients along training need a trajectory")
            missing = set(self.llc.steps.tolist()) - set(self.path.steps.tolist())
            _same("steps of the learning coefficients outside the trajectory's", missing, "none", set())
        if self.occupancy is not None:
            _same("phases in occupancy.share", self.occupancy.share.shape[-1], "names", len(self.names))
        if self.draw_labels is not None:
            if self.ladder is None:
                raise ValueError("draw_labels label the draws of a ladder, and there is no ladder")
            _same("draw_labels", self.draw_labels.shape, "ladder.log_weights", self.ladder.log_weights.shape)
            self._known("draw_labels", self.draw_labels)

    def _known(self, what: str, labels: Array) -> None:
        if labels.size and not 0 <= labels.min() <= labels.max() < len(self.names):
            raise ValueError(
                f"{what} holds a label outside 0..{len(self.names) - 1}: {len(self.names)} phase names"
            )


def _same(what: str, is_: object, other: str, should_be: object) -> None:
    if is_ != should_be:
        raise ValueError(f"{what} {is_} does not fit {other} {should_be}")
