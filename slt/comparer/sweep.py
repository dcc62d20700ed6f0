"""The verdicts of many runs as one tidy table: a row for each run and each pair that was judged in any of them.

A run that is done and has no verdict on a pair that another run judged has one of two reasons:

- its model has both phases: neither learner was seen to make the transition, and the verdict is "neither". That is
  what `compare` gives no verdict on (see `slt.comparer.verdicts`): it does not mean that both learners had the
  evidence to rule it out.
- its model has no such phase, as 5 -> 6 with five features: the verdict is missing, and `reason` names the phase.

The verdict of a run that is not done is missing too; `status` distinguishes the two.

Families are matched by family, whatever a run calls them: that of the 6-gon is "6" with six features, where it has
one member, and "6-family" with seven. Where any run's model has a family of several phases, the level "family" holds
every pair of families, those of one phase each as well, so that it is complete by itself.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from slt.phases.families import families
from slt.records.comparison import VERDICTS
from slt.records.phases import PhaseFacts
from slt.storage.runs import DONE

NEITHER, NO_PHASE, NO_RESULT = "neither", "no such phase", "no result"
OUTCOMES = (*VERDICTS, NEITHER, NO_PHASE, NO_RESULT)
PHASE, FAMILY = "phase", "family"
# of a verdict's evidence, as docs/summary.md has it
_NUMBERS = (
    *("at_risk", "count", "share", "share_low", "share_high"),
    *("step", "step_low", "step_high", "loss_drop"),
    *("n", "n_low", "n_high", "direct"),
)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One run to compare.

    Attributes:
      run: its name; None where none was begun.
      status: as of a `slt.storage.runs.Run`, or of a `slt.storage.sweeps.Job`.
      options: those that distinguish the runs, by dotted name; a run without one lacks it.
      summary: the contents of summary.json; None unless the run is done.
    """

    run: str | None
    status: str
    options: Mapping[str, Any]
    summary: Mapping[str, Any] | None


class Pair(NamedTuple):
    """A transition at one level; phases by name, families by the name of the family."""

    level: str
    source: str
    target: str


def columns(options: Sequence[str]) -> tuple[str, ...]:
    """The table's columns, for runs that differ in `options`."""
    predicted = ("predicted_leading", "predicted_prior")
    return ("run", "status", *options, "level", "from", "to", "verdict", *_NUMBERS, *predicted, "reason")


def rows(entries: Sequence[Entry], options: Sequence[str]) -> list[dict[str, Any]]:
    """The tidy table, run by run; every row has all of `columns(options)`, None for what is missing.

    Numbers are those of `evidence` in summary.json, in its units. `predicted_leading` and `predicted_prior` are the n
    at which the free energy formula has a pair of phases cross; families have none. Where no pair was judged in any
    run, each run has one row without a pair.
    """
    judged = [None if entry.summary is None else _Judged(entry.summary) for entry in entries]
    runs = [run for run in judged if run is not None]
    several = any(len(members) > 1 for run in runs for members in run.members.values())
    pairs = dict.fromkeys(pair for run in runs for pair in run.verdicts if several or pair.level == PHASE)
    shown = _family_names(runs)
    table = []
    for entry, run in zip(entries, judged, strict=True):
        row: dict[str, Any] = dict.fromkeys(columns(options))
        row |= {"run": entry.run, "status": entry.status, **entry.options, "reason": entry.status}
        for pair in sorted(pairs, key=lambda pair: pair.level):
            names = [shown[name] if pair.level == FAMILY else name for name in pair[1:]]
            placed = {**row, "level": pair.level, "from": names[0], "to": names[1]}
            if run is not None:
                lacking = [name for name, own in zip(names, pair[1:], strict=True) if not run.has(pair, own)]
                placed |= (
                    {"reason": f"no such phase: {', '.join(lacking)}"} if lacking else run.columns_of(pair)
                )
            table.append(placed)
        if not pairs:
            table.append({**row, "reason": entry.status if run is None else "no pair was judged in any run"})
    return table


