"""Contact sheets: same bytes every time, labels drawn where the labels are."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body, forward
from meshgait_data.render.cameras import look_at
from meshgait_data.render.sequence import render_sequence
from meshgait_data.types import BodyParams, Camera, CaptureKey, Fit, MarkerSet, SequenceData
from meshgait_data.view.heatmaps import heatmap_pictures
from meshgait_data.view.paint import LEFT, MARKER, RIGHT
from meshgait_data.view.sheet import CAPTION, CELL, GAP, MARGIN, TITLE, Shown, contact_sheet, evenly, strip

ZOOM = 4


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body("free")


@pytest.fixture(scope="module")
def sequence(body: Body) -> SequenceData:
    """Three frames of a body that slides past a camera in its rest pose."""
    transl = np.array([[x, 1.2, 0.0] for x in (-0.3, 0.0, 0.3)], np.float32)
    params = BodyParams(np.zeros(10, np.float32), np.zeros((3, 3)), np.zeros((3, 69)), transl)
    key = CaptureKey("cmu_walk", "07", "01")
    verdict = np.array([0, 1, 0], np.uint8)
    fit = Fit(key, params, np.arange(3), 30.0, {"joints": np.zeros(3)}, verdict, (), True, body.name, body.sha256)
    ids = np.linspace(0, body.num_vertices - 1, 30).astype(int)
    none = np.zeros((body.num_vertices, 30), np.float32)
    markers = MarkerSet("spread", body.sha256, ids, np.arange(30), none, none)
    rotation = look_at(np.array([0.0, 1.0, 6.0]), np.array([0.0, 1.0, 0.0]))
    intrinsics = np.array([[700.0, 0, 319.5], [0, 700.0, 239.5], [0, 0, 1]])
    camera = Camera("000", intrinsics, rotation, -rotation @ [0.0, 1.0, 6.0], (640, 480))
    return render_sequence(body, markers, fit, camera, identity="07", posed=forward(body, params))


def decode(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_equal_input_gives_equal_bytes(body, sequence):
    shown = [Shown(sequence, (10.0, 20.0, 30.0)), Shown(sequence)]
    assert contact_sheet(body, shown) == contact_sheet(body, shown)


def test_rows_show_silhouettes_and_the_body_at_the_same_place(body, sequence):
    sheet = decode(contact_sheet(body, [Shown(sequence)], zoom=ZOOM))
    top, left, side, width = TITLE + CAPTION, MARGIN, 64 * ZOOM, 44 * ZOOM
    for frame in range(3):
        x = left + frame * (width + GAP)
        upper = sheet[top : top + side, x : x + width]
        cut = sequence.arrays["silhouettes"][frame][:, 10:54]
        np.testing.assert_array_equal(upper[ZOOM // 2 :: ZOOM, ZOOM // 2 :: ZOOM], np.repeat(cut[..., None], 3, axis=2))
        lower = sheet[top + side + GAP : top + 2 * side + GAP, x : x + width].astype(int)
        drawn = np.abs(lower - np.array(CELL)).sum(axis=2) > 8
        white = np.repeat(np.repeat(cut > 127, ZOOM, axis=0), ZOOM, axis=1)
        # Dots of markers stand out at the edge, and the aligned silhouette is blocky.
        assert np.count_nonzero(drawn & white) / np.count_nonzero(drawn | white) > 0.8


def test_markers_are_drawn_where_the_labels_say(body, sequence):
    sheet = decode(contact_sheet(body, [Shown(sequence)], zoom=ZOOM))
    cell = sheet[TITLE + CAPTION + 64 * ZOOM + GAP :, MARGIN:]
    green = np.abs(cell.astype(int) - MARKER).sum(axis=2) < 120
    found = 0
    for u, v, _ in sequence.arrays["markers"][0]:
        x, y = round((u - 10 + 0.5) * ZOOM - 0.5), round((v + 0.5) * ZOOM - 0.5)
        found += bool(green[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4].any())
    # Some lie below the bones and joints that are drawn later.
    assert found > 20


def test_hidden_markers_are_hollow(body, sequence):
    sheets = []
    for seen in (0, 1):
        arrays = {**sequence.arrays, "markers_visible": np.full((3, 30), seen, np.uint8)}
        sheets.append(decode(contact_sheet(body, [Shown(replace(sequence, arrays=arrays))], zoom=ZOOM)).astype(int))
    hollow, full = (np.count_nonzero(np.abs(sheet - MARKER).sum(axis=2) < 30) for sheet in sheets)
    assert 0 < hollow < 0.7 * full


def test_a_joint_set_that_ships_is_drawn_with_its_bones(body, sequence):
    sheets = {}
    arrays = {name: array for name, array in sequence.arrays.items() if not name.startswith("markers")}
    for name in ("joints", "joints_visible"):
        arrays[name] = np.repeat(arrays[name], 2, axis=1)[:, :17]
    for name in ("coco17", "seventeen"):
        sheet = decode(contact_sheet(body, [Shown(replace(sequence, arrays=arrays, joint_set=name))], zoom=ZOOM))
        sheets[name] = [np.count_nonzero((sheet == colour).all(axis=2)) for colour in (LEFT, RIGHT)]
    assert min(sheets["coco17"]) > 20 + max(sheets["seventeen"])


def test_other_joint_sets_are_drawn_without_bones(body, sequence):
    arrays = {**sequence.arrays, "joints": sequence.arrays["joints"][:, :5]}
    arrays["joints_visible"] = arrays["joints_visible"][:, :5]
    other = replace(sequence, arrays=arrays, joint_set="five")
    assert decode(contact_sheet(body, [Shown(other)], heatmaps=True)).any()


def test_heatmaps_peak_where_the_labels_are():
    truth = np.array([[30.0, 20.0, -10.0], [12.0, 50.0, 8.0]])
    colours = np.array([[255.0, 0, 0], [0, 0, 255.0]])
    front, side = heatmap_pictures(truth, colours, np.zeros((64, 44), np.uint8), ZOOM)
    for picture, axis, middle in ((front, 0, 0.0), (side, 2, 21.5)):
        for point, colour in zip(truth, colours, strict=True):
            distance = np.abs(picture - colour).sum(axis=2)
            y, x = np.argwhere(distance == distance.min()).mean(0) / ZOOM
            # Within half a voxel of 4.3 pixels.
            assert abs(x - (point[axis] + middle)) < 3
            assert abs(y - point[1]) < 3


def test_all_views_stand_below_each_other(body, sequence):
    one = decode(contact_sheet(body, [Shown(sequence)], zoom=2))
    three = decode(contact_sheet(body, [Shown(sequence)] * 3, zoom=2))
    assert three.shape[1] == one.shape[1]
    assert three.shape[0] - one.shape[0] == 2 * (2 * CAPTION + 2 * 64 * 2 + 2 * GAP)


@pytest.mark.parametrize(("count", "chosen", "expected"), [(1, 8, [0]), (3, 8, [0, 1, 2]), (10, 4, [0, 3, 6, 9])])
def test_evenly(count, chosen, expected):
    assert evenly(count, chosen) == expected


def test_strip(sequence):
    image = decode(strip(sequence.arrays["silhouettes"], zoom=3))
    assert image.shape == (64 * 3, 3 * 44 * 3 + 2 * GAP, 3)
