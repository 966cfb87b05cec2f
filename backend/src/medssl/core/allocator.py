"""What becomes of memory that a program gives back: glibc keeps it for later or returns it to the system, elsewhere nothing is changed; and what a container allows."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -3, -4, -8  # of glibc's malloc.h
CGROUP = Path("/sys/fs/cgroup")  # of version 2, as a container sees its own
MOST, USUAL_MAPPINGS, USUAL_TRIM = 2**31 - 1, 65536, 2**17


def keep_memory() -> None:
    """Keep it for the next step, which needs as much again.

    By default tensors of megabytes come from the system and return to it at every use, and getting their pages and zeroing them is a
    tenth to a third of a training on a processor (benchmarks/allocator.py). It costs up to a quarter more memory, in fragments.
    """
    _set({M_MMAP_MAX: 0, M_TRIM_THRESHOLD: MOST})


def return_memory(above: int, heaps: int = 0) -> None:
    """Return every piece of more than `above` bytes at once; `heaps`: at most so many, of which threads take one each (0: as it is)."""
    limits = {M_MMAP_MAX: USUAL_MAPPINGS, M_TRIM_THRESHOLD: USUAL_TRIM, M_MMAP_THRESHOLD: above}
    _set(limits | ({M_ARENA_MAX: heaps} if heaps else {}))


def container_memory() -> tuple[int, int] | None:
    """Bytes that the container of this process may hold, and holds; None where nothing limits it."""
    try:
        allowed, used = ((CGROUP / f"memory.{name}").read_text().strip() for name in ("max", "current"))
    except OSError:
        return None
    return None if allowed == "max" else (int(allowed), int(used))


def _set(parameters: dict[int, int]) -> None:
    if sys.platform == "linux":
        with suppress(
            ImportError, OSError, AttributeError
        ):  # a Python without ctypes; a C library without this function
            import ctypes

            mallopt = ctypes.CDLL(None).mallopt
            for parameter, value in parameters.items():
                mallopt(parameter, value)
