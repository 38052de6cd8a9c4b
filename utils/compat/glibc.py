"""Part of the C library of Linux: the return of freed memory to the system.

It keeps freed arrays of up to 32 MB in a pool, from which larger ones and those of other sizes may not be served:
https://www.gnu.org/software/libc/manual/html_node/Malloc-Tunable-Parameters.html. Other C libraries have no such pool.
"""

import ctypes

M_MMAP_THRESHOLD = -3
POOLED_BYTES = 4 << 20


def return_freed_memory() -> None:
    """Return freed memory to the system, and from now on that of larger arrays at once, where the C library can."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.mallopt(M_MMAP_THRESHOLD, POOLED_BYTES)
        library.malloc_trim(0)
