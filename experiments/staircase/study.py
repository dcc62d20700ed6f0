"""Do lower degrees help to learn higher ones? Staircases, a target with a gap, and a parity, for SGD and Bayes.

Rules of the verdict. Three parts: (1) order: of the staircase's runs that learn all of it, 90 % or more at every d
learn its monomials in order of degree; (2) exponents: for each leap, the 95 % interval of the slope of log time
against log d meets [k, k + 1 / log d], k = max(leap - 1, 1), slopes of d^k and d^k log d (at the geometric mean of
the d's); (3) a parity alone takes 3 times as many observations as the staircase up to it, or more, at the largest d
(lower end of the 95 % interval). The claim holds with all three, fails without (1) and (3), and is mixed otherwise.

Times are for the best of some learning rates at every d: the one with the shortest median time to learn everything.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import scipy.stats
from matplotlib.figure import Figure

from experiments.finding import Finding
from experiments.ladders import ladder_on_data, sampler_facts
from experiments.staircase import picture
from experiments.staircase.sgd import learning_times
from experiments.statistics import all_finite, first_step, upward_crossing
from slt.comparer.assemble import ComparisonInputs, assemble
from slt.models.base import phase_names
from slt.models.common.boolean_network import TwoLayer
from slt.models.staircase import Staircase, Terms, leap
from slt.phases import classification
from slt.phases.classification import label_ladder
from slt.phases.occupancy import mean_of, occupancy_summary
from slt.posterior.data_tempering import DataTempering
from slt.records.comparison import Comparison
from slt.records.phases import Occupancy
from slt.records.posterior import Ladder
from slt.records.training import Trajectory
from slt.runtime.long_computation import drive
from slt.training.optimizers import Sgd
from slt.training.trainer import Trainer

KEY = jax.random.key(0)
CLAIM = (
    "online SGD learns monomials in order of degree after about d^max(leap - 1, 1) observations, so that a parity "
    "alone is far slower than the staircase up to it"
)
SOURCE = "Abbe, Boix-Adsera and Misiakiewicz 2022 and 2023, arXiv:2202.08658 and arXiv:2302.11055"

TARGETS: dict[str, Terms] = {
    "staircase": ((0,), (0, 1), (0, 1, 2)),
    "gap": ((0,), (0, 1, 2)),
    "parity": ((0, 1, 2),),
}
HIDDEN = 32
NETWORK = TwoLayer(HIDDEN, 1.0)
RATES = (0.5, 1.0, 1.5)  # divided by d + HIDDEN, about the largest curvature where SGD starts
FAR = 3.0
DRAWS = 1000  # of the bootstrap


def study(reduced: bool = False) -> Finding:
    """SGD's times over d, and both learners on five bits; `reduced` is the same with little of everything."""
    ds, sizes = ((4, 6), (RATES[:2], 8, 3000)) if reduced else ((8, 16, 32, 64), (RATES, 64, 100_000))
    times = {name: {d: _best(terms, d, *sizes) for d in ds} for name, terms in TARGETS.items()}
    slopes = {name: _slope({d: t.max(axis=1) for d, t in of.items()}) for name, of in times.items()}
    both = {name: _both(Staircase(terms=TARGETS[name]), reduced) for name in ("staircase", "parity")}
    data = {
        "median observations of SGD": {
            name: {d: np.median(t, axis=0).tolist() for d, t in of.items()} for name, of in times.items()
        },
        "not within 80 % of the seeds' time": {
            name: {d: int(np.isinf(t).any(axis=1).sum()) for d, t in of.items()} for name, of in times.items()
        },
        "exponents": {
            name: dict(zip(("value", "low", "high"), slopes[name], strict=True)) for name in TARGETS
        },
        "exponents between the two largest d": {
            name: _slope({d: t.max(axis=1) for d, t in list(of.items())[-2:]}) for name, of in times.items()
        },
        "expected exponents": {name: _expected(terms, ds) for name, terms in TARGETS.items()},
        "in order": {d: _in_order(t) for d, t in times["staircase"].items()},
        "parity over staircase, SGD": _ratio(
            *(times[name][ds[-1]].max(axis=1) for name in ("parity", "staircase"))
        ),
        "parity over staircase, SGD, five bits": _ratio(
            *(both[name]["steps"] for name in ("parity", "staircase"))
        ),
        "parity over staircase, Bayes, five bits": _paired(both["parity"]["n"], both["staircase"]["n"]),
        "five bits": {name: found["data"] for name, found in both.items()},
    }
    verdict, numbers = _judge(data)
    figure: Figure = picture.draw(times, slopes, both)
    return Finding(verdict, numbers, figure, all_finite(data))


def _best(terms: Terms, d: int, rates: tuple[float, ...], seeds: int, most: int) -> np.ndarray:
    """(seed, term) times at the rate with the shortest median."""
    tried = [
        learning_times(terms, d, rate / (d + HIDDEN), network=NETWORK, seeds=seeds, most=most)
        for rate in rates
    ]
    return min(tried, key=lambda times: np.median(times.max(axis=1)))


