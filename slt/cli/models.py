"""`slt models`: the zoo at once, from static facts; or one model's phases, solved."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from slt.cli.arguments import Parser
from slt.errors import ConfigError, suggestion
from slt.zoo import Entry, entries


def main(words: list[str]) -> int:
    parser = Parser("models", "The zoo; with a NAME, that model's phases. Overrides: model.KEY=VALUE.")
    parser.add_argument("name", nargs="?", metavar="NAME")
    parser.add_argument("overrides", nargs="*", metavar="model.KEY=VALUE")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--config-dir", metavar="DIR", help="a directory with more configurations")
    options = parser.parse_intermixed_args(words)
    from slt.compose import configs_dir

    own = [] if options.config_dir is None else [Path(options.config_dir)]
    if own and not own[0].is_dir():
        raise ConfigError(f"the config directory {own[0]} does not exist")
    zoo = entries([*own, configs_dir()])
    if options.name is None:
        _list(zoo, options.json)
        return 0
    names = [entry.name for entry in zoo]
    if options.name not in names:
        raise ConfigError(
            f"there is no model called {options.name!r}" + suggestion(options.name, names, "models")
        )
    _one(options.name, options.overrides, options.config_dir, options.json)
    return 0


def _list(zoo: list[Entry], as_json: bool) -> None:
    if as_json:
        print(json.dumps([dataclasses.asdict(entry) for entry in zoo], indent=1))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("model", "what it is", "options"):
        table.add_column(column, overflow="fold")
    for entry in zoo:
        shown = ", ".join(f"{key}={value}" for key, value in entry.options.items())
        table.add_row(entry.name, entry.about, shown if len(shown) < 60 else shown[:57] + "...")
    Console().print(table)
    print("\nslt models NAME solves one model's phases; slt run model=NAME runs it")


def _one(name: str, overrides: list[str], config_dir: str | None, as_json: bool) -> None:
    from slt.comparer.summary import plain
    from slt.compose import compose, make_importable
    from slt.models.base import Model
    from slt.phases import phase_facts
    from slt.typed import build, typed

    make_importable(Path.cwd())
    node = compose([f"model={name}", *overrides], config_dir).model
    from omegaconf import OmegaConf

    model = build(typed(OmegaConf.to_container(node, resolve=True), Model, "model"), Model, "model")
    facts = phase_facts(model)
    if as_json:
        print(json.dumps(plain([dataclasses.asdict(fact) for fact in facts]), indent=1))
        return
    if not facts:
        print(f"{name} knows no phases for these options")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("phase", "loss (nats)", "llc", "m", "log prior", "source"):
        table.add_column(
            column, justify="left" if column in ("phase", "source") else "right", overflow="fold"
        )
    for fact in facts:
        known = ["" if value is None else f"{value:g}" for value in (fact.llc, fact.multiplicity)]
        table.add_row(fact.name, f"{fact.loss:.7g}", *known, f"{fact.log_prior:.4f}", fact.source)
    Console().print(table)
