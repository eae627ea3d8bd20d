"""The skeleton reader: what it makes of a good file, and that each kind of damage has a message of its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshgait_data.errors import SourceError
from meshgait_data.sources.asf import parse_skeleton

TINY = """\
:version 1.10
:units
  mass 1.0
  length {length}
  angle {angle}
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name shin # a comment
     direction 0 -2 0
     length 4.5
     axis 0 0 {turn} XYZ
     dof rx rz
  end
  begin
     name thigh
     direction 0 -1 0
     length 9
     axis 0 0 0 XYZ
  end
:hierarchy
  begin
    root thigh
    thigh shin
  end
"""
GOOD = TINY.format(length=0.45, angle="deg", turn=90)


def test_lengths_are_metres_and_parents_come_first():
    skeleton = parse_skeleton(GOOD, "a.asf")
    assert skeleton.joint_names == ("root", "thigh", "shin")
    thigh, shin = skeleton.bones
    assert thigh.length == pytest.approx(9 / 0.45 * 0.0254)
    assert shin.length == pytest.approx(4.5 / 0.45 * 0.0254)
    np.testing.assert_allclose(shin.direction, [0, -1, 0])
    assert (thigh.dof, shin.dof) == ((), ("x", "z"))
    np.testing.assert_allclose(shin.axis @ [1, 0, 0], [0, 1, 0], atol=1e-12)


def test_radians_say_the_same():
    degrees = parse_skeleton(GOOD, "a.asf")
    radians = parse_skeleton(TINY.format(length=0.45, angle="rad", turn=np.pi / 2), "a.asf")
    assert radians.radians
    assert not degrees.radians
    np.testing.assert_allclose(radians.bones[1].axis, degrees.bones[1].axis, atol=1e-12)


DAMAGE = {
    "unknown joint": ("thigh shin\n", "thigh shin foot\n", "names joint 'foot'", 29),
    "joint twice": ("thigh shin\n", "thigh shin\n shin thigh\n", "'thigh' has two parents", 30),
    "no hierarchy": (":hierarchy", ":nothing", "no section :hierarchy", None),
    "no bones": (":bonedata", ":bones", "no section :bonedata", None),
    "not connected": ("    thigh shin\n", "", "shin not connected", None),
    "loop": ("root thigh\n", "shin thigh\n", "shin, thigh not connected", 29),
    "bone twice": ("name thigh", "name shin", "'shin' is defined twice", 21),
    "direction missing": ("     direction 0 -1 0\n", "", "thigh has no 'direction'", 20),
    "direction short": ("direction 0 -1 0", "direction 0 -1", "'direction' needs 3 numbers, found '0 -1'", 22),
    "length not finite": ("length 9", "length nan", "'length' needs 1 number", 23),
    "length negative": ("length 9", "length -9", "is not a bone", 23),
    "direction zero": ("direction 0 -1 0", "direction 0 0 0", "is not a bone", 23),
    "sliding bone": ("dof rx rz", "dof rx tz", "'rx tz' are not some of rx ry rz", 18),
    "axis order": ("90 XYZ", "90 XYX", "'XYX' is not x, y, z in some order", 17),
    "degrees called radians": ("angle deg", "angle rad", "degrees in a file that says radians", 17),
    "angle unit": ("angle deg", "angle gon", "'gon' is neither degrees nor radians", 5),
    "no angle unit": ("  angle deg\n", "", "angles are unknown", 3),
    "no length unit": ("  length 0.45\n", "", "sizes are unknown", 3),
    "length unit zero": ("length 0.45", "length 0", "not positive", 4),
    "root order": ("TX TY TZ RX RY RZ", "TX TY TZ RX RY", "not TX TY TZ RX RY RZ in some order", 7),
    "root turned": ("orientation 0 0 0", "orientation 0 90 0", "orientation other than 0 0 0 is not supported", 10),
    "bone without end": ("  end\n  begin\n     name thigh", "  begin\n     name thigh", "begins before", 19),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_with_its_line(kind):
    old, new, message, line = DAMAGE[kind]
    assert old in GOOD
    with pytest.raises(SourceError) as caught:
        parse_skeleton(GOOD.replace(old, new, 1), "a.asf")
    assert message in caught.value.what
    assert caught.value.hint
    assert caught.value.where == ("a.asf" if line is None else f"a.asf:{line}")


@given(st.integers(0, len(GOOD.rstrip()) - 1))
def test_a_cut_file_is_an_error(length):
    with pytest.raises(SourceError):
        parse_skeleton(GOOD[:length], "a.asf")


@given(st.integers(0, len(GOOD) - 1), st.text(max_size=3))
def test_a_damaged_file_is_read_or_an_error(place, junk):
    text = GOOD[:place] + junk + GOOD[place + 1 :]
    try:
        skeleton = parse_skeleton(text, "a.asf")
    except SourceError:
        return
    assert all(np.isfinite(bone.direction).all() and np.isfinite(bone.axis).all() for bone in skeleton.bones)
