"""Fill dataclasses from plain data (YAML): unknown keys, missing keys and wrong types are errors that say where."""

import dataclasses
import difflib
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from meshgait_data.errors import ManifestError

T = TypeVar("T")


def build(cls: type[T], data: object, where: str) -> T:
    """Make a ``cls`` of plain data.

    Parameters
    ----------
    cls
        A dataclass. Fields may be nested dataclasses, ``str | int | float | bool``, tuples, lists, dicts, unions.
    data
        What ``yaml.safe_load`` gave.
    where
        Name of the file, the start of the dotted path in messages.

    Raises
    ------
    ManifestError
        On an unknown key (with "did you mean"), a missing key, or a value of another type.
    """
    if not isinstance(data, Mapping):
        raise ManifestError(f"expected keys and values, found {_kind(data)}", where=where, hint=_keys(cls))
    hints = typing.get_type_hints(cls)
    known = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]  # checked by the callers' types
    for key in data:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else _keys(cls)
            raise ManifestError(f"unknown key {key!r}", where=where, hint=hint)
    for name, spec in known.items():
        required = spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING
        if required and name not in data:
            raise ManifestError(f"missing key {name!r}", where=where, hint=f"add '{name}: ...'")
    values = {str(key): convert(hints[str(key)], value, f"{where}: {key}") for key, value in data.items()}
    try:
        return cls(**values)
    except ManifestError:
        raise
    except ValueError as error:
        raise ManifestError(str(error), where=where) from error


def convert(hint: Any, value: object, where: str) -> Any:
    """Check one value against a type hint and give it in that type; raises ManifestError."""
    origin = typing.get_origin(hint)
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value, where)
    if origin in (types.UnionType, typing.Union):
        return _convert_union(hint, value, where)
    if origin is typing.Literal:
        return _convert_literal(hint, value, where)
    container = _CONTAINERS.get(origin)
    if container is not None:
        return container(typing.get_args(hint), value, where)
    return _convert_scalar(hint, value, where)


def _convert_scalar(hint: Any, value: object, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, hint) and not (isinstance(value, bool) and hint is not bool):
        return value
    raise ManifestError(f"expected {hint.__name__}, found {_kind(value)}", where=where, hint=_quote(hint, value))


def _convert_union(hint: Any, value: object, where: str) -> Any:
    options = typing.get_args(hint)
    if value is None and type(None) in options:
        return None
    rest = [option for option in options if option is not type(None)]
    errors: list[ManifestError] = []
    for option in rest:
        try:
            return convert(option, value, where)
        except ManifestError as error:
            errors.append(error)
    raise errors[-1]


def _convert_literal(hint: Any, value: object, where: str) -> Any:
    choices = typing.get_args(hint)
    if value in choices:
        return value
    near = difflib.get_close_matches(str(value), [str(choice) for choice in choices], n=1)
    listed = ", ".join(map(repr, choices))
    extra = f"; did you mean {near[0]!r}?" if near else ""
    raise ManifestError(f"{value!r} is not one of the choices", where=where, hint=f"choose one of {listed}{extra}")


def _convert_list(args: tuple[Any, ...], value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ManifestError(f"expected a list, found {_kind(value)}", where=where)
    return [convert(args[0], item, f"{where}[{index}]") for index, item in enumerate(value)]


def _convert_tuple(args: tuple[Any, ...], value: object, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ManifestError(f"expected a list, found {_kind(value)}", where=where)
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_convert_list(args[:1], list(value), where))
    if len(value) != len(args):
        raise ManifestError(f"expected {len(args)} values, found {len(value)}", where=where)
    return tuple(convert(hint, item, f"{where}[{i}]") for i, (hint, item) in enumerate(zip(args, value, strict=True)))


def _convert_dict(args: tuple[Any, ...], value: object, where: str) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise ManifestError(f"expected keys and values, found {_kind(value)}", where=where)
    return {convert(args[0], k, where): convert(args[1], v, f"{where}.{k}") for k, v in value.items()}


_CONTAINERS: dict[Any, Callable[[tuple[Any, ...], object, str], Any]] = {
    list: _convert_list,
    tuple: _convert_tuple,
    dict: _convert_dict,
}


def to_plain(value: Any) -> Any:
    """Plain data of a dataclass, so that ``build(type(x), to_plain(x), ...) == x``."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value


def _kind(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {value!r}"


def _keys(cls: type[Any]) -> str:
    return "known keys: " + ", ".join(f.name for f in dataclasses.fields(cls))


def _quote(hint: Any, value: object) -> str:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return f"quote it: '{value}'" if hint is str and numeric else ""
