"""Finding and reading body files: every layout gives the same body, and every bad file a message, never an effect."""

import pickle
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from old_pickles import Ch, Python2Pickler, Select, call, write_smpl_1_0
from random_body import make_body

from meshgait_data.body.files import ENVIRONMENT, find_body, load_body, shipped_bodies
from meshgait_data.body.pickles import read_pickle
from meshgait_data.errors import BodyFileError, BodyNotFound

ARRAYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "parents", "faces")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)


@pytest.fixture(scope="module")
def arrays():
    """A small body as the arrays of a file."""
    body = make_body()
    table = np.stack([body.parents.astype(np.uint32), np.arange(24, dtype=np.uint32)])
    named = {"v_template", "shapedirs", "posedirs", "J_regressor", "weights"}
    return {key: getattr(body, key) for key in named} | {"kintree_table": table, "f": body.faces.astype(np.uint32)}


def save(path, arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        write_smpl_1_0(path, arrays)
    return path


def assert_same(left, right):
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)
    assert left.sha256 == right.sha256


def test_the_npz_gives_its_arrays_back(arrays, tmp_path):
    body = load_body(save(tmp_path / "mine.npz", arrays))
    assert body.name == "mine"
    assert body.parents[0] == -1
    assert body.mirror is None
    np.testing.assert_array_equal(body.faces, arrays["f"])
    np.testing.assert_array_equal(body.posedirs, arrays["posedirs"])


def test_a_python_2_chumpy_pickle_is_the_same_body_as_its_npz(arrays, tmp_path):
    assert "chumpy" not in sys.modules
    npz, pkl = save(tmp_path / "a.npz", arrays), save(tmp_path / "b.pkl", arrays)
    assert_same(load_body(npz), load_body(pkl))
    assert "chumpy" not in sys.modules


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_plain_arrays_of_any_protocol(arrays, tmp_path, protocol):
    path = tmp_path / "plain.pkl"
    path.write_bytes(pickle.dumps(arrays, protocol=protocol))
    assert_same(load_body(path), load_body(save(tmp_path / "a.npz", arrays)))


@pytest.mark.parametrize("kind", ["csc_matrix", "csr_matrix", "coo_matrix", "csc_array"])
def test_sparse_regressors_become_dense(arrays, tmp_path, kind):
    sparse = pytest.importorskip("scipy.sparse")
    path = tmp_path / "sparse.pkl"
    matrix = getattr(sparse, kind)(arrays["J_regressor"])
    path.write_bytes(pickle.dumps(arrays | {"J_regressor": matrix}))
    assert_same(load_body(path), load_body(save(tmp_path / "a.npz", arrays)))


def test_posedirs_ready_for_multiplication(arrays, tmp_path):
    path = save(tmp_path / "a.npz", arrays | {"posedirs": arrays["posedirs"].reshape(-1, 207).T})
    assert_same(load_body(path), load_body(save(tmp_path / "b.npz", arrays)))


@pytest.mark.parametrize(("columns", "used"), [(1, 1), (10, 10), (30, 30), (300, 300), (310, 300)])
def test_all_shape_components_are_loaded_up_to_three_hundred(arrays, tmp_path, columns, used, rng):
    directions = rng.normal(size=(60, 3, columns)).astype(np.float32)
    body = load_body(save(tmp_path / "a.npz", arrays | {"shapedirs": directions}))
    np.testing.assert_array_equal(body.shapedirs, directions[..., :used])
    assert body.num_betas == used


def test_the_hash_is_of_all_components(arrays, tmp_path):
    wide = np.concatenate([arrays["shapedirs"], np.ones((60, 3, 1), np.float32)], axis=2)
    one, other = save(tmp_path / "a.npz", arrays | {"shapedirs": wide}), save(tmp_path / "b.npz", arrays)
    assert load_body(one).sha256 != load_body(other).sha256


