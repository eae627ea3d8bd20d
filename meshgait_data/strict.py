"""Fill dataclasses from plain data (YAML): unknown keys, missing keys and wrong types are errors that say where.

All problems of the data are found before one error tells them all.
"""

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from meshgait_data.errors import ManifestError, Problem
from meshgait_data.marked import Mark, MarkedDict, MarkedList, Step, mark_at

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class _Failed:
    """What could not be made; its problems are noted."""

    part: Any = None
    """An object with those of its values that could be made, for checks of others that need it."""


def build(cls: type[T], data: object, where: str) -> T:
    """Make a ``cls`` of plain data.

    Parameters
    ----------
    cls
        A dataclass. Fields may be nested dataclasses, ``str | int | float | bool``, tuples, lists, dicts, unions.
        Contradictions are what its ``__post_init__`` raises as ValueError, and all that the methods named in its
        ``CHECKS`` do.
    data
        What :func:`meshgait_data.yaml_files.read_yaml` or ``yaml.safe_load`` gave.
    where
        Name of the file, the start of the place in messages.

    Raises
    ------
    ManifestError
        On unknown keys (with "did you mean"), missing keys, values of another type and contradictions: all of them,
        see :attr:`ManifestError.problems`.
    """
    result: T = convert(cls, data, where)
    return result


def convert(hint: Any, value: object, where: str) -> Any:
    """Check a value against a type hint and give it in that type; raises ManifestError like :func:`build`."""
    reader = _Reader(value)
    result = reader.convert(hint, value, ())
    reader.find_twice(value, ())
    if reader.problems:
        raise error_of(reader.problems, where)
    return result


def error_of(problems: Sequence[Problem], where: str) -> ManifestError:
    """One error that tells all problems of a file, in the order of their lines."""
    ordered = tuple(sorted(problems, key=lambda one: (one.line, one.column)))
    if len(ordered) > 1:
        listed = "".join(f"\n  {problem}" for problem in ordered)
        return ManifestError(f"{len(ordered)} problems{listed}", where=where, problems=ordered)
    first = ordered[0]
    place = f"{where}:{first.line}:{first.column}" if first.line else where
    spelt = f": {first.path.replace('.', ': ')}" if first.path else ""
    return ManifestError(first.what, where=place + spelt, hint=first.hint, problems=ordered)


def _problem(steps: tuple[Step, ...], what: str, hint: str, mark: Mark | None) -> Problem:
    line, column = (mark.line, mark.column) if mark else (0, 0)
    return Problem(what, _dotted(steps), line, column, hint)


