"""What `slt compare` prints: how many runs gave which verdict on which pair, and what the verdicts depend on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from slt.comparer.config_diff import canonical, distinct, last_names, short
from slt.comparer.sensitivity import sensitivity
from slt.comparer.sweep import NEITHER, OUTCOMES, Entry, counts, outcome
from slt.records.comparison import VERDICTS

_MOST_PAIRS, _MOST_BROKEN_DOWN, _MOST_LISTED = 12, 2, 12
Rows = Sequence[Mapping[str, Any]]


def print_counts(table: Rows, entries: Sequence[Entry], level: str, options: Sequence[str]) -> None:
    """Print counts by pair and verdict, by option for the pairs that vary most, and the runs without a result.

    Args:
      table: of `slt.comparer.sweep.rows`, from `entries` and `options`.
      level: whose pairs are counted.
    """
    states = Counter(entry.status.partition(":")[0] for entry in entries)
    print(
        f"{len(entries)} run{'s' if len(entries) > 1 else ''}: "
        + ", ".join(f"{count} {state}" for state, count in states.most_common())
    )
    for option in options:
        values = distinct(row[option] for row in table)
        print(f"  {option}: {', '.join(short(value) for value in values.values())}")
    found = counts(table, level)
    print()
    if found:
        _print(_counted(found))
        if len(found) > _MOST_PAIRS:
            print(f"... and {len(found) - _MOST_PAIRS} more pairs, in the table")
    else:
        print("no pair of phases was judged in any run")
    varying = [pair for pair, by in found.items() if sum(by[name] > 0 for name in (*VERDICTS, NEITHER)) > 1]
    for pair in varying[:_MOST_BROKEN_DOWN] if options else []:
        print()
        _print(_by_option(table, level, pair, options))
    _without_result([entry for entry in entries if entry.summary is None])


def _counted(found: Mapping[tuple[str, str], Counter[str]]) -> Table:
    seen = [name for name in OUTCOMES if any(by[name] for by in found.values())]
    shown = _numbers(["runs"], seen)
    for pair, by in list(found.items())[:_MOST_PAIRS]:
        shown.add_row(" -> ".join(pair), *(str(by[name] or "") for name in seen))
    return shown


def _by_option(table: Rows, level: str, pair: tuple[str, str], options: Sequence[str]) -> Table:
    """One pair's outcomes at each value of each option, the option that changes them most first."""
    own = [row for row in table if (row["level"], row["from"], row["to"]) == (level, *pair)]
    seen = [name for name in OUTCOMES if any(outcome(row) == name for row in own)]
    strength = sensitivity(own, level, options)
    shown = _numbers([f"{' -> '.join(pair)} by", ""], seen)
    called = last_names(options)
    for option in sorted(options, key=lambda option: -strength[option]):
        for i, (key, value) in enumerate(distinct(row[option] for row in own).items()):
            by = Counter(outcome(row) for row in own if canonical(row[option]) == key)
            shown.add_row("" if i else called[option], short(value), *(str(by[name] or "") for name in seen))
    return shown


def _numbers(names: Sequence[str], outcomes: Sequence[str]) -> Table:
    """An empty table for names and, right of them, counts by outcome."""
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        shown.add_column(name, no_wrap=True)
    for name in outcomes:
        head, _, last = name.rpartition(" ")
        shown.add_column(
            f"{head}\n{last}" if head else last, justify="right", no_wrap=True, vertical="bottom"
        )
    return shown


def _print(shown: Table) -> None:
    """On a terminal too narrow for it a table is broken by the terminal, and loses nothing."""
    console = Console()
    needed = Measurement.get(console, console.options.update(max_width=1000), shown).maximum
    Console(width=max(console.width, needed)).print(shown)


def _without_result(entries: Sequence[Entry]) -> None:
    if entries:
        print()
    for entry in entries[:_MOST_LISTED]:
        options = " ".join(f"{name}={short(value)}" for name, value in entry.options.items())
        who = " ".join(word for word in (entry.run, options) if word)
        print(f"without a result: {who}: {entry.status}")
    if len(entries) > _MOST_LISTED:
        print(f"... and {len(entries) - _MOST_LISTED} more, in the table")
