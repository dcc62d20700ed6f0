"""Many seeds, similar losses: one optimum, or many structures whose losses concentrate? And does a pruned one need
its own initialization?

Superposition at growing size, three features for each dimension. Every seed descends on the population loss, so that
what is left of differences between seeds is the optimum it found, and no noise. A structure is a set of seeds with
the same sorted losses of single features, which rotations and permutations leave alone.

Verdict, of three parts; it holds with all, fails with none, and is mixed otherwise:

* concentration: at the largest size two seeds rarely end in the same structure (fewer than one pair in ten), and the
  relative spread of losses falls from every size to the next, the 95 % interval of each ratio (bootstrap over seeds)
  lying below 1. Independent parts in every dimension would make the spread fall as r^(-1/2);
* own initialization: at every share of weights kept, a pruned network retrained from where it started ends lower than
  from a fresh start: the 95 % interval of the mean paired difference lies above 0, and Wilcoxon's p is below 0.01;
* ticket: with 70 % of the weights kept, it ends within 10 % of the whole network's mean loss.
"""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from matplotlib.figure import Figure

from experiments.finding import Finding, verdict_of
from experiments.many_seeds.ensembles import everything, features, largest, starts, structures, train
from slt.models.superposition import Superposition
from slt.report import style

CLAIM = (
    "Many seeds reach similar losses because losses concentrate over many different structures, and a structure "
    "pruned out of a network is a lottery ticket that needs its own initialization"
)
SOURCE = (
    "the first half a common claim without a source; the second Frankle and Carbin 2018, arXiv:1803.03635"
)
SIZES = ((6, 2), (12, 4), (18, 6), (24, 8))  # features, dimensions
PRUNED = (12, 4)
KEPT = (0.7, 0.5, 0.3)  # share of the weights
RATE, TOLERANCES = 0.03, (0.003, 0.01, 0.03)
ARMS = {
    "own": "its own mask and start",
    "fresh": "its own mask, a fresh start",
    "foreign": "another's mask, its own start",
}

Array = np.ndarray


def study(reduced: bool = False) -> Finding:
    sizes, seeds, steps = (SIZES[:2], 12, 150) if reduced else (SIZES, 256, 2000)
    found = {size: _seeds(size, seeds, steps) for size in sizes}
    losses = {size: one["loss"] for size, one in found.items()}
    ratios = _ratios(losses)
    whole = losses[PRUNED]
    tickets = {share: _ticket(found[PRUNED]["params"], share, seeds, steps) for share in KEPT}
    compared = {share: _compared(arms) for share, arms in tickets.items()}
    last = found[sizes[-1]]
    parts = {
        "concentration": bool(last["effective"] > 10 and all(high < 1 for _, _, high in ratios)),
        "own initialization": all(one["low"] > 0 and one["p"] < 0.01 for one in compared.values()),
        "ticket": bool(tickets[KEPT[0]]["own"].mean() <= 1.1 * whole.mean()),
    }
    data = {
        "parts": parts,
        "seeds": seeds,
        "sizes": {
            _name(size): {k: v for k, v in one.items() if k not in ("params", "loss")}
            for size, one in found.items()
        },
        "losses": {_name(size): np.round(np.sort(loss), 7).tolist() for size, loss in losses.items()},
        "spread over that at the size before": ratios,
        "whole network": float(whole.mean()),
        "pruned": {
            str(share): one | {arm: float(loss.mean()) for arm, loss in tickets[share].items()}
            for share, one in compared.items()
        },
    }
    verdict = verdict_of(parts.values())
    numbers = _numbers(found, compared[KEPT[1]], tickets[KEPT[0]]["own"].mean() / whole.mean())
    return Finding(verdict, numbers, _figure(found, tickets, whole), data)


def _numbers(
    found: dict[tuple[int, int], dict[str, Any]],
    half: dict[str, float],
    ticket: float,
) -> str:
    sizes = list(found)
    counts = ", ".join(f"{found[size]['effective']:.3g}" for size in sizes)
    spread = ", ".join(f"{found[size]['spread']:.1%}" for size in sizes)
    return (
        f"structures (1 / P that two seeds share one) {counts} at r = {', '.join(str(size[1]) for size in sizes)}, "
        f"relative spread of losses {spread}; half pruned: fresh start worse by {half['difference']:.4f} "
        f"({half['low']:.4f} to {half['high']:.4f}) in {half['worse']:.0%} of pairs; 70 % kept ends at {ticket:.2f} "
        "times the whole network's loss"
    )


