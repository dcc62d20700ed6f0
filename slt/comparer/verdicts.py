"""Which transitions do SGD and the posterior share?

Transitions are matched by phase pair, a -> b, and compared by order; steps and n are never put on one scale.
Each learner is judged on its own:

Of the seeds at risk (those that were ever in a), some share goes from a directly to b. SGD *has* a -> b when the 95 %
Clopper-Pearson interval of that share lies above 10 %, and *lacks* it when the interval lies below, which takes 36
seeds at risk if none made it. Where it does neither, because few seeds were ever in a, the families of a and b are
counted instead if that decides it, and the verdict states so. Otherwise it is unknown.

The posterior *has* a -> b when `transitions.bayesian.find` saw it. It *lacks* it when
  - a holds more at the end of the ladder and b's loss is no lower, so that b will not overtake; or
  - b holds more from the first sample size on, and the ladder starts at n = 1 or the formula prefers b at every n.
Otherwise it is unknown, because the ladder is too short, starts too late, or is too noisy to decide.

Both have it: "both". One has it and the other lacks it: "bayesian only", "dynamical only". One has it and the
other is unknown: "inconclusive". Pairs that neither learner has get no verdict.

Verdicts are given for pairs of phases and then, where families have several phases, for pairs of families
("5-family -> 6"); `evidence["level"]` says which. A pair of families of one phase each is given once.
"""

from __future__ import annotations

from collections.abc import Mapping

from slt.comparer import narrative, pair_data
from slt.comparer.antecedent import antecedent, describe
from slt.comparer.endpoints import endings
from slt.comparer.granularity import Level, family_level, phases_and_steps
from slt.records.base import Array
from slt.records.comparison import Comparison, Verdict
from slt.records.phases import Occupancy, PhaseFacts, PhasePath
from slt.records.transitions import BayesianTransition, DynamicalTransition, SigmoidFits
from slt.transitions import free_energy
from slt.transitions.dynamical import Unlabeled
from slt.transitions.volume import Constant

_VERDICTS = {
    ("has", "has"): "both",
    ("lacks", "has"): "bayesian only",
    ("has", "lacks"): "dynamical only",
}


def compare(
    facts: tuple[PhaseFacts, ...],
    dynamical: tuple[DynamicalTransition, ...],
    bayesian: tuple[BayesianTransition, ...],
    path: PhasePath | None,
    occupancy: Occupancy | None,
    names: tuple[str, ...],
    *,
    loss: Array | None = None,
    hysteresis: int = 2,
    seed_status: Array | None = None,
    ladder_status: Array | None = None,
    unlabeled: Unlabeled | None = None,
    population: Occupancy | None = None,
    constants: Mapping[str, Constant] | None = None,
    n: int | None = None,
    sigmoid_fits: SigmoidFits | None = None,
    remarks: tuple[str, ...] = (),
) -> Comparison:
    """Match the two sets of transitions and judge every pair; the module's docstring has the rules.

    Args:
      facts: of the phases, by index.
      dynamical, bayesian: transitions between phases, from `dynamical.find` and `bayesian.find`.
      path: labels of SGD's checkpoints; None if SGD was not run.
      occupancy: of the phases; None if there is no ladder.
      names: of the phases by index, the last "other".
      loss: (seed, checkpoint), for the drop in loss of transitions between families.
      hysteresis: what `dynamical` was found with.
      seed_status: (seed,) of the trajectory; ladder_status: (dataset, n, repeat) of the ladder.
      unlabeled: what SGD's curves show without labels, as given to `dynamical.find`.
      population, constants: of the ladder on the population loss, as given to `bayesian.find`.
      n: observations that SGD was trained on; None: a fresh stream.
      sigmoid_fits: SGD's losses as sums of sigmoids, from `sigmoids.decompose_all`.
      remarks: notes of the stages before, which come first.
    """
    held, spent = (None, []) if path is None else phases_and_steps(path, names, hysteresis, seed_status)
    members: dict[str, tuple[PhaseFacts, ...]] = {fact.name: (fact,) for fact in facts}
    by_phase = Level("phase", names, members, held, occupancy, dynamical, bayesian, spent)
    by_family = family_level(by_phase, facts, path, loss, hysteresis, seed_status, unlabeled, population)
    verdicts = [
        verdict
        for level in (by_phase, by_family)
        for pair in level.pairs()
        if level is by_phase or not all(name in members for name in pair)
        if (verdict := _judge(level, by_family, *pair, constants))
    ]
    both = path is not None and occupancy is not None
    ends = endings(path, occupancy, names, n, seed_status) if both else ()  # type: ignore[arg-type]
    return Comparison(
        phases=facts,
        dynamical=dynamical,
        bayesian=bayesian,
        verdicts=tuple(verdicts),
        headline=narrative.headline(by_family, verdicts),
        notes=(
            *remarks,
            *narrative.notes(by_phase, by_family, verdicts, seed_status, ladder_status, ends, sigmoid_fits),
        ),
        endpoints=ends,
        sigmoid_fits=sigmoid_fits,
    )


def _judge(
    level: Level, families: Level, source: str, target: str, constants: Mapping[str, Constant] | None
) -> Verdict | None:
    """The verdict on one pair, or None where neither learner has the transition."""
    sgd = pair_data.sgd(level, families, source, target)
    posterior = pair_data.posterior(level, source, target)
    answers = sgd.answer, posterior.answer
    if "has" not in answers:
        return None
    evidence = {
        "level": level.name,
        "sgd": sgd.answer,
        "posterior": posterior.answer,
        **sgd.evidence,
        **posterior.evidence,
        "predictions_by_pair": _predictions(level, source, target, constants),
    }
    why = f"SGD: {sgd.why}. Posterior: {posterior.why}."
    if sgd.answer == "has":
        tested = antecedent(posterior.answer, level.members[source], level.members[target])
        evidence["antecedent"] = tested
        why += f" {describe(tested)}"
    return Verdict(source, target, _VERDICTS.get(answers, "inconclusive"), why, evidence)


def _predictions(
    level: Level, source: str, target: str, constants: Mapping[str, Constant] | None
) -> dict[str, dict[str, float | None]]:
    """Crossings by formula for each pair of members: {"5 -> 6": {"leading": 445.1, "prior": 601.0}}."""
    return {
        f"{a.name} -> {b.name}": {p.approximation: p.n for p in free_energy.predictions_of(a, b, constants)}
        for a in level.members[source]
        for b in level.members[target]
    }
