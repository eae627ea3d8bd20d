import pickle

import cv2
import numpy as np
import pytest

from meshgait_data.errors import SourceError, UsageError
from meshgait_data.findings import Severity
from meshgait_data.pipeline.render_files import write_render
from meshgait_data.render.align import align
from meshgait_data.sources.masks import read_masks
from meshgait_data.sources.track import masks_at
from meshgait_data.types import Camera, SequenceData, SequenceKey

FRAMES, HEIGHT, WIDTH = 6, 48, 64


@pytest.fixture
def masks():
    """An ellipse that walks; frame 4 is empty."""
    images = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8)
    for frame in range(FRAMES):
        cv2.ellipse(images[frame], (16 + 5 * frame, 25), (6, 18), 10, 0, 360, 255, -1)
    images[4] = 0
    return images


def check_is(track, masks, first=0):
    np.testing.assert_array_equal(track.data.images, masks)
    np.testing.assert_array_equal(track.data.seen, masks.any(axis=(1, 2)))
    np.testing.assert_array_equal(track.frame_ids, np.arange(first, first + len(masks)))
    assert track.data.images.dtype == np.uint8


def pictures(folder, masks, name="001-nm-01-090-{:03d}.png"):
    folder.mkdir()
    for frame, image in enumerate(masks):
        assert cv2.imwrite(str(folder / name.format(frame + 3)), image)
    return folder


@pytest.mark.parametrize("ending", ["png", "bmp", "jpg"])
def test_a_folder_of_pictures(tmp_path, masks, ending):
    folder = pictures(tmp_path / "090", masks, "001-nm-01-090-{:03d}." + ending)
    (folder / "gei.png").write_bytes((folder / f"001-nm-01-090-003.{ending}").read_bytes())
    track = read_masks(folder, "090")
    check_is(track, masks, first=3)
    assert track.data.view == "090"
    assert not track.findings


def test_crops_of_different_sizes_are_padded_and_said(tmp_path, masks):
    folder = tmp_path / "seq0"
    folder.mkdir()
    for frame, image in enumerate(masks[:3]):
        cv2.imwrite(str(folder / f"{frame}.png"), image[:, : 60 + frame])
    track = read_masks(folder, "v")
    check_is(track, masks[:3, :, :62])
    assert [(finding.id, finding.severity) for finding in track.findings] == [("MG-MASKS-001", Severity.WARNING)]


@pytest.mark.parametrize("values", [lambda m: m, lambda m: m > 0, lambda m: (m > 0).astype(np.uint8)])
def test_arrays(tmp_path, masks, values):
    np.savez(tmp_path / "a.npz", masks=values(masks), frame_ids=np.arange(7, 7 + FRAMES))
    check_is(read_masks(tmp_path / "a.npz", "v"), masks, first=7)


def test_packed_bits_and_the_walks_of_a_file(tmp_path, masks):
    path = tmp_path / "clip.npz"
    second = masks[:, ::-1]
    packed = [np.packbits(each > 0, axis=-1) for each in (masks, second)]
    np.savez(path, mask0=packed[0], frame0=np.arange(FRAMES), mask1=packed[1], frame1=np.arange(50, 50 + FRAMES))
    check_is(read_masks(path, "v", take="1"), second, first=50)
    with pytest.raises(SourceError, match="2 walks"):
        read_masks(path, "v")


def test_opengaits_pickles_say_what_they_lost(tmp_path, masks):
    path = tmp_path / "090.pkl"
    path.write_bytes(pickle.dumps(masks))
    track = read_masks(path, "090")
    check_is(track, masks)
    assert [finding.id for finding in track.findings] == ["MG-MASKS-002"]
    path.write_bytes(pickle.dumps([print, 1]))
    with pytest.raises(SourceError, match="pickle"):
        read_masks(path, "090")


def test_rendered_sequences_come_back_to_where_they_were(tmp_path, masks):
    # As large as the silhouettes are, so that the alignment loses little.
    large = np.stack([cv2.resize(mask, (4 * WIDTH, 4 * HEIGHT), interpolation=cv2.INTER_NEAREST) for mask in masks])
    aligned = align(large, 128)
    ids = np.flatnonzero(aligned.kept)
    camera = Camera("090", np.eye(3), np.eye(3), np.zeros(3), (4 * WIDTH, 4 * HEIGHT))
    arrays = {"silhouettes": aligned.silhouettes, "windows": aligned.windows, "frame_ids": ids}
    key = SequenceKey("d", "1", "nm", "090")
    path = tmp_path / "090.npz"
    write_render(path, SequenceData(key, "1", 25.0, camera, np.zeros(10), arrays))
    track = read_masks(path, "090")
    np.testing.assert_array_equal(track.frame_ids, [0, 1, 2, 3, 5])
    for image, mask in zip(track.data.images, large[ids], strict=True):
        overlap = np.logical_and(image, mask).sum() / np.logical_or(image, mask).sum()
        assert overlap > 0.95
    joined = masks_at(track, np.arange(FRAMES))
    np.testing.assert_array_equal(joined.seen, [True] * 4 + [False, True])
    assert not joined.images[4].any()


def test_what_is_no_mask_is_refused(tmp_path, masks, rng):
    photographs = rng.integers(0, 255, masks.shape).astype(np.uint8)
    for name, images, message in [
        ("photographs", photographs, "grey"),
        ("inverted", 255 - masks, "inverted"),
        ("empty", np.zeros_like(masks), "every mask is empty"),
        ("labels", (masks > 0) * np.uint8(3), "every mask is empty"),
    ]:
        path = tmp_path / f"{name}.npz"
        np.savez(path, masks=images)
        with pytest.raises(SourceError, match=message) as caught:
            read_masks(path, "v")
        assert str(path) in caught.value.where
        assert caught.value.hint


def test_damaged_and_unknown_files(tmp_path, masks):
    folder = pictures(tmp_path / "090", masks)
    (folder / "001-nm-01-090-005.png").write_bytes(b"not a picture")
    track = read_masks(folder, "v")
    assert track.frame_ids.tolist() == [3, 4, 6, 7, 8]
    (finding,) = track.findings
    assert (finding.id, finding.severity) == ("MG-SOURCE-030", Severity.WARNING)
    assert "001-nm-01-090-005.png: not a readable picture" in finding.message
    for file in folder.iterdir():
        file.write_bytes(b"not a picture")
    with pytest.raises(SourceError, match="not a readable picture") as caught:
        read_masks(folder, "v")
    assert "003" in caught.value.where
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(SourceError, match="not a readable npz"):
        read_masks(tmp_path / "bad.npz", "v")
    np.savez(tmp_path / "flat.npz", masks=masks[0])
    with pytest.raises(SourceError, match="shape"):
        read_masks(tmp_path / "flat.npz", "v")
    np.savez(tmp_path / "order.npz", masks=masks, frame_ids=np.arange(FRAMES)[::-1])
    with pytest.raises(SourceError, match="ids of frames"):
        read_masks(tmp_path / "order.npz", "v")
    (tmp_path / "film.mp4").write_bytes(b"x")
    with pytest.raises(SourceError, match="not masks of a known format"):
        read_masks(tmp_path / "film.mp4", "v")
    with pytest.raises(UsageError, match="no format"):
        read_masks(folder, "v", format="image")