def _family_names(runs: Sequence[_Judged]) -> dict[str, str]:
    """What families are called, all runs together: by their one phase, or "6-family" if any run's has several."""
    names: dict[str, str] = {}
    for run in runs:
        for family, members in run.members.items():
            if len(members) > 1:
                names[family] = f"{family}-family"
            names.setdefault(family, members[0])
    return names


def outcome(row: Mapping[str, Any]) -> str:
    """A row's outcome, one of `OUTCOMES`: its verdict, or why there is none."""
    if row["status"] != DONE:
        return NO_RESULT
    return row["verdict"] or NO_PHASE


class _Judged:
    """The verdicts of one run by pair, families by family."""

    def __init__(self, summary: Mapping[str, Any]) -> None:
        facts = tuple(PhaseFacts(**fact) for fact in summary["phases"])
        self.phases = [fact.name for fact in facts]
        self.members: dict[str, list[str]] = {}
        for fact in facts:
            self.members.setdefault(fact.family, []).append(fact.name)
        family = dict(zip(families(facts)[0], self.members, strict=False))
        self.verdicts: dict[Pair, Mapping[str, Any]] = {}
        for row in summary["comparison"]:
            level = row["evidence"].get("level", PHASE)
            self.verdicts[self._pair(level, row, family)] = row
            if level == PHASE and row["from"] in family and row["to"] in family:
                # each the only member of its family: judged once, and true of both levels
                self.verdicts.setdefault(self._pair(FAMILY, row, family), row)

    @staticmethod
    def _pair(level: str, row: Mapping[str, Any], family: Mapping[str, str]) -> Pair:
        source, target = row["from"], row["to"]
        return Pair(level, source, target) if level == PHASE else Pair(level, family[source], family[target])

    def has(self, pair: Pair, name: str) -> bool:
        """Whether the model has this one of the pair's phases or families."""
        return name in (self.phases if pair.level == PHASE else self.members)

    def columns_of(self, pair: Pair) -> dict[str, Any]:
        """The columns that a run fills for a pair that its model has."""
        row = self.verdicts.get(pair)
        if row is None:
            return {"verdict": NEITHER, "reason": "neither learner was seen to make it"}
        evidence = row["evidence"]
        found = {"verdict": row["verdict"], "reason": row["why"]}
        found |= {name: evidence.get(name) for name in _NUMBERS}
        if pair.level == PHASE:
            predicted = evidence.get("predictions_by_pair", {}).get(f"{pair.source} -> {pair.target}", {})
            found |= {f"predicted_{level}": predicted.get(level) for level in ("leading", "prior")}
        return found


def counts(table: Sequence[Mapping[str, Any]], level: str) -> dict[tuple[str, str], Counter[str]]:
    """For each pair of `level`, "from" and "to" as shown, how many runs have each outcome; the most informative
    first.

    First come pairs that change order directly in some run, not only while a third phase holds more; among those the
    ones on which most runs disagree with the commonest outcome; among those the ones that were judged most often.
    """
    found: dict[tuple[str, str], Counter[str]] = {}
    direct: set[tuple[str, str]] = set()
    for row in table:
        if row["level"] == level:
            pair = row["from"], row["to"]
            found.setdefault(pair, Counter())[outcome(row)] += 1
            if row["verdict"] in VERDICTS and row["direct"] is not False:
                direct.add(pair)

    def interest(pair: tuple[str, str]) -> tuple[bool, int, int]:
        seen = [found[pair][name] for name in (*VERDICTS, NEITHER)]
        return pair in direct, sum(seen) - max(seen), sum(seen) - found[pair][NEITHER]

    return {pair: found[pair] for pair in sorted(found, key=interest, reverse=True)}


def best_level(table: Sequence[Mapping[str, Any]]) -> str:
    """The level to count and draw: families, where there are families of several phases."""
    return FAMILY if any(row["level"] == FAMILY for row in table) else PHASE
