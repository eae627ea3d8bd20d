"""Pickles that try to run something, to import something or to use up memory get a message and nothing else."""

import codecs
import pickle
import struct
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from old_pickles import call

from meshgait_data.body import pickle_machine
from meshgait_data.body.files import load_body
from meshgait_data.body.pickles import read_pickle, read_records
from meshgait_data.errors import BodyFileError

HEAD = b"\x80\x04}\x8c\x01f"
"""A dictionary whose entry ``f`` follows."""
TAIL = b"s."
RUN = b"\x8c\x08touch ran"
SYSTEM = b"\x8c\x02os\x8c\x06system\x93"


def short(text):
    return b"\x8c" + bytes([len(text)]) + text.encode()


def stack_global(module, name):
    return short(module) + short(name) + b"\x93"


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n"
CHUMPY = b"cchumpy.ch\nCh\n"
NDARRAY = b"cnumpy\nndarray\n"
OBJECTS = b"cnumpy\ndtype\n\x8c\x02O8\x89\x88\x87R"

# Every one of these would create ./ran if it were executed.
ATTEMPTS = {
    "reduce": SYSTEM + RUN + b"\x85R",
    "newobj": SYSTEM + RUN + b"\x85\x81",
    "newobj_ex": SYSTEM + RUN + b"\x85}\x92",
    "obj": b"(" + SYSTEM + RUN + b"o",
    "inst": b"(" + RUN + b"ios\nsystem\n",
    "global": b"cos\nsystem\n" + RUN + b"\x85R",
    "dotted name": stack_global("builtins", "object.__subclasses__") + b")R",
    "dotted name of an array": stack_global("numpy", "ndarray.tofile") + b")R",
    "dotted module": stack_global("numpy.core.multiarray._reconstruct.__globals__", "x"),
    "getattr chain": stack_global("builtins", "getattr") + stack_global("os", "path") + RUN + b"\x86R",
    "getattr of an array": stack_global("builtins", "getattr") + stack_global("numpy", "ndarray") + RUN + b"\x86R",
    "eval": stack_global("builtins", "eval") + short("open('ran','w')") + b"\x85R",
    "exec": stack_global("builtins", "exec") + short("open('ran','w')") + b"\x85R",
    "old eval": b"c__builtin__\neval\n" + short("open('ran','w')") + b"\x85R",
    "import": stack_global("builtins", "__import__") + short("antigravity") + b"\x85R",
    "map": stack_global("builtins", "map") + SYSTEM + b"](" + RUN + b"e\x86R",
    "setstate of a class": CHUMPY + b"}" + short("__call__") + SYSTEM + b"sb",
    "slots of a class": b"cnumpy\nndarray\nN}" + short("__reduce__") + b"K\x01s\x86b",
    "state with a call inside": CHUMPY + b")\x81}" + short("x") + SYSTEM + RUN + b"\x85Rsb",
    "call of a record": CHUMPY + b")\x81" + RUN + b"\x85R",
    "call of a text": RUN + b")R",
    "reconstructor": b"ccopy_reg\n_reconstructor\n" + SYSTEM + b"c__builtin__\nobject\nN\x87R",
    "reconstructor of nothing": b"ccopy_reg\n_reconstructor\n)R",
    "persistent id": b"Pran\n",
    "binary persistent id": RUN + b"Q",
    "extension 1": b"\x82\x01",
    "extension 2": b"\x83\x01\x00",
    "extension 4": b"\x84\x01\x00\x00\x00",
    "buffer outside": b"\x97",
    "read-only buffer": b"C\x01a\x98",
    "array of objects": ARRAY + NDARRAY + b"N\x86R(K\x01K\x01\x85" + OBJECTS + b"\x89](" + SYSTEM + b"etb",
    "dtype that is called": b"cnumpy\ndtype\n" + SYSTEM + b"\x85R",
    "new numpy's name": b"cnumpy._core.multiarray\nfromfile\n" + RUN + b"\x85R",
    "scipy": stack_global("scipy.sparse._csc", "__builtins__"),
    "torch": stack_global("torch.storage", "_load_from_bytes") + b"C\x01a\x85R",
    "no name": b"NN\x93",
}  # fmt: skip
DAMAGE = {
    "empty stack": b"00000",
    "mark without end": b"((((",
    "list without mark": b"e",
    "value that was never kept": b"h\x07",
    "odd number of entries": b"}(K\x01u",
    "entry in a number": b"K\x01K\x01K\x02s",
    "state for a list": b"]}b",
    "unknown instruction": b"\xff",
    "text that is none": b"\x8c\x01\xff",
    "number that is none": b"Ix\n",
    "line without end": b"I12",
    "quotes that do not match": b"S'a\n",
    "negative length": b"T" + struct.pack("<i", -5),
    "negative length of a number": b"\x8b" + struct.pack("<i", -5),
    "place to keep that is a text": b"K\x01pabc\n",
}
# A few bytes that announce gigabytes.
BOMBS = {
    "far memo": b"K\x01r" + struct.pack("<I", 2**32 - 1),
    "far memo in text": b"K\x01p99999999999999\n",
    "negative memo": b"K\x01p-5\n",
    "long bytes": b"\x8e" + struct.pack("<Q", 2**40),
    "endless bytes": b"\x8e" + struct.pack("<Q", 2**64 - 1),
    "long bytearray": b"\x96" + struct.pack("<Q", 2**40),
    "long text": b"\x8d" + struct.pack("<Q", 2**40),
    "long old text": b"T" + struct.pack("<i", 2**31 - 1),
    "long number": b"\x8b" + struct.pack("<i", 2**31 - 1),
    "many digits": b"I" + b"9" * 5000 + b"\n",
}


