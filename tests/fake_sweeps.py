"""Sweeps of superposition, made up in milliseconds: summaries such as runs with c features leave."""

import itertools

import numpy as np

from slt.comparer.sweep import Entry, rows

FEATURES, BATCHES, RATES, SEEDS = (5, 6, 7), (10, 30, 100, 300), (0.001, 0.005, 0.02, 0.05), (0,)
OPTIONS = ["model.features", "training.batch_size", "training.optimizer.learning_rate"]


def phases(features):
    """4, 4+, ..., up to the k-gon of all features, as summary.json has them."""
    return [
        {
            "name": f"{k}{'+' * plus}",
            "family": str(k),
            "loss": 0.2 / k,
            "llc": 7.0,
            "multiplicity": 1,
            "log_prior": -18.0,
            "source": "made up",
        }
        for k in range(4, features + 1)
        for plus in range(features - k + 1)
    ]


def verdict(source, target, verdict, level="phase", went=0, at_risk=50, n=370.0, direct=True):
    evidence = {"level": level, "at_risk": at_risk, "count": went, "n": n, "direct": direct}
    evidence |= {"share": went / at_risk, "share_low": 0.0, "share_high": 0.07}
    evidence["predictions_by_pair"] = {f"{source} -> {target}": {"leading": 445.1, "prior": 601.0}}
    return {"from": source, "to": target, "verdict": verdict, "why": "made up", "evidence": evidence}


def family(k, features):
    return f"{k}-family" if k < features else str(k)


def summary(features=6, batch_size=30, learning_rate=0.005, rng=None):
    """4 -> 5 is shared; noise carries a few runs from 5 to 6, and some cannot tell."""
    noise = learning_rate / batch_size * 1e4
    chance = 0.0 if rng is None else rng.normal(0, 0.3)
    comparison = [verdict(family(4, features), family(5, features), "both", "family", 39)]
    if features == 5:
        comparison[0]["verdict"] = "both" if noise > 0.5 else "bayesian only"
    if features >= 6:
        last = "both" if noise + chance > 12 else "inconclusive" if noise + chance > 4 else "bayesian only"
        if noise < 0.2:
            last = "inconclusive"
        comparison += [
            verdict(family(5, features), family(6, features), last, "family", 0 if last != "both" else 12),
            verdict(family(4, features), family(6, features), "bayesian only", "family", direct=False),
            verdict("5", "6", last),
        ]
    if features >= 7 and noise < 5:
        comparison.append(
            verdict(family(6, features), family(7, features), "bayesian only", "family", n=1500.0)
        )
    return {"phases": phases(features), "comparison": comparison}


def entries(features=FEATURES, batches=BATCHES, rates=RATES, seeds=SEEDS):
    """A full grid; the largest rate with the smallest batch diverges, and the last few runs are still waiting."""
    rng = np.random.default_rng(0)
    made = []
    for c, batch, rate, seed in itertools.product(features, batches, rates, seeds):
        options = dict(zip(OPTIONS, (c, batch, rate), strict=True))
        if len(seeds) > 1:
            options["seed"] = seed
        status = "failed: every seed diverged" if batch == 10 and rate == 0.05 else "done"
        if c == max(features) and batch == max(batches) and rate >= 0.02:
            status = "waiting"
        name = None if status == "waiting" else f"run-{len(made):03d}"
        made.append(Entry(name, status, options, summary(c, batch, rate, rng) if status == "done" else None))
    return made


def table(made=None):
    made = entries() if made is None else made
    return rows(made, list(made[0].options))
