"""A sweep's verdicts as files: what the table keeps and what the figure shows."""

import pyarrow.csv
import pyarrow.parquet
import pytest

from slt.comparer.sweep import Entry, rows
from slt.report import style
from slt.report.figures_sweep import draw, write_figure
from slt.report.sweep_table import to_arrow, write_table
from slt.report.verdict_style import VERDICT_COLORS
from tests import fake_sweeps


def drawn(table, options):
    with style.look():
        fig = draw(table, "family", options)
        style.png(fig)
    return fig


def test_parquet_and_csv_hold_every_row_and_options_keep_their_types(tmp_path):
    table = fake_sweeps.table()
    write_table(table, fake_sweeps.OPTIONS, tmp_path)
    read = pyarrow.parquet.read_table(tmp_path / "verdicts.parquet")
    assert read.num_rows == len(table) == pyarrow.csv.read_csv(tmp_path / "verdicts.csv").num_rows
    assert read.to_pylist() == table
    assert str(read.schema.field("training.batch_size").type) == "int64"
    assert str(read.schema.field("training.optimizer.learning_rate").type) == "double"


def test_options_of_several_types_and_lists_become_json_text():
    made = [
        Entry(str(i), "waiting", {"o": value, "sample_sizes": [1, 2], "m": number}, None)
        for i, (value, number) in enumerate([(1, 1), ("a", 2.5), (None, None)])
    ]
    arrow = to_arrow(rows(made, ["o", "sample_sizes", "m"]), ["o", "sample_sizes", "m"])
    assert arrow["o"].to_pylist() == ["1", '"a"', None]
    assert arrow["sample_sizes"].to_pylist() == ["[1, 2]"] * 3
    assert arrow["m"].to_pylist() == [1.0, 2.5, None]


def test_a_panel_for_each_pair_the_most_telling_first():
    fig = drawn(fake_sweeps.table(), fake_sweeps.OPTIONS)
    shown = [ax.texts[-1].get_text() for ax in fig.axes if ax.get_visible()]
    assert shown[0] == "5-family → 6-family"
    assert {ax.get_xlabel() for ax in fig.axes} <= {"batch_size", "learning_rate"}
    assert "differ in features" in fig.get_suptitle()


def test_a_cell_is_split_by_verdict_with_counts():
    made = [
        Entry(f"{seed}-{b}-{r}", "done", {"seed": seed, "b": b, "r": r}, fake_sweeps.summary(6, b, r))
        for seed, b, r in [(0, 10, 0.005), (1, 10, 0.005), (0, 10, 0.02), (0, 300, 0.02), (0, 300, 0.005)]
    ]
    made[1] = Entry("1-10", "failed: x", made[1].options, None)
    fig = drawn(rows(made, ["seed", "b", "r"]), ["seed", "b", "r"])
    ax = fig.axes[0]
    numbers = [text.get_text() for text in ax.texts if text.get_text().isdigit()]
    assert numbers == ["1", "1"]  # the only cell of two runs: one judged, one failed
    assert sum(bool(patch.get_hatch()) for patch in ax.patches) == 1


@pytest.mark.parametrize("options", [[], ["model.features"]])
def test_with_one_option_or_none_pairs_are_rows(options):
    made = fake_sweeps.entries(batches=(100,), rates=(0.005,))
    made = [Entry(e.run, e.status, {k: e.options[k] for k in options}, e.summary) for e in made]
    fig = drawn(rows(made, options), options)
    (ax,) = fig.axes
    assert "5-family → 6-family" in [label.get_text() for label in ax.get_yticklabels()]
    assert len(ax.get_xticks()) == (3 if options else 1)


def test_verdicts_keep_their_colors_and_files_their_bytes(tmp_path):
    table = fake_sweeps.table()
    first = [path.read_bytes() for path in write_figure(table, "family", fake_sweeps.OPTIONS, tmp_path)]
    again = [path.read_bytes() for path in write_figure(table, "family", fake_sweeps.OPTIONS, tmp_path)]
    assert first == again
    assert VERDICT_COLORS["bayesian only"][0].encode() in first[1]
