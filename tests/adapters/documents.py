"""Worked examples as files: what the pages of docs/ say, word for word."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
FILE = re.compile(r"^`([^`\n]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files(page: str) -> dict[str, str]:
    """The files of a page: each code block under a line that holds its name alone."""
    return dict(FILE.findall((DOCS / page).read_text(encoding="utf-8")))


def commands(page: str) -> list[str]:
    (block,) = COMMANDS.findall((DOCS / page).read_text(encoding="utf-8"))
    return block.splitlines()


def write(page: str, folder: Path) -> None:
    for name, content in files(page).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