@pytest.mark.parametrize(
    "layout",
    [
        "SMPL_NEUTRAL.npz",
        "smpl/SMPL_NEUTRAL.pkl",
        "smpl/SMPL_MALE.pkl",
        "SMPL/basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl",
        "smpl/models/basicModel_f_lbs_10_207_0_v1.0.0.pkl",
        "body_models/smpl/SMPL_FEMALE.npz",
        "smplh/SMPLH_NEUTRAL.npz",
        "smplh/neutral/model.npz",
        "smplh16/neutral/model.npz",
        "mano_v1_2/models/SMPLH_female.pkl",
        "smplx/SMPLX_NEUTRAL.npz",
        "models/smplx/SMPLX_MALE.npz",
        "models_lockedhead/smplx/SMPLX_FEMALE.npz",
        "male/model.npz",
    ],
)
def test_the_usual_folders_are_understood(arrays, tmp_path, layout):
    path = save(tmp_path / layout, arrays)
    assert find_body(tmp_path).path == path
    assert_same(load_body(tmp_path), load_body(path))


def test_neutral_goes_first_and_a_choice_between_the_others_is_left_to_the_user(arrays, tmp_path):
    save(tmp_path / "smpl/SMPL_MALE.npz", arrays)
    save(tmp_path / "smpl/SMPL_FEMALE.npz", arrays)
    with pytest.raises(BodyNotFound, match=r"no neutral model.*SMPL_MALE.*SMPL_FEMALE"):
        find_body(tmp_path)
    neutral = save(tmp_path / "smpl/SMPL_NEUTRAL.npz", arrays)
    assert find_body(tmp_path).path == neutral


def test_smpl_goes_before_its_relatives_which_do_not_go_before_each_other(arrays, tmp_path):
    for file in ("smplh/neutral/model.npz", "smplx/SMPLX_NEUTRAL.npz", "smplx/SMPLX_NEUTRAL.pkl"):
        save(tmp_path / file, arrays)
    with pytest.raises(
        BodyNotFound, match=r"more than one model \(smplh/neutral/model\.npz, smplx/SMPLX_NEUTRAL\.npz\)"
    ):
        find_body(tmp_path)
    assert find_body(tmp_path / "smplh").name == "neutral-model"
    assert find_body(tmp_path / "smplx").path.name == "SMPLX_NEUTRAL.npz"
    smpl = save(tmp_path / "smpl/SMPL_MALE.npz", arrays)
    assert find_body(tmp_path).path == smpl


def test_every_file_that_ships_is_a_body_by_its_name():
    assert "free" in shipped_bodies()
    for name in shipped_bodies():
        assert find_body(name).path.stem == name
        assert load_body(name).name == name


def test_a_folder_with_another_file_says_so(arrays, tmp_path):
    mine = save(tmp_path / "mine.npz", arrays)
    with pytest.raises(BodyNotFound) as caught:
        find_body(tmp_path)
    assert f"name one that is there: {mine}" in caught.value.hint
    with pytest.raises(BodyNotFound) as caught:
        find_body(tmp_path / "nine.npz")
    assert str(mine) in caught.value.hint
    with pytest.raises(BodyNotFound) as caught:
        find_body("fre")
    assert "name one that is there: free" in caught.value.hint


def test_argument_before_environment_before_the_free_body(arrays, tmp_path, monkeypatch):
    assert find_body().name == "free"
    mine, other = save(tmp_path / "mine.npz", arrays), save(tmp_path / "other.npz", arrays)
    monkeypatch.setenv(ENVIRONMENT, str(mine))
    assert find_body().path == mine
    assert ENVIRONMENT in find_body().origin
    assert find_body(other).path == other
    assert find_body("free").name == "free"


def test_nothing_found_says_where_it_looked_and_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(BodyNotFound) as caught:
        load_body(tmp_path)
    named = ("SMPL_NEUTRAL", "basicmodel_neutral_lbs_10_207_0_v1.1.0", "SMPLH_MALE", "SMPLX_FEMALE", "female/model")
    for place in (*named, str(tmp_path), "body_models/smpl", "models/smplx"):
        assert place in str(caught.value)
    for way_out in ("--body", ENVIRONMENT, "'free'", "//smpl.is.tue", "//mano.is.tue", "//smpl-x.is.tue"):
        assert way_out in caught.value.hint
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "gone.pkl"))
    with pytest.raises(BodyNotFound, match=r"gone\.pkl.*MESHGAIT_BODY"):
        load_body()


