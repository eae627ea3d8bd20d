"""All files below a folder, as relative paths, and what could not be listed."""

import os
from pathlib import Path

from meshgait_data.errors import UsageError
from meshgait_data.findings import Finding, Severity


def list_files(root: Path) -> tuple[list[str], list[Finding]]:
    """List files, following links to folders once.

    Returns
    -------
    Sorted paths below the root with ``/`` between their parts, and a finding for each folder that could not be
    listed or was met twice.

    Raises
    ------
    UsageError
        Where the root is not a folder.
    """
    if not root.is_dir():
        what = "not a folder" if root.exists() else "no such folder"
        raise UsageError(f"root {root}: {what}", hint="give the folder of the dataset with --root DIR")
    files: list[str] = []
    findings: list[Finding] = []
    seen: set[tuple[int, int]] = set()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            status = os.stat(root / folder)
            if (status.st_dev, status.st_ino) in seen:
                findings.append(_twice(root / folder))
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    (waiting if entry.is_dir() else files).append(f"{folder}{entry.name}" + "/" * entry.is_dir())
        except OSError as error:
            findings.append(_unlisted(root / folder, error))
    return sorted(files), findings


def _twice(folder: Path) -> Finding:
    message = "a link leads to a folder that was already searched"
    return Finding(Severity.INFO, "MG-INDEX-011", str(folder), message)


def _unlisted(folder: Path, error: OSError) -> Finding:
    message = f"folder cannot be listed: {error.strerror or error}"
    return Finding(Severity.WARNING, "MG-INDEX-010", str(folder), message, "check its permissions")
