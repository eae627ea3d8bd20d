"""Pickles of fakes are those that Python and numpy of their age wrote."""

import pickle
import pickletools
from itertools import product

import numpy as np
import pytest
from fakes.plan import pickled, surviving

VALUES = (np.arange(24, dtype=np.uint8).reshape(2, 3, 4), np.zeros((0, 3)), {"a": np.int64(3), "b": [1.5, None, "x"]})

AGES = list(product((2, 3, 4, 5), (1, 2)))


@pytest.mark.parametrize(("protocol", "age"), AGES)
def test_names_of_modules_are_those_of_the_age(protocol, age):
    for value in VALUES:
        data = pickled(value, protocol=protocol, numpy=age)
        told = [str(argument) for _, argument, _ in pickletools.genops(data) if "core" in str(argument)]
        assert told
        assert all(("_core" in name) == (age == 2) for name in told)
        assert data[1] == protocol


@pytest.mark.filterwarnings("ignore:numpy.core")
@pytest.mark.parametrize(("protocol", "age"), AGES)
def test_the_standard_library_reads_them(protocol, age):
    for value in VALUES:
        back = pickle._loads(pickled(value, protocol=protocol, numpy=age))  # written above
        if isinstance(value, dict):
            assert back == value
        else:
            assert back.dtype == value.dtype
            assert np.array_equal(back, value)


def test_only_what_the_pretreatment_keeps_survives():
    person = np.zeros((60, 40), np.uint8)
    person[5:50, 10:20] = 255
    assert list(surviving({3: person, 5: np.zeros_like(person), 9: person})) == [3, 9]
