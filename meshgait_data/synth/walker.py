"""Synthetic walkers put together: a person's walk as parameters of the body."""

import numpy as np

from meshgait_data.body.model import Body, forward, move, rest_joints
from meshgait_data.conventions import SMPL_JOINTS
from meshgait_data.fit.priors.walks import leg_length, turn_about_y
from meshgait_data.rotations import log
from meshgait_data.synth.draws import draw_person, draw_take, take_generator
from meshgait_data.synth.feet import rooted, sole_vertices
from meshgait_data.synth.gait import GaitSpace, cycle_of, phases, rotations_at
from meshgait_data.synth.outfit import Figure, draw_bag, draw_clothes
from meshgait_data.synth.values import Outfit, Person, Population, SynthWalk, Take
from meshgait_data.types import BodyParams

_OUTFITS = {"bg": draw_bag, "cl": draw_clothes}
_KNEES = [SMPL_JOINTS.index(f"{side}_knee") for side in ("left", "right")]
_STOP_RAD = np.radians(2.0)
"""Over which a knee's stop sets in; the straightest knees of the gait space's people are at 0."""
_FOLLOWED_HZ = 120.0
"""Rate, at least, at which feet are followed over the ground."""


def make_walk(body: Body, space: GaitSpace, population: Population, number: int, kind: str, take: int) -> SynthWalk:
    """Walk ``take`` (from 0) of a kind of identity ``number``: a function of these, the seed, the body and the space.

    Parameters
    ----------
    body
        Whose shapes the people have.
    space
        Whose styles they walk in.
    population
        How they differ.
    number, kind, take
        Which walk; kinds are ``KINDS``.
    """
    person = draw_person(space, population, number)
    one = draw_take(space, population, number, kind, take)
    outfit = None
    if kind in _OUTFITS:
        rng = take_generator(population, number, kind, take, worn=True)
        outfit = _OUTFITS[kind](Figure.of(body, person.betas), rng)
    params = walk_params(body, space, (person, one, outfit), population)
    return SynthWalk(params, None if outfit is None else outfit.worn, population.fps)


def walk_params(
    body: Body, space: GaitSpace, walk: tuple[Person, Take, Outfit | None], population: Population
) -> BodyParams:
    """Parameters of one walk, frame by frame; the ground is at height 0."""
    person, take, outfit = walk
    template, directions = rest_joints(body)
    rest = template + directions[..., : len(person.betas)] @ person.betas
    finer = int(np.ceil(_FOLLOWED_HZ / population.fps))
    seconds = np.arange(finer * (population.frames - 1) + 1) / (finer * population.fps)
    phase = phases(space, person, take, seconds, leg_m=leg_length(rest))
    rotations = rotations_at(space, cycle_of(space, person, take, outfit), take, phase, seconds)
    turns = log(rotations)
    # Knees do not bend forward: a smooth stop.
    turns[:, _KNEES, 0] = _STOP_RAD * np.logaddexp(0, turns[:, _KNEES, 0] / _STOP_RAD)
    angles = turns.reshape(len(seconds), 72)
    still = BodyParams(person.betas, angles[:, :3], angles[:, 3:], np.zeros((len(seconds), 3)))
    soles = forward(body, still, sole_vertices(body), dtype=np.float64).vertices
    placed = BodyParams(person.betas, still.global_orient, still.body_pose, rooted(soles, phase, seconds))
    kept = placed.take(slice(None, None, finer))
    turned = move(body, kept, turn_about_y(np.array(take.heading)), np.zeros(3))
    betas, pose = turned.betas.astype(np.float32), turned.body_pose.astype(np.float32)
    return BodyParams(betas, turned.global_orient, pose, turned.transl)
