"""Path templates such as ``masks/{subject}/{condition}/{view}``: checked, filled in, and matched against paths."""

import difflib
import re
import string
from collections.abc import Mapping
from functools import lru_cache


@lru_cache(maxsize=1024)
def template_parts(template: str) -> tuple[tuple[str, str], ...]:
    """Literal text and the name in braces that follows it ("" at the end)."""
    # A format spec or conversion stays part of the name, which then is not a known one.
    parts = string.Formatter().parse(template)
    return tuple((text, "" if name is None else f"{name}{spec}{conv or ''}") for text, name, spec, conv in parts)


@lru_cache(maxsize=1024)
def template_names(template: str) -> frozenset[str]:
    """Names that a template has in braces.

    >>> sorted(template_names("masks/{subject}/{view}"))
    ['subject', 'view']
    """
    return frozenset(name for _, name in template_parts(template) if name)


def check_template(field: str, template: str, *, needed: set[str], known: set[str] | None = None) -> None:
    """A path below the root with plain names in braces, of the known ones where they are given, or ValueError."""
    check_names(field, template, needed=needed, known=known)
    if template.startswith("/") or ".." in template.split("/"):
        raise ValueError(f"{field}={template!r} must be a path below the root, without '..'")


def check_names(field: str, template: str, *, needed: set[str], known: set[str] | None = None) -> None:
    """Plain names in braces, of the known ones where they are given, or ValueError."""
    try:
        names = template_names(template)
    except ValueError as error:
        raise ValueError(f"{field}={template!r} is no template: {error}") from error
    if known is None and all(name.isidentifier() for name in names) and "{}" not in template:
        known = set(names)
    known = known or {"subject", "condition", "view"}
    wrong = sorted(names - known)
    if wrong or needed - names or "{}" in template:
        words = " and ".join(f"{{{name}}}" for name in sorted(known))
        near = difflib.get_close_matches(wrong[0], known, n=1) if wrong else []
        more = f"; did you mean {{{near[0]}}} in place of {{{wrong[0]}}}?" if near else ""
        raise ValueError(f"{field}={template!r} must name {words}, and nothing else, in braces{more}")


def compiled_template(template: str, patterns: Mapping[str, str]) -> re.Pattern[str]:
    """Expression whose groups are the names in braces; a name that occurs twice must be the same text twice.

    >>> compiled_template("a/{x}/{x}", {"x": "[0-9]+"}).fullmatch("a/7/7")["x"]
    '7'
    """
    return _compiled(template, tuple([(name, patterns[name]) for name in _sorted_names(template)]))


@lru_cache(maxsize=1024)
def _sorted_names(template: str) -> tuple[str, ...]:
    return tuple(sorted(template_names(template)))


# Compiled for every sequence of a dataset, from a few templates.
@lru_cache(maxsize=4096)
def _compiled(template: str, patterns: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    expressions, parts, seen = dict(patterns), [], set[str]()
    for literal, name in template_parts(template):
        parts.append(re.escape(literal))
        if name:
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{expressions[name]})")
            seen.add(name)
    return re.compile("".join(parts))
