"""ROMP (Sun et al., ICCV 2021): one npz a frame or one a video, with the pickled entry ``results``.

ROMP 1.0, which made Gait3D's files: a list of people with ``cam, poses, betas, j3d_smpl24``, in float16. Since 1.1 a
dictionary with a leading axis of people: ``cam, smpl_thetas, smpl_betas, cam_trans``. A video's file has one such
entry for each image. The camera is ``s x + t`` in the image padded to a square; the hands are zero.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.findings import Finding, Severity
from meshgait_data.sources.smpl_params.entries import Part, describe, frame_ids, numbers, person_of, shaped, stacked
from meshgait_data.sources.smpl_params.layouts.base import Layout
from meshgait_data.sources.smpl_params.records import Raw, ReadOptions
from meshgait_data.types import FloatArray, IntArray

_MOST_DIGITS = 18
_OLD, _NEW = ("poses", "betas"), ("smpl_thetas", "smpl_betas")


def _is_person(data: Any) -> bool:
    return isinstance(data, Mapping) and "cam" in data and any(a in data and b in data for a, b in (_OLD, _NEW))


def claims(data: Any) -> bool:
    """``results`` whose people have ``cam`` and poses of either generation, or that has nobody."""
    if not isinstance(data, Mapping) or "results" not in data:
        return False
    frames = [people for _, people in _frames(data["results"])]
    people = [person for frame in frames for person in (frame if isinstance(frame, list) else [frame]) if person]
    return all(map(_is_person, people)) and (bool(people) or np.size(data["results"]) == 0)


def _frames(results: Any) -> list[tuple[str, Any]]:
    """Name and people of each frame of a file."""
    if isinstance(results, np.ndarray) and not results.size:
        return [("", [])]  # numpy turns a list of nobody into numbers
    if isinstance(results, Mapping) and "cam" not in results:
        return sorted((str(name), people) for name, people in results.items())
    return [("", results)] if isinstance(results, Mapping | list) else []


def _person(people: Any, options: ReadOptions, where: str) -> Mapping[str, Any] | None:
    """Parameters of one person of one frame under old names; None where nobody was found."""
    if isinstance(people, list):
        if not people:
            return None
        chosen = person_of(people, options.person, where)
        if not _is_person(chosen):
            raise SourceError("a person without cam, poses and betas", where=where, hint=f"found {describe(chosen)}")
        return dict(chosen)
    if not isinstance(people, Mapping) or "cam" not in people:
        return None
    pose, shape = _NEW if _NEW[0] in people else _OLD
    columns = {"cam": "cam", pose: "poses", shape: "betas"}
    width = {"cam": 3, "poses": 72, "betas": 10}
    found: dict[str, Any] = {}
    for key, name in columns.items():
        values = numbers(people, key, where)
        count = values.size // width[name] if values.ndim == 1 else len(values)
        if not count:
            return None
        found[name] = person_of(list(values.reshape(count, -1)), options.person, where)
    return found


def read(parts: Sequence[Part], options: ReadOptions) -> Raw:
    """One person of all frames."""
    people: list[tuple[Part, str, Any]] = []
    for part in parts:
        people += [(part, name, content) for name, content in _frames(part.data["results"])] or [(part, "", None)]
    ids, counted = _ids(parts, people)
    found = [_person(content, options, part.path) for part, _, content in people]
    seen = np.array([person is not None for person in found])
    if not seen.any():
        raise SourceError("nobody in any frame", where=parts[0].path, hint=f"found {describe(parts[0].data)}")

    def column(name: str, width: int) -> FloatArray:
        nothing = np.full(width, np.nan)
        return stacked(
            [
                nothing if p is None else shaped(p, name, where.path, width)
                for p, (where, _, _) in zip(found, people, strict=True)
            ]
        )

    pose = column("poses", 72)
    joints = None
    if all(person is not None and "j3d_smpl24" in person for person in found):
        joints = column("j3d_smpl24", 72).reshape(-1, 24, 3)
    return Raw(
        "smpl",
        pose[:, :3],
        pose[:, 3:],
        column("betas", 10),
        ids,
        weak=column("cam", 3),
        seen=seen,
        joints=joints,
        counted=counted,
        findings=_crowd(people, options, parts[0].path),
    )


def _ids(parts: Sequence[Part], people: Sequence[tuple[Part, str, Any]]) -> tuple[IntArray, bool]:
    """(F,) ids, and whether names of files or of a film's pictures tell them."""
    if len(people) == len(parts):
        return frame_ids(parts), False
    names = [re.findall(r"\d+", name.rsplit(".", 1)[0]) for _, name, _ in people]
    numbers = [int(digits[-1]) for digits in names if digits and len(digits[-1]) < _MOST_DIGITS]
    if len(numbers) == len(people) and numbers == sorted(set(numbers)):
        return np.array(numbers, np.int64), True
    return np.arange(len(people)), False


def _crowd(people: Sequence[tuple[Part, str, Any]], options: ReadOptions, where: str) -> tuple[Finding, ...]:
    """Frames in which several people were found."""
    counts = [_count(content) for _, _, content in people]
    crowded = sum(count > 1 for count in counts)
    if not crowded:
        return ()
    what = f"{crowded} of {len(counts)} frames show several people (up to {max(counts)}); number {options.person} of "
    what += "each is taken, as published scripts take the first: it need not be the walker"
    hint = "look at an overlay; name another one by 'person' where it is always the same"
    return (Finding(Severity.WARNING, "MG-PARAMS-001", where, what, hint),)


def _count(people: Any) -> int:
    """People in a frame."""
    if isinstance(people, list):
        return len(people)
    camera = people.get("cam") if isinstance(people, Mapping) else None
    return len(camera) if isinstance(camera, np.ndarray) and camera.ndim == 2 else int(camera is not None)


LAYOUT = Layout("romp", "'results' with cam and poses + betas (1.0, Gait3D) or smpl_thetas + smpl_betas", claims, read)
