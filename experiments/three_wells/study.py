"""Three wells that differ in loss and in lambda: the posterior takes them in turn, later than the formula says."""

from __future__ import annotations

import itertools

from experiments.finding import Finding
from experiments.learners import as_data, picture, run_preset

CLAIM = "Phases of falling loss and growing lambda are taken in turn, at the n that the free energy formula gives."
SOURCE = "Watanabe 2009, free energy formula; Chen et al. 2023, arXiv:2310.06301, internal model selection"
CLOSE = 0.1  # the formula is right where every crossing is within this share of its n


def study(reduced: bool = False) -> Finding:
    """Holds where the phase of highest posterior passes from broad to middle to sharp, and each n is within 10 % of
    the formula with the prior density at the bottoms; mixed where the order alone holds; else fails."""
    few = (
        "training.seeds=8",
        "training.steps=200",
        "training.checkpoints=20",
        "posterior.sample_sizes=[10,200,400,2000,4000]",
    )
    seen = run_preset("experiment=three_wells", *(few if reduced else ()))
    leads = [seen.names[index] for index in seen.share.argmax(axis=1)]
    in_turn = [name for name, _ in itertools.groupby(leads)] == ["broad", "middle", "sharp"]
    found = []
    for pair in (("broad", "middle"), ("middle", "sharp")):
        jump = seen.crossing(*pair)
        if jump is not None:
            expected = next(row["n"] for row in jump["predictions"] if row["approximation"] == "prior")
            found.append((*pair, jump["n"], expected))
    close = all(abs(n / expected - 1) < CLOSE for *_, n, expected in found)
    verdict = "fails" if not in_turn or len(found) < 2 else "holds" if close else "mixed"
    places = ", ".join(f"{a} to {b} at n = {n:,.0f} (formula {expected:,.0f})" for a, b, n, expected in found)
    stayed = int((seen.label[:, 0] == seen.label[:, -1]).sum())
    title = "Three wells: the posterior takes them in turn as n grows, SGD stays in the one where it starts"
    return Finding(
        verdict=verdict,
        numbers=f"{places}; {stayed} of {len(seen.label)} seeds stay where they start",
        figure=picture(title, seen, -3.5, 3.5),
        data=as_data(seen),
    )
