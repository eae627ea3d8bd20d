"""Named, seeded ways to spoil rendered masks as cameras, scenes and segmentation spoil real ones.

Each is a function of masks, of the numbers of their frames and of a seed, and remembers nothing: frames may come in any
pieces. What lasts in reality lasts here: a bag and a shadow move with the body, a post stands still in the image, holes
open and close over many frames, and only sensor noise is new in every frame. Sizes are relative to the body's height.
All choices and numbers are ours, made by eye beside silhouettes of the public datasets.

Shape letters: F frames, H and W of the image.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from zlib import crc32

import cv2
import numpy as np

from meshgait_data.errors import InvalidData, UsageError
from meshgait_data.types import ByteArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Step:
    """One degradation to apply."""

    name: str
    strength: float = 1.0
    """0 changes nothing, 1 is clearly bad, more is possible."""

    def __post_init__(self) -> None:
        if self.name not in DEGRADATIONS:
            raise UsageError(f"no degradation is called {self.name!r}", hint=f"choose from: {', '.join(DEGRADATIONS)}")
        if not 0 <= self.strength <= 5:
            raise UsageError(f"strength {self.strength} of {self.name!r} is not between 0 and 5")


def parse_steps(text: str) -> tuple[Step, ...]:
    """Read ``holes,cut_feet:0.5``: names in the order in which they are applied, each with a strength if wanted.

    Raises
    ------
    UsageError
        On a name that does not exist or a strength that is not a number.
    """
    steps = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = word.partition(":")
        try:
            steps.append(Step(name, float(number or 1)))
        except ValueError:
            raise UsageError(f"{number!r} is not a strength", where=word, hint="write e.g. holes:0.5") from None
    return tuple(steps)


def degrade(
    masks: ByteArray, steps: Sequence[Step], *, seed: int | Sequence[int] = 0, frames: IntArray | None = None
) -> ByteArray:
    """Apply degradations one after the other.

    Parameters
    ----------
    masks
        (F, H, W) 0 or 255, in which one body walks.
    steps
        What to do, in order; the same name may come twice and is drawn anew.
    seed
        One or more non-negative numbers; give one of the sequence beside that of the run.
    frames
        (F,) numbers of the frames in the sequence, at about 25 or 30 a second; by default 0 to F - 1.

    Returns
    -------
    (F, H, W) new masks, 0 or 255; frames without a body stay as they are.

    Raises
    ------
    InvalidData
        On masks of another type or shape, or as many frame numbers as there are not frames.
    """
    if masks.dtype != np.uint8 or masks.ndim != 3:
        raise InvalidData(f"masks must be uint8 (F, H, W), found {masks.dtype} {masks.shape}")
    numbers = np.arange(len(masks)) if frames is None else np.asarray(frames)
    if numbers.shape != (len(masks),):
        raise InvalidData(f"{len(masks)} masks with frame numbers of shape {numbers.shape}")
    result = masks.copy()
    for place, step in enumerate(steps):
        words = [*np.atleast_1d(seed).tolist(), crc32(step.name.encode()), place]
        if step.strength > 0:
            _apply(result, numbers, step, words)
    return result


def _apply(masks: ByteArray, numbers: IntArray, step: Step, seed: list[int]) -> None:
    draw = DEGRADATIONS[step.name].prepare(np.random.default_rng(seed), step.strength, numbers)
    for index, (mask, number) in enumerate(zip(masks, numbers.tolist(), strict=True)):
        box = _box(mask)
        if box is not None:
            # Noise of a frame follows from its number, so that it does not depend on the frames drawn before.
            draw(mask, box, index, partial(np.random.default_rng, [*seed, number]))


@dataclass(frozen=True, slots=True)
class _Box:
    """Where the body is in one frame."""

    top: int
    bottom: int  # one after the last row
    left: int
    right: int  # one after the last column
    centre: float  # mean column

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def at(self, across: float, down: float) -> tuple[float, float]:
        """Pixel at parts of the height across from the centre and down from the top."""
        return self.centre + across * self.height, self.top + down * self.height


def _box(mask: ByteArray) -> _Box | None:
    columns = cv2.reduce(mask, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[0]
    rows = np.flatnonzero(cv2.reduce(mask, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0])
    if not len(rows):
        return None
    filled = np.flatnonzero(columns)
    centre = float(columns @ np.arange(len(columns)) / columns.sum())
    return _Box(int(rows[0]), int(rows[-1]) + 1, int(filled[0]), int(filled[-1]) + 1, centre)


_Noise = Callable[[], np.random.Generator]
_Draw = Callable[[ByteArray, _Box, int, _Noise], None]
"""Changes one mask in place; knows the body's box, the index of the frame, and how to get noise for it."""


