"""`slt models`: the model collection and its known truths; or one model, phase by phase."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.table import Table

from slt.cli.arguments import Parser
from slt.cli.model_facts import Facts, facts_of
from slt.config.model_index import Entry, entries
from slt.errors import ConfigError, suggestion


def main(words: list[str]) -> int:
    parser = Parser(
        "models", "The model collection; with a NAME, that model's phases. Overrides: model.KEY=VALUE."
    )
    parser.add_argument("name", nargs="?", metavar="NAME")
    parser.add_argument("overrides", nargs="*", metavar="model.KEY=VALUE")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--config-dir", metavar="DIR", help="a directory with more configurations")
    options = parser.parse_intermixed_args(words)
    from slt.config.composition import configs_dir

    own = [] if options.config_dir is None else [Path(options.config_dir)]
    if own and not own[0].is_dir():
        raise ConfigError(f"the config directory {own[0]} does not exist")
    collection = entries([*own, configs_dir()])
    if options.name is None:
        _list(collection, options.json)
        return 0
    names = [entry.name for entry in collection]
    if options.name not in names:
        raise ConfigError(
            f"there is no model called {options.name!r}" + suggestion(options.name, names, "models")
        )
    _one(options.name, options.overrides, options.config_dir, options.json)
    return 0


def _list(collection: list[Entry], as_json: bool) -> None:
    known = facts_of(collection, lambda what: print(f"slt: {what}", file=sys.stderr, flush=True))
    if as_json:
        rows = [
            {**dataclasses.asdict(entry), **dataclasses.asdict(facts)}
            for entry, facts in zip(collection, known, strict=True)
        ]
        print(json.dumps(rows, indent=1))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 1, 0))
    table.add_column("model", no_wrap=True)
    table.add_column("d", justify="right", no_wrap=True)
    table.add_column("phase: lambda (m)", max_width=32, overflow="fold")
    table.add_column("what it is, and the source of its truths", overflow="fold")
    for entry, facts in zip(collection, known, strict=True):
        size = "?" if facts.dimension is None else f"{facts.dimension:,}"
        table.add_row(entry.name, size, _truths(facts), f"{entry.about}\n{_source(facts)}".strip())
    Console(markup=False, highlight=False).print(table)
    print("d: parameters; lambda: -, where none is known; m: the multiplicity, where it is not 1")
    print("slt models NAME: one model's options and phases; slt run model=NAME runs it")


def _truths(facts: Facts) -> str:
    """Phases with their learning coefficients, neighbors of equal ones on one line."""
    if facts.trouble or not facts.phases:
        return "" if facts.trouble else "none: found in runs"
    lines = []
    for (llc, m), group in groupby(facts.phases, key=lambda phase: (phase["llc"], phase["multiplicity"])):
        names = ", ".join(phase["name"] for phase in group)
        known = "-" if llc is None else f"{llc:.4g}" + (f" ({m})" if m not in (None, 1) else "")
        lines.append(f"{names}: {known}")
    return "\n".join(lines)


def _source(facts: Facts) -> str:
    """Where the known truths come from, without the details; or why there are none."""
    if facts.trouble:
        return f"cannot be made: {facts.trouble}"
    known = [phase for phase in facts.phases if phase["llc"] is not None] or facts.phases
    brief = dict.fromkeys(_brief(phase["source"]) for phase in known)
    return f"[{'; '.join(brief)}]" if brief else ""


def _brief(source: str) -> str:
    """The parts of a source that name a year; without any, its first."""
    parts = re.split("[:;] ", source)
    return "; ".join(part for part in parts if re.search(r"\b(19|20)\d\d\b", part)) or parts[0]


def _one(name: str, overrides: list[str], config_dir: str | None, as_json: bool) -> None:
    from omegaconf import OmegaConf

    from slt.comparer.summary import plain
    from slt.config.composition import compose, make_importable
    from slt.config.validation import TARGET, build, typed
    from slt.models.base import Model
    from slt.phases.classification import phase_facts
    from slt.runtime.jax_setup import configure_jax

    configure_jax()
    make_importable(Path.cwd())
    node = compose([f"model={name}", *overrides], config_dir).model
    options = typed(OmegaConf.to_container(node, resolve=True), Model, "model")
    facts = phase_facts(build(options, Model, "model"))
    if as_json:
        print(json.dumps(plain([dataclasses.asdict(fact) for fact in facts]), indent=1))
        return
    console = Console(markup=False, highlight=False)
    console.print(f"{name}: {options.pop(TARGET)}")
    for key, value in options.items():
        console.print(f"  model.{key}={value}")
    if not facts:
        print(f"\n{name} knows no phases for these options: they are looked for in each run")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("phase", "loss (nats)", "llc", "m", "log prior", "source"):
        table.add_column(
            column, justify="left" if column in ("phase", "source") else "right", overflow="fold"
        )
    for fact in facts:
        known = ["" if value is None else f"{value:g}" for value in (fact.llc, fact.multiplicity)]
        table.add_row(fact.name, f"{fact.loss:.7g}", *known, f"{fact.log_prior:.4f}", fact.source)
    console.print()
    console.print(table)
