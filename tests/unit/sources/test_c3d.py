"""C3D: what a file says in its own units, axes and labels comes out in metres, y up, with clean names; or an error."""

import warnings
from pathlib import Path

import c3d
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshgait_data.errors import SourceError
from meshgait_data.sources.c3d import read_c3d

DATA = Path(__file__).parents[2] / "data" / "c3d"
NAMES = ("LFHD", "RFHD", "LANK", "RANK", "LTOE")
# y up: head above ankles; the left side at +x, facing +z.
PLACES = np.array([[0.1, 1.5, 0.0], [-0.1, 1.5, 0.0], [0.1, 0.1, 0.0], [-0.1, 0.1, 0.0], [0.1, 0.05, 0.2]])
TO_Z_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


def written(tmp_path, points, *, names=NAMES, unit="mm", screen="+Z", scale=-1.0, groups=None):
    """A file of (F, P, 3) points in the file's unit and axes; NaN becomes an invalid sample."""
    writer = c3d.Writer(point_rate=100.0, point_scale=scale, point_units=unit)
    frames = []
    for frame in points:
        seen = np.isfinite(frame).all(1)
        row = np.zeros((len(frame), 5), np.float32)
        row[:, :3] = np.where(seen[:, None], frame, 0.0)
        row[:, 3] = np.where(seen, 0, -1)
        frames.append((row, np.zeros((0, 0))))
    writer.add_frames(frames)
    writer.set_point_labels(list(names))
    if screen:
        writer.point_group.add_str("Y_SCREEN", "", screen, 2)
    for group, values in (groups or {}).items():
        for name, value in values.items():
            writer.get_create(group).add(name, "", 4, "<f", value)
    path = tmp_path / "take.c3d"
    with path.open("wb") as handle, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        writer.write(handle)
    return path


def z_up_mm(frames=4):
    return np.repeat((1000 * PLACES @ TO_Z_UP.T)[None], frames, 0)


def test_recording_of_a_child():
    walk, static = read_c3d(DATA / "walk.c3d"), read_c3d(DATA / "static.c3d")
    assert walk.points.shape == (60, 57, 3)
    assert (walk.fps, walk.up, walk.unit, walk.subject) == (50.0, "+Z", "mm", "HC031A")
    assert walk.height_m == pytest.approx(1.33)
    assert walk.mass_kg == pytest.approx(27.7)
    head = [static.names.index(name) for name in ("LFHD", "RFHD")]
    assert 1.15 < static.points[:, head, 1].mean() < 1.33
    assert walk.findings == ()
    assert len(walk.sha256) == 64


def test_units_axes_and_gaps(tmp_path):
    points = z_up_mm()
    points[1, 2] = np.nan
    take = read_c3d(written(tmp_path, points))
    expected = np.repeat(PLACES[None], 4, 0)
    expected[1, 2] = np.nan
    np.testing.assert_allclose(take.points, expected, atol=1e-6)
    assert take.names == NAMES
    assert take.fps == 100


@pytest.mark.parametrize(("unit", "factor"), [("m", 1.0), ("cm", 100.0), ("mm", 1000.0)])
def test_units_give_the_same(tmp_path, unit, factor):
    take = read_c3d(written(tmp_path, z_up_mm() / 1000 * factor, unit=unit))
    np.testing.assert_allclose(take.points[0], PLACES, atol=1e-6)


def test_integer_files(tmp_path):
    take = read_c3d(written(tmp_path, np.round(z_up_mm()), scale=1.0))
    np.testing.assert_allclose(take.points[0], PLACES, atol=1e-3)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("said", [True, False])