@dataclass(frozen=True, slots=True)
class Degradation:
    """What spoils masks in one way."""

    about: str
    """One line for people."""
    prepare: Callable[[np.random.Generator, float, IntArray], _Draw]
    """Draws all that lasts through the sequence, given strength and frame numbers."""


def _wander(rng: np.random.Generator, frames: IntArray, period: float) -> FloatArray:
    """Smooth random function (F,) between -1 and 1 that turns about every ``period`` frames; known for every frame."""
    speed, phase = rng.uniform(0.5, 1.5, (3, 1)), rng.uniform(0, 2 * np.pi, (3, 1))
    return np.asarray(np.sin(2 * np.pi * speed * frames / period + phase).mean(axis=0))


def _ellipse(mask: ByteArray, centre: tuple[float, float], axes: tuple[float, float], angle: float, grey: int) -> None:
    """Filled ellipse with sixteenths of a pixel; half-axes in pixels, angle in degrees."""
    x, y = (round(16 * value) for value in centre)
    a, b = (max(round(16 * value), 1) for value in axes)
    cv2.ellipse(mask, (x, y), (a, b), angle, 0, 360, grey, cv2.FILLED, cv2.LINE_8, 4)


def _holes(rng: np.random.Generator, strength: float, frames: IntArray) -> _Draw:
    count = 6
    places = [(rng.uniform(-0.07, 0.07), rng.uniform(0.08, 0.9), rng.uniform(0, 180)) for _ in range(count)]
    sizes = [rng.uniform(0.025, 0.05) * strength * (0.35 + _wander(rng, frames, 40)).clip(0) for _ in range(count)]
    drift = [0.02 * _wander(rng, frames, 60) for _ in range(count)]

    def draw(mask: ByteArray, box: _Box, index: int, _: _Noise) -> None:
        for (across, down, angle), size, move in zip(places, sizes, drift, strict=True):
            radius = size[index] * box.height
            if radius > 0.3:
                _ellipse(mask, box.at(across + move[index], down), (1.4 * radius, radius), angle, 0)

    return draw


def _eroded_limbs(rng: np.random.Generator, strength: float, frames: IntArray) -> _Draw:
    lost = 0.02 * strength * (1 + 0.5 * _wander(rng, frames, 30))

    def draw(mask: ByteArray, box: _Box, index: int, _: _Noise) -> None:
        part = np.ascontiguousarray(np.pad(mask[box.top : box.bottom, box.left : box.right], 1))
        depth = cv2.distanceTransform(part, cv2.DIST_L2, 3)
        # The trunk is what a disc of a twentieth of the height fits into; it keeps its outline.
        thick = 0.05 * box.height
        trunk = cv2.distanceTransform((depth <= thick).view(np.uint8), cv2.DIST_L2, 3) < thick
        kept = (depth > lost[index] * box.height) | trunk
        mask[box.top : box.bottom, box.left : box.right][~kept[1:-1, 1:-1]] = 0

    return draw


def _cut_feet(rng: np.random.Generator, strength: float, frames: IntArray) -> _Draw:
    cut = 0.07 * strength * (1 + 0.35 * _wander(rng, frames, 50))

    def draw(mask: ByteArray, box: _Box, index: int, _: _Noise) -> None:
        mask[round(box.bottom - cut[index] * box.height) : box.bottom] = 0

    return draw


