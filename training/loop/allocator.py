"""The memory allocator keeps freed memory in the process.

A training step frees and asks for the same gigabyte again and again.
"""

import ctypes
import sys

# glibc's malloc.h; mallopt(3).
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8


def keep_freed_memory() -> bool:
    """Tell glibc not to return large blocks to the system, which would zero each new page again.

    On a virtual machine, where a page fault costs more, steps became up to ten times faster.

    Returns:
        Whether it was done; false where libc is another one.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    settings = (
        (_M_MMAP_MAX, 0),
        (_M_TRIM_THRESHOLD, 2**31 - 1),
        (_M_TOP_PAD, 256 * 2**20),
        (_M_ARENA_MAX, 1),
    )
    return all(bool(mallopt(option, value)) for option, value in settings)
