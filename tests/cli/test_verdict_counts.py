"""What slt compare prints of a made-up sweep."""

import pytest

from slt.cli.verdict_counts import print_counts
from tests import fake_sweeps


@pytest.mark.parametrize("columns", [40, 80])
def test_counts_lose_nothing_on_a_narrow_terminal(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    made = fake_sweeps.entries()
    print_counts(fake_sweeps.table(made), made, "family", fake_sweeps.OPTIONS)
    told = capsys.readouterr().out
    assert told.startswith("48 runs: 43 done, 3 failed, 2 waiting\n")
    assert "…" not in told
    (line,) = [line for line in told.splitlines() if line.startswith("5-family -> 6-family  ")]
    assert line.split()[3:] == ["4", "12", "12", "15", "5"]
    assert "5-family -> 6-family by" in told
    assert told.count("without a result: ") == 5
