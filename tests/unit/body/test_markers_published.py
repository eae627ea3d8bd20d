"""Published virtual markers: files in their layout give the set back; damaged, unsafe and foreign ones are refused."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from random_body import make_body, make_params
from scipy.sparse import csc_matrix, save_npz

from meshgait_data.body.files import load_body
from meshgait_data.body.marker_files import load_markers
from meshgait_data.body.marker_names import vertex_parts
from meshgait_data.body.marker_published import published_set
from meshgait_data.body.marker_published_files import Published, read_published, read_vertex_list
from meshgait_data.body.marker_report import errors_mm
from meshgait_data.body.marker_sample import random_meshes
from meshgait_data.body.markers import MarkerSettings, learn_markers
from meshgait_data.errors import InvalidData

SMALL = MarkerSettings(count=14, midline=2, rounds=2, spacing_mm=10.0)


@pytest.fixture(scope="module")
def meshes():
    return random_meshes(make_body(), make_params(30).body_pose, np.random.default_rng(0))


@pytest.fixture(scope="module")
def learned(meshes):
    return learn_markers(make_body(), meshes, SMALL, name="small")


@pytest.fixture(scope="module")
def kept(learned):
    """All vertices but ten pairs that no marker is on."""
    body = make_body()
    free = [v for v in range(27) if not {v, int(body.mirror[v])} & set(learned.vertex_ids.tolist())][:10]
    return np.setdiff1d(np.arange(60), [*free, *body.mirror[free]])


@pytest.fixture
def folder(learned, kept, tmp_path):
    """The learned set in the layout of the published files, without some vertices."""
    chosen = kept[:, None] == learned.vertex_ids[None]
    save_npz(tmp_path / "vm_A_sym.npz", csc_matrix(learned.convex[kept].T.astype(np.float64)))
    save_npz(tmp_path / "vm_B_sym.npz", csc_matrix(chosen.astype(np.float32)))
    pairs = np.array([[b, a] for a, b in enumerate(learned.mirror) if a < b])
    np.savez(tmp_path / "vm_info.npz", vm_flip_pairs=pairs, vm_K=14)
    return tmp_path


def test_files_give_the_set_back(folder, learned, kept, meshes):
    published = read_published(folder)
    np.testing.assert_allclose(published.coefficients, learned.convex[kept], atol=1e-7)
    np.testing.assert_array_equal(published.mirror, learned.mirror)
    found = published_set(make_body(), published, kept, meshes, name="again", settings=SMALL)
    np.testing.assert_array_equal(found.vertex_ids, learned.vertex_ids)
    np.testing.assert_allclose(found.convex[kept], learned.convex[kept], atol=1e-7)
    np.testing.assert_allclose(found.signed, learned.signed, atol=1e-3)
    assert found.names == learned.names
    # Rows of the vertices that were left out are as good as those of learning.
    ours, theirs = (errors_mm(one, meshes, signed=False).mean(axis=0) for one in (found, learned))
    rest = np.setdiff1d(np.arange(60), kept)
    assert len(rest) == 20
    assert ours[rest].mean() <= theirs[rest].mean() + 0.5
    assert found.convex.min() >= 0
    np.testing.assert_allclose(found.convex.sum(axis=1), 1, atol=1e-5)


def test_a_list_of_other_vertices_is_refused(folder, kept, meshes):
    published = read_published(folder)
    with pytest.raises(InvalidData, match="the published matrix has"):
        published_set(make_body(), published, kept[1:], meshes, name="x", settings=SMALL)


def test_rows_that_belong_to_other_vertices_are_refused():
    """As when the list leaves out another part of the body with as many vertices."""
    body = load_body("free")
    markers, parts = load_markers(body, "free-64"), np.array(vertex_parts(body))
    kept = np.flatnonzero(parts != "toes")
    wrong = np.arange(len(kept))
    pose = (0.1 * np.random.default_rng(0).normal(size=(6, 69))).astype(np.float32)
    meshes = random_meshes(body, pose, np.random.default_rng(0))
    places = np.searchsorted(kept, np.where(np.isin(markers.vertex_ids, kept), markers.vertex_ids, 0))
    published = Published(markers.convex[kept], places, markers.mirror)
    with pytest.raises(InvalidData, match="miss the mesh"):
        published_set(body, published, wrong, meshes, name="x", settings=SMALL)


@pytest.mark.parametrize("name", ["vm_A_sym.npz", "vm_B_sym.npz", "vm_info.npz"])
@pytest.mark.parametrize("content", [None, b"", b"PK text"])
def test_missing_and_damaged_files(folder, name, content):
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(InvalidData) as caught:
        read_published(folder)
    assert name in str(caught.value)
    assert "VirtualMarker" in caught.value.hint


@pytest.mark.parametrize("case", ["sums", "two", "pairs", "rows", "indices"])
def test_matrices_that_are_no_markers(folder, learned, kept, case):
    A, B = learned.convex[kept].T.astype(float), (kept[:, None] == learned.vertex_ids[None]).astype(float)
    if case == "sums":
        save_npz(folder / "vm_A_sym.npz", csc_matrix(2 * A))
    elif case == "two":
        B[:2, 0] = 1
        save_npz(folder / "vm_B_sym.npz", csc_matrix(B))
    elif case == "pairs":
        np.savez(folder / "vm_info.npz", vm_flip_pairs=np.array([[0, 1], [1, 2]]))
    elif case == "rows":
        save_npz(folder / "vm_B_sym.npz", csc_matrix(B[1:]))
    else:
        with np.load(folder / "vm_A_sym.npz") as file:
            arrays = dict(file)
        np.savez(folder / "vm_A_sym.npz", **{**arrays, "indices": arrays["indices"] + 14})
    with pytest.raises(InvalidData):
        read_published(folder)


# --- the list of vertices

HEAD, REST = [3, 7, 9], [0, 1, 2, 4, 5, 6, 8]


def write_list(folder, case):
    parts = {"head": HEAD, "body": REST}
    if case.startswith("pkl"):
        path = folder / "smpl_indices.pkl"
        # A view into a longer tensor has an offset.
        tensors = {"head": torch.tensor([0, 0, *HEAD])[2:], "body": torch.tensor(REST)}
        arrays = {part: np.array(ids) for part, ids in parts.items()}
        value = {"t": tensors, "n": arrays, "l": parts}[case[4]]
        path.write_bytes(pickle.dumps(value, protocol=int(case[5])))
    elif case == "npy":
        np.save(path := folder / "kept.npy", np.array(REST)[::-1])
    elif case == "txt":
        (path := folder / "kept.txt").write_text("0 1 2\n4, 5, 6\n8\n")
    else:
        (path := folder / "kept.json").write_text(json.dumps(REST if case == "json" else parts))
    return path


CASES = ("pkl-t2", "pkl-t4", "pkl-n2", "pkl-n4", "pkl-l4", "npy", "txt", "json", "json-parts")


@pytest.mark.parametrize("case", CASES)
def test_lists_in_all_layouts(tmp_path, case):
    np.testing.assert_array_equal(read_vertex_list(write_list(tmp_path, case), 10), REST)


class Malicious:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize(
    "content",
    [
        Malicious(),
        {"head": Malicious()},
        {"head": torch.tensor([0.5])},
        {"head": torch.zeros((2, 2), dtype=torch.int64)},
        {"face": torch.tensor([1])},
        {"head": torch.tensor([10])},
        {"head": "text"},
        [1, 2],
    ],
)
def test_unsafe_and_senseless_pickles(tmp_path, content):
    path = tmp_path / "smpl_indices.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InvalidData) as caught:
        read_vertex_list(path, 10)
    assert str(path) in str(caught.value)


def test_unsafe_bytes_inside_a_tensor(tmp_path):
    class Storage:
        def __reduce__(self):
            return (torch.storage._load_from_bytes, (pickle.dumps(Malicious(), protocol=2),))

    class Tensor:
        def __reduce__(self):
            return (torch._utils._rebuild_tensor_v2, (Storage(), 0, (1,), (1,), False, {}))

    path = tmp_path / "smpl_indices.pkl"
    path.write_bytes(pickle.dumps({"head": Tensor()}))
    with pytest.raises(InvalidData):
        read_vertex_list(path, 10)


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.json", "{"), ("a.json", "[]"), ("a.json", "[0.5]"), ("a.json", "[-1]"), ("a.txt", "one"), ("a.npy", ""),
     ("a.csv", "1"), ("a.pkl", ""), ("a.json", '{"head": 3}'), ("a.json", '"text"')],
)  # fmt: skip
def test_lists_that_are_none(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InvalidData):
        read_vertex_list(path, 10)


def test_a_missing_list(tmp_path):
    with pytest.raises(InvalidData, match="not a list of vertices"):
        read_vertex_list(tmp_path / "none.pkl", 10)


def test_a_body_without_mirror_takes_published_markers(folder, kept, meshes):
    lopsided = replace(make_body(), mirror=None)
    found = published_set(lopsided, read_published(folder), kept, meshes, name="x", settings=SMALL)
    assert len(set(found.names)) == 14
