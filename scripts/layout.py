"""The layout of the package in figures: `python -m scripts.layout [FOLDER]`, FOLDER being a checkout (default: this
one).

An arrow leads from one entry at the top of slt/ (a subpackage or a module) to another that it imports. Arrows that
lie on
a circle run back up: without circles the entries can be put in an order in which all arrows point one way.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

LONG = 250  # lines


def imports(file: Path) -> Iterator[str]:
    """Dotted names of slt that a file imports."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("slt."))
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "slt":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def figures(folder: Path) -> dict[str, int | str]:
    """What is counted, by name."""
    files = sorted((folder / "slt").rglob("*.py"))
    entries = {
        path.stem
        for path in (folder / "slt").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    arrows = set()
    for file in files:
        parts = file.relative_to(folder).with_suffix("").parts
        own = parts[1]
        for name in imports(file):
            other = name.split(".")[1]
            if other in entries and other != own and own != "__init__":
                arrows.add((own, other))
    lines = {str(file.relative_to(folder)): len(file.read_text().splitlines()) for file in files}
    longest = max(lines, key=lines.__getitem__)
    elsewhere = {
        part: sum(len(file.read_text().splitlines()) for file in (folder / part).rglob("*.py"))
        for part in ("scripts", "experiments", "tests")
    }
    return {
        "entries at the top of slt/": len(entries | {"__init__"}),
        "arrows between entries": len(arrows),
        "arrows that run back up": len(circular(arrows)),
        "longest file": f"{longest}, {lines[longest]} lines",
        f"files over {LONG} lines": sum(count > LONG for count in lines.values()),
        "lines of slt/": sum(lines.values()),
        **{f"lines of {part}/": count for part, count in elsewhere.items()},
        "lines in total": sum(lines.values()) + sum(elsewhere.values()),
    }


def circular(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The arrows (a, b) for which b reaches a."""

    def reached(start: str) -> set[str]:
        found, pending = set(), [start]
        while pending:
            here = pending.pop()
            for a, b in arrows:
                if a == here and b not in found:
                    found.add(b)
                    pending.append(b)
        return found

    return {(a, b) for a, b in arrows if a in reached(b)}


if __name__ == "__main__":
    for what, value in figures(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()).items():
        print(f"{what:28s} {value}")
