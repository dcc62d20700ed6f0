"""Which of a sweep's options change its verdicts?

Take every two runs that differ in one option and agree in all others: the share of verdicts on which they
differ is the option's sensitivity. That of a seed is the noise to compare all others with. Where no two runs differ
in one option alone, because options were changed together, the pairs of runs that differ in the fewest take their
place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from slt.comparer.config_diff import canonical
from slt.comparer.sweep import NEITHER, OUTCOMES, outcome
from slt.records.base import Array
from slt.records.comparison import VERDICTS


def sensitivity(table: Sequence[Mapping[str, Any]], level: str, options: Sequence[str]) -> dict[str, float]:
    """For each option, the share of verdicts that change with it, in [0, 1]; pairs without a verdict do not count.

    0 for an option that has the same value in all runs, or another one in each of several: it explains everything.

    Args:
      table: of `slt.comparer.sweep.rows`.
      level: whose pairs count.
      options: among the table's columns.
    """
    of_runs: dict[str, list[int]] = {}
    settings: dict[str, list[str]] = {}
    for row in table:
        if row["level"] == level and row["run"] is not None:
            of_runs.setdefault(row["run"], []).append(OUTCOMES.index(outcome(row)))
            settings[row["run"]] = [canonical(row[option]) for option in options]
    columns = [np.unique(column, return_inverse=True)[1] for column in zip(*settings.values(), strict=True)]
    if not columns:
        return dict.fromkeys(options, 0.0)
    found = np.array(list(of_runs.values()))  # (run, pair)
    i, j = np.triu_indices(len(found), k=1)  # every two runs
    known = np.isin(found, [OUTCOMES.index(name) for name in (*VERDICTS, NEITHER)])
    both = known[i] & known[j]  # (two runs, pair)
    usable = both.any(axis=1)
    disagree = ((found[i] != found[j]) & both)[usable].sum(axis=1) / both[usable].sum(axis=1)
    differ = np.array([column[i] != column[j] for column in columns])[:, usable]  # (option, two runs)
    distance = differ.sum(axis=0)

    def strength(differs: Array) -> float:
        if not differs.any() or (differs.all() and len(options) > 1):
            return 0.0
        return float(disagree[differs & (distance == distance[differs].min())].mean())

    return {option: strength(differs) for option, differs in zip(options, differ, strict=True)}


def axes(table: Sequence[Mapping[str, Any]], level: str, options: Sequence[str]) -> list[str]:
    """The two options, or fewer, that change verdicts most; ties go to the one that is named first.

    The second is not one that follows from the first: together they would span no more than a diagonal.
    """
    strength = sensitivity(table, level, options)
    ranked = sorted(options, key=lambda option: -round(strength[option], 6))
    chosen = ranked[:1]
    for option in ranked[1:]:
        cells = {(canonical(row[chosen[0]]), canonical(row[option])) for row in table}
        if len(cells) > max(len({cell[i] for cell in cells}) for i in (0, 1)):
            return [chosen[0], option]
    return chosen