def _shadow(rng: np.random.Generator, strength: float, frames: IntArray) -> _Draw:
    side, length, tilt = rng.choice([-1.0, 1.0]), rng.uniform(0.18, 0.28) * strength, rng.uniform(-8, 8)
    wobble = 1 + 0.15 * _wander(rng, frames, 30)

    def draw(mask: ByteArray, box: _Box, index: int, _: _Noise) -> None:
        feet = np.flatnonzero(mask[box.bottom - max(box.height // 30, 1) : box.bottom].any(axis=0))
        reach = length * wobble[index] * box.height
        # It begins under the feet, and lies on the ground about as high as they stand.
        x, y = float(feet.mean()) + side * 0.8 * reach, box.bottom - 1 - 0.015 * box.height
        _ellipse(mask, (x, y), (reach, 0.02 * box.height), tilt, 255)

    return draw


def _bag(rng: np.random.Generator, strength: float, frames: IntArray) -> _Draw:
    right, behind = rng.random() < 0.5, rng.random() < 0.5
    # On the back under the shoulders, or in the hand beside the thigh, where it swings.
    down = 0.3 if behind else 0.55
    wide, high = rng.uniform(0.05, 0.07) * strength, rng.uniform(0.07, 0.1) * strength
    swing = (0.003 if behind else 0.015) * _wander(rng, frames, 30)

    def draw(mask: ByteArray, box: _Box, index: int, _: _Noise) -> None:
        # It hangs at the outline on its side, which differs from row to row where an arm swings.
        rows = mask[box.top + int((down - 0.04) * box.height) : box.top + int((down + 0.04) * box.height) + 1]
        filled = rows[rows.any(axis=1)] > 0
        if not len(filled):
            return
        edges = filled.shape[1] - 1 - filled[:, ::-1].argmax(axis=1) if right else filled.argmax(axis=1)
        x = float(np.median(edges)) + ((0.4 if right else -0.4) * wide + swing[index]) * box.height
        y = box.top + down * box.height
        _ellipse(mask, (x, y), (wide * box.height, high * box.height), 600 * swing[index], 255)

    return draw


def _occluder(rng: np.random.Generator, strength: float, frames: IntArray) -> _Draw:
    x, wide = rng.uniform(0.4, 0.6), rng.uniform(0.025, 0.045) * strength
    low, edge, high = rng.uniform(0.25, 0.75), rng.uniform(0.08, 0.15) * strength, rng.uniform(0.6, 0.7)

    def draw(mask: ByteArray, box: _Box, index: int, _: _Noise) -> None:
        # A post, and something low beside the way; both stand still in the image.
        height, width = mask.shape
        mask[:, max(round((x - wide / 2) * width), 0) : max(round((x + wide / 2) * width), 0)] = 0
        mask[round(high * height) :, max(round((low - edge / 2) * width), 0) : round((low + edge / 2) * width)] = 0

    return draw


def _noise(rng: np.random.Generator, strength: float, frames: IntArray) -> _Draw:
    def draw(mask: ByteArray, box: _Box, index: int, noise: _Noise) -> None:
        one = noise()
        room = box.height // 12
        top, left = max(box.top - room, 0), max(box.left - room, 0)
        part = mask[top : box.bottom + room, left : box.right + room]
        height, width = part.shape
        count = round(0.004 * strength * height * width)
        rows, columns = one.integers(0, height, count), one.integers(0, width, count)
        part[rows, columns] = 255 - part[rows, columns]
        for x, y, size in one.uniform(0, 1, (round(14 * strength), 3)).tolist():
            radius = (0.004 + 0.012 * size) * box.height
            column, row = x * (width - 1), y * (height - 1)
            _ellipse(mask, (left + column, top + row), (radius, radius), 0, 255 - int(part[int(row), int(column)]))

    return draw


def _rough_outline(rng: np.random.Generator, strength: float, frames: IntArray) -> _Draw:
    lasting = rng.normal(size=(40, 24)).astype(np.float32)

    def draw(mask: ByteArray, box: _Box, index: int, noise: _Noise) -> None:
        room = max(box.height // 20, 2)
        top, left = max(box.top - room, 0), max(box.left - room, 0)
        part = mask[top : box.bottom + room, left : box.right + room]
        # Half of the field goes with the body, half is new in each frame.
        field = 0.7 * lasting + 0.7 * noise().normal(size=lasting.shape).astype(np.float32)
        bumps = cv2.resize(field, part.shape[::-1], interpolation=cv2.INTER_CUBIC)
        soft = cv2.GaussianBlur(part, (0, 0), max(0.014 * strength * box.height, 0.3))
        # Bumps move the outline; none is high enough to be a speck or a hole by itself.
        part[...] = np.where(soft + (60 * bumps).clip(-120, 120) > 127, 255, 0)

    return draw


def _low_resolution(rng: np.random.Generator, strength: float, frames: IntArray) -> _Draw:
    pixels = max(80 - 50 * strength, 12.0)

    def draw(mask: ByteArray, box: _Box, index: int, _: _Noise) -> None:
        if box.height <= pixels:
            return
        # Whole images, so that the coarse pixels stay where they are while the body moves through them.
        factor = pixels / box.height
        coarse = cv2.resize(mask, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        fine = cv2.resize(
            (coarse > 127).view(np.uint8) * np.uint8(255), mask.shape[::-1], interpolation=cv2.INTER_NEAREST
        )
        mask[...] = fine

    return draw


DEGRADATIONS: Mapping[str, Degradation] = {
    "holes": Degradation("holes that open and close in the body", _holes),
    "eroded_limbs": Degradation("arms and legs thinner or gone, the trunk whole", _eroded_limbs),
    "cut_feet": Degradation("the lowest part of the body missing", _cut_feet),
    "shadow": Degradation("a shadow on the ground merged with the feet", _shadow),
    "bag": Degradation("a bag merged with the back or the hand", _bag),
    "occluder": Degradation("a post and something low that the walker passes behind", _occluder),
    "noise": Degradation("specks and flipped pixels, new in every frame", _noise),
    "rough_outline": Degradation("an outline that bulges and shrinks", _rough_outline),
    "low_resolution": Degradation("a body of few pixels, enlarged", _low_resolution),
}
"""Degradations by name."""
