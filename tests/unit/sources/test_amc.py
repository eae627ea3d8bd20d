"""The motion reader: values, units, and what it says of each kind of damage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshgait_data.errors import SourceError
from meshgait_data.sources import amc
from meshgait_data.sources.amc import parse_motion
from meshgait_data.sources.asf import parse_skeleton
from meshgait_data.sources.files import read_text

SKELETON = parse_skeleton(
    """\
:units
  length 0.45
  angle deg
:root
  order TX TY TZ RX RY RZ
  axis XYZ
:bonedata
  begin
     name thigh
     direction 0 -1 0
     length 9
     axis 0 0 0 XYZ
     dof rx ry rz
  end
  begin
     name shin
     direction 0 -1 0
     length 9
     axis 0 0 0 XYZ
     dof rx
  end
:hierarchy
  begin
    root thigh
    thigh shin
  end
""",
    "a.asf",
)
HEADER = "#!OML:ASF a.ASF\n:FULLY-SPECIFIED\n:DEGREES\n"


def frame(number: int) -> str:
    return f"{number}\nroot 1 2 3 10 20 {30 + number}\nthigh 40 5 6\nshin {number}\n"


FIVE = HEADER + "".join(map(frame, range(1, 6)))


def test_values_in_metres_and_radians():
    motion = parse_motion(FIVE, SKELETON, "a.amc")
    assert motion.frame_ids.tolist() == [1, 2, 3, 4, 5]
    assert motion.cut_frame is None
    np.testing.assert_allclose(motion.transl[0], np.array([1, 2, 3]) * 0.0254 / 0.45)
    np.testing.assert_allclose(np.degrees(motion.root_angles[1]), [10, 20, 32])
    np.testing.assert_allclose(np.degrees(motion.angles["thigh"][4]), [40, 5, 6])
    np.testing.assert_allclose(np.degrees(motion.angles["shin"][:, 0]), [1, 2, 3, 4, 5])


def test_order_of_bones_and_first_number_are_free():
    text = HEADER + "".join(f"{n}\nshin 7\nthigh 40 5 6\nroot 1 2 3 10 20 {n}\n" for n in range(31, 34))
    motion = parse_motion(text.replace("\n", "\r\n"), SKELETON, "a.amc")
    assert motion.frame_ids.tolist() == [31, 32, 33]
    np.testing.assert_allclose(np.degrees(motion.root_angles[:, 2]), [31, 32, 33])


def test_radians():
    text = FIVE.replace(":DEGREES", ":RADIANS").replace("10 20 3", "0.1 0.2 0.3").replace("40 5 6", "1.5 0.5 0.6")
    motion = parse_motion(text, SKELETON, "a.amc")
    np.testing.assert_allclose(motion.angles["thigh"][0], [1.5, 0.5, 0.6])


DAMAGE = {
    "number repeats": ("\n4\n", "\n3\n", "repeats or goes back: 3 after 3", 16),
    "number skips": ("\n4\n", "\n6\n", "skips: 6 after 3", 16),
    "missing value": ("3 10 20 33", "3 10 20", "root needs 6 values, one for each degree of freedom, found 5", 13),
    "spare value": ("shin 3", "shin 3 3", "shin needs 1 values, one for each degree of freedom, found 2", 15),
    "missing bone": ("shin 3\n", "", "frame 3 has no values for shin", 12),
    "unknown bone": ("shin 3", "shim 3", "bone 'shim' has no degrees of freedom in the skeleton", 15),
    "bone twice": ("shin 3", "shin 3\nshin 3", "'shin' twice in one frame", 16),
    "word": ("shin 3", "shin three", "'three' is not a number", 15),
    "python's spelling": ("shin 3", "shin 1_0", "'1_0' is not a number", 15),
    "endless number": ("\n4\n", f"\n{'4' * 5000}\n", "has no degrees of freedom in the skeleton", 16),
    "wrong unit": (":DEGREES", ":RADIANS", "angles up to 40 in a file of radians", None),
    "two units": (":DEGREES", ":DEGREES\n:RADIANS", "says both", None),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_with_its_line(kind):
    old, new, message, line = DAMAGE[kind]
    assert old in FIVE
    with pytest.raises(SourceError) as caught:
        parse_motion(FIVE.replace(old, new, 1), SKELETON, "a.amc")
    assert message in caught.value.what
    assert caught.value.hint
    assert caught.value.where == ("a.amc" if line is None else f"a.amc:{line}")


def test_small_angles_called_degrees():
    text = FIVE.replace("10 20 3", "0.1 0.2 0.3").replace("40 5 6", "1.5 0.5 0.6")
    with pytest.raises(SourceError, match=r"no angle above 5\.00 in a file of degrees"):
        parse_motion(text, SKELETON, "a.amc")


@pytest.mark.parametrize("text", ["", HEADER, "\x01\x02 junk \xff", ":DEGREES\nroot 1 2 3\n"])
def test_no_motion_at_all(text):
    with pytest.raises(SourceError, match="not an AMC motion"):
        parse_motion(text, SKELETON, "a.amc")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "-1.#IND", "1.#QNAN"])
def test_a_frame_that_is_not_finite_is_nan_and_alone(value):
    motion = parse_motion(FIVE.replace("shin 3", f"shin {value}"), SKELETON, "a.amc")
    assert motion.finite().tolist() == [True, True, False, True, True]
    for array in (motion.transl, motion.root_angles, *motion.angles.values()):
        assert np.isnan(array).all(axis=1).tolist() == [False, False, True, False, False]


@given(st.integers(len(HEADER), len(FIVE) - 1))
def test_cut_anywhere_keeps_exactly_the_complete_frames(length):
    """A cut file is a prefix of the whole one, says which frame it lost, and never invents a number."""
    whole = parse_motion(FIVE, SKELETON, "a.amc")
    text = FIVE[:length]
    complete = max(n for n in range(6) if len(HEADER + "".join(map(frame, range(1, n + 1)))) <= length)
    try:
        motion = parse_motion(text, SKELETON, "a.amc")
    except SourceError:
        assert complete == 0
        return
    assert len(motion) == complete
    np.testing.assert_array_equal(motion.transl, whole.transl[:complete])
    np.testing.assert_array_equal(motion.angles["shin"], whole.angles["shin"][:complete])
    at_border = length == len(HEADER + "".join(map(frame, range(1, complete + 1))))
    assert motion.cut_frame == (None if at_border else complete + 1)


@given(st.integers(0, len(FIVE) - 1), st.text(max_size=3))
def test_a_damaged_file_is_read_or_an_error(place, junk):
    text = FIVE[:place] + junk + FIVE[place + 1 :]
    try:
        motion = parse_motion(text, SKELETON, "a.amc")
    except SourceError:
        return
    assert (np.diff(motion.frame_ids) == 1).all()


@settings(deadline=None)
@given(
    st.lists(st.lists(st.floats(-180, 180), min_size=10, max_size=10), min_size=1, max_size=6),
    st.permutations(range(3)),
)
def test_columns_and_lines_read_the_same(rows, order):
    def line(k: int, row: list[float]) -> str:
        return (f"root {' '.join(map(repr, row[:6]))}", f"thigh {' '.join(map(repr, row[6:9]))}", f"shin {row[9]!r}")[k]

    body = "".join(f"{n}\n" + "".join(line(k, row) + "\n" for k in order) for n, row in enumerate(rows, start=1))
    counts = {"root": 6, "thigh": 3, "shin": 1}
    fast = amc._read_columns(body, counts)
    assert fast is not None
    slow = amc._Lines(body, 0, counts, "a.amc").read()
    assert (fast.ids, fast.values) == (slow.ids, slow.values)
    assert fast.values["root"] == [value for row in rows for value in row[:6]]


def test_shipped_file_goes_the_fast_way_and_agrees_with_the_slow_one(shipped, amc_text):
    skeleton = shipped["07_01"].skeleton
    counts = {"root": 6} | {bone.name: len(bone.dof) for bone in skeleton.bones if bone.dof}
    start = amc_text.index("\n1\n") + 1
    fast = amc._read_columns(amc_text[start:], counts)
    slow = amc._Lines(amc_text, start, counts, "a.amc").read()
    assert fast is not None
    assert (fast.ids, fast.values) == (slow.ids, slow.values)


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "is empty"), (b" \n ", "is empty"), (b"\x1f\x8b\x00\x01", "binary data")]
)
def test_files_that_are_no_text(tmp_path, content, message):
    path = tmp_path / "a.amc"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        read_text(path)
    assert caught.value.where == str(path)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        read_text(tmp_path)
