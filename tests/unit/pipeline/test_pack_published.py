"""Packing gives what the published pretreatment gives, to the last grey value, and tells what it left out and why."""

import pickle
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from observed_work import NAME, make_observed, tree

from meshgait_data.errors import UsageError
from meshgait_data.findings import from_jsonl
from meshgait_data.manifest_source import Also, Silhouettes, Source
from meshgait_data.pipeline.pack import PackSettings, pack
from meshgait_data.shards import Shards, open_shards

sys.path.append(str(Path(__file__).parents[1] / "render"))
from published_scripts import opengait

QUIET = PackSettings(progress=False)
VIEW = f"{NAME}/02/01/090"


def images(alignment: str = "") -> Source:
    block = Silhouettes(path="{subject}/{condition}/{view}", format="images", alignment=alignment)
    return Source(fps=30.0, min_seconds=0.0, silhouettes=block)


def person(height: int, width: int, seed: int) -> np.ndarray:
    """Somebody with soft edges in a crop of some size."""
    picture = np.zeros((height, width), np.uint8)
    size = (int(0.2 * width) + seed % 4, int(0.42 * height))
    cv2.ellipse(picture, (width // 2 + seed % 5, height // 2), size, 0, 0, 360, 255, -1)
    return cv2.GaussianBlur(picture, (0, 0), 1.5)


@pytest.fixture
def crops() -> dict[int, np.ndarray]:
    """Frames by number: crops of different sizes, and four that the script does not take."""
    found = {number: person(80 + 3 * number, 40 + 2 * number, number) for number in range(1, 9)}
    little, alone, narrow = np.zeros((80, 40), np.uint8), np.zeros((80, 40), np.uint8), np.full((300, 3), 255, np.uint8)
    little[40, :30] = 255
    alone[5:75, 0] = 255
    return {**found, 9: little, 10: alone, 11: narrow, 12: np.zeros((80, 40), np.uint8)}


def write(root: Path, frames: dict[int, np.ndarray]) -> Path:
    folder = root / "02" / "01" / "090"
    folder.mkdir(parents=True)
    for number, picture in frames.items():
        cv2.imwrite(str(folder / f"{number:04d}.png"), picture)
    return root


def packed(tmp_path: Path, root: Path, source: Source, settings: PackSettings = QUIET) -> Shards:
    pack(make_observed(tmp_path / "work", root, source), tmp_path / "shards", settings)
    return open_shards(tmp_path / "shards")


def test_grey_crops_of_different_sizes_come_out_as_published(tmp_path: Path, crops: dict[int, np.ndarray]) -> None:
    shards = packed(tmp_path, write(tmp_path / "root", crops), images())
    sequence = shards.sequence(VIEW)
    assert sequence.arrays["frame_ids"].tolist() == list(range(1, 9))
    expected = [opengait(picture, 64) for number, picture in crops.items() if number < 9]
    np.testing.assert_array_equal(sequence.arrays["silhouettes"], np.stack(expected))
    # What was left out is known by its number and its reason.
    assert sequence.dropped == (9, 10, 11, 12)
    findings = from_jsonl((tmp_path / "shards" / "findings.jsonl").read_text())
    told = sorted((one.id, one.message) for one in findings if one.id < "MG-PACK-003")
    assert told == [
        ("MG-PACK-001", "1 of 12 frames show nobody in this view: 12"),
        ("MG-PACK-002", "1 of 12 frames are too narrow for their height: the published script breaks off there: 11"),
        ("MG-PACK-002", "1 of 12 frames have no centre: 10"),
        ("MG-PACK-002", "1 of 12 frames show too little of the body: 9"),
    ]


def test_the_manifest_says_how_masks_are_aligned(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    ready = {number: person(64, 64, number) // 2 * 2 + rng.integers(0, 2, dtype=np.uint8) for number in range(5)}
    ready[5] = person(64, 60, 5)
    root = write(tmp_path / "root", ready)
    shards = packed(tmp_path, root, images("as_is"))
    np.testing.assert_array_equal(shards.sequence(VIEW).arrays["silhouettes"], np.stack([ready[n] for n in range(5)]))
    assert shards.sequence(VIEW).dropped == (5,)
    (tmp_path / "other").mkdir()
    again = packed(tmp_path / "other", root, images("as_is"), replace(QUIET, alignment="opengait"))
    np.testing.assert_array_equal(again.sequence(VIEW).arrays["silhouettes"][0], opengait(ready[0], 64))
    with pytest.raises(UsageError, match="no alignment is called 'grew'"):
        packed(tmp_path, root, images("grew"))


def also_tree(root: Path, more: dict[str, np.ndarray]) -> Source:
    folder = root / "02" / "01" / "090"
    folder.mkdir(parents=True)
    silhouettes = np.stack([opengait(person(90, 50, number), 64) for number in range(6)])
    for name, array in {"090": silhouettes, **more}.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(array))
    blocks = {name: Also(path="{subject}/{condition}/{view}/" + name + ".pkl", format="pickle") for name in more}
    return replace(tree(), also=blocks)


def test_modalities_of_the_manifest_ride_along(tmp_path: Path) -> None:
    ratios, short = np.linspace(0.3, 0.5, 6), np.arange(5.0)
    source = also_tree(tmp_path / "root", {"ratios": ratios, "short": short})
    sequence = packed(tmp_path, tmp_path / "root", source).sequence(VIEW)
    np.testing.assert_array_equal(sequence.arrays["ratios"], ratios)
    assert "short" not in sequence.arrays
    findings = from_jsonl((tmp_path / "shards" / "findings.jsonl").read_text())
    told = [one.message for one in findings if one.id == "MG-PACK-006"]
    assert told == ["short has 5 frames, the silhouettes 6: left out"]
    # They are part of what a sequence follows from.
    (tmp_path / "root/02/01/090/ratios.pkl").write_bytes(pickle.dumps(2 * ratios))
    pack(tmp_path / "work", tmp_path / "shards", QUIET)
    np.testing.assert_array_equal(open_shards(tmp_path / "shards").sequence(VIEW).arrays["ratios"], 2 * ratios)


def test_names_that_shards_have_taken_are_refused(tmp_path: Path) -> None:
    source = also_tree(tmp_path / "root", {"joints": np.zeros((6, 3))})
    with pytest.raises(UsageError, match="also: joints"):
        packed(tmp_path, tmp_path / "root", source)
