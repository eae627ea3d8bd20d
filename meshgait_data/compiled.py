"""The one way to compile a numeric kernel: numba, interpreter lock released, machine code kept on disk if possible."""

import functools
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from meshgait_data.errors import MissingExtra

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(kernel: Kernel) -> Kernel:
    """Compile on the first call; later processes load what this one compiled.

    Kernels must not call kernels of other files: numba notices changes of a file only for that file's own kernels.
    Floating-point operations keep their order and rounding (no fast-math), so results do not depend on the machine.
    Where numba cannot be imported, calling the kernel raises MissingExtra. It never runs as plain Python: numpy's
    small integers would overflow where numba's do not.
    """
    try:
        import numba
    except ImportError as error:
        return _absent(kernel, str(error))
    try:
        return numba.njit(cache=True, nogil=True)(kernel)
    except RuntimeError:
        # Neither the installation nor the user's cache folder can be written to: every process compiles for itself.
        return numba.njit(nogil=True)(kernel)


def _absent(kernel: Any, reason: str) -> Any:
    @functools.wraps(kernel)
    def fail(*_: Any) -> NoReturn:
        raise MissingExtra(
            f"{kernel.__module__} needs numba, which cannot be imported: {reason}", hint="pip install numba"
        )

    return fail
