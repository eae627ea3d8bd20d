"""The one way to compile a numeric kernel: numba, interpreter lock released, machine code kept on disk if possible."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(kernel: Kernel) -> Kernel:
    """Compile on the first call; later processes load what this one compiled.

    Kernels must not call kernels of other files: numba notices changes of a file only for that file's own kernels.
    Floating-point operations keep their order and rounding (no fast-math), so results do not depend on the machine.
    """
    try:
        return numba.njit(cache=True, nogil=True)(kernel)
    except RuntimeError:
        # Neither the installation nor the user's cache folder can be written to: every process compiles for itself.
        return numba.njit(nogil=True)(kernel)
