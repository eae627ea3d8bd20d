"""What is worn: over the body in the picture, absent from its labels."""

from dataclasses import replace

import numpy as np
import pytest
from walking import make_fit, make_markers, walk

from meshgait_data.body.files import load_body
from meshgait_data.body.model import Body, forward
from meshgait_data.errors import SourceError
from meshgait_data.fits import read_fit, write_fit
from meshgait_data.manifest import load_manifest
from meshgait_data.render.look import Look
from meshgait_data.render.sequence import pose_capture, render_sequence
from meshgait_data.render.worn import dress
from meshgait_data.sources.worn import read_worn
from meshgait_data.synth.outfit import Figure, draw_bag, draw_clothes
from meshgait_data.types import Worn

LABELS = ("joints", "markers", "joints_visible", "markers_visible", "scale", "body_pose", "global_orient", "transl")


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body("free")


def worn_of(body, kind, seed):
    draw = {"bag": draw_bag, "clothes": draw_clothes}[kind]
    return draw(Figure.of(body, np.zeros(10)), np.random.default_rng(seed)).worn


def none_of(**changes):
    empty = Worn(np.zeros(24, np.float32), np.zeros((0, 3), np.float32), np.zeros((0, 24), np.float32),
                 np.zeros((0, 3), np.int32))  # fmt: skip
    return replace(empty, **changes)


@pytest.mark.parametrize("kind", ["bag", "clothes"])
@pytest.mark.parametrize("seed", range(3))
def test_the_body_is_inside_its_silhouette_and_labels_are_its_own(body, kind, seed):
    fit = make_fit(body, walk(body, frames=6, seed=seed))
    fit = replace(fit, params=replace(fit.params, betas=np.zeros(10, np.float32)))
    dressed = replace(fit, worn=worn_of(body, kind, seed))
    posed, cameras = pose_capture(body, fit, load_manifest("cmu_walk").cameras)
    markers, look = make_markers(body), Look(rendered=True)
    more = 0
    for camera in cameras[::3]:
        bare, own = (
            render_sequence(body, markers, one, camera, identity="x", posed=posed, look=look) for one in (fit, dressed)
        )
        assert own.arrays["frame_ids"].tolist() == bare.arrays["frame_ids"].tolist()
        inside = own.arrays["rendered_silhouettes"] > 127
        # Cubic resizing overshoots: next to an outline that went away a pixel may be darker.
        assert (own.arrays["silhouettes"][inside] > 127).mean() > 0.999
        more += int((own.arrays["silhouettes"] > 127).sum()) - int(inside.sum())
        # Through another window, so u, v and d are others; what the body does is not.
        for name in ("global_orient", "body_pose", "transl", "joints_visible", "markers_visible"):
            np.testing.assert_array_equal(own.arrays[name], bare.arrays[name])
        scale = own.arrays["scale"] / bare.arrays["scale"]
        for name in ("joints", "markers"):
            spread = [one.arrays[name] - one.arrays[name][:, :1] for one in (bare, own)]
            np.testing.assert_allclose(spread[1], spread[0] * scale[:, None, None], atol=1e-3)
    assert more > 100


def test_nothing_worn_changes_nothing(body):
    fit = make_fit(body, walk(body, frames=4))
    camera = pose_capture(body, fit, load_manifest("cmu_walk").cameras)[1][3]
    markers = make_markers(body)
    plain, empty = (
        render_sequence(body, markers, one, camera, identity="x") for one in (fit, replace(fit, worn=none_of()))
    )
    for name, array in plain.arrays.items():
        np.testing.assert_array_equal(array, empty.arrays[name])


def test_skin_of_the_body_follows_as_a_thing_follows(body):
    """The body's own mesh, worn as a thing without pose correctives, goes where the body goes without them."""
    stiff = replace(body, posedirs=np.zeros_like(body.posedirs))
    params = walk(body, frames=5, seed=2, wild=0.2)
    chosen = np.arange(0, body.num_vertices, 40)
    shape = Figure.of(body, params.betas).vertices[chosen]
    worn = none_of(vertices=shape, weights=body.weights[chosen], faces=np.array([[0, 1, 2]], np.int32))
    posed = forward(stiff, params)
    np.testing.assert_allclose(dress(stiff, params, posed, worn).things, posed.vertices[:, chosen], atol=1e-5)


def test_thickness_is_metres_along_the_normals(body):
    params = walk(body, frames=2)
    posed = forward(body, params)
    skin = dress(body, params, posed, none_of(thickness=np.full(24, 0.02, np.float32))).skin
    np.testing.assert_allclose(np.linalg.norm(skin - posed.vertices, axis=-1), 0.02, atol=1e-5)
    corners = [mesh[0][body.faces] for mesh in (posed.vertices, skin)]
    bare, thick = (np.einsum("fi,fi->", one[:, 0], np.cross(one[:, 1], one[:, 2])) / 6 for one in corners)
    # About the area of a skin of 1.8 square metres.
    assert 0.02 < thick - bare < 0.06


def test_fits_keep_what_is_worn(body, tmp_path):
    worn = worn_of(body, "bag", 1)
    fit = replace(make_fit(body, walk(body, frames=3)), worn=worn)
    write_fit(tmp_path / "fit.npz", fit)
    read = read_fit(tmp_path / "fit.npz").worn
    for name in ("thickness", "vertices", "weights", "faces"):
        np.testing.assert_array_equal(getattr(read, name), getattr(worn, name))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"thickness": np.full(24, -0.1)}, "thickness is not"),
        ({"thickness": np.full(24, np.nan)}, "not finite"),
        ({"thickness": np.zeros(23)}, "not what is worn"),
        ({"vertices": np.full((8, 3), 100.0)}, "farther away"),
        ({"weights": np.full((8, 24), 1.0)}, "sum to one"),
        ({"weights": np.full((7, 24), 1 / 24)}, "7 rows"),
        ({"faces": np.array([[0, 1, 8]])}, "faces name"),
        ({"faces": np.array([["a", "b", "c"]])}, "not what is worn"),
    ],
)
def test_files_of_things_that_nobody_wears_are_refused(tmp_path, changes, what):
    good = {
        "thickness": np.full(24, 0.01),
        "vertices": np.zeros((8, 3)),
        "weights": np.full((8, 24), 1 / 24),
        "faces": np.array([[0, 1, 7]]),
    }
    path = tmp_path / "worn.npz"
    np.savez(path, **good)
    assert read_worn(path)[0].thickness[0] == np.float32(0.01)
    np.savez(path, **{**good, **changes})
    with pytest.raises(SourceError, match=what):
        read_worn(path)


def test_files_without_anything_are_refused(tmp_path):
    np.savez(tmp_path / "worn.npz", other=np.zeros(3))
    with pytest.raises(SourceError, match="neither thickness nor vertices: other"):
        read_worn(tmp_path / "worn.npz")
