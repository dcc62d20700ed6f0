"""What a user provides for a model: functions by dotted path, observations from a file or a function."""

from __future__ import annotations

import abc
import dataclasses
import functools
import hashlib
import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt.errors import ConfigError, suggestion
from slt.models.common.sampled_population import POPULATION, SampledPopulation, untraced
from slt.runtime.jax_setup import owned, require_float64
from slt.runtime.random_keys import random_key

Rows = dict[str, Any]  # name -> array with leading axis n
FEW, MORE = 3, 5  # rows on which a user's function is tried, to see what depends on their number
PROBED = 1000  # rows of a function that tell its data from others


class UserModel(SampledPopulation):
    """A model that rests on something outside its own file."""

    @abc.abstractmethod
    def modules(self) -> tuple[str, ...]:
        """Dotted names of the modules that, when their code changes, make this another model."""

    @abc.abstractmethod
    def rows(self) -> Source:
        """Where observations come from."""

    def sample(self, key: jax.Array, n: int) -> Rows:
        return self.rows().sample(key, n)

    def population_sample(self) -> Rows:
        return _population(self.rows(), self.population)


# -- names ------------------------------------------------------------------------------------------------------
def named(path: str, option: str) -> Any:
    """What the dotted `path` names, "package.module.name". Raises ConfigError, which begins with `option`."""
    module_name, _, name = path.rpartition(".")
    if not module_name:
        raise ConfigError(f"{option}: {path!r} is not a dotted path: write module.name")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if not error.name or not f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigError(f"{option}: {module_name} cannot be imported\n{_described(error)}") from error
        raise ConfigError(
            f"{option}: there is no module {module_name!r}\nIts folder must be the working directory or on PYTHONPATH"
        ) from error
    except Exception as error:
        raise ConfigError(f"{option}: {module_name} cannot be imported\n{_described(error)}") from error
    require_float64()  # which the module may have switched off
    if not hasattr(module, name):
        public = [key for key in vars(module) if not key.startswith("_")]
        raise ConfigError(
            f"{option}: {module_name} has no {name!r}" + suggestion(name, public, "names there")
        )
    return getattr(module, name)


def function(path: str, option: str) -> Callable[..., Any]:
    """As `named`, and raises ConfigError for what cannot be called."""
    found = named(path, option)
    if not callable(found):
        raise ConfigError(f"{option}: {path} must be a function, not of type {type(found).__name__}")
    return found


def modules_of(paths: tuple[str | None, ...]) -> tuple[str, ...]:
    """The modules of dotted paths; None and files are skipped."""
    given = (path for path in paths if path is not None and not _is_file(path))
    return tuple(sorted({path.rpartition(".")[0] for path in given}))


def tried(call: Callable[[], Any], option: str, path: str) -> Any:
    """`call()`; what a user's function raises becomes a ConfigError that names the error and the option."""
    try:
        return call()
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{option}: {path} fails on {MORE} rows of the data or fewer\n{_described(error)}"
        ) from error


def check_alone(alone: Any, among: Any, option: str, path: str) -> None:
    """Raises ConfigError unless losses (FEW,) of rows by themselves are their losses among others."""
    if not np.allclose(alone, among, rtol=1e-6, atol=1e-9, equal_nan=True):
        raise ConfigError(
            f"{option}: in {path} the loss of one observation depends on the others\n"
            "Observations must be independent given the parameters: standardize inputs in the data, for example"
        )


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


