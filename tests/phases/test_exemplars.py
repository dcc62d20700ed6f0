"""Drawings of phases: whose parameter stands for a phase, and that drawing one anew retrains nothing."""

import importlib
import sys
import textwrap

import numpy as np
import pytest

from scripts.linear_gaussian import LinearGaussian
from slt.models.base import Phase
from slt.models.drawing import Drawing
from slt.phases.exemplars import exemplars
from slt.pipeline.plan import planned
from slt.pipeline.stage import Plan
from slt.pipeline.stages import phases
from slt.records.phases import PhasePath
from slt.records.posterior import Ladder
from slt.records.training import Trajectory
from slt.storage.code_version import code_version

NAMES = ["left", "right", "other"]


class Line(LinearGaussian):
    def phases(self):
        return tuple(Phase(name, {"w": np.array([at])}, 0.0) for name, at in (("left", -1.0), ("right", 1.0)))


class Shown(Line):
    def drawing(self, w):
        return Drawing("bars", w["w"].reshape(-1), labels=("w",))


def trajectory_and_path():
    steps = np.array([0, 1, 10, 100, 1000])
    label = np.array([[0, 0, 2, 1, 1], [0, 0, 0, 0, 1]])
    w = 10.0 * np.arange(2)[:, None] + np.arange(5)
    nan = np.full(w.shape, np.nan)
    trajectory = Trajectory(
        steps=steps,
        params={"w": w},
        loss=nan,
        population_loss=w,
        observables={},
        status=np.array(["ok", "ok"]),
        dataset=np.zeros(2, int),
    )
    return trajectory, PhasePath(steps, label)


def ladder_and_labels():
    """One data set, two sample sizes, one repeat, three draws: "right" has most of the second sample size."""
    shape = (1, 2, 1, 3)
    labels = np.array([0, 0, 1, 0, 1, 1]).reshape(shape)
    w = np.array([-3.0, -2.0, 2.0, -1.0, 5.0, 4.0]).reshape(shape)
    weights = np.log(np.array([0.5, 0.4, 0.1, 0.2, 0.4, 0.4])).reshape(shape)
    loss = np.array([0.3, 0.1, 0.0, 0.1, 0.4, 0.2]).reshape(shape)
    empty = np.zeros(shape[:3])
    ladder = Ladder(np.array([10, 20]), {"w": w}, weights, loss, empty, {}, np.full(shape[:3], "ok"))
    return ladder, labels


def test_each_phase_is_shown_by_theory_by_sgd_and_by_the_posterior():
    model = Shown()
    found = exemplars(model, NAMES, *trajectory_and_path(), *ladder_and_labels())
    shown = {(p.phase, p.whose): (p.where, float(p.drawing.values[0])) for p in found}
    assert shown["left", "SGD"] == ("t = 1", 11.0)  # of the longest stay, that of seed 1, the middle
    assert shown["right", "SGD"] == ("t = 100", 3.0)
    assert shown["left", "posterior"] == ("n = 10", -2.0)  # lowest loss where "left" has most
    assert shown["right", "posterior"] == ("n = 20", 4.0)
    for phase in model.phases():
        assert shown[phase.name, "theory"][1] == pytest.approx(phase.point["w"][0])


def test_a_model_that_does_not_draw_itself_has_no_exemplars():
    assert exemplars(Line(), NAMES, *trajectory_and_path(), *ladder_and_labels()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "pie", "values": [1.0]},
        {"kind": "bars", "values": [[1.0]]},
        {"kind": "arrows", "values": [[1.0, 2.0, 3.0]]},
        {"kind": "curves", "values": [[1.0, 2.0]], "x": [1.0]},
        {"kind": "bars", "values": [1.0, 2.0], "labels": ("one",)},
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong):
    with pytest.raises(ValueError, match=r"drawing|drawn|fit"):
        Drawing(**wrong)


def test_another_picture_is_no_reason_to_train_again(tmp_path, monkeypatch):
    """The version of a model's code leaves its drawing out; that of its exemplars does not."""
    text = """
        from scripts.linear_gaussian import LinearGaussian
        SCALE = {scale}

        class Mine(LinearGaussian):
            def drawing(self, w):
                from slt.models.drawing import Drawing
                return Drawing("bars", [{drawn}])
    """

    def versions(**options):
        (tmp_path / "mine_drawn.py").write_text(textwrap.dedent(text.format(**options)))
        importlib.invalidate_caches()
        sys.modules.pop("mine_drawn", None)
        model = importlib.import_module("mine_drawn").Mine()
        import linecache

        linecache.checkcache()
        return code_version(["mine_drawn"]), planned(
            phases, Plan({"model": model}, (), "", drawings=True), {}
        ).recipe.code

    monkeypatch.syspath_prepend(tmp_path)
    code, labeled = versions(scale=1, drawn=1.0)
    same, redrawn = versions(scale=1, drawn=2.25)
    assert same == code
    assert redrawn != labeled
    assert versions(scale=20, drawn=1.0)[0] != code
