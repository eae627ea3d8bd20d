"""One capture looked at from outside: which views and kinds there are, by the names of files alone."""

from collections.abc import Sequence
from pathlib import Path

from meshgait_data.errors import UsageError
from meshgait_data.findings import Finding, Severity
from meshgait_data.index.look import Look, Task, ViewLook
from meshgait_data.manifest import Manifest


def glimpse(manifest: Manifest, root: Path, tasks: Sequence[Task]) -> list[str]:
    """Lines of several captures, see :class:`~meshgait_data.index.look.Look`; no file is opened.

    Of a kind with one file a frame the frames are files; of others nothing is known about frames.
    """
    return [_glimpse(manifest, root, task).line() for task in tasks]


def _glimpse(manifest: Manifest, root: Path, task: Task) -> Look:
    source, named = manifest.source, [view for view, _ in task.paths if view]
    if source.format is not None:
        return Look(str(task.key), tuple(ViewLook(view, ("mocap",), (0,), 0, 0, -1) for view in named or ("",)))
    found: dict[str, dict[str, int]] = {}
    for kind, block in source.blocks().items():
        try:
            places = manifest.paths_of(task.key, block.path).find(root)
        except (OSError, UsageError) as error:
            return Look(str(task.key), findings=(_nothing(str(task.key), str(error), root),))
        for view, path in places:
            name = view or task.key.group if len(named) == 1 else view or getattr(block, "view", "")
            found.setdefault(name, {})[kind] = _files(path)
    shared = found.pop("", {})
    views = [_view(view, {**shared, **found.get(view, {})}) for view in sorted(found) or sorted(named) or [""]]
    views = [view for view in views if view.kinds]
    lost = sorted(set(named) - {view.view for view in views}) if views else [str(task.key)]
    findings = tuple(
        _nothing(str(task.key.sequence(view)) if views else view, "nothing is there", root) for view in lost
    )
    return Look(str(task.key), tuple(views), source.working_fps, findings=findings)


def _view(view: str, kinds: dict[str, int]) -> ViewLook:
    frames = max(kinds.values(), default=0)
    return ViewLook(
        view, tuple(sorted(kinds)), tuple(count for _, count in sorted(kinds.items())), frames, 0, frames - 1
    )


def _files(path: Path) -> int:
    return sum(1 for _ in path.iterdir()) if path.is_dir() else 0


def _nothing(what: str, why: str, root: Path) -> Finding:
    message = f"{what} cannot be used: {why}"
    return Finding(Severity.ERROR, "MG-INDEX-001", str(root), message, "check source: paths in the manifest")