# -- many seeds -------------------------------------------------------------------------------------------------
def _seeds(size: tuple[int, int], seeds: int, steps: int) -> dict[str, Any]:
    """Where the seeds of one size end, and how many structures that makes."""
    model = Superposition(features=size[0], hidden=size[1])
    first = starts(model, seeds, 0)
    params, ended = train(model, first, everything(first), steps=steps, rate=RATE)
    loss, fingerprint = np.asarray(ended), features(model, params)
    seen = structures(fingerprint, loss)
    counts = np.bincount(seen.label)
    return {
        "params": params,
        "loss": loss,
        "largest gradient": float(max(_slopes(model, params))),
        "mean": float(loss.mean()),
        "spread": float(loss.std(ddof=1) / loss.mean()),
        "distinct": seen.distinct,
        "seen once": int(np.sum(counts == 1)),
        "commonest": float(counts.max() / seeds),
        "effective": seen.effective,
        "variance between structures": seen.explained,
        "distinct by tolerance": {str(t): structures(fingerprint, loss, t).distinct for t in TOLERANCES},
    }


def _slopes(model: Superposition, params: Any) -> Array:
    """(seed,) norms of the gradient: 0 where a seed has arrived."""
    gradients = jax.vmap(jax.grad(model.population_loss))(params)
    return np.sqrt(
        sum(np.sum(np.asarray(leaf) ** 2, axis=tuple(range(1, leaf.ndim))) for leaf in gradients.values())
    )


def _ratios(losses: dict[tuple[int, int], Array]) -> list[tuple[float, float, float]]:
    """Relative spread of losses over that at the size before, with its 95 % interval."""
    random = np.random.default_rng(0)

    def spread(loss: Array) -> Array:
        return np.maximum(loss.std(ddof=1, axis=-1) / loss.mean(axis=-1), 1e-12)

    def again(loss: Array) -> Array:
        return spread(loss[random.integers(loss.size, size=(2000, loss.size))])

    found = []
    for before, after in itertools.pairwise(losses.values()):
        low, high = np.quantile(again(after) / again(before), [0.025, 0.975])
        found.append((float(spread(after) / spread(before)), float(low), float(high)))
    return found


# -- lottery tickets --------------------------------------------------------------------------------------------
def _ticket(trained: Any, share: float, seeds: int, steps: int) -> dict[str, Array]:
    """Losses (seed,) of pruned networks, retrained in the three ways of `ARMS`."""
    model = Superposition(features=PRUNED[0], hidden=PRUNED[1])
    own, fresh = starts(model, seeds, 0), starts(model, seeds, 1)
    mask = largest(trained, share)
    foreign = jax.tree.map(lambda leaf: jnp.roll(leaf, 1, axis=0), mask)
    runs = {"own": (own, mask), "fresh": (fresh, mask), "foreign": (own, foreign)}
    return {
        arm: np.asarray(train(model, start, used, steps=steps, rate=RATE)[1])
        for arm, (start, used) in runs.items()
    }


def _compared(arms: dict[str, Array]) -> dict[str, float]:
    """Loss from a fresh start less that from its own, by pairs."""
    difference = arms["fresh"] - arms["own"]
    margin = 1.96 * difference.std(ddof=1) / np.sqrt(difference.size)
    return {
        "difference": float(difference.mean()),
        "low": float(difference.mean() - margin),
        "high": float(difference.mean() + margin),
        "worse": float(np.mean(difference > 0)),
        "p": float(scipy.stats.wilcoxon(difference).pvalue),
    }


def _name(size: tuple[int, int]) -> str:
    return f"{size[0]} features in {size[1]}"


# -- the figure -------------------------------------------------------------------------------------------------
def _figure(
    found: dict[tuple[int, int], dict[str, Any]], tickets: dict[float, dict[str, Array]], whole: Array
) -> Figure:
    with style.look():
        fig = style.figure(4.6, 9.6)
        left, right = fig.subplots(1, 2, width_ratios=(1.15, 1))
        random = np.random.default_rng(0)
        for row, one in enumerate(found.values()):
            relative = one["loss"] / one["loss"].mean()
            left.plot(
                relative, row + random.uniform(-0.22, 0.22, relative.size), ".", color="#0072B2", alpha=0.35
            )
            words = f"{one['distinct']} structures, spread {one['spread']:.1%}"
            left.text(1.0, row + 0.3, words, ha="center", fontsize=9)
        left.set_yticks(range(len(found)), [_name(size) for size in found])
        left.set_ylim(-0.5, len(found) - 0.3)
        left.set_xlabel("loss at the end over its mean (ratio)")
        left.set_title(f"Where {whole.size} seeds end, by size:\nlosses, and in how many structures")
        for (arm, words), color in zip(ARMS.items(), ("#0072B2", "#D55E00", style.GRAY), strict=True):
            mean = [tickets[share][arm].mean() for share in tickets]
            error = [1.96 * tickets[share][arm].std(ddof=1) / np.sqrt(whole.size) for share in tickets]
            right.errorbar(
                [100 * s for s in tickets], mean, error, marker="o", capsize=3, color=color, label=words
            )
        right.axhline(whole.mean(), color=style.INK, linewidth=1, linestyle=":", label="whole network")
        right.set_xlabel(f"weights kept (%), {_name(PRUNED)}")
        right.set_ylabel("loss (nats per observation)")
        right.set_ylim(0, None)
        right.set_title("Pruned and retrained:\ndoes the start matter to the mask?")
        right.legend()
        return fig
