"""A jump of SGD in a model whose posterior prefers, at every n, the well that SGD leaves."""

from __future__ import annotations

from experiments.finding import Finding
from experiments.learners import as_data, picture, run_preset

CLAIM = "Every jump of SGD has an antecedent: at some n the posterior passes between the same phases."
SOURCE = "the Bayesian antecedent hypothesis, read as a law: Chen et al. 2023, arXiv:2310.06301"


def study(reduced: bool = False) -> Finding:
    """Fails where the comparer finds sharp -> flat to be SGD's alone and the sharp well leads at every n; holds where
    it finds the jump in both; else mixed."""
    few = (
        "training.seeds=48",
        "training.steps=200",
        "training.checkpoints=20",
        "posterior.sample_sizes=[1,10,100,1000]",
    )
    seen = run_preset("experiment=dynamical_only", *(few if reduced else ()))
    word = seen.verdict("sharp", "flat")
    sharp, flat = (seen.names.index(name) for name in ("sharp", "flat"))
    leads = bool((seen.share[:, sharp] > seen.share[:, flat]).all())
    refuted = word == "dynamical only" and leads
    went = seen.passages("sharp", "flat")
    least = seen.share[:, sharp].min()
    title = "Dynamical only: SGD leaves the sharp well, which the posterior prefers at every n"
    return Finding(
        verdict="fails" if refuted else "holds" if word == "both" else "mixed",
        numbers=f"{went} of {len(seen.label)} seeds go from sharp to flat; the posterior holds {least:.0%} or more "
        f"in sharp at every n from {seen.sample_sizes[0]:,} to {seen.sample_sizes[-1]:,}",
        figure=picture(title, seen, -2.5, 2.5),
        data=as_data(seen),
    )
