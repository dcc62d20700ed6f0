"""Whether two summaries of a run (summary.json) hold the same numbers: `python -m scripts.same_numbers OLD NEW`.

Every number, text and null is compared by its path, exactly. Left out is what tells when, where and with which
versions a run was made. `--renamed FILE` names a JSON file {"old key": "new key"} of keys that were renamed,
wherever they stand; texts in which words were replaced are counted apart, since they are no numbers.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LEFT_OUT = ("provenance",)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(path, value) of every leaf of nested dicts and lists."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from leaves(item, (*path, str(i)))
    else:
        yield path, value


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--renamed", type=Path)
    options = parser.parse_args()
    renamed = json.loads(options.renamed.read_text()) if options.renamed else {}

    def new_path(path: tuple[str, ...]) -> tuple[str, ...]:
        keys: list[str] = []
        named = []
        for part in path:
            if part.isdigit():
                named.append(part)
                continue
            keys.append(part)
            named.append(renamed.get(".".join(keys), renamed.get(f"*.{part}", part)))
        return tuple(named)

    def read(file: Path, rename: bool) -> dict[tuple[str, ...], Any]:
        summary = {k: v for k, v in json.loads(file.read_text()).items() if k not in LEFT_OUT}
        return {new_path(path) if rename else path: value for path, value in leaves(summary)}

    old, new = read(options.old, rename=True), read(options.new, rename=False)
    differ = [path for path in old.keys() & new.keys() if old[path] != new[path]]
    numbers = [path for path in differ if not (isinstance(old[path], str) and isinstance(new[path], str))]
    count = sum(isinstance(value, int | float) for value in new.values())
    print(f"{count} numbers; {len(numbers)} differ; {len(differ) - len(numbers)} texts differ")
    for path in sorted(numbers):
        print(f"  {'.'.join(path)}: {old[path]!r} -> {new[path]!r}")
    for name, gone in (
        ("only in the old", old.keys() - new.keys()),
        ("only in the new", new.keys() - old.keys()),
    ):
        for path in sorted(gone):
            print(f"  {name}: {'.'.join(path)}")
    return 1 if numbers or old.keys() ^ new.keys() else 0


if __name__ == "__main__":
    sys.exit(main())
