"""Degradations: pure, seeded, the same in any pieces, coherent in time as reality is, and each what its name says."""

import cv2
import numpy as np
import pytest

from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.render.degrade import DEGRADATIONS, Step, degrade, parse_steps

NAMES = list(DEGRADATIONS)
REMOVES = ["holes", "eroded_limbs", "cut_feet", "occluder"]
ADDS = ["shadow", "bag"]


def walker(*, frames: int = 40, step: float = 1.5, height: int = 240, width: int = 320) -> np.ndarray:
    """A figure of ellipses that moves across the image; ``step`` pixels a frame."""
    masks = np.zeros((frames, height, width), np.uint8)
    for frame, mask in enumerate(masks):
        x = round(width / 2 + step * (frame - frames / 2))
        swing = 18 * np.sin(frame / 4)
        for centre, axes, angle in (
            ((x, 70), (9, 11), 0),
            ((x, 105), (15, 28), 0),
            ((x, 108), (4, 28), swing),
            ((x + swing / 2, 160), (6, 36), -swing / 2),
            ((x - swing / 2, 160), (6, 36), swing / 2),
        ):
            cv2.ellipse(mask, (round(centre[0]), centre[1]), axes, angle, 0, 360, 255, -1)
    return masks


@pytest.mark.parametrize("name", NAMES)
def test_each_is_pure_seeded_and_the_same_in_pieces(name):
    masks = walker()
    masks[7] = 0
    before = masks.copy()
    steps = (Step(name),)
    whole = degrade(masks, steps, seed=[3, 9])
    np.testing.assert_array_equal(masks, before)
    assert set(np.unique(whole)) == {0, 255}
    assert not whole[7].any()
    numbers = np.arange(40)
    pieces = [degrade(masks[part], steps, seed=[3, 9], frames=numbers[part]) for part in (slice(13), slice(13, 40))]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    some = np.array([30, 2, 17])
    np.testing.assert_array_equal(degrade(masks[some], steps, seed=[3, 9], frames=some), whole[some])
    if name not in ("low_resolution",):
        assert not np.array_equal(degrade(masks, steps, seed=[3, 10]), whole)


@pytest.mark.parametrize("name", NAMES)
def test_strength(name):
    masks = walker()
    np.testing.assert_array_equal(degrade(masks, [Step(name, 0.0)]), masks)
    seeds = range(6)
    changed = [
        np.mean([np.count_nonzero(degrade(masks, [Step(name, strength)], seed=seed) != masks) for seed in seeds])
        for strength in (0.4, 1.0)
    ]
    body = np.count_nonzero(masks)
    assert 0 < changed[0] < changed[1]
    # Clearly bad, but still a person.
    assert 0.01 < changed[1] / body < 0.5


@pytest.mark.parametrize("name", REMOVES + ADDS)
def test_what_only_removes_and_what_only_adds(name):
    masks = walker()
    for seed in range(5):
        result = degrade(masks, [Step(name)], seed=seed)
        assert not np.any((result > masks) if name in REMOVES else (result < masks))


def test_feet_go_and_the_rest_stays():
    masks = walker()
    result = degrade(masks, [Step("cut_feet")])
    for mask, cut in zip(masks, result, strict=True):
        rows, left = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(cut.any(axis=1))
        lost = (rows[-1] - left[-1]) / len(rows)
        assert 0.02 < lost < 0.12
        np.testing.assert_array_equal(cut[: left[-1] + 1], mask[: left[-1] + 1])


def test_the_trunk_keeps_its_outline_where_limbs_go():
    masks = walker()
    result = degrade(masks, [Step("eroded_limbs", 1.5)])
    for frame, (mask, thin) in enumerate(zip(masks, result, strict=True)):
        x = round(160 + 1.5 * (frame - 20))
        np.testing.assert_array_equal(thin[95:115, x - 8 : x + 9], mask[95:115, x - 8 : x + 9])
    # Legs side by side are as thick as a trunk and stay; apart they go.
    assert np.count_nonzero(result[:, 145:]) < 0.85 * np.count_nonzero(masks[:, 145:])


def test_a_shadow_lies_at_the_feet():
    masks = walker()
    for seed in range(4):
        result = degrade(masks, [Step("shadow")], seed=seed)
        for mask, shaded in zip(masks, result, strict=True):
            bottom = np.flatnonzero(mask.any(axis=1))[-1]
            rows = np.flatnonzero((shaded != mask).any(axis=1))
            assert rows.min() > bottom - 25
            # One piece with the body.
            assert cv2.connectedComponents(shaded)[0] == 2


def following(masks: np.ndarray, step: int) -> np.ndarray:
    """Masks shifted so that a walker of ``step`` pixels a frame stands still."""
    return np.stack([np.roll(mask, -step * i, axis=1) for i, mask in enumerate(masks)])


def coherence(changes: np.ndarray) -> float:
    """Mean overlap of what changes in neighbouring frames."""
    both = (changes[1:] & changes[:-1]).sum(axis=(1, 2))
    either = (changes[1:] | changes[:-1]).sum(axis=(1, 2))
    return float(np.mean(both[either > 0] / either[either > 0]))


@pytest.mark.parametrize(("name", "with_body"), [("bag", True), ("shadow", True), ("holes", True), ("occluder", False)])
def test_what_lasts_in_reality_lasts(name, with_body):
    # A stiff figure that slides, so that every change in its own frame is the degradation's.
    still = np.repeat(walker(frames=1), 30, axis=0)
    masks = np.stack([np.roll(mask, 2 * i - 30, axis=1) for i, mask in enumerate(still)])
    found, noisy = [], []
    for seed in range(4):
        change = degrade(masks, [Step(name)], seed=seed) != masks
        found.append(coherence(following(change, 2) if with_body else change))
        noisy.append(coherence(following(degrade(masks, [Step("noise")], seed=seed) != masks, 2)))
    assert np.nanmean(found) > 0.6
    assert np.mean(noisy) < 0.1


def test_steps_come_one_after_the_other():
    masks = walker(frames=6)
    first = degrade(masks, parse_steps("cut_feet"), seed=1)
    both = degrade(masks, parse_steps("cut_feet,shadow"), seed=1)
    assert not np.any(both < first)
    assert parse_steps(" holes:0.5, noise ,") == (Step("holes", 0.5), Step("noise"))
    assert parse_steps("") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [("hole", "no degradation is called 'hole'"), ("holes:x", "not a strength"), ("holes:9", "between")],
)
def test_bad_steps_are_refused(text, message):
    with pytest.raises(UsageError, match=message):
        parse_steps(text)


def test_bad_masks_are_refused():
    with pytest.raises(InvalidData, match="uint8"):
        degrade(np.zeros((2, 4, 4)), ())  # type: ignore[arg-type]
    with pytest.raises(InvalidData, match="frame numbers"):
        degrade(np.zeros((2, 4, 4), np.uint8), (), frames=np.arange(3))
