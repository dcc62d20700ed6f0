"""argparse, with errors told the way all others are."""

from __future__ import annotations

import argparse
from typing import NoReturn

from slt.errors import ConfigError


class Parser(argparse.ArgumentParser):
    """A parser of one command's arguments that raises ConfigError."""

    def __init__(self, command: str, description: str) -> None:
        super().__init__(prog=f"slt {command}", description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog}: {message}\n{self.format_usage().strip()}")
