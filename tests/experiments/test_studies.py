"""Every study in its reduced form: it runs, and its verdict, numbers and figure are what the table will hold."""

import io
import json

import pytest
import yaml

from experiments import making
from experiments.finding import Finding
from slt.pipeline.stages import report


@pytest.fixture(autouse=True)
def no_page(monkeypatch):
    """The pages of runs have tests of their own; drawing them is a good part of a reduced study."""
    monkeypatch.setattr(report, "write_report", lambda inputs, out: [])


@pytest.mark.parametrize("name", making.names())
def test_a_reduced_study_ends_in_a_finding(name):
    study = making.load(name)
    found = study.study(reduced=True)
    json.dumps(found.data, allow_nan=False)
    assert found.data
    assert "\n" not in study.CLAIM
    assert study.SOURCE
    picture = io.BytesIO()
    found.figure.savefig(picture, format="png", dpi=40)
    axes = [ax for ax in found.figure.axes if ax.axison]
    assert any(ax.has_data() for ax in axes)
    assert found.figure.get_suptitle() or any(ax.get_title() or ax.get_title("left") for ax in axes)


@pytest.mark.parametrize("name", making.names())
def test_an_experiment_says_what_it_asks_and_what_was_found(name):
    text = (making.FOLDER / name / "README.md").read_text()
    for part in ("**Question.**", "**Claim.**", "**Found", "experiment"):
        assert part in text, part


@pytest.mark.parametrize("name", sorted(making.findings()))
def test_what_is_kept_of_a_study_belongs_to_it(name):
    kept, study = making.findings()[name], making.load(name)
    if making.state(name) == "current":  # an older one may word its claim otherwise
        assert kept["claim"] == study.CLAIM
        assert kept["source"] == study.SOURCE
    assert (making.FOLDER / name / "figure.png").stat().st_size > 1000
    assert f"[{name}](../experiments/{name}/README.md)" in making.TABLE.read_text()


def test_presets_of_experiments_hold_only_differences():
    for file in sorted((making.ROOT / "configs" / "experiment").glob("*.yaml")):
        options = yaml.safe_load(file.read_text())
        assert options["name"] == file.stem, file.name


@pytest.mark.parametrize(
    ("verdict", "numbers"), [("true", "3 of 4"), ("holds", "no number"), ("holds", "1\n2")]
)
def test_a_finding_of_another_kind_is_refused(verdict, numbers):
    with pytest.raises(ValueError, match=r"claim|one line"):
        Finding(verdict, numbers, None, {})
