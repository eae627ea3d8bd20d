"""Read YAML files that ship with meshgait, by name, and the user's, by path: safely, and no key twice."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from meshgait_data.errors import ManifestError, UsageError


def read_yaml(name_or_path: str, folder: str) -> tuple[Any, str]:
    """Plain data and display name of a YAML file, shipped (by name) or the user's (by path)."""
    shipped, names = files("meshgait_data.manifests") / folder, shipped_names(folder)
    path = shipped / f"{name_or_path}.yaml" if name_or_path in names else Path(name_or_path)
    where = path.name if name_or_path in names else name_or_path
    if not path.is_file():
        raise UsageError(
            f"no file and no shipped name {name_or_path!r} among {folder}",
            hint=f"give the path of a .yaml file or one of: {', '.join(names)}",
        )
    try:
        return _UniqueKeys(path.read_text(encoding="utf-8")).get_single_data(), where
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}:{mark.line + 1}" if mark else where
        raise ManifestError(f"not valid YAML: {getattr(error, 'problem', error)}", where=place) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ManifestError(f"cannot be read: {error}", where=where, hint="is it a YAML file in UTF-8?") from error


def shipped_names(folder: str) -> list[str]:
    """Names of the YAML files that ship in a folder of ``manifests/``."""
    shipped = files("meshgait_data.manifests") / folder
    return sorted(item.name.removesuffix(".yaml") for item in shipped.iterdir() if item.name.endswith(".yaml"))


class _UniqueKeys(yaml.SafeLoader):
    """Safe loading in which a key that stands twice is an error; plain YAML lets the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)