def test_any_axis_may_be_up(tmp_path, axis, sign, said):
    up = ("+" if sign > 0 else "-") + "XYZ"[axis]
    others = [i for i in range(3) if i != axis]
    turn = np.zeros((3, 3))
    turn[axis, 1] = sign
    turn[others[0], 0] = 1
    turn[others[1], 2] = 1
    turn[others[1]] *= np.linalg.det(turn)
    points = np.repeat((1000 * PLACES @ turn.T)[None], 3, 0)
    take = read_c3d(written(tmp_path, points, screen=up if said else ""))
    assert take.up == up
    np.testing.assert_allclose(take.points[..., 1], np.repeat(PLACES[None, :, 1], 3, 0), atol=1e-6)
    # Proper: left stays left of where the toes point.
    left, front = take.points[0, 0] - take.points[0, 1], take.points[0, 4] - take.points[0, 2]
    assert np.cross(front * (1, 0, 1), left)[1] > 0
    assert [finding.id for finding in take.findings] == ([] if said else ["MG-SOURCE-011"])


def test_the_person_wins_over_a_wrong_screen(tmp_path):
    take = read_c3d(written(tmp_path, z_up_mm(), screen="+Y"))
    assert take.up == "+Z"
    assert [finding.id for finding in take.findings] == ["MG-SOURCE-010"]


def test_prefixes_outputs_and_unlabelled(tmp_path):
    names = ("Anna:LFHD", "Anna:RFHD", "Anna:LANK", "Anna:RANK", "*110")
    take = read_c3d(written(tmp_path, z_up_mm(), names=names))
    assert take.names == NAMES[:4]
    assert take.subject == "Anna"


def test_two_people_need_a_name(tmp_path):
    names = ("Anna:LFHD", "Ben:LFHD", "Anna:LANK", "Ben:LANK", "Anna:LTOE")
    path = written(tmp_path, z_up_mm(), names=names)
    with pytest.raises(SourceError, match="Anna, Ben"):
        read_c3d(path)
    assert read_c3d(path, subject="Ben").names == ("LFHD", "LANK")
    with pytest.raises(SourceError, match="no markers of 'Cleo'"):
        read_c3d(path, subject="Cleo")


@pytest.mark.parametrize("height", [1.62, 162.0, 1620.0])
def test_height_and_mass_wherever_they_are(tmp_path, height):
    take = read_c3d(written(tmp_path, z_up_mm(), groups={"SUBJECTS": {"HEIGHT": height, "WEIGHT": 61.0}}))
    assert take.height_m == pytest.approx(1.62)
    assert take.mass_kg == pytest.approx(61.0)


def test_unknown_unit(tmp_path):
    with pytest.raises(SourceError, match="'px', which is no length") as caught:
        read_c3d(written(tmp_path, z_up_mm(), unit="px"))
    assert "mm" in caught.value.hint


def test_short_file_is_said(tmp_path):
    path = written(tmp_path, np.repeat(z_up_mm(1), 60, 0))
    path.write_bytes(path.read_bytes()[:-1024])
    take = read_c3d(path)
    assert len(take) < 60
    assert [finding.id for finding in take.findings] == ["MG-SOURCE-001"]


@pytest.mark.parametrize(
    "content", [b"", b"text", bytes(4096), b"\x02\x50" + bytes(3000), b"\x02\x50" + b"\xff" * 3000]
)
def test_damage_is_an_error_that_says_where(tmp_path, content):
    path = tmp_path / "take.c3d"
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        read_c3d(path)
    assert caught.value.where == str(path)
    assert caught.value.hint


def test_no_file(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        read_c3d(tmp_path / "none.c3d")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 4095), st.integers(0, 255)), min_size=1, max_size=12))
def test_flipped_bytes_never_crash(tmp_path, flips):
    data = bytearray((DATA / "static.c3d").read_bytes())
    for place, value in flips:
        data[place] = value
    path = tmp_path / "flipped.c3d"
    path.write_bytes(data)
    try:
        take = read_c3d(path)
    except SourceError:
        return
    assert np.isfinite(take.points).any(-1).shape == take.points.shape[:2]
    assert len(take.names) == take.points.shape[1]
