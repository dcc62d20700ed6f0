"""Numbers in place of measurements: for each study, what to replace in its module so that `study()` judges them.

A function NAME makes up the numbers: by default all parts of the claim are as claimed, most of them only just, and
its arguments put one or the other beyond its bound. A function kept_NAME takes them from the data of a finding.
"""

import re
from types import SimpleNamespace

import numpy as np

from experiments import making
from experiments.feature_geometry.geometry import Factor
from experiments.learners import PresetRun
from experiments.s_curves.curves import Shape
from experiments.s_curves.study import ADAM, DESCENT, LOSSES, Curve

# what findings made before a renaming call it -> what their studies call it now
RENAMED = {"annealed": "population", "own initialisation": "own initialization", "rungs": "by_n"}


def kept(name):
    """The finding that is kept of a study, in the names that the study has now."""

    def renamed(value):
        if isinstance(value, dict):
            return {RENAMED.get(key, key): renamed(part) for key, part in value.items()}
        return [renamed(part) for part in value] if isinstance(value, list) else value

    return renamed(making.findings()[name])


def figures(words):
    """The numbers in a text, whatever its words."""
    return re.findall(r"[\d.]*\d", words)


def always(value):
    return lambda *_, **__: value


# -- runs of both learners --------------------------------------------------------------------------------------
def seen(names, share, words=(), crossings=(), ends=(0,), sample_sizes=None, llc=()):
    """A run in which the comparer said `words` and the posterior passed at `crossings`, where 100 was predicted;
    seeds begin in phase 0 and end in `ends`."""
    pairs = [{"from": a, "to": b, "verdict": word} for a, b, word in words]
    evidence = {"evidence": {"at_risk": 8, "count": 0}}
    predictions = [{"approximation": "leading", "n": 1.0}, {"approximation": "prior", "n": 100.0}]
    found = [{"from": a, "to": b, "n": n, "predictions": predictions} for a, b, n in crossings]
    run = PresetRun(
        model=None,
        names=names,
        summary={
            "comparison": [pair | evidence for pair in pairs],
            "bayesian": found,
            "phases": [{"llc": value} for value in llc],
        },
        steps=np.arange(2),
        label=np.array([[0, end] for end in ends]),
        params={},
        sample_sizes=np.array(sample_sizes or [10 * (i + 1) for i in range(len(share))]),
        share=np.array(share, float),
    )
    return {"run_preset": always(run)}


FORMER = {"predicted": "predictions", "level": "approximation", "went": "count"}  # keys of data kept before


def renamed(kept):
    """The rows of a summary as they are called now."""
    if isinstance(kept, dict):
        return {FORMER.get(key, key): renamed(value) for key, value in kept.items()}
    return [renamed(one) for one in kept] if isinstance(kept, list) else kept


def kept_seen(data):
    """The run that was kept as `data`; which seed is which is not kept, only how many are where."""
    seeds = data["seeds"]
    counts = np.rint(np.array(data["share of seeds"]) * seeds).astype(int)
    label = np.stack([np.repeat(np.arange(len(row)), row) for row in counts], axis=1)
    judged_row = [data["judged"]] if data.get("judged") else []
    llc = [data.get("expected exponent"), 0.0]  # only the difference counts
    summary = {
        "comparison": renamed(judged_row + data["verdicts"]),
        "bayesian": renamed(data["crossings"]),
        "phases": [{"llc": value} for value in llc],
    }
    share = np.array(data["posterior share"])
    steps, sample_sizes = np.array(data["step"]), np.array(data["n"])
    return {
        "run_preset": always(
            PresetRun(None, tuple(data["phases"]), summary, steps, label, {}, sample_sizes, share)
        )
    }


def two_bump(word, n):
    passed = () if n is None else (("wide", "narrow", n),)
    return seen(("wide", "narrow", "other"), [[1, 0, 0]], [("wide", "narrow", word)], passed)