def _slope(times: dict[int, np.ndarray]) -> tuple[float, float, float]:
    """Slope of log median time against log d, with a 95 % interval by bootstrap over seeds."""
    rng = np.random.default_rng(0)
    x = np.log(list(times))

    def slope(medians: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return (x - x.mean()) @ np.log(medians) / np.sum((x - x.mean()) ** 2)

    drawn = [np.median(t[rng.integers(len(t), size=(DRAWS, len(t)))], axis=1) for t in times.values()]
    low, high = np.quantile(slope(np.array(drawn)), (0.025, 0.975))
    return float(slope(np.array([np.median(t) for t in times.values()]))), float(low), float(high)


def _expected(terms: Terms, ds: tuple[int, ...]) -> tuple[float, float]:
    power = max(leap(terms) - 1, 1)
    return power, power + 1 / float(np.mean(np.log(ds)))


def _in_order(times: np.ndarray) -> float:
    """Of the runs that learned every term, the share that learned none before one of lower degree."""
    whole = times[np.isfinite(times).all(axis=1)]
    return float(np.mean((np.diff(whole, axis=1) > 0).all(axis=1))) if len(whole) else 0.0


def _ratio(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """Ratio of medians, with a 95 % interval by bootstrap over each."""
    rng = np.random.default_rng(1)
    drawn = [np.median(v[rng.integers(len(v), size=(DRAWS, len(v)))], axis=1) for v in (a, b)]
    with np.errstate(invalid="ignore"):
        low, high = np.quantile(drawn[0] / drawn[1], (0.025, 0.975))
    return float(np.median(a) / np.median(b)), float(low), float(high)


def _paired(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """Geometric mean of the ratio over data sets, whose inputs and noise are the same for both targets, with a 95 %
    interval by Student's t."""
    both = np.isfinite(a) & np.isfinite(b)
    logs = np.log(a[both] / b[both])
    if len(logs) < 2:
        return float("nan"), float("nan"), float("nan")
    reach = scipy.stats.t.ppf(0.975, len(logs) - 1) * scipy.stats.sem(logs)
    return float(np.exp(logs.mean())), float(np.exp(logs.mean() - reach)), float(np.exp(logs.mean() + reach))


def _both(model: Staircase, reduced: bool) -> dict[str, Any]:
    """Both learners on five bits: when each learns the last degree, and what a comparison says."""
    trajectory = _descend(model, seeds=8 if reduced else 64, steps=1000 if reduced else 10_000)
    if reduced:
        sampler = DataTempering(particles=16, repeats=1, max_rounds=1)
        ladder = ladder_on_data(model, (5, 20, 60), sampler, count=2, key=KEY)
    else:
        sample_sizes = (2, 4, 7, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 70, 80, 100, 130, 160)
        sampler = DataTempering(particles=128, repeats=2, max_rounds=4)
        ladder = ladder_on_data(model, sample_sizes, sampler, count=8, key=KEY)
    occupancy = label_ladder(model, ladder, ordered=False)
    comparison = _compare(model, trajectory, ladder, occupancy)
    last = len(model.phases()) - 1
    share = mean_of(occupancy.share[..., last], axis=2)  # (dataset, n)
    top = trajectory.observables[max(trajectory.observables, key=lambda name: name.count("x"))]
    learned = top > 0.5
    steps = first_step(trajectory.steps, learned)
    n = np.array([upward_crossing(ladder.sample_sizes, row) for row in share])
    return {
        "trajectory steps": trajectory.steps,
        "learned": learned,
        "steps": steps,
        "n": n,
        "sample_sizes": ladder.sample_sizes,
        "share": share,
        "data": {
            "SGD, median step of the last degree": float(np.median(steps)),
            "Bayes, n of the last degree by data set": n.tolist(),
            "share of each phase": dict(
                zip(
                    phase_names(model),
                    occupancy_summary(occupancy).mean.T.tolist(),
                    strict=True,
                )
            ),
            **sampler_facts(ladder),
            "verdicts": {f"{v.source} -> {v.target}": v.verdict for v in comparison.verdicts},
            "headline": comparison.headline,
        },
    }


def _descend(model: Staircase, *, seeds: int, steps: int) -> Trajectory:
    trainer = Trainer(
        seeds=seeds, steps=steps, batch_size=8, n=None, checkpoints=80, optimizer=Sgd(learning_rate=0.05)
    )
    return drive(trainer.stage(model, None), KEY)


def _compare(model: Staircase, trajectory: Trajectory, ladder: Ladder, occupancy: Occupancy) -> Comparison:
    inputs = ComparisonInputs(
        facts=classification.phase_facts(model),
        names=phase_names(model),
        trajectory=trajectory,
        path=classification.label_trajectory(model, trajectory),
        occupancy=occupancy,
        ladder_status=ladder.status,
    )
    return assemble(model, inputs, hysteresis=2)[0]


def _judge(data: dict[str, Any]) -> tuple[str, str]:
    """The verdict by the module's rule, and its numbers on one line."""
    order = min(data["in order"].values())
    slopes, expected = data["exponents"], data["expected exponents"]
    agree = {
        name: slopes[name]["low"] <= high and low <= slopes[name]["high"]
        for name, (low, high) in expected.items()
    }
    ratio, low, high = data["parity over staircase, SGD"]
    parts = (order >= 0.9, all(agree.values()), low >= FAR)
    verdict = "holds" if all(parts) else "mixed" if parts[0] or parts[2] else "fails"
    each = ", ".join(
        f"leap {leap(TARGETS[name])}: {s['value']:.2f} [{s['low']:.2f}, {s['high']:.2f}] for "
        f"{expected[name][0]:.0f} to {expected[name][1]:.2f}"
        for name, s in slopes.items()
    )
    last = data["exponents between the two largest d"]["parity"]
    bayes, bayes_low, bayes_high = data["parity over staircase, Bayes, five bits"]
    five = data["parity over staircase, SGD, five bits"]
    return verdict, (
        f"at every d {100 * order:.0f} % or more in order; exponents {each} (between the two largest d {last[0]:.2f} "
        f"[{last[1]:.2f}, {last[2]:.2f}]); parity over staircase {ratio:.1f} "
        f"[{low:.1f}, {high:.1f}] at the largest d; among five bits {five[0]:.2f} [{five[1]:.2f}, {five[2]:.2f}] for "
        f"SGD, {bayes:.2f} [{bayes_low:.2f}, {bayes_high:.2f}] for Bayes"
    )
