"""What distinguishes configurations, as plain data: options by dotted name."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_LABELS = ("name", "store")  # labels and places do not change what was run


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options by dotted name; a class stands under the name of its node, by its short name."""
    options: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            options |= flat(value, f"{prefix}{key}.")
        elif key == "_target_":
            options[prefix.rstrip(".")] = str(value).rpartition(".")[2]
        else:
            options[f"{prefix}{key}"] = value
    return options


def differences(complete: Sequence[Mapping[str, Any]], parts: Iterable[Mapping[str, Any]] = ()) -> list[str]:
    """Names of the options that distinguish configurations: those with more than one value, and branches that are
    null in some.

    What only some have, because they chose another class or another branch, is not listed name by name.

    Args:
      complete: flat configurations; an empty one is unknown.
      parts: a few options each, of configurations that are not known completely. They add values to options that
        the complete ones have; where there is no complete one they stand alone.
    """
    known, parts = [options for options in complete if options], list(parts)
    names = dict.fromkeys(name for options in known or parts for name in options if name not in _LABELS)

    def distinguishes(name: str) -> bool:
        values = {canonical(options[name]) for options in (*known, *parts) if name in options}
        return len(values) > 1 or (values == {"null"} and any(name not in options for options in known))

    return [name for name in names if distinguishes(name)]


def canonical(value: Any) -> str:
    """The same text for equal values: an integer is equal to the same float, 1 to 1.0."""
    return json.dumps(_as_floats(value), sort_keys=True)


def distinct(values: Iterable[Any]) -> dict[str, Any]:
    """Values that differ, by their canonical text, in order: numbers by size, then texts, then null."""
    found = {canonical(value): value for value in values}

    def order(key: str) -> tuple[int, float, str]:
        value = found[key]
        number = isinstance(value, int | float)
        return (0 if number else 2 if value is None else 1), float(value) if number else 0.0, key

    return {key: found[key] for key in sorted(found, key=order)}


def last_names(options: Sequence[str]) -> dict[str, str]:
    """Options by the last part of their dotted name, and in full where several share it."""
    last = {option: option.rpartition(".")[2] for option in options}
    shared = Counter(last.values())
    return {option: option if shared[name] > 1 else name for option, name in last.items()}


def short(value: Any) -> str:
    """An option's value in a few characters."""
    if isinstance(value, list) and len(value) > 4:
        return f"[{value[0]}, ... {len(value) - 2} more ..., {value[-1]}]"
    return "null" if value is None else str(value)


def _as_floats(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
