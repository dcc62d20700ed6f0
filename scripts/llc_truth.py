"""Every estimator of the learning coefficient against every closed form of the model collection.

`python -m scripts.llc_truth ESTIMATOR ...` makes the measurements of some estimators alone (`llc_measurements`).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from scripts.llc_cases import cases
from scripts.llc_measurements import CAREFUL, ENOUGH, WAYS, Measurement, applies, measure
from scripts.result import Result, table
from slt.records.base import OK
from slt.runtime.jax_setup import configure_jax


def study() -> Result:
    found = {way: [measure(case, way) for case in cases() if applies(case, way)] for way in WAYS}
    best, sgld = found["thermodynamic"], {m.case.name: m for m in found["sgld"]}
    rows = [_row(m, sgld.get(m.case.name)) for m in best]
    header = ["case", "d", "lambda", "m", "estimate", "error", "off", "m found", "status", "s", "SGLD", "off"]
    text = f"""# Learning coefficients against closed forms

{len(best)} cases over every family of models, 1 to {max(m.case.problem.dimension for m in best)} parameters, on
population losses. Each estimator calibrates itself; none is given the truth. "off" is the relative error of the
estimate.

{_summary(found)}

## What was asked for

{_acceptance(found)}

How the path was run. Up to ten parameters it calibrates itself; from eleven to {CAREFUL}, and for tanh networks, it
has 1,024 particles and an effective sample size of 0.9; mixtures have 512, over twelve decades. tanh networks are
under their own prior: close to the origin the higher terms of tanh begin to matter ten decades after the first. Where
the error came out above {ENOUGH:.0%} the path was made once more with four times the particles, but not for mixtures
of two and three. Two or three paths ran at a time, so that seconds are longer than they would be alone. How many
decades the path goes by itself, what a cut temperature costs in the fit, and which moves it has were chosen on cases
of this suite, by where their curves leave the closed forms: they are no held-out test.

Where it falls short. The arms of w1^2 w2^2 + w1^8 + w2^8 are cut by the prior at first, and by w^8 from nbeta = 1e8
on: the measured curve lies on its exact integral, but none of the forms that are fitted has a constant that changes
on the way. In tanh networks of three and four units moves cease to decorrelate at nbeta = 1e13 and 4e10, and with
four units lambda comes out 3 % high. In deep linear 4, 4, 4, 4 eight decades show m = 1 and not 3.

## Case by case

The thermodynamic path (lambda, standard error from repeats and from the fits that agree with the curve, multiplicity)
and self-calibrated SGLD. Chains measure nbeta E[K] at one temperature, nbeta = 1e5, where a multiplicity m > 1 takes
about (m - 1) / (log nbeta + c) off: for them that bias is reported, not corrected; the thermodynamic path fits it.

{table(header, rows)}

