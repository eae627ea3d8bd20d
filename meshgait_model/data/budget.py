"""How decoded frames are kept: in memory where they fit, else in a file that is mapped, else not at all."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from meshgait_data.errors import EnvironmentLacks

Cache = Literal["auto", "ram", "mmap", "none"]
"""``ram``: decoded into shared memory when training starts. ``mmap``: decoded into a file once, which all processes
and later runs map. ``none``: decoded from the shards each time. ``auto``: the first of these that there is room for."""

GIB = 2**30

SHARE = 0.5
"""Of the free memory, what decoded frames may take where nobody says how much."""

_DISK_SHARE = 0.9
"""Of the free space, what decoded frames may take."""

_LIMIT, _USED, _RECLAIMABLE = "memory.max", "memory.current", "inactive_file"
"""Files of a control group, and a line of its ``memory.stat``."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided, and why."""

    cache: Literal["ram", "mmap", "none"]
    reason: str
    """For people: what, how much, and why."""


def choose(
    wanted: Cache, need: int, *, budget: int | None, folder: Path, missing: int | None = None, ranks: int = 1
) -> Plan:
    """Decide how decoded frames are kept.

    Parameters
    ----------
    wanted
        What the setting says.
    need
        Bytes of all decoded frames.
    budget
        Bytes that may be taken of the memory; None is a share of what is free.
    folder
        Where files would lie.
    missing
        Bytes of them that are not there yet; None is all of them.
    ranks
        Processes on this machine that each would decode the same frames into memory of their own.

    Raises
    ------
    EnvironmentLacks
        Where the setting asks for what there is no room for.
    """
    allowed = int(SHARE * free_memory() / ranks) if budget is None else budget
    room = int(_DISK_SHARE * free_space(folder))
    origin = (
        f"half of the free memory{f' / {ranks} processes' if ranks > 1 else ''}" if budget is None else "the budget"
    )
    memory = f"{amount(need)} of at most {amount(allowed)} ({origin})"
    missing = need if missing is None else missing
    disk = f"{amount(need)}, {amount(missing)} to be written where {amount(room)} are free"
    # Several processes that map one file share its pages; memory of their own they would not share.
    if wanted == "ram" or (wanted == "auto" and need <= allowed and (ranks == 1 or missing > room)):
        if need > allowed:
            hint = "raise data.cache_gib, or set data.cache=mmap or none"
            raise EnvironmentLacks(f"decoded frames do not fit into memory: {memory}", hint=hint)
        return Plan("ram", f"decoded into memory: {memory}")
    if wanted == "mmap" or (wanted == "auto" and missing <= room):
        if missing > room:
            hint = "free some space, choose another data.cache_folder, or set data.cache=none"
            raise EnvironmentLacks(f"decoded frames do not fit: {disk}", where=str(folder), hint=hint)
        return Plan("mmap", f"decoded into files mapped from {folder}: {disk}")
    if wanted == "none":
        return Plan("none", "decoded from the shards each time, as asked for")
    return Plan("none", f"decoded from the shards each time: {memory} do not fit into memory, nor on disk ({disk})")


def free_memory() -> int:
    """Bytes of memory that this process could still take, control groups considered."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        # Not Linux: free pages alone are the safe guess.
        pass
    return max(min(free, _control_group(Path("/sys/fs/cgroup"), free)), 0)


def _control_group(folder: Path, default: int) -> int:
    """What a limit of the control group (version 2) leaves; file pages that can be dropped count as free."""
    try:
        limit = (folder / _LIMIT).read_text(encoding="ascii").strip()
        if limit == "max":
            return default
        used = int((folder / _USED).read_text(encoding="ascii"))
        stat = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
        return int(limit) - used + int(stat.get(_RECLAIMABLE, 0))
    except (OSError, ValueError):
        return default


def free_space(folder: Path) -> int:
    """Bytes free where a folder is or would be made; 0 where this process may not write."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free if os.access(folder, os.W_OK) else 0


def default_folder() -> Path:
    """``MESHGAIT_CACHE``, else ``meshgait`` in the user's cache folder."""
    named = os.environ.get("MESHGAIT_CACHE")
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "meshgait"


def local_ranks() -> int:
    """Processes of a distributed run on this machine, as ``torchrun`` tells them."""
    told = os.environ.get("LOCAL_WORLD_SIZE", "1")
    return max(int(told), 1) if told.isdecimal() else 1


def amount(size: int) -> str:
    """Bytes for people."""
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / 2**20:.1f} MiB"