def dynamical_only(word, *sharp):
    return seen(("sharp", "flat", "other"), [[p, 1 - p, 0] for p in sharp], [("sharp", "flat", word)])


def reversed_(sgd, posterior):
    words = [("sharp", "flat", sgd), ("flat", "sharp", posterior)]
    return seen(("sharp", "flat", "other"), [[1, 0, 0]], words)


def superposition(word):
    return seen(("5-family", "6"), [[1, 0]], [("5-family", "6", word)] if word else ())


def three_wells(first, second, order=(0, 1, 2)):
    crossings = (("broad", "middle", first), ("middle", "sharp", second))
    names = ("broad", "middle", "sharp", "other")
    return seen(names, np.eye(4)[list(order)], crossings=[one for one in crossings if one[2] is not None])


def crater_valley(crater, valley, share):
    ends = [0] * crater + [1] * valley + [2]
    return seen(("crater", "valley", "other"), [[0, 1, 0], [share, 1 - share, 0]], ends=ends)


def degenerate(exponent):
    sample_sizes = [10, 100, 1000, 10_000]
    odds = np.array(sample_sizes) ** exponent / 2
    share = [[1 / (1 + x), x / (1 + x), 0] for x in odds]
    return seen(("regular", "degenerate", "other"), share, sample_sizes=sample_sizes, llc=(0.5, 0.125))


# -- studies with measurements of their own ---------------------------------------------------------------------
def crater_staircase(share=(0.2, 0.005), stays=(0.4, 0.3), half=0.5, how="sgd"):
    """Shares at k = 2 and 8 of runs that end in either crater, one learner's; the other's are as claimed."""

    def row(model, _):
        at = min(model.dimension - 2, 1)

        def craters(*ends):
            return [{"share": end[at], "low": end[at] * 0.9, "high": end[at] * 1.1} for end in ends]

        claimed = {learner: craters((0.2, 0.005), (0.4, 0.3)) for learner in ("sgd", "flow")}
        posterior = {"low": half, "high": half}
        smc = {"mean": 0.5, "error": 0.1}
        return {
            "k": model.dimension,
            **claimed,
            how: craters(share, stays),
            "posterior": posterior,
            "smc": smc,
        }

    return {"_row": row}


def kept_crater_staircase(data):
    rows = {row["k"]: row for row in data["rows"]}
    return {"_row": lambda model, _: rows[model.dimension]}


def feature_geometry(means=(1.0, 2.0, 3.0), plateaus=3.1, posterior=3.1):
    """Mean features per dimension at low, middle and high sparsity, with errors 0.01; lower ends of the factors."""

    def trained(_, sparsities, *__):
        level = [0] + [1] * (len(sparsities) - 2) + [2]
        return {s: SimpleNamespace(mean=means[i], error=0.01) for s, i in zip(sparsities, level, strict=True)}

    def factor(populations, block):
        low = plateaus if block == 1 else posterior if populations[0] == "last" else 0.0
        return Factor(low + 1, low, low + 2, 0.5, 0.1)

    def posteriors(sample_sizes, *_):
        return dict.fromkeys(sample_sizes, "first") | {sample_sizes[-1]: "last"}

    return {"trained": trained, "posteriors": posteriors, "factor": factor, "_as_data": always({})}


def many_seeds(effective=11.0, spread=0.5, fresh=0.1, own=1.09):
    """Structures, by what the spread shrinks from size to size, what a fresh start costs, 70 % kept over whole."""
    z = np.linspace(-1, 1, 101)

    def seeds(size, *_):
        loss = 1 + 0.1 * spread ** (size[1] / 2) * z
        return {"params": None, "loss": loss, "effective": effective, "spread": 0.1}

    def ticket(_, share, *__):
        start = own + 0.01 * z
        costs = fresh if share == 0.3 else 0.1
        return {"own": start, "fresh": start + costs + 0.01 * z[::-1], "foreign": start}

    return {"_seeds": seeds, "_ticket": ticket}


