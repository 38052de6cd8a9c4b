"""Part of the C library of Linux: the return of freed memory to the system.

Arrays of up to 32 MB are freed into a pool of the process, from which larger arrays cannot take:
https://www.gnu.org/software/libc/manual/html_node/Freeing-after-Malloc.html. Other C libraries have no such function.
"""

import ctypes


def return_freed_memory() -> None:
    """Return the memory of arrays that were freed to the system, where the C library can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
