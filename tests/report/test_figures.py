"""What the figures choose to show: colors, crossings, plateaus, draws, labels."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colors

from slt.models.drawing import Drawing
from slt.phases.exemplars import Exemplar, plateaus
from slt.posterior import diagnostics
from slt.records.phases import PhaseFacts, PhasePath
from slt.records.training import Trajectory
from slt.records.transitions import BayesianTransition, Prediction
from slt.report import crossings, figures_exemplars, figures_posterior, style, tables
from slt.report.figures_density import scalar_name
from slt.report.figures_phases import cell_text
from slt.report.figures_weights import choose_draws, corners, is_planar
from tests.report import fakes

# linear RGB as seen without one kind of cone: Viénot, Brettel and Mollon 1999
PROTAN = np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]])
DEUTAN = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])


def seen(color: str, eye: np.ndarray) -> np.ndarray:
    linear = np.array(colors.to_rgb(color)) ** 2.2
    return np.clip(eye @ linear, 0, 1) ** (1 / 2.2)


@pytest.mark.parametrize("eye", [np.eye(3), PROTAN, DEUTAN], ids=["all cones", "protan", "deutan"])
def test_phases_can_be_told_apart_by_color(eye):
    palette = style.palette(fakes.NAMES, fakes.comparison().phases)
    shades = {name: seen(palette[name], eye) for name in fakes.NAMES}
    for a, b in itertools.combinations(fakes.NAMES, 2):
        assert np.linalg.norm(shades[a] - shades[b]) > 0.12, (a, b)


def test_labels_can_be_read_on_white():
    palette = style.palette(fakes.NAMES, fakes.comparison().phases)
    for name in fakes.NAMES:
        red, green, blue = (channel**2.2 for channel in colors.to_rgb(palette.ink(name)))
        luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        assert 1.05 / (luminance + 0.05) > 4.5, name  # WCAG AA


def test_any_number_of_families_gets_its_own_color():
    facts = [PhaseFacts(f"p{i}", f"p{i}", 0.0, None, None, 0.0, "") for i in range(14)]
    palette = style.palette([fact.name for fact in facts] + ["other"], facts)
    assert len({palette[fact.name] for fact in facts}) == 14
    assert palette["other"] == palette["never heard of"] == style.OTHER


@given(st.lists(st.floats(0, 1), min_size=1, max_size=25), st.floats(0.01, 0.2))
def test_spread_labels_keep_their_order_and_their_distance(positions, gap):
    placed = np.array(style.spread(positions, gap, 0.0, 1.0))
    order = np.argsort(positions, kind="stable")
    room = min(gap, 1 / max(len(positions) - 1, 1))
    assert np.all(np.diff(placed[order]) >= room - 1e-9)
    assert placed.min() >= -1e-9
    assert placed.max() <= 1 + 1e-9


def test_labels_far_apart_stay_where_they_are():
    assert style.spread([0.9, 0.1, 0.5], 0.2, 0.0, 1.0) == [0.9, 0.1, 0.5]


@pytest.mark.parametrize("k", [4, 5, 6])
def test_polygons_align_whatever_their_turn_and_order(k):
    rng = np.random.default_rng(k)
    upright = None
    for _ in range(5):
        tips = 1.2 * np.exp(1j * (2 * np.pi * rng.permutation(k) / k + rng.uniform(0, 6.3)))
        weights = np.zeros((2, k + 1))
        weights[:, 1:] = tips.real, tips.imag
        found = corners(weights)
        assert found.shape == (k, 2)
        assert np.min(np.abs(found - [0, 1.2]).sum(axis=1)) < 1e-9  # one corner points up
        found = found[np.lexsort(np.round(found, 6).T)]
        upright = found if upright is None else upright
        assert found == pytest.approx(upright, abs=1e-9)


def test_a_plateau_is_the_middle_of_the_longest_stay_of_a_seed_that_did_not_fail():
    label = np.array([[2, 0, 0, 0, 1, 1, 1, 1, 1], [2, 0, 0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0, 0, 0]])
    steps = np.array([0, 1, 2, 4, 8, 16, 32, 64, 128])
    blank = np.zeros(label.shape)
    status = np.array(["ok", "ok", "diverged at step 1"])
    trajectory = Trajectory(steps, {}, blank, blank, {}, np.zeros(3), status)
    found = plateaus(trajectory, PhasePath(steps, label), phases=3)
    assert [(p.phase, p.seed, p.checkpoint) for p in found] == [(0, 1, 4), (1, 0, 6)]


def test_draws_are_chosen_by_weight_and_the_same_ones_every_time():
    with np.errstate(divide="ignore"):
        log_weights = np.log(np.array([[0.0, 0.9, 0.1], [0.0, 0.5, 0.5]]))
    log_weights[1, 2] = np.nan
    chosen = choose_draws(log_weights, 500)
    assert set(chosen) == {1, 2, 4}
    assert np.mean(chosen == 1) == pytest.approx(0.9 / 1.5, abs=0.08)
    assert np.array_equal(chosen, choose_draws(log_weights, 500))
    assert choose_draws(np.full((2, 3), np.nan), 5).size == 0


def test_shapes_decide_what_is_drawn():
    planar = {"W": np.zeros((3, 4, 2, 6)), "b": np.zeros((3, 4, 6))}
    assert is_planar(planar, 2)
    assert not is_planar({"W": np.zeros((3, 4, 3, 6)), "b": np.zeros((3, 4, 6))}, 2)
    assert not is_planar({"W": planar["W"]}, 2)
    assert scalar_name({"w": np.zeros((3, 4))}, 2) == scalar_name({"w": np.zeros((3, 4, 1))}, 2) == "w"
    assert scalar_name({"w": np.zeros((3, 4, 2))}, 2) is scalar_name(planar, 2) is None


def moved(source: str, target: str, n: float | None, *predictions: Prediction) -> BayesianTransition:
    return BayesianTransition(source, target, n, None, None, 1, 1, 0.5, 0.5, predictions)


def test_crossings_shown_are_those_where_mass_changes_hands():
    sample_sizes = np.array([10, 100, 1000])
    mean = np.array([[0.9, 0.1, 0.0], [0.48, 0.5, 0.02], [0.0, 0.1, 0.9]])
    names = ("a", "b", "c")
    empty = moved("a", "c", 120.0)  # both all but gone there
    late, early = moved("b", "c", 600.0), moved("a", "b", 95.0)
    predictions = moved("b", "a", None, Prediction("leading", 50.0))
    unknown = moved("c", "a", None, Prediction("leading", None, "λ is unknown"))
    shown = crossings.of_phases([empty, late, unknown, predictions, early], sample_sizes, mean, names)
    assert shown == [early, late, predictions]


def test_crossings_of_families_come_from_their_verdicts():
    found = crossings.of_families(fakes.comparison().verdicts)
    assert [(t.source, t.target, t.n) for t in found] == [
        ("4-family", "5-family", 98.0),
        ("5-family", "6", 446.0),
    ]


def test_words_of_a_crossing_with_every_prediction_fit_across_the_figure():
    levels = ("leading", "prior", "volume", "population")
    crossing = dataclasses.replace(
        moved("5-family", "6", 337.0, *(Prediction(level, 445.0) for level in levels)),
        n_low=175.0,
        n_high=453.0,
    )
    with style.look():
        fig = style.figure(2.0)
        ax = fig.subplots()
        style.n_axis(ax, np.array([20, 2000]))
        crossings.rows(ax, [crossing], style.palette(("5-family", "6", "other"), ()))
        fig.canvas.draw()
        (words,) = ax.texts
        assert "no noise" in words.get_text()
        assert words.get_window_extent().x1 <= fig.bbox.x1


def test_a_crossing_in_words():
    both = (Prediction("leading", 445.1), Prediction("prior", 601.0))
    crossing = dataclasses.replace(moved("5+", "6", 430.0, *both), n_low=350.0, n_high=550.0)
    assert crossings.describe(crossing) == (
        "5+ → 6: seen at 430 (350 to 550); predicted 445 leading, 601 prior"
    )
    assert crossings.describe(moved("a", "b", None, both[0])) == "a → b: not seen; predicted 445 leading"


def test_a_cell_counts_both_learners():
    texts = {(v.source, v.target): cell_text(v) for v in fakes.comparison().verdicts}
    assert texts["4++", "5"] == "SGD 55/63\nn ≈ 96"
    assert texts["4", "4+"] == "SGD 63/63\nn –"


def test_a_rung_that_is_not_trusted_is_named_and_not_drawn():
    inputs = fakes.full()
    n = int(inputs.occupancy.sample_sizes[-1])
    not_trusted = {n: "repeats disagree: a phase's share differs by ±0.41 between them"}
    inputs = dataclasses.replace(
        inputs, not_trusted=not_trusted, occupancy=diagnostics.without(inputs.occupancy, not_trusted)
    )
    palette = style.palette(inputs.names, inputs.comparison.phases)
    with style.look():
        for figure in (figures_posterior.occupancy, figures_posterior.free_energy):
            found = figure(inputs, palette)
            shown = [row for row in found.numbers.rows if row[0] == n]
            assert shown
            assert all(np.isnan(row[2]) for row in shown)
    (line,) = (line for line in tables.problems(inputs) if "trusted" in line)
    assert f"n = {n:,} is not trusted, and not drawn: repeats disagree" in line


def test_the_gallery_has_every_number_that_it_draws():
    drawings = [
        Drawing("bars", [1.0, -2.0], labels=("a", "b")),
        Drawing("curves", [[1.0, 2.0, 3.0]], x=[0.0, 0.5, 1.0], axes=("x", "f(x)")),
        Drawing("matrix", np.arange(6.0).reshape(2, 3)),
        Drawing("arrows", [[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]),
    ]
    exemplars = tuple(Exemplar("5", "theory", "", drawing) for drawing in drawings)
    inputs = dataclasses.replace(fakes.full(), exemplars=exemplars)
    with style.look():
        found = figures_exemplars.gallery(inputs, style.palette(inputs.names, inputs.comparison.phases))
    assert len(found.numbers.rows) == 2 + 3 + 6 + 6
    assert ("5", "theory", "", "b", 0, -2.0) in found.numbers.rows
    assert ("5", "theory", "", 0, 0.5, 2.0) in found.numbers.rows
    assert ("5", "theory", "", 1, 2, 5.0) in found.numbers.rows
    assert figures_exemplars.gallery(fakes.full(), style.palette(inputs.names, ())) is None
