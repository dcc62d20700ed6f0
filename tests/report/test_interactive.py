"""The page's data block, its script, the rule that lets that alone run, and the figures' files."""

import base64
import csv
import dataclasses
import gzip
import hashlib
import html
import io
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from slt.report import interactive, style
from slt.report.explorer import chosen_seeds, drawing, explorer
from slt.report.figures_weights import corners
from slt.report.markup import TEMPLATES
from slt.report.page import draw, page, write_report
from slt.report.summaries import estimate, evenly, posterior_loss, sgd_shares, units
from slt.storage.files import write_bytes
from tests.report import fakes

BREAKOUT = "</script><script>alert(1)</script><!-- <script>"


def data_of(inputs) -> dict:
    return explorer(inputs, style.palette(inputs.names, inputs.comparison.phases))


def blocks(text: str) -> list[str]:
    """What a browser takes as the contents of the page's scripts: everything up to the first end tag."""
    return re.findall(r"<script[^>]*>(.*?)</script", text, re.DOTALL | re.IGNORECASE)


@pytest.fixture(scope="module")
def report(full, tmp_path_factory):
    """The files of the full page, the page first."""
    return write_report(full, tmp_path_factory.mktemp("report"))


def test_the_data_block_is_whole_whatever_the_records_say(full, tmp_path):
    names = (BREAKOUT, *full.names[1:])
    status = full.trajectory.status.astype("U200")
    status[3] = BREAKOUT
    trajectory = dataclasses.replace(full.trajectory, status=status)
    evil = dataclasses.replace(full, names=names, trajectory=trajectory)
    text = page(evil, style.palette(names, ()), [])
    block, script = blocks(text)
    assert "<" not in block
    assert script == interactive.SCRIPT
    data = json.loads(block, parse_constant=pytest.fail)  # no NaN, no Infinity
    assert data["phases"][0]["name"] == BREAKOUT


def test_only_the_script_of_the_page_may_run(report):
    text = report[0].read_text(encoding="utf-8")
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1])
    _, script = blocks(text)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"


def test_the_script_cannot_end_early_reaches_nowhere_and_makes_no_markup():
    assert not re.search(r"</script|<!--", interactive.SCRIPT, re.IGNORECASE)
    outside = (
        r"\b(fetch|XMLHttpRequest|WebSocket|import|eval|Function|innerHTML|outerHTML|insertAdjacentHTML)\b"
    )
    assert not re.search(outside, interactive.SCRIPT)
    assert set(re.findall(r"https?://[^\"]*", interactive.SCRIPT)) == {"http://www.w3.org/2000/svg"}


def test_shares_and_losses_are_those_of_the_records(full):
    data = data_of(full)
    sgd, posterior = data["sgd"], data["posterior"]
    assert sgd["steps"] == full.trajectory.steps.tolist()
    expected = sgd_shares(full.trajectory, full.path, len(full.names)).T
    assert np.array(sgd["shares"]) == pytest.approx(expected, rel=1e-3)
    for seed in sgd["seeds"]:
        assert np.array(seed["loss"]) == pytest.approx(
            full.trajectory.population_loss[seed["seed"]], rel=1e-3
        )
        assert seed["phase"] == full.path.label[seed["seed"]].tolist()
    share, error = estimate(units(full.occupancy.share))
    assert np.array(posterior["shares"]) == pytest.approx(share.T, rel=1e-3)
    assert np.array(posterior["errors"]) == pytest.approx(error.T, rel=1e-3)
    assert posterior["sample_sizes"] == full.occupancy.sample_sizes.tolist()
    assert np.array(posterior["loss"]) == pytest.approx(
        full.ladder.loss.mean(axis=(0, 2, 3)), rel=1e-3
    )  # equal weights


def test_weights_are_columns_with_their_biases_and_draws_are_corners(full):
    data = data_of(full)
    seed = data["sgd"]["seeds"][0]
    columns = np.array(seed["params"][50]).reshape(6, 3)
    at = (seed["seed"], 50)
    assert pytest.approx(full.trajectory.params["W"][at], rel=1e-3) == columns[:, :2].T
    assert columns[:, 2] == pytest.approx(full.trajectory.params["b"][at], rel=1e-3)
    for drawn in data["posterior"]["draws"][-1]:
        ring = np.array(drawn["at"]).reshape(-1, 2)
        angles = np.arctan2(ring[:, 1], ring[:, 0])
        assert np.all(np.diff(angles) > 0)  # as `corners` orders them
        assert len(ring) == len(corners(ring.T))


def test_a_ladder_of_weighted_draws_has_the_weighted_mean_of_the_loss(two_bumps):
    ladder = two_bumps.ladder
    expected = (np.exp(ladder.log_weights) * ladder.loss).sum(axis=-1)
    assert posterior_loss(ladder) == pytest.approx(expected)
    unknown = dataclasses.replace(ladder, log_weights=np.full_like(ladder.log_weights, np.nan))
    assert np.isnan(posterior_loss(unknown)).all()