def kept_many_seeds(data):
    def name(size):
        return f"{size[0]} features in {size[1]}"

    def seeds(size, *_):
        return {**data["sizes"][name(size)], "params": None, "loss": np.array(data["losses"][name(size)])}

    def ticket(_, share, *__):
        return {"own": np.array([data["pruned"][str(share)]["own"]])}

    def compared(arms):  # distinguished by what they end at
        return next(one for one in data["pruned"].values() if one["own"] == arms["own"][0])

    return {"_seeds": seeds, "_ticket": ticket, "_compared": compared}


def mixture(slope=0.75, exponent=-0.25, sgd=-0.25, em=-0.25):
    free, size = (lambda n: slope * np.log(n)), (lambda n: n**exponent)
    return _mixture(free, size, {"SGD": (sgd, 0.01), "EM": (em, 0.01)})


def kept_mixture(data):
    def along(values):
        return lambda sample_sizes: np.array(
            [dict(zip(data["n"], data[values], strict=True))[n] for n in sample_sizes]
        )

    return _mixture(along("free energy"), along("size of means"), data["exponents of fits"])


def _mixture(free, size, exponents):
    return {
        "_posterior": lambda model, sample_sizes, cells: (free(sample_sizes), size(sample_sizes)),
        "_fits": always({name: np.array(pair) for name, pair in exponents.items()}),
        "_scaling": lambda sizes: tuple(next(iter(sizes.values())).tolist()),
    }


def monosemantic(bias=0.1, rate=0.1, neurons=0.1, per_feature=0.1, unlike=0.0):
    """By how much each sweep changes the share, and that of neurons the number per feature; the same in every run.
    `unlike`: how far the losses of the sweep of rate are apart."""
    ends = {"init_bias": (-0.5, bias), "rate": (3e-2, rate), "neurons": (16, neurons)}

    def run(**options):
        ((option, value),) = options.items()
        last, change = ends.get(option, (None, 0.0))
        at_end = value == last
        return {
            "loss": np.full(4, 1 + unlike * (at_end and option == "rate")),
            "share": np.full(4, 0.5 + change * at_end),
            "per_feature": np.full(4, 0.5 + per_feature * (at_end and option == "neurons")),
        }

    return _monosemantic(run)


def kept_monosemantic(data):
    def run(**options):
        ((option, value),) = options.items()
        sweep = option.removeprefix("init_")
        row = next(row for row in data["sweeps"][sweep] if row[option] == value)
        return {"sweep": sweep, "loss": np.array([row["median_loss"]])}

    def difference(sweep, what):
        name = sweep[0]["sweep"]
        return data["compared"]["neurons, share" if (name, what) == ("neurons", "share") else name]

    return {**_monosemantic(run), "_difference": difference}


def _monosemantic(run):
    unjudged = {name: always({}) for name in ("posterior", "barriers", "_summary")}
    return {"_Runs": always(run), "_numbers": always("0"), **unjudged}


def reduced_rank(order=(9, 1), n=50.0, middle=0.3, **off):
    """Seeds in order and not; n on data; share in the middle; and by what factor each level is off."""
    predicted = {level: 100 * off.get(level, 1.0) for level in ("leading", "prior", "volume")}
    one = {"from": "a", "to": "b", "n": n, "n_low": None, "n_high": None, "population": {"n": 100.0}}
    middles = None if middle is None else {"share": middle, "error": 0.01}
    crossing = {**one, "middle": middles, "predicted": predicted, "soft threshold": 44.0}
    return _reduced_rank(dict(zip(("0-1-2", "0-2"), order, strict=True)), [crossing, crossing])


def kept_reduced_rank(data):
    return _reduced_rank(data["order"], data["crossings"])


