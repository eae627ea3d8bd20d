"""Our pickles of arrays: what Python reads from them, what they name, and that they never change."""

import hashlib
import pickle
import pickletools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from meshgait_data.export.pickled import pickled
from meshgait_data.sources.reading import read_pickled_array

TYPES = [
    *(f"{order}{kind}{size}" for order in "<>" for kind in "iu" for size in (2, 4, 8)),
    *("|i1", "|u1", "|b1", "<f2", "<f4", ">f4", "<f8", ">f8"),
]


@given(
    st.sampled_from(TYPES).flatmap(lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0)))
)
def test_python_and_our_own_reader_give_the_same_values(array: np.ndarray) -> None:
    data = pickled(array)
    found = pickle.loads(data)  # noqa: TID251 - our own bytes
    assert found.dtype == array.dtype.newbyteorder("<")
    np.testing.assert_array_equal(found, array)
    assert pickled(found) == data


def test_our_reader_takes_them(tmp_path: Path, rng: np.random.Generator) -> None:
    array = rng.normal(size=(300, 24, 3)).astype(np.float32)
    (tmp_path / "a.pkl").write_bytes(pickled(array))
    found = read_pickled_array(tmp_path / "a.pkl")
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_only_what_every_numpy_has_is_named() -> None:
    names = [
        argument
        for code, argument, _ in pickletools.genops(pickled(np.zeros((2, 64, 64), np.uint8)))
        if code.name in ("GLOBAL", "STACK_GLOBAL")
    ]
    assert names == ["numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"]


def test_the_bytes_are_the_same_for_ever_whatever_the_layout_in_memory() -> None:
    array = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    assert hashlib.sha256(pickled(array)).hexdigest() == GOLDEN
    assert pickled(np.asfortranarray(array)) == pickled(array)
    assert pickled(array.astype(">i4")) == pickled(array)


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([None]), np.zeros(2, complex)])
def test_what_holds_no_numbers_is_refused(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="no type of numbers"):
        pickled(array)


GOLDEN = "3fc2426c3c557a79df5ab2dda1ad7c914638654764a47a1e0a10910cda41b27e"
