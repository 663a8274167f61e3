"""Hand memory back to the system after work with large arrays."""

import ctypes
from contextlib import suppress


def give_memory_back() -> None:
    """Let the allocator hand back what it holds free; does nothing where it cannot be asked to."""
    # glibc keeps freed arrays for later ones of the same thread: between two counts they would lie idle
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