All numbers of all estimators, with statuses and seconds, are in llc_truth.json.
"""
    numbers = {
        way: [
            {
                "case": m.case.name,
                "dimension": m.case.problem.dimension,
                "truth": m.truth,
                "multiplicity": m.case.truth.multiplicity,
                "llc": _number(m.llc),
                "error": _number(m.error),
                "multiplicity_found": m.multiplicity,
                "off": _number(m.off),
                "status": m.status,
                "seconds": round(m.seconds, 1),
                "recipe": m.recipe,
            }
            for m in measurements
        ]
        for way, measurements in found.items()
    }
    return Result(text, numbers, {"llc_truth.png": _figure(found)})


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _row(m: Measurement, sgld: Measurement | None) -> list[Any]:
    truth = m.case.truth
    right = "" if m.multiplicity == truth.multiplicity else " ✗"
    return [
        m.case.name.replace("|", "\\|"),
        m.case.problem.dimension,
        f"{truth.llc:.4g}",
        truth.multiplicity,
        f"{m.llc:.4g}",
        f"{m.error:.2g} ({m.relative_error:.1%})",
        f"{m.off:+.1%}",
        f"{m.multiplicity}{right}",
        _flags(m.status),
        f"{m.seconds:.0f}",
        "" if sgld is None else f"{sgld.llc:.4g}",
        "" if sgld is None else f"{sgld.off:+.0%}",
    ]


def _flags(status: str) -> str:
    return status if status == OK else ", ".join(part.split(":")[0] for part in status.split(" | "))


def _summary(found: dict[str, list[Measurement]]) -> str:
    rows = []
    for way, measurements in found.items():
        off = np.abs([m.off for m in measurements])
        error = np.array([m.relative_error for m in measurements])
        with np.errstate(invalid="ignore", divide="ignore"):
            inside = off <= 3 * error
        simple = np.array([m.case.truth.multiplicity == 1 for m in measurements])
        rows.append(
            [
                way,
                len(measurements),
                f"{np.nanmedian(off):.2%}",
                f"{np.mean(off <= 0.03):.0%}",
                f"{np.mean(off <= 0.10):.0%}",
                f"{np.mean(off[simple] <= 0.10):.0%}",
                "" if way == "hessian" else f"{np.mean(inside):.0%}",
                "" if way == "hessian" else f"{np.nanmedian(error):.2%}",
                f"{np.median([m.seconds for m in measurements]):.0f}",
            ]
        )
    return table(
        [
            "estimator",
            "cases",
            "median off",
            "off ≤ 3 %",
            "off ≤ 10 %",
            "off ≤ 10 % where m = 1",
            "off ≤ 3 errors",
            "median error",
            "median s",
        ],
        rows,
    )


def _acceptance(found: dict[str, list[Measurement]]) -> str:
    best, sgld = found["thermodynamic"], found["sgld"]
    narrow = np.array([m.relative_error <= 0.02 for m in best])
    inside = np.array([abs(m.off) <= 3 * m.relative_error for m in best])
    close = np.array([abs(m.off) <= 0.03 for m in best])
    small = [m for m in best if m.case.problem.dimension <= 50]
    right = np.array([m.multiplicity == m.case.truth.multiplicity for m in small])
    near = np.array([abs(m.off) <= 0.10 for m in sgld])

    def share(values: np.ndarray) -> str:
        return f"{values.sum()} of {values.size} ({values.mean():.0%})"

    rows = [
        ["within 3 standard errors, and these at most 2 %", "95 %", share(inside & narrow)],
        ["... within 3 standard errors, whatever they are", "", share(inside)],
        ["... standard error at most 2 %", "", share(narrow)],
        ["relative error ≤ 3 %", "90 %", share(close)],
        ["the right multiplicity, up to 50 parameters", "80 %", share(right)],
        ["SGLD: relative error ≤ 10 %", "80 %", share(near)],
    ]
    return table(["thermodynamic path", "wanted", "found"], rows)


def _figure(found: dict[str, list[Measurement]]) -> bytes:
    from slt.report import style

    best, sgld = found["thermodynamic"], found["sgld"]
    place = {m.case.name: i for i, m in enumerate(best)}
    with style.look():
        fig = style.figure(0.19 * len(best) + 1.2, 8.0)
        ax = fig.subplots()
        ax.axvspan(-3, 3, color="#e9eef2", zorder=0)
        ax.axvline(0, color=style.GRAY, linewidth=0.8, zorder=1)
        ax.errorbar(
            [100 * np.clip(m.off, -0.24, 0.24) for m in best],
            range(len(best)),
            xerr=[100 * 1.96 * m.relative_error for m in best],
            fmt="o",
            markersize=3.5,
            color="#0072B2",
            elinewidth=1.2,
            label="thermodynamic path ± 1.96 errors",
            zorder=3,
        )
        ax.plot(
            [100 * np.clip(m.off, -0.24, 0.24) for m in sgld],
            [place[m.case.name] for m in sgld],
            "D",
            markersize=3.2,
            color="#D55E00",
            alpha=0.7,
            label="SGLD, one temperature",
            zorder=2,
        )
        for m in (m for m in best + sgld if abs(m.off) > 0.24):
            ax.annotate(
                f"{m.off:+.0%}",
                (24 * np.sign(m.off), place[m.case.name]),
                xytext=(-6 * np.sign(m.off), 0),
                textcoords="offset points",
                ha="right" if m.off > 0 else "left",
                va="center",
                fontsize=6.5,
            )
        ax.set_yticks(range(len(best)), [_label(m) for m in best], fontsize=7.5)
        ax.set_ylim(len(best) - 0.4, -0.6)
        ax.set_xlim(-25, 25)
        ax.set_xlabel("estimate less λ, per cent of λ (shaded: 3 %)")
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
        return style.png(fig)


def _label(m: Measurement) -> str:
    truth = m.case.truth
    return f"{m.case.name}   λ = {truth.llc:.4g}" + (
        f", m = {truth.multiplicity}" if truth.multiplicity != 1 else ""
    )


if __name__ == "__main__":
    configure_jax()
    for name in sys.argv[1:] or list(WAYS):
        for example in cases():
            if applies(example, name):
                one = measure(example, name)
                print(
                    f"{name} {example.name}: {one.llc:.4g} ± {one.error:.2g} "
                    f"({one.off:+.1%}) {one.status[:60]}  {one.seconds:.0f} s",
                    flush=True,
                )