def test_shapes_decide_how_parameters_are_drawn(full, two_bumps):
    assert drawing(full.trajectory.params, 2) == "polygon"
    assert drawing(two_bumps.ladder.draws, 4) == "points"
    assert drawing({"a": np.zeros((3, 4)), "b": np.zeros((3, 4, 1))}, 2) == "points"
    assert drawing({"w": np.zeros((3, 4, 3))}, 2) is None
    points = data_of(two_bumps)["sgd"]
    assert points["axes"] == ["w"]
    assert points["seeds"][0]["params"][0] == [
        pytest.approx(two_bumps.trajectory.params["w"][0, 0], rel=1e-3)
    ]


def test_a_long_run_of_many_seeds_is_evenly(full):
    trajectory, path = fakes.training(seeds=150, checkpoints=420)
    data = data_of(dataclasses.replace(full, trajectory=trajectory, path=path))["sgd"]
    assert len(data["steps"]) == 200
    assert data["steps"][0] == 0
    assert data["steps"][-1] == trajectory.steps[-1]
    assert len(data["seeds"]) == 16
    assert data["seed_count"] == 149
    assert len(json.dumps(data)) < 2_000_000
    assert evenly(5, 200).tolist() == [0, 1, 2, 3, 4]
    assert evenly(1, 200).tolist() == [0]


def test_seeds_to_choose_from_show_every_ending_and_none_that_failed(full):
    chosen = chosen_seeds(full.trajectory, full.path, 8)
    assert len(chosen) == len(set(chosen)) == 8
    assert 5 not in chosen  # it diverged
    sound = full.trajectory.status == "ok"
    assert set(full.path.label[chosen, -1]) == set(full.path.label[sound, -1])
    commonest = np.bincount(full.path.label[sound, -1]).argmax()
    assert full.path.label[chosen[0], -1] == commonest


def test_nothing_known_is_null_and_still_a_page(full):
    nan = {name: np.full_like(value, np.nan) for name, value in full.trajectory.params.items()}
    blank = np.full_like(full.trajectory.loss, np.nan)
    trajectory = dataclasses.replace(
        full.trajectory, params=nan, loss=blank, population_loss=blank, status=np.full(64, "diverged")
    )
    data = data_of(dataclasses.replace(full, trajectory=trajectory))
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert set(data["sgd"]["seeds"][0]["loss"]) == {None}
    assert data_of(fakes.training_only())["posterior"] is None
    assert TEMPLATES.get_template("interactive.html").module.frame(None, None) == ""


def test_every_figure_is_in_the_page_as_svg_and_as_numbers(report):
    path, *files = report
    assert path.stat().st_size < 3_000_000
    packed = json.loads(blocks(path.read_text(encoding="utf-8"))[0])["files"]
    beside = {file.name: file.read_bytes() for file in files if file.suffix != ".png"}
    assert {name: gzip.decompress(base64.b64decode(text)) for name, text in packed.items()} == beside
    for name, content in beside.items():
        if name.endswith(".svg"):
            assert ET.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"
            assert b"<dc:date>" not in content
            assert not re.search(rb'href="(?!#)', content)  # nothing from outside
        else:
            rows = list(csv.reader(io.StringIO(content.decode())))
            assert len(rows) > 1
            assert {len(row) for row in rows} == {len(rows[0])}


def test_numbers_behind_the_figures_are_those_of_the_records(full):
    palette = style.palette(full.names, full.comparison.phases)
    tables = {report_figure.name: report_figure.numbers for report_figure in draw(full, palette)}
    loss = {(row[0], row[1]): row for row in tables["loss"].rows}
    for seed, i in ((0, 0), (10, 40), (63, 89)):
        row = loss[seed, full.trajectory.steps[i]]
        assert row[2] == full.trajectory.population_loss[seed, i]
        assert row[3] == full.names[full.path.label[seed, i]]
    share, error = estimate(units(full.occupancy.share))
    n_index, phase = 7, 4
    (row,) = [
        r
        for r in tables["occupancy"].rows
        if r[:2] == (full.occupancy.sample_sizes[n_index], full.names[phase])
    ]
    assert row[2:] == (share[n_index, phase], error[n_index, phase])
    assert {row[:4] for row in tables["verdicts"].rows} >= {("family", "4-family", "5-family", "both")}
    text = tables["loss"].csv().decode()
    assert text.splitlines()[0] == 'seed,step,"population loss, nats",phase,status'
    assert "nan" not in text.replace("finite", "")


def test_a_page_that_cannot_be_finished_leaves_the_old_one(two_bumps, tmp_path, monkeypatch):
    path = write_report(two_bumps, tmp_path)[0]
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space"):
        write_report(dataclasses.replace(two_bumps, title="another"), tmp_path)
    assert path.read_bytes() == before
    assert not list(tmp_path.rglob(".*"))  # no half-written file either


def test_bytes_replace_a_file_in_one_step(tmp_path):
    path = tmp_path / "a"
    write_bytes(path, b"\x89\x00")
    assert path.read_bytes() == b"\x89\x00"