class Watch:
    """Events that Python's own audit sees while a test listens; a hook can never be removed, so there is one."""

    def __init__(self):
        self.events = None
        sys.addaudithook(lambda event, _: self.events is not None and self.events.append(event))

    def __call__(self, path):
        self.events = []
        try:
            with pytest.raises(BodyFileError) as caught:
                load_body(path)
        finally:
            events, self.events = self.events, None
        # The bodies that ship are listed, the file is opened, and nothing else happens.
        assert set(events) <= {"open", "os.scandir", "pathlib.Path.glob"}
        return str(caught.value)


@pytest.fixture(scope="module")
def watch(tmp_path_factory):
    # Once before, so that what Python imports by itself is imported.
    codecs.lookup("raw-unicode-escape")
    with pytest.raises(BodyFileError):
        load_body(write(tmp_path_factory.mktemp("first"), b"N."))
    return Watch()


def write(tmp_path, content):
    path = tmp_path / "body.pkl"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("content", [*ATTEMPTS.values(), *DAMAGE.values()], ids=[*ATTEMPTS, *DAMAGE])
def test_nothing_runs_and_nothing_is_imported(tmp_path, monkeypatch, watch, content):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, HEAD + content + TAIL)
    before = set(sys.modules)
    watch(tmp_path / "body.pkl")
    assert set(sys.modules) == before
    assert [file.name for file in tmp_path.iterdir()] == ["body.pkl"]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_real_pickles_with_a_call_inside_are_refused_in_any_protocol(tmp_path, monkeypatch, watch, protocol):
    class Evil:
        def __reduce__(self):
            return exec, ("open('ran', 'w')",)

    monkeypatch.chdir(tmp_path)
    message = watch(write(tmp_path, pickle.dumps({"f": Evil()}, protocol)))
    assert "exec, which no body model needs" in message
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_announced_gigabytes_are_not_reserved(tmp_path, content):
    path = write(tmp_path, HEAD + content + TAIL)
    assert peak_bytes(path) < 1 << 20


def peak_bytes(path):
    tracemalloc.start()
    try:
        with pytest.raises(BodyFileError):
            load_body(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def laughs(step, levels=60):
    """Ever the same value twice in a new one: 2^60 leaves if anyone walks through."""
    return step * levels


@pytest.mark.parametrize(
    "content",
    [
        b")" + laughs(b"2\x86"),  # tuples of tuples
        b"]" + laughs(b"q\x00](h\x00h\x00e"),  # lists of lists
        b"]" + laughs(b"2\x86") + b"K\x01s}",  # as a key, which must not be hashed
        b")" + b"\x85" * 60_000,  # deeper than the stack of the interpreter
        b"]" + b"q\x00]h\x00a" * 30_000,
    ],
    ids=["tuples", "lists", "key", "deep tuples", "deep lists"],
)
def test_billion_laughs_stay_one(tmp_path, content):
    path = write(tmp_path, HEAD + content + TAIL)
    assert peak_bytes(path) < 64 << 20


def test_a_key_that_is_expensive_to_hash_is_left_alone(tmp_path):
    # {nested: 1, "f": 5}: hashing the nested tuple would take 2^60 steps.
    path = write(tmp_path, b"\x80\x04})" + laughs(b"2\x86") + b"K\x01s" + short("f") + b"K\x05s.")
    assert read_pickle(path, frozenset({"f"}))["f"] == 5


def test_too_many_instructions_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pickle_machine, "MOST_STEPS", 1000)
    with pytest.raises(BodyFileError, match="more than 1000 instructions"):
        load_body(write(tmp_path, b"N0" * 1000 + b"."))


