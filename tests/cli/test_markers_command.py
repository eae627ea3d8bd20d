"""``mgdata markers``: from a work folder to a set, what is printed, and what goes wrong helpfully."""

import json
from importlib.resources import files

import numpy as np
import pytest
from scipy.sparse import csc_matrix, save_npz

from meshgait_data.body.files import load_body
from meshgait_data.body.marker_files import load_markers
from meshgait_data.fits import fit_path, write_fit
from meshgait_data.types import BodyParams, CaptureKey, Fit


@pytest.fixture(scope="module")
def small_body(tmp_path_factory):
    """Every thirtieth left/right pair of the free body, with random triangles: learned on in a second."""
    body, rng = load_body("free"), np.random.default_rng(0)
    left = np.flatnonzero(np.arange(body.num_vertices) < body.mirror)[::30]
    ids, count = np.concatenate([left, body.mirror[left]]), 2 * len(left)
    regressor = body.J_regressor @ rng.dirichlet(np.ones(count), size=body.num_vertices)
    path = tmp_path_factory.mktemp("body") / "small.npz"
    parents = np.where(body.parents < 0, 2**32 - 1, body.parents)
    np.savez(
        path,
        v_template=body.v_template[ids],
        shapedirs=body.shapedirs[ids],
        posedirs=body.posedirs[ids],
        J_regressor=regressor / regressor.sum(axis=1, keepdims=True),
        weights=body.weights[ids],
        kintree_table=np.stack([parents, np.arange(24)]).astype(np.uint32),
        f=rng.permuted(np.tile(np.arange(count), (500, 1)), axis=1)[:, :3],
        mirror=np.roll(np.arange(count), len(left)),
    )
    return path


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A work folder with random poses of a person of each side of the split."""
    folder, rng = tmp_path_factory.mktemp("work"), np.random.default_rng(0)
    manifest = files("meshgait_data.manifests") / "datasets" / "cmu_walk.yaml"
    (folder / "manifest.yaml").write_text(manifest.read_text())
    frames = 20
    for subject in ("07", "16"):
        pose, zero = (0.2 * rng.normal(size=(frames, 69))).astype(np.float32), np.zeros((frames, 3), np.float32)
        key = CaptureKey("cmu_walk", subject, "01")
        params = BodyParams(np.zeros(10, np.float32), zero, pose, zero)
        verdict = np.zeros(frames, np.uint8)
        fit = Fit(key, params, np.arange(frames), 30.0, {}, verdict, (), True, "another", "0" * 64)
        write_fit(fit_path(folder, key), fit)
    return folder


@pytest.fixture(scope="module")
def learned(mgdata, small_body, tmp_path_factory):
    """Two sets of the small body, learned from the walks that ship."""
    folder = tmp_path_factory.mktemp("sets")
    result = mgdata(
        "markers", "learn", "--body", small_body, "-k", "8,12", "--meshes", 6, "--out-dir", folder,
        "--picture", folder / "sets.png",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return folder


# --- learn


def test_learn_needs_no_work_folder(mgdata, learned, small_body):
    body = load_body(small_body)
    for count in (8, 12):
        markers = load_markers(body, learned / f"small-{count}.npz")
        assert (markers.name, len(markers), len(set(markers.names))) == (f"small-{count}", count, count)
        assert set(markers.provenance["errors_mm"]) == {"walks", "wide"}
        assert set(markers.provenance["errors_mm"]["wide"]["convex"]) >= {"mean", "area_mean", "p95", "legs"}
        assert markers.provenance["people"]["test"] == ["02", "16", "32", "35", "49", "55"]
    assert (learned / "sets.png").read_bytes().startswith(b"\x89PNG")


def test_learn_from_fits(mgdata, work, small_body, tmp_path):
    out = tmp_path / "few.npz"
    result = mgdata("markers", "learn", "--fits", work, "--body", small_body, "-k", 8, "--meshes", 6, "--out", out)
    assert result.exit_code == 0, result.output
    assert "signed, markers 10 mm off" in result.stdout
    assert "moving markers" in result.stderr
    markers = load_markers(load_body(small_body), out)
    assert (markers.name, len(markers)) == ("few", 8)
    assert markers.provenance["people"] == {"train": ["07"], "test": ["16"]}

    again = mgdata("markers", "learn", "--body", small_body, "--out", out)
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr


def test_same_seed_same_bytes(mgdata, learned, small_body, tmp_path):
    args = ("markers", "learn", "--body", small_body, "-k", 8, "--meshes", 6, "--out-dir", tmp_path)
    assert mgdata(*args).exit_code == 0
    assert (tmp_path / "small-8.npz").read_bytes() == (learned / "small-8.npz").read_bytes()
    assert mgdata(*args, "--seed", 1, "--overwrite").exit_code == 0
    assert (tmp_path / "small-8.npz").read_bytes() != (learned / "small-8.npz").read_bytes()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "--out-dir"),
        (("--out", "a.npz", "--out-dir", "b"), "--out-dir"),
        (("--out", "a.npz", "-k", "8,16"), "--out-dir"),
        (("--out", "a.npz", "-k", "many"), "number of markers"),
        (("--out", "a.npz", "-k", "2"), "outside 4 to 512"),
    ],
)
def test_learn_explains_its_options(mgdata, args, message):
    result = mgdata("markers", "learn", *args)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_folder_without_fits_and_a_one_sided_one(mgdata, work, tmp_path):
    args = ("markers", "learn", "--fits", tmp_path, "--body", "free", "--out", tmp_path / "x.npz")
    empty = mgdata(*args)
    assert empty.exit_code == 2
    assert "mgdata fit-smpl" in empty.stderr
    (tmp_path / "fits" / "07").mkdir(parents=True)
    (tmp_path / "fits" / "07" / "01.npz").write_bytes((work / "fits" / "07" / "01.npz").read_bytes())
    (tmp_path / "manifest.yaml").write_text((work / "manifest.yaml").read_text())
    one_sided = mgdata(*args)
    assert one_sided.exit_code == 4
    assert "test side" in one_sided.stderr


# --- info


def test_info_lists_what_ships(mgdata, tmp_path):
    text = mgdata("markers", "info", "--picture", tmp_path / "curves.png")
    assert text.exit_code == 0, text.output
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert [line.split()[0] for line in text.stdout.splitlines() if line.startswith("free-")] == [
        "free-16", "free-32", "free-64", "free-96",
    ]  # fmt: skip
    sets = json.loads(mgdata("markers", "info", "--json").stdout)["sets"]
    assert [one["count"] for one in sets] == [16, 32, 64, 96]


def test_info_of_a_shipped_set(mgdata, tmp_path):
    picture = tmp_path / "markers.png"
    text = mgdata("markers", "info", "free-64", "--picture", picture)
    assert text.exit_code == 0, text.output
    assert "on the mid-line" in text.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    record = json.loads(mgdata("markers", "info", "free-64", "--json").stdout)
    assert record["count"] == 64 == len(record["markers"])
    for one in record["markers"]:
        assert record["markers"][one["pair"]]["pair"] == one["index"]
        assert f"{one['name']} " in text.stdout
    assert record["errors_mm"]["walks"]["signed"]["mean"] > 0


def test_a_picture_needs_the_body_of_the_set(mgdata, learned, tmp_path):
    args = ("markers", "info", learned / "small-8.npz", "--picture", tmp_path / "a.png")
    foreign = mgdata(*args, "--body", "free")
    assert foreign.exit_code == 2
    assert "were learned on body 'small'" in foreign.stderr


def test_info_of_nothing(mgdata):
    result = mgdata("markers", "info", "nowhere")
    assert result.exit_code == 2
    assert "free-64" in result.stderr


# --- compare


def test_compare_two_sets(mgdata, learned, small_body, tmp_path):
    args = ("markers", "compare", learned / "small-8.npz", learned / "small-12.npz", "--body", small_body)
    text = mgdata(*args, "--picture", tmp_path / "errors.png")
    assert text.exit_code == 0, text.output
    assert (tmp_path / "errors.png").read_bytes().startswith(b"\x89PNG")
    record = json.loads(mgdata(*args, "--json").stdout)
    # The file says the same, as all sets of a body are judged on the same meshes.
    for name, found in record.items():
        stored = load_markers(load_body(small_body), learned / f"{name}.npz").provenance
        assert found["spread"] == stored["spread"]
        assert found["errors_mm"]["walks"]["signed"]["mean"] == pytest.approx(
            stored["errors_mm"]["walks"]["signed"]["mean"], abs=0.1
        )
    assert f"{record['small-12']['errors_mm']['walks']['convex']['mean']:.1f}" in text.stdout


def test_compare_needs_one_body(mgdata, learned):
    result = mgdata("markers", "compare", "free-64", learned / "small-8.npz")
    assert result.exit_code == 2
    assert "were learned on body 'small'" in result.stderr


# --- import


def test_import_of_published_files(mgdata, learned, small_body, tmp_path):
    markers = load_markers(load_body(small_body), learned / "small-12.npz")
    count = len(markers.convex)
    kept = np.setdiff1d(np.arange(count), np.setdiff1d(np.arange(0, count, 9), markers.vertex_ids))
    save_npz(tmp_path / "vm_A_sym.npz", csc_matrix(markers.convex[kept].T))
    save_npz(tmp_path / "vm_B_sym.npz", csc_matrix((kept[:, None] == markers.vertex_ids[None]).astype(np.float32)))
    pairs = np.array([[b, a] for a, b in enumerate(markers.mirror) if a < b])
    np.savez(tmp_path / "vm_info.npz", vm_flip_pairs=pairs, vm_K=12)
    (tmp_path / "kept.txt").write_text(" ".join(map(str, kept)))
    out = tmp_path / "published.npz"
    args = ("markers", "import", tmp_path, "--body", small_body, "--vertices", tmp_path / "kept.txt", "--out", out)
    result = mgdata(*args)
    assert result.exit_code == 0, result.output
    found = load_markers(load_body(small_body), out)
    np.testing.assert_array_equal(found.vertex_ids, markers.vertex_ids)
    np.testing.assert_allclose(found.convex[kept], markers.convex[kept], atol=1e-3)
    assert found.provenance["refitted_vertices"] == count - len(kept)
    assert mgdata(*args).exit_code == 2
    (tmp_path / "kept.txt").write_text("0 1 2")
    wrong = mgdata(*args, "--overwrite")
    assert wrong.exit_code == 4
    assert "the published matrix has" in wrong.stderr
