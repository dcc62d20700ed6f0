"""The rules of the two studies of regression in context, on made-up numbers and on those that are kept."""

from types import SimpleNamespace

import numpy as np
import pytest

from experiments import in_context, making
from experiments.icl_stages.study import measured as stages
from experiments.ridge_retreat.study import measured as distances
from experiments.ridge_retreat.study import smooth
from slt.models.icl_linear_regression import ICLLinearRegression
from tests.experiments.stand_ins import figures

KNOWN = in_context.References(
    silent=np.full(4, 4.0), best=np.full(4, 2.0), ridge=np.array([4.0, 2.0, 1.0, 0.5])
)
STEPS = np.array([0, 10, 100, 1000, 10_000])


def course(reading=-0.75, lowest=-1.6, swapped=False):
    """Two seeds that fall silent at 10, read at 100, regress at 1,000; ridge's in-context score is -1.5."""
    score = [0.5, 0.0, reading, lowest, -1.5]
    over = [9.0, 8.0, 5.0, 1.5, 1.2]
    second = [9.0, 8.0, 1.5, 1.5, 1.2] if swapped else over
    seen = {
        "error": [5.0, 4.2, 3.0, 2.0, 2.0],
        "in_context": score,
        "error_far": [9.0] * 5,
        "to_ridge": [1.0] * 5,
    }
    return {name: np.array([curve, curve]) for name, curve in seen.items()} | {
        "last_over_ridge": np.array([over, second])
    }


@pytest.mark.parametrize(
    ("seen", "deep", "verdict"),
    [
        (course(), 1.1, "holds"),
        (course(), 1.11, "mixed"),
        (course(reading=-0.74), 1.1, "mixed"),  # it reads and regresses at the same checkpoint
        (course(swapped=True), 1.1, "mixed"),  # one seed regresses as soon as it reads
        (course(lowest=-1.57), 1.1, "mixed"),
        (course(swapped=True, lowest=-1.57), 1.11, "fails"),
    ],
)
def test_stages_are_judged_by_their_order_and_their_end(seen, deep, verdict):
    ends = {"long": 1.3, "deep": deep}  # the longer training has no say
    data = stages(STEPS, seen, KNOWN) | {
        name: {"step": [0, 10**6], "last_over_ridge": [9.0, end]} for name, end in ends.items()
    }
    assert making.load("icl_stages").judged(data)[0] == verdict
    assert data["begins"]["silence"] == [10, 10]


def rows(*kinds):
    """One M for each kind: of its three seeds, how many retreat, and how many are nearer to ridge before."""
    made = []
    for tasks, (retreating, nearer) in zip((8, 16, 64), kinds, strict=True):
        seed = np.arange(3)
        end = np.where(seed < retreating, 0.116, 0.114)
        made.append(
            {
                "tasks": tasks,
                "to_ridge, then": [0.1] * 3,
                "to_ridge, end": end.tolist(),
                "to_dmmse, then": np.where(seed < nearer, 0.11, 0.09).tolist(),
                "to_dmmse, end": [0.08] * 3,
            }
        )
    return made


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (rows((0, 0), (2, 2), (1, 3)), "holds"),
        (rows((3, 1), (2, 1), (0, 3)), "mixed"),  # never nearer to ridge than to dMMSE
        (rows((0, 0), (2, 2), (2, 2)), "mixed"),  # at the largest M as well
        (rows((1, 3), (1, 3), (0, 3)), "fails"),
    ],
)
def test_a_retreat_is_of_most_seeds_from_ridge_and_not_at_every_number_of_tasks(given, verdict):
    assert making.load("ridge_retreat").judged(given)[0] == verdict


def test_a_seed_that_leaves_ridge_for_nothing_better_does_not_retreat():
    given = rows((0, 0), (3, 3), (0, 0))
    given[1]["to_dmmse, end"] = [0.12] * 3
    assert making.load("ridge_retreat").judged(given)[0] == "fails"


def test_distances_are_read_off_running_medians():
    ridge = np.array([[0.9, 0.5, 0.01, 0.3, 0.2, 0.4, 0.6, 0.5]])
    assert smooth(ridge).tolist() == [[0.5, 0.3, 0.2, 0.3, 0.4, 0.5]]
    seen = {"to_ridge": ridge, "to_dmmse": ridge[:, ::-1]}
    model = ICLLinearRegression(dimension=2, length=3, tasks=2, width=4, heads=2, layers=1, neurons=0)
    row = distances(model, SimpleNamespace(observables=seen, steps=np.arange(8)))
    assert row["step of the minimum"] == [3]
    assert (row["to_ridge, then"], row["to_ridge, end"]) == ([0.2], [0.5])
    assert (row["to_dmmse, then"], row["to_dmmse, end"]) == ([0.3], [0.5])
    assert row["ridge to dMMSE"] > 0


@pytest.mark.parametrize("name", sorted({"icl_stages", "ridge_retreat"} & set(making.findings())))
def test_a_kept_verdict_follows_from_the_data_kept_with_it(name):
    kept = making.findings()[name]
    data = kept["data"] if name == "icl_stages" else kept["data"]["runs"]
    verdict, numbers = making.load(name).judged(data)
    assert verdict == kept["verdict"]
    assert figures(numbers) == figures(kept["numbers"])
