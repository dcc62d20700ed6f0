"""The experiment that slt exists for, reduced: superposition learned by SGD and by the posterior, compared."""

import json
import re

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

import slt
from slt.models.superposition import Superposition
from slt.phases import classification, discovery
from slt.phases.families import families
from slt.pipeline.outputs import outputs

SMALL = (
    "training.seeds=48",
    "training.steps=60000",
    "data.datasets=4",
    "posterior.sample_sizes=[100,200,300,400,600,1000]",
    "posterior.sampler.particles=384",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return slt.run(SMALL, store=tmp_path_factory.mktemp("store"), progress=False)


def test_the_posterior_makes_five_to_six_and_sgd_does_not(run):
    verdicts = {(row["from"], row["to"]): row for row in run.summary["comparison"]}
    for pair in (("5", "6"), ("5-family", "6")):
        assert verdicts[pair]["verdict"] == "bayesian only"
        evidence = verdicts[pair]["evidence"]
        assert evidence["at_risk"] >= 36
        assert evidence["share_high"] < 0.1
        assert 200 < evidence["n"] < 600
    assert "5-family -> 6" in run.summary["headline"]


def test_the_crossing_stands_beside_both_predictions(run):
    (five_to_six,) = (row for row in run.summary["bayesian"] if (row["from"], row["to"]) == ("5", "6"))
    predicted = {row["approximation"]: row["n"] for row in five_to_six["predictions"]}
    assert predicted["prior"] == pytest.approx(601.0, abs=0.05)
    assert predicted["leading"] == pytest.approx(445.1, abs=0.1)


def test_sgd_falls_to_the_pentagon_and_the_posterior_goes_on_to_the_hexagon(run):
    last = run.records["path"]["label"].values[:, -1]
    names = [phase["name"] for phase in run.summary["phases"]]
    assert (last == names.index("5+")).mean() > 0.5
    assert not (last == names.index("6")).any()
    shares = run.summary["occupancy"]
    assert shares[-1]["share"]["6"] > 0.9
    assert shares[1]["share"]["5"] > shares[1]["share"]["6"]


def test_clustering_finds_the_families_that_the_classifier_knows(run):
    """Labels hidden: of what the classifier calls a k-gon, and clustering a phase, they say the same."""
    stored = outputs(run)
    found = discovery.find(Superposition(), stored.get("training"), stored.get("posterior"))
    facts = classification.phase_facts(Superposition())
    _, family = families(facts)
    labeled = stored.get("phases")
    known = np.concatenate([labels.label.ravel() for labels in (labeled.labels, labeled.path)])
    clustered = np.concatenate([found.draws.ravel(), found.path.label.ravel()])
    sure = known < len(facts)
    placed = sure & (clustered < len(found.facts))
    assert placed.sum() > 0.85 * sure.sum()
    assert adjusted_rand_score(family[known[placed]], clustered[placed]) > 0.9


def test_report_and_summary_are_whole(run):
    page = (run.path / "report.html").read_text()
    assert "5-family → 6 (at n =" in re.sub(r"<[^>]+>", "", page)
    assert {"loss.png", "occupancy.png", "weights.png", "verdicts.png", "free_energy.png"} <= {
        file.name for file in (run.path / "figures").iterdir()
    }
    json.loads((run.path / "summary.json").read_text(), parse_constant=pytest.fail)
    assert {"posterior", "population"} <= run.summary["status"].keys()
    assert run.status == "done"
