"""Records such as a run of superposition at c = 6 leaves, made up in milliseconds.

Losses are those of the theory; the staircase, the free energies and the draws are drawn at random around them.
"""

import dataclasses

import numpy as np

from slt.records.comparison import Comparison, Verdict
from slt.records.phases import Occupancy, PhaseFacts, PhasePath
from slt.records.posterior import Ladder
from slt.records.training import Trajectory
from slt.records.transitions import BayesianTransition, DynamicalTransition, Prediction
from slt.report.inputs import ReportInputs

NAMES = ("4", "4+", "4++", "5", "5+", "6", "other")
LOSS = np.array([0.11111, 0.10417, 0.09722, 0.06874, 0.06180, 0.04819, 0.125])
LLC = {"5": 7.0, "5+": 8.5, "6": 8.5}
# volumes that put the crossings 4++ -> 5 -> 5+ -> 6 near n = 96, 190 and 430
CONSTANT = np.array([-0.5, -0.3, 0.0, 2.73, 4.05, 9.9, -1.8])
SHAPES = {4: (1.0, 0.0), 5: (1.17046, -0.28230), 6: (1.32053, -0.61814)}
SOURCE = "Chen et al. 2023, arXiv:2310.06301"


def weights(name: str, rng: np.random.Generator, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """(2, 6) and (6,): the k-gon called `name`, turned, shuffled and blurred."""
    if name == "other":
        return rng.normal(0, 0.7, (2, 6)), rng.normal(0, 0.5, 6)
    k, plus = int(name[0]), name.count("+")
    length, bias = SHAPES[k]
    angle = 2 * np.pi * np.arange(k) / k + rng.uniform(0, 2 * np.pi)
    w = np.zeros((2, 6))
    w[:, :k] = length * np.stack([np.cos(angle), np.sin(angle)])
    b = np.where(np.arange(6) < k, bias, -0.3)
    b[k : k + plus] = 1 / 12
    order = rng.permutation(6)
    return w[:, order] + rng.normal(0, noise, (2, 6)), b[order] + rng.normal(0, noise / 2, 6)


def training(seeds: int = 64, checkpoints: int = 90, last: int = 225_000) -> tuple[Trajectory, PhasePath]:
    """Seeds step down 4, 4+, 4++, 5+; a few stay at 4++, one reaches 6; one diverges."""
    rng = np.random.default_rng(1)
    steps = np.concatenate([[0], np.unique(np.geomspace(50, last, checkpoints - 1).astype(int))])
    label = np.full((seeds, len(steps)), 6)
    loss = np.empty((seeds, len(steps)))
    for seed in range(seeds):
        route = [0, 1, 2] + ([] if seed % 8 == 7 else [3, 4]) + ([5] if seed == 10 else [])
        times = np.exp(np.log(700) + np.cumsum(rng.exponential(0.75, len(route)) + 0.15))
        for phase, time in zip(route, times, strict=True):
            label[seed, steps >= time] = phase
        target = np.where(steps < times[0], 0.2, LOSS[label[seed]])
        curve = np.log(1 / 3)
        for i, level in enumerate(np.log(target)):
            curve += 0.75 * (level - curve)
            loss[seed, i] = np.exp(curve) + abs(rng.normal(0, 3e-4))
    both = [[weights(NAMES[i], rng, 0.03) for i in row] for row in label]
    status = np.array(["ok"] * seeds, dtype=object).astype("U64")
    if seeds > 5:
        status[5] = f"loss not finite from step {steps[40]}"
        loss[5, 40:], label[5, 40:] = np.nan, 6
    params = {
        "W": np.array([[w for w, _ in row] for row in both]),
        "b": np.array([[b for _, b in row] for row in both]),
    }
    trajectory = Trajectory(
        steps=steps,
        params=params,
        loss=loss + 0.001,
        population_loss=loss,
        observables={},
        dataset=np.zeros(seeds, int),
        status=status,
    )
    return trajectory, PhasePath(steps=steps, label=label)


def posterior(datasets: int = 3, repeats: int = 2, draws: int = 256) -> tuple[Ladder, Occupancy, np.ndarray]:
    """A ladder whose phases follow n L + c with data noise; one sample size that did not mix."""
    rng = np.random.default_rng(2)
    sample_sizes = np.unique(np.geomspace(50, 2000, 12).round(-1).astype(int))
    shape = (datasets, len(sample_sizes), repeats)
    noise = rng.normal(0, 0.5, (datasets, 1, 1, 7)) + rng.normal(0, 0.15, (*shape, 7))
    energy = sample_sizes[:, None, None] * LOSS + CONSTANT + noise
    log_z = np.logaddexp.reduce(-energy, axis=-1)
    share = np.exp(-energy - log_z[..., None])
    flat = [np.sort(rng.choice(7, draws, p=p / p.sum())) for p in share.reshape(-1, 7)]
    labels = np.array(flat).reshape(*shape, draws)
    visits = (labels[..., None] == np.arange(7)).sum(axis=-2)
    spread = np.broadcast_to(0.9 / np.sqrt(sample_sizes)[None, :, None, None], labels.shape)
    both = [weights(NAMES[i], rng, s) for i, s in zip(labels.ravel(), spread.ravel(), strict=True)]
    status = np.full(shape, "ok", dtype="U64")
    status[0, -1, 0] = "particles still correlated after 64 moves"
    ladder = Ladder(
        sample_sizes=sample_sizes,
        draws={
            "W": np.array([w for w, _ in both]).reshape(*labels.shape, 2, 6),
            "b": np.array([b for _, b in both]).reshape(*labels.shape, 6),
        },
        log_weights=np.full(labels.shape, -np.log(draws)),
        loss=LOSS[labels],
        log_evidence=log_z,
        info={"ess": np.full(shape, float(draws))},
        status=status,
    )
    occupancy = Occupancy(
        sample_sizes=sample_sizes,
        share=visits / draws,
        free_energy=-log_z,
        visits=visits,
        switches=np.full(shape, -1),
        loss=np.where(visits > 0, LOSS, np.nan),
        loss_variance=np.where(visits > 0, 1e-6, np.nan),
        floor=np.asarray(1 / draws),
    )
    return ladder, occupancy, labels


def _verdict(
    source: str,
    target: str,
    verdict: str,
    went: int,
    at_risk: int,
    n: float | None,
    level: str = "phase",
    direct: bool = True,
) -> Verdict:
    why = f"SGD: {at_risk} of 64 seeds were in {source}, {went} continued to {target}. Posterior: "
    why += (
        f"{target} leads throughout."
        if n is None
        else f"mass passes at n = {n:,.0f}; seen in 3 of 3 data sets."
    )
    evidence: dict[str, object] = {"level": level, "count": went, "at_risk": at_risk}
    return Verdict(source, target, verdict, why, evidence | ({} if n is None else {"n": n, "direct": direct}))


def comparison() -> Comparison:
    phases = tuple(
        PhaseFacts(
            name=name,
            family=name.rstrip("+"),
            loss=float(LOSS[i]),
            llc=LLC.get(name),
            multiplicity=1 if name in LLC else None,
            log_prior=-18.0,
            source=SOURCE,
        )
        for i, name in enumerate(NAMES[:-1])
    )
    dynamical = (
        DynamicalTransition("4", "4+", 63, 63, 1490.0, 830.0, 4410.0, 0.0069),
        DynamicalTransition("4+", "4++", 63, 63, 3410.0, 1310.0, 11_200.0, 0.0069),
        DynamicalTransition("4++", "5", 55, 63, 7300.0, 2560.0, 22_500.0, 0.0285),
        DynamicalTransition("5", "5+", 55, 55, 15_200.0, 4950.0, 51_100.0, 0.0069),
    )
    bayesian = (
        BayesianTransition(
            "4++", "5", 96.0, None, 140.0, 3, 3, 0.21, 0.38,
            (Prediction("leading", None, "λ of 4++ is unknown"), Prediction("prior", None, "λ of 4++ is unknown")),
            "bootstrap over data sets and repeats",
        ),
        BayesianTransition(
            "5", "5+", 190.0, 120.0, 330.0, 2, 3, 0.38, 0.52,
            (Prediction("leading", 1150.0), Prediction("prior", 1290.0)),
            "bootstrap over data sets and repeats",
        ),
        BayesianTransition(
            "5+", "6", 430.0, 350.0, 550.0, 3, 3, 0.52, 0.97,
            (Prediction("leading", 445.0), Prediction("prior", 601.0)),
            "bootstrap over data sets and repeats",
        ),
    )  # fmt: skip
    verdicts = (
        _verdict("4", "4+", "dynamical only", 63, 63, None),
        _verdict("4+", "4++", "inconclusive", 63, 63, None),
        _verdict("4++", "5", "both", 55, 63, 96.0),
        _verdict("4++", "6", "bayesian only", 0, 63, 216.0, direct=False),
        _verdict("5", "5+", "both", 55, 55, 190.0),
        _verdict("5+", "6", "bayesian only", 1, 55, 430.0),
        _verdict("4-family", "5-family", "both", 55, 63, 98.0, level="family"),
        _verdict("5-family", "6", "bayesian only", 1, 55, 446.0, level="family"),
    )
    return Comparison(
        phases=phases,
        dynamical=dynamical,
        bayesian=bayesian,
        verdicts=verdicts,
        headline="SGD walks down 4 → 5 → 5+ as the posterior does, but all but never takes the posterior's "
        "sharpest step, 5+ → 6.",
        notes=("Losses are unhalved squared errors; the prior is N(0, 1). Crossings depend on both.",),
    )


def full() -> ReportInputs:
    trajectory, path = training()
    ladder, occupancy, labels = posterior()
    return ReportInputs(
        title="Superposition, 6 features in 2 dimensions",
        names=NAMES,
        comparison=comparison(),
        trajectory=trajectory,
        path=path,
        ladder=ladder,
        occupancy=occupancy,
        draw_labels=labels,
        config={"model": {"features": 6, "hidden": 2}, "trainer": {"batch": 20, "rate": 0.005}, "seed": 0},
        provenance={
            "versions": {"slt": "0.1.0", "jax": "0.10.2"},
            "seed": 0,
            "configuration hash": "3f9a1c0d2b7e",
            "device": "cpu",
            "seconds": {"training": 31.42, "posterior": 74.9, "comparison": 0.21},
        },
        status={"training": "ok", "posterior": "ok"},
    )


def two_bumps() -> ReportInputs:
    """A model of one parameter whose posterior, on a grid, moves from a wide well to a narrow one."""
    names = ("wide", "narrow", "other")
    sample_sizes = np.array([8000, 9000, 10_000, 10_500, 11_000, 12_000])
    grid = np.linspace(-6, 16, 4001)
    well = np.minimum(0.5 * 0.02 * grid**2, 0.08) + 0.0059
    well = np.minimum(well, 0.5 * 8.0 * (grid - 11) ** 2)
    log_density = -0.5 * grid**2 - sample_sizes[:, None] * well
    log_weights = log_density - np.logaddexp.reduce(log_density, axis=1)[:, None]
    label = np.where(np.abs(grid) < 4, 0, np.where(np.abs(grid - 11) < 0.3, 1, 2))
    share = np.stack([np.where(label == i, np.exp(log_weights), 0.0).sum(axis=1) for i in range(3)], axis=-1)
    shape = (1, len(sample_sizes), 1)
    log_z = np.logaddexp.reduce(log_density, axis=1).reshape(shape)
    labels = np.broadcast_to(label, (*shape, len(grid)))
    ladder = Ladder(
        sample_sizes=sample_sizes,
        draws={"w": np.broadcast_to(grid, labels.shape)},
        log_weights=log_weights.reshape(labels.shape),
        loss=np.broadcast_to(well, labels.shape),
        log_evidence=log_z,
        info={},
        status=np.full(shape, "ok"),
    )
    occupancy = Occupancy(
        sample_sizes=sample_sizes,
        share=share.reshape(*shape, 3),
        free_energy=-log_z,
        visits=(labels[..., None] == np.arange(3)).sum(axis=-2),
        switches=np.full(shape, -1),
        loss=np.full((*shape, 3), np.nan),
        loss_variance=np.full((*shape, 3), np.nan),
        floor=np.asarray(0.0),
    )
    steps = np.arange(0, 1001, 50)
    start = np.random.default_rng(3).normal(0, 1, 20)
    w = start[:, None] * np.exp(-steps / 200)
    trajectory = Trajectory(
        steps=steps,
        params={"w": w},
        loss=np.full(w.shape, np.nan),
        population_loss=0.01 * w**2 + 0.0059,
        observables={},
        dataset=np.full(20, -1),
        status=np.full(20, "ok"),
    )
    facts = (
        PhaseFacts("wide", "wide", 0.0059, 0.5, 1, -0.9, "one well"),
        PhaseFacts("narrow", "narrow", 0.0, 0.5, 1, -61.4, "one well"),
    )
    moved = BayesianTransition(
        "wide", "narrow", 10_400.0, None, None, 1, 1, 1.0, 1.0,
        (Prediction("leading", None, "the same λ"), Prediction("prior", 10_254.0)),
    )  # fmt: skip
    evidence = {"level": "phase", "count": 0, "at_risk": 20, "n": 10_400.0, "direct": True}
    verdict = Verdict(
        "wide", "narrow", "bayesian only", "0 of 20 seeds; mass passes at n = 10,400.", evidence
    )
    return ReportInputs(
        title="Two wells",
        names=names,
        comparison=Comparison(
            facts, (), (moved,), (verdict,), "SGD stays in the wide well; the posterior leaves it."
        ),
        trajectory=trajectory,
        path=PhasePath(steps=steps, label=np.zeros(w.shape, int)),
        ladder=ladder,
        occupancy=occupancy,
        draw_labels=labels,
    )


def training_only() -> ReportInputs:
    return dataclasses.replace(full(), ladder=None, occupancy=None, draw_labels=None)


def posterior_only() -> ReportInputs:
    return dataclasses.replace(full(), trajectory=None, path=None)


def empty() -> ReportInputs:
    """Both learners ran, and nothing happened: no phases known, no transitions, no verdicts."""
    whole = full()
    assert whole.path is not None
    assert whole.occupancy is not None
    return dataclasses.replace(
        whole,
        names=("other",),
        comparison=Comparison((), (), (), ()),
        path=dataclasses.replace(whole.path, label=np.zeros_like(whole.path.label)),
        occupancy=dataclasses.replace(
            whole.occupancy,
            share=np.ones((*whole.occupancy.share.shape[:3], 1)),
            visits=whole.occupancy.visits[..., :1],
            loss=whole.occupancy.loss[..., :1],
        ),
        draw_labels=None,
    )


def smallest() -> ReportInputs:
    """The least that a run can leave: one seed at one checkpoint, where all weights are zero, and one sample size."""
    trajectory, path = training(seeds=1)
    first = slice(0, 1)
    whole = full()
    assert whole.occupancy is not None
    return dataclasses.replace(
        whole,
        trajectory=dataclasses.replace(
            trajectory,
            steps=trajectory.steps[first],
            loss=trajectory.loss[:, first],
            population_loss=trajectory.population_loss[:, first],
            params={name: np.zeros_like(value[:, first]) for name, value in trajectory.params.items()},
            status=np.array(["ok"]),
        ),
        path=dataclasses.replace(path, steps=path.steps[first], label=path.label[:, first]),
        ladder=None,
        draw_labels=None,
        occupancy=dataclasses.replace(
            whole.occupancy,
            sample_sizes=whole.occupancy.sample_sizes[first],
            **{
                field: getattr(whole.occupancy, field)[:1, first, :1]
                for field in ("share", "free_energy", "visits", "switches", "loss")
            },
        ),
    )