# -- observations -----------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """Where observations come from: a table of N rows, or a function that draws them.

    Attributes:
      path: how the configuration names it.
      table: name -> array with leading axis N; None for a function.
      draw: (key, n) -> name -> array with leading axis n, its first rows independent of n; None for a table.
    """

    path: str
    table: Mapping[str, np.ndarray] | None = None
    draw: Callable[[jax.Array, int], Mapping[str, Any]] | None = None

    @property
    def count(self) -> int:
        """N; 0 for a function."""
        return 0 if self.table is None else len(next(iter(self.table.values())))

    def digest(self) -> str:
        """A hash of the observations: of every number of a table, or of the first rows that the function draws."""
        rows = self.table
        if rows is None:
            rows = untraced(lambda: jax.device_get(self.sample(random_key(0), PROBED)))
        found = hashlib.sha256()
        for name in sorted(rows):
            leaf = np.ascontiguousarray(rows[name])
            found.update(f"{name} {leaf.dtype.str} {leaf.shape} ".encode())
            found.update(leaf.tobytes())
        return found.hexdigest()

    def sample(self, key: jax.Array, n: int) -> Rows:
        """n rows: of a table the first n in an order that depends on `key`, without replacement.

        Raises ConfigError for more rows than the table has.
        """
        if self.table is None:
            assert self.draw is not None
            return {name: jnp.asarray(leaf) for name, leaf in owned(dict(self.draw(key, n))).items()}
        size = self.count
        if n > size:
            raise ConfigError(
                f"{self.path} holds {size:,} observations, and {n:,} are asked for\n"
                f"Set training.n and the largest of posterior.sample_sizes to {size:,} at most"
            )
        order = jax.random.permutation(key, size)[:n]
        return {name: jnp.asarray(leaf)[order] for name, leaf in self.table.items()}


def source(path: str) -> Source:
    """The observations that `data: path` names: an .npz file, a mapping of arrays, or a function of (key, n).

    Raises ConfigError for what is none of these, and for arrays that are not one table of finite numbers.
    """
    if not _is_file(path):
        return _from_module(path)
    try:
        stat = Path(path).stat()
    except OSError as error:
        raise ConfigError(
            f"data: {path} cannot be read: {error.strerror}\nIt is looked for in {Path.cwd()}"
        ) from error
    return _from_file(path, str(Path(path).resolve()), stat.st_mtime_ns, stat.st_size)


def checked(rows: Source) -> Source:
    """`rows`, if its first rows do not depend on how many are drawn. Raises ConfigError otherwise."""
    key = random_key(0)
    both = jax.jit(lambda: tuple(rows.sample(key, n) for n in (FEW, MORE)))
    few, more = tried(lambda: untraced(both), "data", rows.path)
    _check_table(more, rows.path)
    if rows.table is None and (
        any(len(leaf) != MORE for leaf in more.values())
        or not all(np.array_equal(few[name], more[name][:FEW]) for name in more)
    ):
        raise ConfigError(
            f"data: {rows.path}(key, n) must give n rows, the first ones whatever n is\n"
            "Draw each array in one call of jax.random with shape (n, ...), or row by row from fold_in(key, i)"
        )
    return rows


@functools.lru_cache(maxsize=16)
def _population(rows: Source, size: int) -> Rows:
    """(size,) observations, apart from those of any data set where they are drawn afresh."""
    return untraced(lambda: jax.device_get(rows.sample(random_key(POPULATION), size)))


def check_population(size: int, rows: Source) -> None:
    """Raises ConfigError for a negative size, or one beyond the rows of a table."""
    if size < 0:
        raise ConfigError(f"population counts observations and must be 0 or more, not {size}")
    if rows.table is not None and size > rows.count:
        raise ConfigError(f"population must be {rows.count:,} at most, the rows of {rows.path}, not {size:,}")


def first(rows: Rows, n: int) -> Rows:
    return {name: leaf[:n] for name, leaf in rows.items()}


def check_arguments(function: Callable, rows: Rows, option: str, path: str) -> None:
    """Raises ConfigError unless `function` takes the arrays of `rows` by name."""
    try:
        inspect.signature(function).bind(**rows)
    except TypeError as error:
        takes = ", ".join(inspect.signature(function).parameters)
        raise ConfigError(
            f"{option}: {path} takes {takes}; the data give {', '.join(rows)}: {error}"
        ) from error


@functools.lru_cache(maxsize=64)
def _from_module(path: str) -> Source:
    found = named(path, "data")
    if isinstance(found, Mapping):
        return checked(Source(path, table=_table(found, path)))
    if callable(found):
        return checked(Source(path, draw=found))
    raise ConfigError(
        f"data: {path} must be a function of (key, n) or a mapping of arrays, not of type {type(found).__name__}"
    )


@functools.lru_cache(maxsize=16)
def _from_file(path: str, absolute: str, mtime: int, size: int) -> Source:
    """`mtime` and `size` are there to notice changes."""
    try:
        with np.load(absolute, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:
        raise ConfigError(f"data: {path} is not an .npz file of arrays\n{_described(error)}") from error
    return checked(Source(path, table=_table(arrays, path)))


def _table(arrays: Mapping[str, Any], path: str) -> dict[str, np.ndarray]:
    table: dict[str, np.ndarray] = owned(dict(arrays))
    _check_table(table, path)
    if len(next(iter(table.values()))) < MORE:
        raise ConfigError(f"data: {path} must hold at least {MORE} observations")
    return table


def _check_table(table: Mapping[str, Any], path: str) -> None:
    if not table:
        raise ConfigError(f"data: {path} holds no arrays")
    for name, leaf in table.items():
        if not np.issubdtype(leaf.dtype, np.number) and leaf.dtype != bool:
            raise ConfigError(f"data: {name!r} of {path} must hold real numbers, not {leaf.dtype}")
        if np.iscomplexobj(leaf) or not np.all(np.isfinite(leaf)):
            raise ConfigError(f"data: {name!r} of {path} must hold finite real numbers throughout")
    sizes = {name: len(leaf) if np.ndim(leaf) else None for name, leaf in table.items()}
    if len(set(sizes.values())) > 1 or None in sizes.values():
        shapes = ", ".join(f"{name}: {leaf.shape}" for name, leaf in table.items())
        raise ConfigError(
            f"data: the arrays of {path} must share their first axis, one row an observation\n{shapes}"
        )


def _is_file(path: str) -> bool:
    return path.endswith(".npz")
