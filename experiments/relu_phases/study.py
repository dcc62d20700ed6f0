"""A symmetric truth of three ReLU nodes: which networks with fewer do the posterior and SGD go through?"""

from __future__ import annotations

import math

import numpy as np
import scipy.stats
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.finding import Finding
from experiments.learners import Seen, see, shares, step_axis, told
from slt.models.base import Phase
from slt.models.relu_network import ReluNetwork
from slt.phases import classification
from slt.phases.families import families
from slt.records.base import Array
from slt.report import style

MODULES = (
    "slt.models.relu_network",
    "slt.training.trainer",
    "slt.posterior.data_tempering",
    "slt.phases.classification",
    "slt.comparer.verdicts",
    "slt.transitions",
)
CLAIM = "Networks of fewer effective nodes than the truth are phases that the posterior leaves for it, and SGD too."
SOURCE = "Carroll 2021, MSc thesis, University of Melbourne, for the phases; that SGD shares them is folklore"
FEW = (
    "data.datasets=1",
    "training.seeds=4",
    "training.steps=1000",
    "training.checkpoints=20",
    "posterior.sample_sizes=[10,100]",
    "posterior.sampler.particles=32",
    "posterior.sampler.moves=2",
    "posterior.sampler.max_rounds=1",
)


def study(reduced: bool = False) -> Finding:
    """Two questions. The posterior: does a family of fewer kinks hold more than any other class at some n, "other"
    included, and the truth's in the end? SGD: does more than half of all seeds, by the 95 % interval, end in the
    truth's family? Holds where both answers are yes; fails where both are no; else mixed."""
    seen = see("experiment=relu_phases", *(FEW if reduced else ()))
    assert isinstance(seen.model, ReluNetwork)
    families, belongs = _families(seen)
    by_family, whole = seen.share @ belongs, len(seen.model.strengths)
    leads = by_family.argmax(axis=1)
    posterior = bool(leads[-1] == whole and (leads < whole).any())
    ends = np.array([np.sum(belongs[seen.label[:, -1], i]) for i in range(len(families))], int)
    interval = scipy.stats.binomtest(int(ends[whole]), len(seen.label)).proportion_ci(0.95, "exact")
    sgd = bool(interval.low > 0.5)
    reversed_share, expected = _turned(seen, seen.model)
    short, dead, linear = _idle(seen, seen.model)
    return Finding(
        verdict="holds" if posterior and sgd else "mixed" if posterior or sgd else "fails",
        numbers=_numbers(seen, families, by_family, ends, interval.high, reversed_share, expected)
        + f"; of the {short} that stop short {dead} have a dead node and {linear} one that is active everywhere",
        figure=_figure(seen, seen.model, families, belongs),
        data={
            **told(seen),
            "families": list(families),
            "posterior share of families": by_family.tolist(),
            "seeds that end in": dict(zip(families, ends.tolist(), strict=True)),
            "stop short, with a dead node, with one active everywhere": [short, dead, linear],
            "share of the turned truth": {"measured": reversed_share, "Laplace": expected},
        },
    )


def _families(seen: Seen) -> tuple[tuple[str, ...], Array]:
    """Names of the families, and (phase, family) 1 where a phase belongs to one."""
    names, index = families(classification.phase_facts(seen.model))
    return names, np.equal.outer(index, np.arange(len(names))).astype(float)


def _turned(seen: Seen, model: ReluNetwork) -> tuple[float | None, float]:
    """Share of "3 reversed" in its family at the largest n: measured (None: nothing there), and by Laplace."""
    found = dict(zip(seen.names, seen.share[-1], strict=True))
    one, other = found["3"], found["3 reversed"]
    odds = math.exp(laplace_log_odds(model))
    return (float(other / (one + other)) if one + other > 0 else None), odds / (1 + odds)


def _idle(seen: Seen, model: ReluNetwork) -> tuple[int, int, int]:
    """Seeds that end with fewer kinks than the truth; those of them with a node active at no input; and at all."""
    end = {name: leaf[:, -1] for name, leaf in seen.params.items()}
    active = np.mean(end["w"] @ model.truth.x.T + end["b"][..., None] > 0, axis=-1)  # (seed, node)
    short = seen.label[:, -1] < len(model.strengths)
    return (
        int(short.sum()),
        int((short & (active == 0).any(1)).sum()),
        int((short & (active == 1).any(1)).sum()),
    )


