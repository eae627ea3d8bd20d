"""EasyMocap (zju3dv): one JSON a frame, a list of people with ``Rh, Th, poses, shapes``.

``x = R(Rh) x_body + Th``, where the body is posed without its root (``poses[0:3] = 0``) and turned about the ORIGIN of
the model, not about the pelvis as in smplx. The world is that of the calibration, so that its up axis is not known.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from meshgait_data.errors import SourceError
from meshgait_data.sources.smpl_params.entries import Part, describe, frame_ids, numbers, shaped, with_hands
from meshgait_data.sources.smpl_params.layouts.base import Layout
from meshgait_data.sources.smpl_params.records import Raw, ReadOptions
from meshgait_data.types import FloatArray

_NONE = 1e-6


def _people(data: Any) -> list[Any]:
    if isinstance(data, Mapping):
        data = data.get("annots", [data])
    return data if isinstance(data, list) else []


def claims(data: Any) -> bool:
    """People with ``Rh`` and ``Th``; a list of nobody is one too."""
    people = _people(data)
    return isinstance(data, list | Mapping) and all(
        isinstance(person, Mapping) and "Rh" in person and "Th" in person for person in people
    )


def read(parts: Sequence[Part], options: ReadOptions) -> Raw:
    """One person of all frames, by their ``id``; frames without them are unseen."""
    people = [{person.get("id", place): person for place, person in enumerate(_people(part.data))} for part in parts]
    names = sorted({name for frame in people for name in frame})
    if options.person not in names:
        hint = f"the people of these frames are {', '.join(map(str, names))}"
        raise SourceError(f"there is no person {options.person}", where=parts[0].path, hint=hint)
    chosen = [frame.get(options.person) for frame in people]
    rows = [_row(person, part.path) for person, part in zip(chosen, parts, strict=True)]
    known = next(row for row in rows if row is not None)
    table = [np.stack([np.full_like(known[i], np.nan) if row is None else row[i] for row in rows]) for i in range(4)]
    root, transl, pose, betas = table
    return Raw(
        _family(chosen),
        root,
        pose,
        betas,
        frame_ids(parts),
        transl=transl,
        space="world",
        up=None,
        pivot="origin",
        seen=np.array([row is not None for row in rows]),
    )


def _row(person: Mapping[str, Any] | None, where: str) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray] | None:
    """Rotation, translation, 69 of pose and shape of a frame."""
    if person is None:
        return None
    poses = numbers(person, "poses", where).ravel()
    if poses.size not in (69, 72) and poses.size < 66:
        raise SourceError(f"'poses' has {poses.size} numbers", where=where, hint=f"found {describe(person)}")
    # Some versions write the 69 without the root's zeros.
    body = poses if poses.size == 69 else poses[3:]
    if poses.size != 69 and np.abs(poses[:3]).max() > _NONE:
        what = "poses[0:3] is not zero, so that Rh is not the only rotation of the body"
        raise SourceError(what, where=where, hint="name another layout, or set poses[0:3] to zero")
    shape = numbers(person, "shapes", where).ravel()
    return shaped(person, "Rh", where, 3), shaped(person, "Th", where, 3), with_hands(body[None])[0], shape


def _family(people: Sequence[Mapping[str, Any] | None]) -> str:
    person = next(person for person in people if person is not None)
    if "expression" in person:
        return "smplx"
    return "smpl" if np.size(person["poses"]) in (69, 72) else "smplh"


LAYOUT = Layout("easymocap", "JSON lists of people with Rh, Th, poses, shapes", claims, read)
