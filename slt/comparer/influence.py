"""Which of a sweep's options change its verdicts?

Of any two runs we know which options they differ in, and on what share of pairs of phases their verdicts differ. The
second is regressed on the first, one non-negative coefficient for each option (multiple regression on distance
matrices: Legendre, Lapointe and Casgrain 1994): the share of verdicts that change when this option alone does. It
asks nothing of the sweep's design, and an option that is different in every run, such as a seed, takes up what no
other explains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.optimize

from slt.comparer.sweep import NEITHER, OUTCOMES, outcome
from slt.differing import canonical
from slt.records import VERDICTS


def influence(table: Sequence[Mapping[str, Any]], level: str, options: Sequence[str]) -> dict[str, float]:
    """For each option, what share of verdicts changes with it. Pairs without a verdict do not count.

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
    if len(of_runs) < 2 or not options:
        return dict.fromkeys(options, 0.0)
    found = np.array(list(of_runs.values()))  # (run, pair)
    values = np.array(
        [np.unique(column, return_inverse=True)[1] for column in zip(*settings.values(), strict=True)]
    )
    i, j = np.triu_indices(len(found), k=1)  # every two runs
    known = np.isin(found, [OUTCOMES.index(name) for name in (*VERDICTS, NEITHER)])
    both = known[i] & known[j]  # (two runs, pair)
    told = both.any(axis=1)
    if not told.any():
        return dict.fromkeys(options, 0.0)
    disagree = ((found[i] != found[j]) & both)[told].sum(axis=1) / both[told].sum(axis=1)
    differ = (values[:, i] != values[:, j])[:, told]  # (option, two runs)
    strength, _ = scipy.optimize.nnls(differ.T.astype(float), disagree)
    return dict(zip(options, strength.tolist(), strict=True))


def axes(table: Sequence[Mapping[str, Any]], level: str, options: Sequence[str]) -> list[str]:
    """The two options, or fewer, that change verdicts most; ties go to the one that is named first.

    The second is not one that follows from the first: together they would span no more than a diagonal.
    """
    strength = influence(table, level, options)
    ranked = sorted(options, key=lambda option: -round(strength[option], 6))
    chosen = ranked[:1]
    for option in ranked[1:]:
        cells = {(canonical(row[chosen[0]]), canonical(row[option])) for row in table}
        if len(cells) > max(len({cell[i] for cell in cells}) for i in (0, 1)):
            return [chosen[0], option]
    return chosen
