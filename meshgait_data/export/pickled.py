"""Bytes of a pickled array that are the same for ever, and that every numpy reads.

What ``pickle.dumps`` writes changes with the versions of Python and numpy, and numpy 2 names a module of its own that
numpy 1 does not have. So the few instructions are put together here (``pickletools`` documents them).
"""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LONG = 1 << 32
"""Bytes from which a length needs eight bytes, and with them protocol 4."""


def pickled(array: NDArray[Any]) -> bytes:
    """Pickle an array of numbers.

    Parameters
    ----------
    array
        Booleans, integers or floats of any shape; stored little endian and in C order.

    Raises
    ------
    ValueError
        For any other type.
    """
    kind = f"{array.dtype.kind}{array.dtype.itemsize}"
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{array.dtype} is no type of numbers")
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
    data = little.tobytes()
    order = b"|" if array.dtype.itemsize == 1 else b"<"
    return b"".join(
        (
            b"\x80\x04" if len(data) >= _LONG else b"\x80\x03",
            # numpy.core.multiarray._reconstruct(numpy.ndarray, (0,), b"b")
            b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R",
            b"(K\x01(",
            *(_whole(size) for size in array.shape),
            b"t",
            # numpy.dtype(kind, False, True), whose state starts with its version and the order of its bytes.
            b"cnumpy\ndtype\n",
            _text(kind.encode()),
            b"\x89\x88\x87R(K\x03",
            _text(order),
            b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            # Not in Fortran's order; then the elements.
            b"\x89",
            b"\x8e" + struct.pack("<Q", len(data)) if len(data) >= _LONG else b"B" + struct.pack("<I", len(data)),
            data,
            b"tb.",
        )
    )


def _whole(number: int) -> bytes:
    if number < 1 << 8:
        return struct.pack("<cB", b"K", number)
    if number < 1 << 31:
        return struct.pack("<ci", b"J", number)
    return b"\x8a\x08" + struct.pack("<q", number)


def _text(data: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(data)) + data
