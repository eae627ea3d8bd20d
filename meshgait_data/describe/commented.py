"""YAML with comments: plain data as people would write it, each line with what there is to say about it."""

from collections.abc import Mapping
from typing import Any

import yaml

_COLUMN = 44
"""Where comments at the end of lines begin."""
_WIDTH = 116


def commented_yaml(plain: Mapping[str, Any], comments: Mapping[str, str]) -> str:
    """YAML text of nested keys and values; lists of single values stand on one line.

    Parameters
    ----------
    plain
        What is written.
    comments
        Dotted path of a key to what is said of it: at the end of its line, or above it where it is long.
    """
    return "\n".join(_lines(plain, comments, "", 0)) + "\n"


def _lines(plain: Mapping[str, Any], comments: Mapping[str, str], path: str, indent: int) -> list[str]:
    lines = []
    for key, value in plain.items():
        place = f"{path}.{key}".removeprefix(".")
        lines += _entry(" " * indent + f"{_scalar(key)}:", value, comments, place, indent)
    return lines


def _entry(head: str, value: Any, comments: Mapping[str, str], place: str, indent: int) -> list[str]:
    comment = comments.get(place, "")
    if isinstance(value, Mapping) and value:
        inner = _lines(value, comments, place, indent + 2)
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        inner = []
        for number, item in enumerate(value):
            lines = _lines(item, comments, f"{place}.{number}", indent + 2)
            inner += [" " * indent + "- " + lines[0].lstrip(), *lines[1:]]
    else:
        inner = []
        head += " " + _flow(value)
    if not comment:
        return [head, *inner]
    line = f"{head:<{_COLUMN}} # {comment}"
    if len(line) <= _WIDTH and "\n" not in comment:
        return [line, *inner]
    return [*(" " * indent + f"# {text}" for text in comment.splitlines()), head, *inner]


def _flow(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, str) and not value.isprintable():
        return yaml.safe_dump(value, default_style='"', width=10**6).strip()
    if isinstance(value, str) and not value[:1].isalpha():
        # Numbers that are names, patterns: quoted always, so that no reader of YAML sees something else in them.
        return "'" + value.replace("'", "''") + "'"
    # Inside of brackets a text with a comma or brace must be quoted; the dumper knows when.
    text = yaml.safe_dump([value], default_flow_style=True, width=10**6, allow_unicode=True).strip()
    return text[1:-1]
