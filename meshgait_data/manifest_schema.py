"""JSON Schema of manifests, made from their types, so that editors complete and check them."""

import ast
import dataclasses
import inspect
import itertools
import json
import re
import textwrap
import types
import typing
from typing import Any

from meshgait_data.manifest import Manifest

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_FILE = "manifest.schema.json"
"""Name of the file that ships among the manifests."""

_WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true, false"}
_SCALARS: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def manifest_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a manifest; docstrings of the types become descriptions."""
    definitions: dict[str, Any] = {}
    _reference(Manifest, definitions)
    main = definitions.pop(Manifest.__name__)
    return {
        "$schema": DIALECT,
        "title": "Manifest of a gait dataset",
        **main,
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """The schema as the file that ships has it."""
    return json.dumps(manifest_schema(), indent=1, ensure_ascii=False) + "\n"


def _reference(cls: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if cls.__name__ not in definitions:
        definitions[cls.__name__] = {}
        definitions[cls.__name__] = _of_class(cls, definitions)
    return {"$ref": f"#/$defs/{cls.__name__}"}


def _of_class(cls: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    hints, told = typing.get_type_hints(cls, include_extras=True), _attribute_docs(cls)
    properties, required = {}, []
    for field in dataclasses.fields(cls):
        schema = _of_hint(hints[field.name], definitions)
        if field.name in told:
            schema = {"description": told[field.name], **schema}
        if isinstance(field.default, str | int | float | bool):
            schema["default"] = field.default
        if field.default is field.default_factory is dataclasses.MISSING:
            required.append(field.name)
        properties[field.name] = schema
    return {
        "description": _plain(inspect.getdoc(cls) or ""),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _of_hint(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        # The text says what a plain name in the place of the value means.
        return {"anyOf": [{"type": "string", "description": args[1]}, _of_hint(args[0], definitions)]}
    if hint is Any:
        return {}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _reference(hint, definitions)
    if origin in (types.UnionType, typing.Union):
        options = [_of_hint(option, definitions) for option in args]
        return {"anyOf": options}
    if origin is typing.Literal:
        return {"enum": list(args)}
    if hint is type(None):
        return {"type": "null"}
    if origin in (tuple, list):
        return _of_list(args, definitions)
    if origin is dict:
        return _of_dict(args, definitions)
    return {"type": _SCALARS[hint]}


def _of_list(args: tuple[Any, ...], definitions: dict[str, Any]) -> dict[str, Any]:
    if len(args) == 1 or args[1] is Ellipsis:
        return {"type": "array", "items": _of_hint(args[0], definitions)}
    items = [_of_hint(arg, definitions) for arg in args]
    return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}


def _of_dict(args: tuple[Any, ...], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "additionalProperties": _of_hint(args[1], definitions)}
    if typing.get_origin(args[0]) is typing.Literal:
        schema["propertyNames"] = {"enum": list(typing.get_args(args[0]))}
    return schema


def _attribute_docs(cls: type[Any]) -> dict[str, str]:
    """Texts under the fields of a class and of those that it is made of."""
    told: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        lines = body.body if isinstance(body, ast.ClassDef) else []
        for field, text in itertools.pairwise(lines):
            is_text = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
            if is_text and isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                told[field.target.id] = _plain(str(text.value.value))  # type: ignore[attr-defined]  # it is a constant
    return told


def reference() -> str:
    """All keys of a manifest as Markdown: a table for each type."""
    schema = manifest_schema()
    order, waiting = ["Manifest"], [schema]
    types_of = {"Manifest": schema, **schema["$defs"]}
    while waiting:
        for name in re.findall(r'"#/\$defs/(\w+)"', json.dumps(waiting.pop(0)["properties"])):
            if name not in order:
                order.append(name)
                waiting.append(types_of[name])
    return "\n".join(_table(name, types_of[name]) for name in order)


def _table(name: str, schema: dict[str, Any]) -> str:
    title = "A manifest" if name == "Manifest" else name
    lines = [f"### {title}", "", schema["description"], "", "| key | value | default | |", "|---|---|---|---|"]
    for key, field in schema["properties"].items():
        default = json.dumps(field["default"]) if "default" in field else ""
        default = "**required**" if key in schema["required"] else f"`{default}`" if default not in ("", '""') else ""
        told = " ".join(field.get("description", "").split()).replace("|", "\\|")
        lines.append(f"| `{key}` | {_in_words(field)} | {default} | {told} |")
    return "\n".join(lines) + "\n"


def _in_words(field: dict[str, Any]) -> str:
    """A type for people; those with a table of their own are links to it."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in field:
        words = [_in_words(option) for option in field["anyOf"] if option.get("type") != "null"]
        return " or ".join(dict.fromkeys(words))
    if "enum" in field:
        return ", ".join(f"`{choice}`" if choice != "" else "`''`" for choice in field["enum"])
    if "prefixItems" in field:
        return f"{len(field['prefixItems'])} x {_in_words(field['prefixItems'][0])}"
    if field.get("type") == "array":
        return f"list of {_in_words(field['items'])}"
    if field.get("type") == "object":
        return f"name: {_in_words(field['additionalProperties'])}"
    return _WORDS.get(field.get("type", ""), "anything")


def _plain(text: str) -> str:
    """A docstring as running text."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs).replace("``", "`")
