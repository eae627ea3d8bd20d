"""Path templates such as ``masks/{subject}/{condition}/{view}``: checked, filled in, and matched against paths."""

import re
import string
from collections.abc import Mapping


def template_parts(template: str) -> list[tuple[str, str]]:
    """Literal text and the name in braces that follows it ("" at the end)."""
    # A format spec or conversion stays part of the name, which then is not a known one.
    parts = string.Formatter().parse(template)
    return [(text, "" if name is None else f"{name}{spec}{conv or ''}") for text, name, spec, conv in parts]


def check_template(field: str, template: str, *, needed: set[str], known: set[str]) -> None:
    """A path below the root with plain names in braces, or ValueError."""
    names = {name for _, name in template_parts(template) if name}
    if names - known or needed - names or "{}" in template:
        words = " and ".join(f"{{{name}}}" for name in sorted(known))
        raise ValueError(f"{field}={template!r} must name {words}, and nothing else, in braces")
    if template.startswith("/") or ".." in template.split("/"):
        raise ValueError(f"{field}={template!r} must be a path below the root, without '..'")


def has_name(template: str, name: str) -> bool:
    """Whether a template names this in braces.

    >>> has_name("masks/{subject}/{view}", "view")
    True
    """
    return any(found == name for _, found in template_parts(template))


def template_regex(template: str, patterns: Mapping[str, str]) -> re.Pattern[str]:
    """Expression whose groups are the names in braces; a name that occurs twice must be the same text twice.

    >>> template_regex("a/{x}/{x}", {"x": "[0-9]+"}).fullmatch("a/7/7")["x"]
    '7'
    """
    parts, seen = [], set[str]()
    for literal, name in template_parts(template):
        parts.append(re.escape(literal))
        if name:
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{patterns[name]})")
            seen.add(name)
    return re.compile("".join(parts))