def nan(array):
    spoilt = array.astype(np.float32).copy()
    spoilt.flat[0] = np.nan
    return spoilt


@pytest.mark.parametrize(
    ("key", "spoil", "message"),
    [
        ("weights", None, "lacks weights"),
        ("v_template", nan, "v_template holds values that are not finite"),
        ("v_template", lambda a: a[:, :2], r"v_template has shape \(60, 2\), expected \(V, 3\)"),
        ("shapedirs", lambda a: a[:-1], r"shapedirs has shape \(59, 3, 10\), expected \(60, 3, B\)"),
        ("shapedirs", lambda a: a[..., :0], "shapedirs has shape"),
        ("posedirs", lambda a: a[..., :-9], r"posedirs has shape .*expected \(60, 3, 207\)"),
        ("posedirs", lambda a: a.astype("U8"), "posedirs holds <U8, expected numbers"),
        ("J_regressor", lambda a: a.T, r"J_regressor has shape \(60, 24\), expected \(24, 60\)"),
        ("J_regressor", lambda a: 2 * a, "of J_regressor sums to 2.0000"),
        ("weights", lambda a: 0.9 * a, "of weights sums to 0.9000"),
        ("weights", nan, "weights holds values"),
        ("kintree_table", lambda a: a[:, :22], r"kintree_table has shape \(2, 22\)"),
        ("kintree_table", lambda a: np.roll(a, 1, axis=1), "kintree_table differs from SMPL's tree"),
        ("f", lambda a: a + 60, "f must hold vertex numbers from 0 to 59"),
        ("f", lambda a: a.astype(float), "f must hold vertex numbers"),
    ],
)
@pytest.mark.parametrize("ending", [".npz"])
def test_a_wrong_array_is_named(arrays, tmp_path, key, spoil, message, ending):
    spoilt = dict(arrays)
    if spoil is None:
        del spoilt[key]
    else:
        spoilt[key] = spoil(spoilt[key])
    path = save(tmp_path / f"bad{ending}", spoilt)
    with pytest.raises(BodyFileError, match=message) as caught:
        load_body(path)
    assert str(path) in str(caught.value)


def test_a_mirror_that_is_none_is_refused(arrays, tmp_path):
    path = save(tmp_path / "bad.npz", arrays | {"mirror": np.roll(np.arange(60), 1)})
    with pytest.raises(BodyFileError, match="mirror"):
        load_body(path)


def test_an_npz_with_pickled_objects_inside_is_refused(arrays, tmp_path):
    path = tmp_path / "objects.npz"
    np.savez(path, **(arrays | {"J_regressor": np.array({"a": 1}, dtype=object)}))
    with pytest.raises(BodyFileError, match="plain arrays") as caught:
        load_body(path)
    assert "give the .pkl itself" in caught.value.hint


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 3000), flip=st.integers(0, 2999), ending=st.sampled_from([".npz", ".pkl"]))
def test_damaged_files_are_messages(arrays, tmp_path, cut, flip, ending):
    data = bytearray(save(tmp_path / f"whole{ending}", arrays).read_bytes())
    data[flip] ^= 0xFF
    path = tmp_path / f"damaged{ending}"
    path.write_bytes(data[: len(data) - cut])
    problem = None
    try:
        load_body(path)
    except BodyFileError as error:
        problem = error
    assert problem is None or problem.where == str(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x02.", b"\x80\x02N.", b"\x80\x02]q\x00."])
def test_files_that_are_no_bodies(tmp_path, content):
    path = tmp_path / "x.pkl"
    path.write_bytes(content)
    with pytest.raises(BodyFileError):
        load_body(path)


