"""Orders of keypoints that detectors write, and which of them are joints of a joint set."""

from dataclasses import dataclass

from meshgait_data.body.joint_files import joint_set_names, load_joint_set
from meshgait_data.errors import SourceError


@dataclass(frozen=True, slots=True)
class PointLayout:
    """Which rows of a detector's output are which joints."""

    joint_set: str
    names: tuple[str, ...]
    """P names in the vocabulary of ``joint_set``."""
    rows: tuple[int, ...]
    """P rows of the detector's output."""
    count: int
    """Rows that the detector writes."""


_FEET = ("left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe", "left_heel", "right_heel")
_WHOLE_BODY_FEET = ("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel")

_HALPE = {name: 20 + row for row, name in enumerate(_FEET)} | {"neck": 18, "mid_hip": 19}
"""Halpe-26 beside COCO's 17 (Fang et al., AlphaPose, TPAMI 2023); row 17, top of the head, is no joint of BODY_25."""
_WHOLE_BODY = {name: 17 + row for row, name in enumerate(_WHOLE_BODY_FEET)}
"""COCO-WholeBody's feet (Jin et al., ECCV 2020); faces and hands come after them."""

_WIDER = {"halpe26": (_HALPE, 26), "halpe136": (_HALPE, 136), "coco_feet23": (_WHOLE_BODY, 23)}
_WIDER |= {"coco_wholebody133": (_WHOLE_BODY, 133)}

BY_COUNT = {
    17: "coco17",
    18: "openpose18",
    23: "coco_feet23",
    25: "openpose25",
    26: "halpe26",
    33: "blazepose33",
    133: "coco_wholebody133",
    136: "halpe136",
}
"""What a detector means that writes so many points and does not say more."""


def layout_names() -> tuple[str, ...]:
    """Names that :func:`layout_of` knows: the joint sets that ship, and wider sets that contain COCO's points."""
    return (*joint_set_names(), *_WIDER)


def layout_of(name: str, count: int, where: str) -> PointLayout:
    """Layout by name, or by the number of points where the name is empty.

    Raises
    ------
    SourceError
        Where the name is unknown, a number of points is no detector's, or the two do not agree.
    """
    known = layout_names()
    chosen = name or BY_COUNT.get(count, "")
    if chosen not in known:
        what = f"{count} keypoints, of which no known detector is typical" if not name else f"no joint set {name!r}"
        raise SourceError(what, where=where, hint=f"give joint_set, one of: {', '.join(known)}")
    layout = _wide(chosen) if chosen in _WIDER else _plain(chosen)
    if layout.count != count:
        fits = [other for other, points in ((key, _wide(key).count) for key in _WIDER) if points == count]
        fits += [other for other in joint_set_names() if len(load_joint_set(other).names) == count]
        hint = f"joint sets with {count} points: {', '.join(fits)}" if fits else "is it keypoints of a person at all?"
        raise SourceError(f"{chosen} has {layout.count} keypoints, the file has {count}", where=where, hint=hint)
    return layout


def _plain(name: str) -> PointLayout:
    names = load_joint_set(name).names
    return PointLayout(name, names, tuple(range(len(names))), len(names))


def _wide(name: str) -> PointLayout:
    more, count = _WIDER[name]
    rows = {joint: row for row, joint in enumerate(load_joint_set("coco17").names)} | more
    names = tuple(joint for joint in load_joint_set("openpose25").names if joint in rows)
    return PointLayout("openpose25", names, tuple(rows[joint] for joint in names), count)
