"""What options of models have to be."""

from __future__ import annotations

import math


def check_positive(**options: float) -> None:
    """Raises ValueError for an option that is not a positive finite number."""
    for name, value in options.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a positive number, not {value}")


def check_scales(prior_scale: float, init_scale: float) -> None:
    """Raises ValueError for standard deviations that are none; SGD may start at 0, a prior may not have width 0."""
    check_positive(prior_scale=prior_scale)
    if not 0 <= init_scale < math.inf:
        raise ValueError(f"init_scale is a standard deviation and cannot be {init_scale}")
