"""Errors that a person can correct, and their messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Wrong input. The message is for a person: what was wrong, and what would be right, in three lines at most."""


class ConfigError(UserError, ValueError):
    """A configuration that cannot be used."""


class RunError(UserError):
    """A run that could not give a result: its numbers failed, not its input."""


def suggestion(wrong: str, choices: Iterable[str], noun: str = "choices") -> str:
    """A second line for a message about `wrong`: the nearest valid choice, or all of them."""
    valid = sorted(set(choices))
    close = difflib.get_close_matches(wrong, valid, n=1, cutoff=0.5)
    listed = ", ".join(valid[:20]) + (", ..." if len(valid) > 20 else "")
    if close:
        return (
            f"\nDid you mean {close[0]!r}? The {noun}: {listed}"
            if len(valid) > 1
            else f"\nDid you mean {close[0]!r}?"
        )
    return f"\nThe {noun}: {listed}" if valid else ""