def array(shape, data=b"", kind=b"f8"):
    """A forged numpy array with any shape whatever."""
    size = b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", n) for n in shape) + b"t"
    order = b"(K\x03\x8c\x01<NNN" + 2 * b"J\xff\xff\xff\xff" + b"K\x00tb"
    dtype = b"cnumpy\ndtype\n\x8c\x02" + kind + b"K\x00K\x01\x87R" + order
    state = b"(K\x01" + size + dtype + b"\x89B" + struct.pack("<I", len(data)) + data + b"tb"
    return ARRAY + NDARRAY + b"K\x00\x85C\x01b\x87R" + state


def sparse(kind, shape, **parts):
    entries = b"".join(short(name) + value for name, value in parts.items())
    size = b"".join(b"\x8a\x08" + struct.pack("<q", n) for n in shape)
    return f"cscipy.sparse.{kind}\n{kind}_matrix\n".encode() + b")\x81}(" + entries + short("_shape") + size + b"\x86ub"


def whole(*values):
    return array((len(values),), np.array(values, "<i8").tobytes(), b"i8")


def test_the_forged_array_is_a_good_one(tmp_path):
    path = write(tmp_path, HEAD + array((2,), np.array([1.0, 2.0]).tobytes()) + TAIL)
    assert read_pickle(path, frozenset({"f"}))["f"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "value",
    [
        array((2**40,)),
        array((2**40, 2**40)),
        array((-1,), b"12345678"),
        array((-1, -(2**62)), b"12345678"),
        array((1,) * 40, b"12345678"),
        array((1,), b"1234"),
        array((1,), b"12345678", b"O8"),
        sparse("csc", (2**40, 2**40), data=whole(), indices=whole(), indptr=whole(0)),
        sparse("csc", (3, 2), data=whole(1), indices=whole(0), indptr=whole(0, 2**40, 2**41)),
        sparse("csc", (3, 2), data=whole(1), indices=whole(0), indptr=whole(0, 2**62, -(2**62))),
        sparse("csr", (2, 3), data=whole(1), indices=whole(9), indptr=whole(0, 1, 1)),
        sparse("csr", (2, 3), data=whole(1, 2), indices=whole(0), indptr=whole(0, 1, 1)),
        sparse("coo", (3, 2), data=whole(1), row=whole(0), col=whole(2**40)),
        sparse("coo", (-3, -2), data=whole(), row=whole(), col=whole()),
        sparse("csc", (3, 2), data=whole(1)),
    ],
)
def test_forged_shapes_are_messages_and_take_no_memory(tmp_path, value):
    path = write(tmp_path, HEAD + value + TAIL)
    tracemalloc.start()
    try:
        with pytest.raises(BodyFileError, match="f cannot be rebuilt"):
            read_pickle(path, frozenset({"f"}))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_zip_that_unpacks_to_gigabytes_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("v_template.npy", b"x")
        # The size that the archive itself announces, without the gigabytes.
        archive.NameToInfo["v_template.npy"].file_size = 3 << 30
    with pytest.raises(BodyFileError, match=r"3\.0 GB, more than any body model"):
        load_body(tmp_path / "a.npz")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_random_instructions_are_messages(tmp_path, content):
    problem = None
    try:
        read_records(write(tmp_path, b"\x80\x04" + content + b"."))
    except BodyFileError as error:
        problem = error
    assert problem is None or problem.where


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PLAIN, st.integers(2, pickle.HIGHEST_PROTOCOL))
def test_plain_values_are_read_as_python_reads_them(tmp_path, value, protocol):
    # Protocol 2 writes bytes as a call of _codecs.encode, so that it takes part only without them.
    data = pickle.dumps(value, max(protocol, 3))
    assert read_records(write(tmp_path, data)) == value


@pytest.mark.parametrize("protocol", [0, 1])
def test_old_protocols_of_plain_values(tmp_path, protocol):
    value = {"a": [1, -2, 2**70, 1.5, True, False, None, "täxt\n'\"\\"], "b": (1, (2, (3, 4)))}
    assert read_records(write(tmp_path, pickle.dumps(value, protocol))) == value


def test_python_2s_quoted_texts(tmp_path):
    assert read_records(write(tmp_path, b"S'a\\x80\\n\\'b'\np0\n.")) == "a\x80\n'b"


def test_the_calls_of_the_other_tests_are_calls(tmp_path):
    path = write(tmp_path, call("os system", "touch ran"))
    with pytest.raises(BodyFileError, match=r"asks for os\.system"):
        read_pickle(path, frozenset())
