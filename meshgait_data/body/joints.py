"""Joint sets by name: what their joints are, and matrices that give them from a posed body. Arrays only.

Shape letters: F frames, P joints of a set, V vertices, J joints of the body (24). Metres.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from meshgait_data.body.model import Body, BodyOutput, forward, rest_joints
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.errors import InvalidData
from meshgait_data.types import BodyParams, FloatArray, IntArray

KINDS = ("coco", "skin", "vertex")
"""Kinds of points that a joint may be defined by, besides the joints of the body: ``kind.name``."""


@dataclass(frozen=True, slots=True)
class Joint:
    """One joint, keypoint or marker of a set."""

    name: str
    """In small letters; ``left_x`` has a ``right_x``."""
    moves_with: str
    """SMPL joint whose part of the body it is on."""
    at: tuple[str, ...]
    """Points whose mean it is: joints of SMPL; ``coco.x`` annotated keypoints; ``skin.x`` places on the skin that are
    found by a rule; ``vertex.x`` vertices with smplx's names."""
    what: str
    """What it is in the body."""
    published: str = ""
    """Name in the set's own publication and files, where it is another one."""
    parent: str = ""
    """Joint of the set that a line joins it to in drawings; empty at the start of a tree."""
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Metres from there, in the rest frame of ``moves_with`` (x to the left, y up, z forward)."""

    def __post_init__(self) -> None:
        if self.moves_with not in SMPL_JOINTS:
            raise ValueError(f"moves_with={self.moves_with!r} is not one of SMPL's joints: {', '.join(SMPL_JOINTS)}")
        if not self.at:
            raise ValueError(f"at of {self.name!r} is empty")
        for point in self.at:
            kind, dot, _ = point.partition(".")
            if not (point in SMPL_JOINTS or (dot and kind in KINDS)):
                raise ValueError(f"{point!r} of {self.name!r} is neither a joint of SMPL nor one of {', '.join(KINDS)}")

    @property
    def original(self) -> str:
        """Name that the set's own files use."""
        return self.published or self.name


@dataclass(frozen=True, slots=True)
class JointSet:
    """The joints of a dataset, a pose estimator or a marker protocol, in its published order."""

    name: str
    title: str
    origin: str
    """Where the names, the order and the places come from."""
    joints: tuple[Joint, ...]
    off_skin_m: float = 0.0
    """How far points on the skin stand off it: the radius of the markers, metres."""

    def __post_init__(self) -> None:
        for names in (self.names, self.originals):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{twice[0]!r} stands twice")
        for joint in self.joints:
            side, _, stem = joint.name.partition("_")
            other = {"left": f"right_{stem}", "right": f"left_{stem}"}.get(side, joint.name)
            if other not in self.names:
                raise ValueError(f"{joint.name!r} has no {other!r}")
            if joint.parent and joint.parent not in self.names:
                raise ValueError(f"parent={joint.parent!r} of {joint.name!r} is not in the set")

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def names(self) -> tuple[str, ...]:
        """P names."""
        return tuple(joint.name for joint in self.joints)

    @property
    def originals(self) -> tuple[str, ...]:
        """P names as the set's own files have them."""
        return tuple(joint.original for joint in self.joints)

    @property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """Pairs (parent, joint) that drawings join."""
        index = self.names.index
        return tuple((index(joint.parent), i) for i, joint in enumerate(self.joints) if joint.parent)

    @property
    def carriers(self) -> IntArray:
        """(P,) number of the SMPL joint that each joint moves with."""
        return np.array([SMPL_JOINTS.index(joint.moves_with) for joint in self.joints])


@dataclass(frozen=True, slots=True, eq=False)
class JointRegressor:
    """A matrix that gives the joints of a set from a posed body."""

    joint_set: str
    """Name of the set."""
    body_sha256: str
    """Body whose vertices the columns are."""
    names: tuple[str, ...]
    """P names."""
    matrix: Any
    """(P, V + 24) scipy CSR, float64; columns are the posed vertices and then the posed joints; rows sum to one."""
    how: tuple[str, ...] = ()
    """P words: where each row comes from."""
    approximate: bool = False
    """Whether some rows are stand-ins: the body has nothing better."""
    origin: str = ""
    """Where the matrix comes from."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def vertex_ids(self) -> IntArray:
        """Vertices that take part, in rising order."""
        used = np.unique(self.matrix.indices)
        return used[used < self.matrix.shape[1] - len(SMPL_JOINTS)]


def regress(regressor: JointRegressor, output: BodyOutput) -> FloatArray:
    """Joints of a set from a posed body.

    Parameters
    ----------
    regressor
        Made for this body.
    output
        All V vertices and the 24 joints in F frames.

    Returns
    -------
    (F, P, 3) float32, in the frame of the posed body.

    Raises
    ------
    InvalidData
        Where the posed body has another number of vertices.
    """
    vertices = regressor.matrix.shape[1] - len(SMPL_JOINTS)
    if output.vertices.shape[1] != vertices:
        what = f"joints {regressor.joint_set!r} are for {vertices} vertices, the body has {output.vertices.shape[1]}"
        raise InvalidData(what, hint="load them with load_regressor(body, name) for the body that is posed")
    return _combined(regressor, output.vertices[:, regressor.vertex_ids], output.joints)


def posed_joints(body: Body, params: BodyParams, regressor: JointRegressor) -> FloatArray:
    """Joints of a set, (F, P, 3) float32, for shape and poses: skins only the vertices that take part."""
    if regressor.body_sha256 != body.sha256:
        what = f"joints {regressor.joint_set!r} belong to another body than {body.name!r}"
        raise InvalidData(what, hint="load them with load_regressor(body, name) for this body")
    output = forward(body, params, regressor.vertex_ids)
    return _combined(regressor, output.vertices, output.joints)


def rest_points(body: Body, regressor: JointRegressor) -> FloatArray:
    """(P, 3) joints of the mean shape in the rest pose, metres."""
    points: FloatArray = regressor.matrix @ np.concatenate([body.v_template.astype(np.float64), rest_joints(body)[0]])
    return points


def _combined(regressor: JointRegressor, vertices: FloatArray, joints: FloatArray) -> FloatArray:
    """(F, P, 3) from only the vertices that take part."""
    points = np.concatenate([vertices, joints], axis=1)
    last = regressor.matrix.shape[1] - len(SMPL_JOINTS)
    columns = np.concatenate([regressor.vertex_ids, np.arange(last, last + len(SMPL_JOINTS))])
    flat = points.transpose(1, 0, 2).reshape(len(columns), -1)
    mixed = regressor.matrix[:, columns] @ flat
    return mixed.reshape(len(regressor), len(vertices), 3).transpose(1, 0, 2).astype(np.float32)


def torch_matrix(regressor: JointRegressor) -> FloatArray:
    """(P, V + 24) dense float32, for ``matrix @ torch.cat([vertices, joints], 1)`` of :class:`TorchBody`."""
    dense: FloatArray = regressor.matrix.toarray().astype(np.float32)
    return dense
