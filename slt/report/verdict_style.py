"""How verdicts are grouped and colored, wherever they are shown."""

from __future__ import annotations

from collections.abc import Sequence

from slt.records.comparison import Verdict

# none of them a phase's hue; (fill, text)
VERDICT_COLORS = {
    "both": ("#2f3640", "#ffffff"),
    "bayesian only": ("#b9a3e3", "#222222"),
    "dynamical only": ("#e6cf6b", "#222222"),
    "inconclusive": ("#ececec", "#555555"),
}
# what stands out on white recedes on black, and the other way round
VERDICT_COLORS_ON_DARK = VERDICT_COLORS | {
    "both": ("#f0f1f3", "#15181c"),
    "inconclusive": ("#363c43", "#c3c9cf"),
}


def by_level(all_verdicts: Sequence[Verdict]) -> tuple[list[Verdict], list[Verdict]]:
    """Verdicts on families, then on phases."""
    families = [v for v in all_verdicts if v.evidence.get("level") == "family"]
    return families, [v for v in all_verdicts if v.evidence.get("level") != "family"]


def is_direct(verdict: Verdict) -> bool:
    """Whether the two phases change order while no third holds more mass."""
    return bool(verdict.evidence.get("direct", True))