def _dotted(steps: tuple[Step, ...]) -> str:
    """Keys as one writes them in messages: ``a.b[0]``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


class _Reader:
    """One pass over the data of a file, which notes problems and goes on."""

    def __init__(self, data: object) -> None:
        self.data = data
        self.problems: list[Problem] = []

    def note(self, steps: tuple[Step, ...], what: str, hint: str = "", *, of_key: bool = False) -> Any:
        """Note a problem at a value; with ``of_key`` at the last key, which is then no part of its place."""
        mark = mark_at(self.data, steps, of_key=of_key)
        self.problems.append(_problem(steps[:-1] if of_key else steps, what, hint, mark))
        return _Failed()

    def convert(self, hint: Any, value: object, steps: tuple[Step, ...]) -> Any:
        """The value in the type of the hint, or :class:`_Failed` with the problems noted."""
        origin = typing.get_origin(hint)
        if hint is Any:
            return value
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            return self._object(hint, value, steps)
        if origin in (types.UnionType, typing.Union):
            return self._union(typing.get_args(hint), value, steps)
        if origin is typing.Literal:
            return self._literal(typing.get_args(hint), value, steps)
        container = _CONTAINERS.get(origin)
        if container is not None:
            return container(self, typing.get_args(hint), value, steps)
        return self._scalar(hint, value, steps)

    def _object(self, cls: type[Any], data: object, steps: tuple[Step, ...]) -> Any:
        if not isinstance(data, Mapping):
            return self.note(steps, f"expected keys and values, found {_kind(data)}", _keys(cls))
        hints, values = _hints(typing.cast("Hashable", cls)), dict[str, Any]()
        # The value of a misspelt key is read as what was meant, so that one slip of the pen is one problem.
        key_of = {name: name for name in hints if name in data} | self._unknown_keys(cls, data, steps)
        for field in dataclasses.fields(cls):
            name = field.name
            if name in key_of:
                values[name] = self.convert(hints[name], data[key_of[name]], (*steps, key_of[name]))
            elif field.default is field.default_factory is dataclasses.MISSING:
                values[name] = self.note(steps, f"missing key {name!r}", f"add '{name}: ...'")
        try:
            if not any(isinstance(value, _Failed) for value in values.values()):
                return cls(**values)
            errors: list[ValueError] = []
        except ValueError as error:
            errors = [error]
        part, all_errors = _checked_in_part(cls, values)
        for found in all_errors or errors:
            self._note_contradiction(found, steps, data)
        return _Failed(part)

    def _unknown_keys(self, cls: type[Any], data: Mapping[Any, Any], steps: tuple[Step, ...]) -> dict[str, Any]:
        """Note keys that are none; gives fields that were misspelt with the key as it was spelt."""
        known, meant = [field.name for field in dataclasses.fields(cls)], dict[str, Any]()
        for key in data:
            if key in known:
                continue
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else _keys(cls)
            self.note((*steps, key), f"unknown key {key!r}", hint, of_key=True)
            if near and near[0] not in data:
                meant.setdefault(near[0], key)
        return meant

    def _note_contradiction(self, error: ValueError, steps: tuple[Step, ...], data: object) -> None:
        """Note what the checks of a class said; checks that know the place deeper down raise a ManifestError."""
        for problem in error.problems if isinstance(error, ManifestError) else (Problem(str(error)),):
            deeper = tuple(problem.path.split(".")) if problem.path else ()
            if deeper and _holds(data, deeper):
                self.note((*steps, *deeper), problem.what, problem.hint)
                continue
            what = f"{problem.path}: {problem.what}" if deeper else problem.what
            named = re.match(r"(\w+)[=:.\[]", what)
            mark = mark_at(self.data, (*steps, named[1]) if named and _holds(data, (named[1],)) else steps)
            self.problems.append(_problem(steps, what, problem.hint, mark))

    def _scalar(self, hint: Any, value: object, steps: tuple[Step, ...]) -> Any:
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, hint) and not (isinstance(value, bool) and hint is not bool):
            return value
        mark = mark_at(self.data, steps)
        return self.note(steps, f"expected {hint.__name__}, found {_kind(value)}", _quote(hint, value, mark))

    def _union(self, options: tuple[Any, ...], value: object, steps: tuple[Step, ...]) -> Any:
        if value is None and type(None) in options:
            return None
        options = tuple(option for option in options if option is not type(None))
        attempts = []
        for option in options:
            attempt = _Reader(self.data)
            made = attempt.convert(option, value, steps)
            if not attempt.problems:
                return made
            attempts.append((attempt.problems, made))
        meant = [index for index, option in enumerate(options) if _shape(option) == _shape_of(value)]
        meant = [0] if len(options) == 1 else meant
        if len(meant) != 1:
            return self.note(steps, f"expected {' or '.join(map(_in_words, options))}, found {_kind(value)}")
        found, made = attempts[meant[0]]
        if typing.get_origin(options[meant[0]]) is typing.Literal and len(options) > 1:
            others = " or ".join(_in_words(option) for option in options if _shape(option) != "a value")
            found = [dataclasses.replace(one, hint=f"{one.hint}; or give {others}") for one in found]
        self.problems += found
        return made if isinstance(made, _Failed) else _Failed(made)

    def _literal(self, choices: tuple[Any, ...], value: object, steps: tuple[Step, ...]) -> Any:
        # 1 == True, but is another choice.
        if any(value == choice and type(value) is type(choice) for choice in choices):
            return value
        near = difflib.get_close_matches(str(value), [str(choice) for choice in choices], n=1)
        listed = ", ".join(map(repr, choices))
        extra = f"; did you mean {near[0]!r}?" if near else ""
        return self.note(steps, f"{value!r} is not one of the choices", f"choose one of {listed}{extra}")

    def _items(self, hints: Sequence[Any], values: Sequence[object], steps: tuple[Step, ...]) -> Any:
        made = [self.convert(hint, item, (*steps, i)) for i, (hint, item) in enumerate(zip(hints, values, strict=True))]
        return _Failed() if any(isinstance(item, _Failed) for item in made) else made

    def _list(self, args: tuple[Any, ...], value: object, steps: tuple[Step, ...]) -> Any:
        if not isinstance(value, list):
            return self.note(steps, f"expected a list, found {_kind(value)}")
        return self._items([args[0]] * len(value), value, steps)

    def _tuple(self, args: tuple[Any, ...], value: object, steps: tuple[Step, ...]) -> Any:
        if not isinstance(value, list | tuple):
            return self.note(steps, f"expected a list, found {_kind(value)}")
        hints = [args[0]] * len(value) if len(args) == 2 and args[1] is Ellipsis else list(args)
        if len(value) != len(hints):
            return self.note(steps, f"expected {len(hints)} values, found {len(value)}")
        made = self._items(hints, value, steps)
        return made if isinstance(made, _Failed) else tuple(made)

    def _dict(self, args: tuple[Any, ...], value: object, steps: tuple[Step, ...]) -> Any:
        if not isinstance(value, Mapping):
            return self.note(steps, f"expected keys and values, found {_kind(value)}")
        result: dict[Any, Any] = {}
        for key, item in value.items():
            result[self._key(args[0], key, steps)] = self.convert(args[1], item, (*steps, key))
        return _Failed() if any(isinstance(part, _Failed) for pair in result.items() for part in pair) else result

    def _key(self, hint: Any, key: object, steps: tuple[Step, ...]) -> Any:
        attempt = _Reader(key)
        made = attempt.convert(hint, key, ())
        for problem in attempt.problems:
            mark = mark_at(self.data, (*steps, key), of_key=True)  # type: ignore[arg-type]  # another kind has no mark
            quote = _quote(hint, key, mark)
            self.problems.append(_problem(steps, problem.what, quote or problem.hint, mark))
        return made

    def find_twice(self, value: object, steps: tuple[Step, ...]) -> None:
        """Note keys that stand twice, anywhere; plain YAML would let the last one win."""
        if isinstance(value, MarkedDict):
            for key, mark in value.twice:
                self.problems.append(_problem(steps, f"key {key!r} stands twice", "", mark))
        if isinstance(value, MarkedDict | MarkedList):
            for step, item in value.items() if isinstance(value, MarkedDict) else enumerate(value):
                self.find_twice(item, (*steps, step))


_CONTAINERS: dict[Any, Callable[[_Reader, tuple[Any, ...], object, tuple[Step, ...]], Any]] = {
    list: _Reader._list,
    tuple: _Reader._tuple,
    dict: _Reader._dict,
}


@lru_cache(maxsize=256)
def _hints(cls: Hashable) -> dict[str, Any]:
    found = typing.get_type_hints(cls)
    return {name: hint for name, hint in found.items() if typing.get_origin(hint) is not typing.ClassVar}


def _checked_in_part(cls: type[Any], values: dict[str, Any]) -> tuple[Any, list[ValueError]]:
    """An object without the values that could not be made, and what its checks say as far as they get."""
    # Only with slots does a value that is missing differ from one that has its default.
    if "__slots__" not in cls.__dict__:
        return None, []
    part = object.__new__(cls)
    for field in dataclasses.fields(cls):
        default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
        value = values.get(field.name, default)
        if not isinstance(value, _Failed):
            object.__setattr__(part, field.name, value)
        elif value.part is not None:
            object.__setattr__(part, field.name, value.part)
    errors = []
    for check in getattr(cls, "CHECKS", ("__post_init__",) if hasattr(cls, "__post_init__") else ()):
        try:
            getattr(part, check)()
        except AttributeError:
            # The check came to a value that is missing; what it is about has a problem already.
            continue
        except ValueError as error:
            errors.append(error)
    return part, errors


def _holds(data: object, steps: tuple[Step, ...]) -> bool:
    for step in steps:
        if not isinstance(data, Mapping) or step not in data:
            return False
        data = data[step]
    return True


def run_checks(value: Any) -> None:
    """Run the methods that a dataclass names in its ``CHECKS``, as its ``__post_init__`` should."""
    for check in value.CHECKS:
        getattr(value, check)()


def to_plain(value: Any) -> Any:
    """Plain data of a dataclass, so that ``build(type(x), to_plain(x), ...) == x``."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value


def _shape(hint: Any) -> str:
    origin = typing.get_origin(hint)
    if origin is dict or dataclasses.is_dataclass(hint):
        return "keys and values"
    return "a list" if origin in (list, tuple) else "a value"


def _shape_of(value: object) -> str:
    if isinstance(value, Mapping):
        return "keys and values"
    return "a list" if isinstance(value, list | tuple) else "a value"


def _in_words(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(map(repr, typing.get_args(hint)))
    return hint.__name__ if _shape(hint) == "a value" else _shape(hint)


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    shape = _shape_of(value)
    return f"{type(value).__name__} {value!r}" if shape == "a value" or not value else shape


def _keys(cls: type[Any]) -> str:
    return "known keys: " + ", ".join(f.name for f in dataclasses.fields(cls))


def _quote(hint: Any, value: object, mark: Mark | None) -> str:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return f"quote it: '{(mark and mark.text) or value}'" if hint is str and numeric else ""