# Every one of these would create ./ran if it were executed.
HOSTILE = {
    "os.system": call("os system", "touch ran"),
    "posix.system": call("posix system", "touch ran"),
    "subprocess.Popen": call("subprocess check_output", "touch ran"),
    "builtins.eval": call("builtins eval", "open('ran', 'w')"),
    "__builtin__.eval": call("__builtin__ eval", "open('ran', 'w')"),
    "builtins.open": call("builtins open", "ran", "w"),
    "io.open": call("_io open", "ran", "w"),
    "builtins.getattr": call("builtins getattr", "x", "y"),
    "importlib": call("importlib import_module", "antigravity"),
    "numpy.load": call("numpy load", "ran"),
    "numpy.fromfile": call("numpy fromfile", "ran"),
    "numpy.memmap": call("numpy memmap", "ran", "u1", "w+"),
    "numpy.savetxt": call("numpy savetxt", "ran", "1"),
    "numpy.runstring": call("numpy.testing._private.utils runstring", "open('ran', 'w')", "x"),
    "numpy.exec_command": call("numpy.distutils.exec_command exec_command", "touch ran"),
    "numpy.core tricks": call("numpy.core.multiarray fromfile", "ran"),
    "dotted names": call("numpy ndarray.tofile", "ran"),
    "dotted chumpy": call("numpy.core.multiarray os.system", "touch ran"),
    "scipy tricks": call("scipy.sparse.csc np.fromfile", "ran"),
    "codecs.open": call("codecs open", "ran", "w"),
    "copyreg": call("copyreg _reconstructor", "x"),
    "operator": call("operator attrgetter", "x"),
    "chumpy stub": call("chumpy.ch os.system", "touch ran"),
    "chumpy deep stub": call("chumpy.os system", "touch ran"),
    "array stub": call("numpy ndarray", "touch ran", state=True),
    "dtype stub": call("numpy dtype", "O", state=True),
    "codecs stub": call("_codecs encode", "open('ran', 'w')", "unicode_escape"),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_pickles_run_nothing(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "body.pkl").write_bytes(content)
    with pytest.raises(BodyFileError):
        load_body(tmp_path / "body.pkl")
    assert not (tmp_path / "ran").exists()


def test_the_refused_name_is_said(tmp_path):
    path = tmp_path / "evil.pkl"
    path.write_bytes(HOSTILE["os.system"])
    with pytest.raises(BodyFileError, match=r"evil\.pkl: the pickle asks for os\.system"):
        load_body(path)


def forged(tmp_path, value):
    path = tmp_path / "forged.pkl"
    with path.open("wb") as file:
        Python2Pickler(file).dump({"f": value})
    return path


class State:
    """Pickles as a chumpy leaf with any state whatever."""

    def __init__(self, state):
        self.state = state

    def __reduce__(self):
        return Ch, (), self.state


@pytest.mark.parametrize("state", [None, 5, "x", ["x"], {"a": 1}, {"x": "text"}, {"x": [1, 2]}, {"y": np.zeros(2)}])
def test_odd_states_of_chumpy_objects_are_messages(tmp_path, state):
    with pytest.raises(BodyFileError, match="f cannot be rebuilt"):
        read_pickle(forged(tmp_path, State(state)), frozenset({"f"}))


@pytest.mark.parametrize("idxs", [np.array([7]), np.array([-1]), np.array([0.5])])
def test_selections_outside_are_messages(tmp_path, idxs):
    with pytest.raises(BodyFileError, match="f cannot be rebuilt"):
        read_pickle(forged(tmp_path, Select(Ch(np.zeros(3)), idxs, (1,))), frozenset({"f"}))


def test_selections_without_end_are_messages(tmp_path):
    value = Ch(np.zeros(3))
    for _ in range(30):
        value = Select(value, np.arange(3), (3,))
    with pytest.raises(BodyFileError, match="nested too deeply"):
        read_pickle(forged(tmp_path, value), frozenset({"f"}))


@pytest.mark.parametrize(
    "array", [np.array([None, 1]), np.array([b"x"]), np.zeros(2, [("a", "O")]), np.zeros(2, complex)]
)
def test_arrays_of_anything_but_numbers_are_messages(tmp_path, array):
    with pytest.raises(BodyFileError, match="f cannot be rebuilt"):
        read_pickle(forged(tmp_path, array), frozenset({"f"}))
