"""Read YAML files that ship with meshgait, by name, and the user's, by path: safely, and with places for errors."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from meshgait_data.errors import ManifestError, Problem, UsageError
from meshgait_data.marked import Mark, MarkedDict, MarkedList

MOST_BYTES = 8 << 20
"""Size of the largest file that is read: lists of 100,000 names take about one MiB."""
MOST_VALUES = 1 << 20
"""Values of the largest file, those that aliases repeat included; nested ones could stand for more than memory has."""
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader in C, ten times as fast, where PyYAML was built with it."""


def read_yaml(name_or_path: str, folder: str) -> tuple[Any, str]:
    """Plain data and display name of a YAML file, shipped (by name) or the user's (by path)."""
    shipped, names = files("meshgait_data.manifests") / folder, shipped_names(folder)
    path = Path(str(shipped / f"{name_or_path}.yaml")) if name_or_path in names else Path(name_or_path)
    where = path.name if name_or_path in names else name_or_path
    if not path.is_file():
        raise UsageError(
            f"no file and no shipped name {name_or_path!r} among {folder}",
            hint=f"give the path of a .yaml file or one of: {', '.join(names)}",
        )
    return parse_yaml(_text(path, where), where), where


def parse_yaml(text: str, where: str) -> Any:
    """Plain data of a YAML text, whose dicts and lists know where their values stand.

    Nothing in it is executed, and it cannot grow: there are bounds to its size and its aliases.

    Raises
    ------
    ManifestError
        Where it is no YAML.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None and _size(node, {}) > MOST_VALUES:
            raise ManifestError(f"not valid YAML: more than {MOST_VALUES} values with its aliases", where=where)
        return None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        what = f"not valid YAML: {getattr(error, 'problem', None) or error}"
        place = f"{where}:{line}:{column}" if line else where
        raise ManifestError(what, where=place, problems=(Problem(what, "", line, column),)) from error
    except RecursionError as error:
        raise ManifestError("not valid YAML: nested too deeply", where=where) from error
    except ManifestError:
        raise
    except ValueError as error:
        raise ManifestError(f"not valid YAML: {error}", where=where) from error


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Values that a node stands for, each alias counted as what it repeats."""
    if id(node) in known:
        if not known[id(node)]:
            raise yaml.composer.ComposerError(None, None, "an alias inside of what it stands for", node.start_mark)
        return known[id(node)]
    known[id(node)] = 0
    inner: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        inner = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        inner = node.value
    known[id(node)] = 1 + sum(_size(part, known) for part in inner)
    return known[id(node)]


def _text(path: Path, where: str) -> str:
    hint = "is it a YAML file in UTF-8?"
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ManifestError(f"larger than {MOST_BYTES >> 20} MiB", where=where, hint=hint)
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"cannot be read: {error}", where=where, hint=hint) from error


def shipped_names(folder: str) -> list[str]:
    """Names of the YAML files that ship in a folder of ``manifests/``."""
    shipped = files("meshgait_data.manifests") / folder
    return sorted(item.name.removesuffix(".yaml") for item in shipped.iterdir() if item.name.endswith(".yaml"))


class _Loader(_BASE):  # type: ignore[misc]  # one of two classes, which have the same interface
    """Safe loading that keeps places and notes keys that stand twice."""

    def construct_marked_dict(self, node: yaml.MappingNode) -> Iterator[MarkedDict]:
        result = MarkedDict(_mark(node))
        yield result
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(None, None, "expected keys and values", node.start_mark)
        merged = [pair for pair in node.value if pair[0].tag == "tag:yaml.org,2002:merge"]
        own = [pair for pair in node.value if pair[0].tag != "tag:yaml.org,2002:merge"]
        for key_node, value_node in own:
            key = self._key(key_node)
            if key in result:
                result.twice.append((key, _mark(key_node)))
                continue
            self._put(result, key, key_node, value_node)
        if merged:
            rest = yaml.MappingNode(node.tag, merged, node.start_mark, node.end_mark)
            self.flatten_mapping(rest)
            for key_node, value_node in rest.value:
                key = self._key(key_node)
                if key not in result:
                    self._put(result, key, key_node, value_node)

    def _key(self, node: yaml.Node) -> Any:
        key = self.construct_object(node, deep=True)
        try:
            hash(key)
        except TypeError:
            raise yaml.constructor.ConstructorError(
                None, None, "a key must be a single value", node.start_mark
            ) from None
        return key

    def _put(self, result: MarkedDict, key: Any, key_node: yaml.Node, value_node: yaml.Node) -> None:
        result.keys_at[key], result.values_at[key] = _mark(key_node), _mark(value_node)
        result[key] = self.construct_object(value_node)

    def construct_marked_list(self, node: yaml.SequenceNode) -> Iterator[MarkedList]:
        result = MarkedList(_mark(node))
        yield result
        result.values_at += [_mark(item) for item in node.value]
        result += [self.construct_object(item) for item in node.value]


def _mark(node: yaml.Node) -> Mark:
    text = node.value if isinstance(node, yaml.ScalarNode) else ""
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1, text)


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_marked_dict)
_Loader.add_constructor("tag:yaml.org,2002:seq", _Loader.construct_marked_list)