def _reduced_rank(order, crossings):
    paths = [[int(k) for k in path.split("-")] for path, count in order.items() for _ in range(count)]
    longest = max(map(len, paths))
    label = np.array([path + path[-1:] * (longest - len(path)) for path in paths])
    return {
        "run": always(None),
        "_read": always(SimpleNamespace(path=SimpleNamespace(label=label))),
        "crossing": lambda read, facts, k: crossings[k],
    }


def s_curves(low=0.3, high=0.05, adam=0.3, bumps=(0, 1), adam_bumps=(0, 2)):
    """Plateaus at the lowest and the highest rank by descent, and at the highest with Adam; bumps at the lowest rank
    and at each of the others."""

    def shape(loss, name, rank):
        plateau = low if rank == 1 else {DESCENT: high, ADAM: adam}.get(name, 0.1)
        extra = {DESCENT: bumps, ADAM: adam_bumps}.get(name, (0, 0))[rank > 1]
        return [Shape(plateau, 0.5, 1.0, 1 + extra, 1, 0, 0.0)]

    return _s_curves(shape)


def kept_s_curves(data):
    rows = {(row["loss"], row["optimizer"], row["rank"]): row for row in data["curves"]}

    def shape(*key):
        columns = [[np.nan if v is None else v for v in rows[key][name]] for name in Shape._fields]
        return [Shape(*values) for values in zip(*columns, strict=True)]

    return _s_curves(shape)


def _s_curves(shape):
    names = {kind: loss for loss, kind in LOSSES.items()}
    return {
        "curve": lambda model, name, size: Curve(None, shape(names[type(model)], name, model.rank)),
        "controls": always({}),
        "coefficient": always({}),
        "passages": always([]),
    }


def saddle_to_saddle(broken=()):
    """All parts as claimed but those `broken`, each of them a little beyond its bound."""

    def pick(part, good, bad):
        return bad if part in broken else good

    flags = ["short"]
    estimates = [
        {"rank": k, "llc": pick("estimate rises", float(k), -float(k)), "flags": flags if i else []}
        for k in range(3)
        for i in range(2)
    ]
    passage = {"verdict": pick("shared", "both", "bayesian only")}
    passage["middle"] = {"share": pick("posterior jumps", 0.33, 0.34), "error": 0.01}
    apart = pick("theory rises", 0.29, 0.28)  # two standard errors are 0.283
    ridge = {"length": 0.95, "excess": 0.0, "slope": pick("ridge", 1e-10, 1e-8), "zero": [14, 20]}
    return kept_saddle_to_saddle(
        {
            "order": {"0-1-2": pick("order", 9, 8), "0-2": 1},
            "plateaus": [{"away": 0.0}, {"away": pick("plateaus", 0.019, 0.021)}],
            "theory": [
                {"theory": k * apart, "measured": k * apart, "error": 0.1, "status": "ok"} for k in range(3)
            ],
            "estimates": estimates,
            "posterior": [{"from": f"rank {k}", "to": f"rank {k + 1}", **passage} for k in range(2)],
            "ridges": [{**ridge, "dimension": 27}] * 2,
        }
    )


def kept_saddle_to_saddle(data):
    return {
        "run": always(None),
        "descent": always(None),
        "orders": always(data["order"]),
        "plateaus": always(data["plateaus"]),
        "at_saddle": lambda model, k, estimator: data["theory"][k],
        "along": always(data["estimates"]),
        "passages": always(data["posterior"]),
        "walk": lambda model, k, stations: data["ridges"][k],
        "as_data": lambda ridge: ridge,
    }


def volume_scaling(wrong=(), by=0.003, flat=False):
    """Volumes that follow the law, with the exponents of the cases in `wrong` off; `flat`: without its logarithm."""
    cases = making.load("volume_scaling").CASES
    laws = dict(zip(cases.values(), ((0.5, 1), (0.75, 1), (0.5, 2), (0.25, 1)), strict=True))
    off = [cases[name] for name in wrong]

    def log_volume(exponents, eps, _):
        llc, m = laws[exponents]
        logarithm = 0.0 if flat else (m - 1) * np.log(1 - np.log(eps))
        return (llc + by * (exponents in off)) * np.log(eps) + logarithm - 1

    return {"log_volume": log_volume}


