"""The Bayesian antecedent hypothesis, tested for one transition of SGD.

It states that a transition of SGD from a to b has a Bayesian one behind it (Chen et al. 2023, arXiv:2310.06301): the
difference of free energies F_n(b) - F_n(a) changes sign at some n, since b has lower loss and a higher learning
coefficient.
"""

from __future__ import annotations

from typing import Any

from slt.records.phases import PhaseFacts

_YES = {"has": True, "lacks": False}


def antecedent(
    posterior: str, sources: tuple[PhaseFacts, ...], targets: tuple[PhaseFacts, ...]
) -> dict[str, Any]:
    """What is known of the three parts of the hypothesis, each True, False, or None (unknown): whether the sign
    changes on the ladder, whether the loss falls, whether lambda rises; and of all three together.

    A loss falls, or a lambda rises, when it does for every pair of members; it does not when it does for none.

    Args:
      posterior: the posterior's answer on the pair: "has", "lacks" or "unknown".
      sources, targets: the phases behind the two names.
    """
    pairs = [(a, b) for a in sources for b in targets]
    falls = _all_or_none([b.loss < a.loss for a, b in pairs])
    known = [(a.llc, b.llc) for a, b in pairs if a.llc is not None and b.llc is not None]
    rises = _all_or_none([b > a for a, b in known]) if len(known) == len(pairs) else None
    parts = (_YES.get(posterior), falls, rises)
    holds = False if False in parts else None if None in parts else True
    return {"changes_sign": parts[0], "loss_falls": falls, "llc_rises": rises, "holds": holds}


def describe(found: dict[str, Any]) -> str:
    """One sentence."""
    answers = {True: "yes", False: "no", None: "not known"}
    verdict = {
        True: "It has a Bayesian antecedent",
        False: "It has no Bayesian antecedent of this kind",
        None: "Whether it has a Bayesian antecedent is open",
    }[found["holds"]]
    parts = {"free energies change order": "changes_sign", "loss falls": "loss_falls"}
    parts["learning coefficient rises"] = "llc_rises"
    return f"{verdict} ({'; '.join(f'{part}: {answers[found[key]]}' for part, key in parts.items())})."


def _all_or_none(answers: list[bool]) -> bool | None:
    return True if all(answers) else None if any(answers) else False
