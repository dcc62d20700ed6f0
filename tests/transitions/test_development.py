"""A small transformer through the whole pipeline: stages, refined coefficients, essential dynamics, the page."""

import numpy as np
import pytest

import slt
from slt.config.composition import compose
from slt.config.derived import llc_parts
from slt.config.schema import experiment
from slt.pipeline.outputs import outputs
from slt.transitions.essential_dynamics import COMPONENTS

TINY = (
    "model=induction",
    "model={vocabulary: 6, length: 8, width: 8, heads: 2, layers: 1, population: 16}",
    "optimizer=adam",
    "data=null",
    "posterior=null",
    "training={n: null, seeds: 2, steps: 60, batch_size: 8, checkpoints: 12, optimizer: {learning_rate: 0.01}}",
    "llc=minibatch",
    "llc.checkpoints=3",
    "llc.estimator={nbeta: 5, chains: 2, batch: 8, control_variate_size: 64, burn_in: 16, draws: 16, traces: 8, "
    "step_size: 0.1, localization: 10}",
    "+llc.refined.first={weights: [layer_0.head_1]}",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return slt.run([*TINY], store=tmp_path_factory.mktemp("store"), progress=False)


def test_the_whole_and_its_parts_are_measured_with_one_calibration(run):
    llc = outputs(run).get("llc")
    assert list(llc.refined) == ["first"]
    assert sum(run.summary["status"]["llc of first"].values()) >= 6  # every estimate has a flag, or is ok
    paths = [part.path for part in (llc, llc.refined["first"])]
    assert {path.llc.shape for path in paths} == {(2, 3)}
    assert paths[0].steps.tolist() == paths[1].steps.tolist()
    settings = {
        (part.estimate.info["step_size"][0], part.estimate.info["localization"][0])
        for part in (llc, llc.refined["first"])
    }
    assert len(settings) == 1
    every, first = (part.estimate.info["fisher_trace"] for part in (llc, llc.refined["first"]))
    assert np.all(first < every)  # fewer weights


def test_a_slice_of_the_data_is_another_models_losses():
    copies = [*TINY, "+llc.refined.copies={slice: copy}"]
    parts = llc_parts(experiment(compose(copies))[0])
    model, weights = parts["copies"]
    assert (model.slice, weights) == ("copy", ())
    assert parts[""][0].slice == "all"
    assert parts["first"] == (parts[""][0], ("layer_0.head_1",))


def test_a_run_without_a_posterior_has_stages_and_a_plane(run):
    told = run.summary["development"]
    assert run.summary["headline"] == told["headline"]
    assert "seeds go through" in told["headline"]
    assert [seed["seed"] for seed in told["seeds"]] == [0, 1]
    moved = outputs(run).get("development").essential
    assert moved.score.shape == (2, len(moved.steps), COMPONENTS)
    assert 0.5 < moved.explained.sum() <= 1 + 1e-9


def test_the_page_shows_them(run):
    page = (run.path / "report.html").read_text()
    for title in ("Stages of learning", "Refined learning coefficients", "Where the function goes"):
        assert title in page
    assert "what the formula predicts" in page
    for name in ("stages", "llc_refined", "essential"):
        assert (run.path / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