def laplace_log_odds(model: ReluNetwork) -> float:
    """Log odds of the turned truth against the other in the limit of large n.

    In coordinates p_i = |q_i| (w_i, b_i) and c both have a Gaussian peak. The scales of nodes have one and the same
    measure in both, since |p_i| is the same; what differs is the prior density of c and the determinant of the
    Hessian, which counts the inputs on which each node is active.
    """
    truth = model.truth
    rows = np.column_stack([truth.x, np.ones(len(truth.x))])
    planes = truth.nodes[:, :3] * truth.nodes[:, 3:]

    def log_determinant(sign: int) -> float:
        active = sign * rows @ planes.T > 0
        jacobian = np.column_stack([(active[:, :, None] * rows[:, None]).reshape(len(rows), -1), rows[:, 2]])
        return float(np.linalg.slogdet(jacobian.T @ jacobian)[1])

    level = float(planes[:, 2].sum())
    return (log_determinant(1) - log_determinant(-1)) / 2 - (level / model.prior_scale) ** 2 / 2


def _numbers(
    seen: Seen,
    families: tuple[str, ...],
    by_family: Array,
    ends: Array,
    high: float,
    turned: float | None,
    expected: float,
) -> str:
    whole = len(families) - 2
    first = next(
        (n for n, share in zip(seen.sample_sizes, by_family[:, whole], strict=True) if share > 0.5), None
    )
    fewer = by_family[:, :whole].max(axis=0)
    peaks = ", ".join(f"{name} kinks {peak:.0%}" for name, peak in zip(families, fewer, strict=False))
    ended = ", ".join(f"{count} in {name}" for name, count in zip(families, ends, strict=True) if count)
    reached = "never the truth by half" if first is None else f"the truth by half from n = {first:,} on"
    turned_words = "" if turned is None else f" (turned round: {turned:.0%} of it, Laplace {expected:.0%})"
    return (
        f"the posterior holds at most {peaks}, and {reached}{turned_words}; of {len(seen.label)} seeds end {ended} "
        f"(in the truth's family at most {high:.0%}, 95 %)"
    )


def _figure(seen: Seen, model: ReluNetwork, families: tuple[str, ...], belongs: Array) -> Figure:
    """The phases as maps, and below them shares of families: SGD's by step, the posterior's by n."""
    facts = classification.phase_facts(model)
    colors = style.palette(seen.names, facts)
    with style.look():
        figure = Figure(figsize=(10, 6.2), layout="constrained")
        title = (
            "Three ReLU nodes: the posterior finds all three as n grows, most of SGD's seeds stop at fewer"
        )
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
        known = model.phases()
        rows = figure.add_gridspec(2, 1, height_ratios=(1, 1.6))
        above, below = rows[0].subgridspec(1, len(known)), rows[1].subgridspec(1, 2)
        for column, phase in enumerate(known):
            ax = figure.add_subplot(above[0, column])
            _map(ax, model, phase)
            ax.set_title(
                f"{phase.name} kinks" if phase.name == "0" else phase.name, color=colors.ink(phase.name)
            )
        sgd, posterior = (figure.add_subplot(below[0, column]) for column in range(2))
        shares(sgd, seen.steps, seen.curves @ belongs, families, colors)
        step_axis(sgd, int(seen.steps[-1]))
        sgd.set(title="SGD", ylabel="share of seeds")
        shares(posterior, seen.sample_sizes, seen.share @ belongs, families, colors)
        style.n_axis(posterior, seen.sample_sizes)
        posterior.set(title="Posterior", ylabel="probability")
        posterior.legend(loc="center right", title="kinks")
    return figure


def _map(ax: Axes, model: ReluNetwork, phase: Phase) -> None:
    """f on the square, and for each node an arrow along its gradient q w."""
    ax.imshow(model.drawing(phase.point).values, extent=(-1, 1, -1, 1), cmap="Blues")
    arrows = np.asarray(phase.point["q"])[:, None] * np.asarray(phase.point["w"])
    for x, y in arrows[np.abs(arrows).max(axis=1) > 1e-9] * 0.6:
        ax.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "->", "color": style.INK})
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel(f"loss {phase.loss:.3f}")