def kept_volume_scaling(data):
    cases = {exponents: name for name, exponents in making.load("volume_scaling").CASES.items()}

    def log_volume(exponents, eps, _):
        at = np.argmin(np.abs(np.array(data["log eps"]) - np.log(eps)))
        return data[cases[exponents]]["log volume"][at]

    return {"log_volume": log_volume}


def walk_along_minimum(trace=8.7, ratio=(1.09, 0.91, 1.0), moved=1e-7):
    """The trace at the end, of which the least is 8; rates over theory; the largest distance without noise."""
    return _walk_along_minimum(np.linspace(30.0, np.full(4, trace), 41).T, ratio, moved)


def kept_walk_along_minimum(data):
    still = data["distance moved without noise, largest"]
    return _walk_along_minimum(np.array(data["trace"]), data["rate over theory"], still)


def _walk_along_minimum(trace, ratio, moved):
    theory = [rate**2 for rate in (0.01, 0.02, 0.03)]  # 4 inputs in batches of 4
    by_seed = trace[:, None]
    measured = {"imbalance": None, "point": None, "trace": by_seed, "loss": by_seed, "gap": np.zeros(1)}
    return {
        "walk": always(None),
        "measure": always(measured),
        "_left": always(range(3)),
        "_rate": lambda i, time: (ratio[i] * theory[i], 0.0),
        "_moved": always(np.full(by_seed.shape, moved)),
        "_lambda": always({"mean": [8.0], "error": [0.1]}),
    }


# -- data, where the rule is a function of these ----------------------------------------------------------------
def sparse_parity(one=0.96, exponent=(1.19, 0.01), smooth=0.96):
    measured = {"time against 1 / frequency, exponent": exponent, "one sigmoid of a task, median R2": one}
    power = "power law of the total: exponent"
    total = {"power law of the total: median R2 of log loss": smooth, power: (-0.3, 0.1)}
    adam = {**measured, **total, "exponent expected of infinitely many tasks": -0.3}
    return {"Adam": adam, "SGD": measured, "Bayes": {"n against 1 / frequency, exponent": (1.0, 0.1)}}


def staircase(order=0.91, low=1.9, far=3.1):
    """The least share in order; where the interval of the parity's exponent begins; lower end of its slowness."""
    exponents = {name: {"value": 1.1, "low": 1.0, "high": 1.2} for name in ("staircase", "gap")}
    return {
        "in order": {8: 1.0, 16: order},
        "exponents": exponents | {"parity": {"value": low + 0.1, "low": low, "high": low + 0.2}},
        "expected exponents": {"staircase": (1, 1.3), "gap": (1, 1.3), "parity": (2, 2.3)},
        "exponents between the two largest d": {"parity": (2.0, 1.9, 2.1)},
        "parity over staircase, SGD": (far + 1, far, far + 2),
        "parity over staircase, SGD, five bits": (1.0, 0.9, 1.1),
        "parity over staircase, Bayes, five bits": (1.0, 0.9, 1.1),
    }


def induction(order=7, halves=7, hidden=7):
    """Eight seeds, of which so many show each part."""

    def seed(i):
        return {
            "passed": {
                "unigram": 4,
                "bigram": 8,
                "previous token": 1000,
                "induction": 1500 if i < order else (1000, None)[i % 2],
                "copying": 1700 if i < halves else (1000, None)[i % 2],
            },
            "hidden": ["unigram", *["previous token"] * (i < hidden)],
            "transitions of the loss": [],
        }

    return {"seeds": [seed(i) for i in range(8)]}
