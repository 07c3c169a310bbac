"""The machine: the processors and the memory that docqa may use, which in a container are fewer than there are."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from math import ceil
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
M_ARENA_MAX, ARENAS = -8, 2
"""glibc gives every thread of a few dozen its own store of free memory; Python's lock lets few of them work at once."""
NICENESS = 10
"""Of work that nobody waits for: programs of the usual niceness, 0, get ten times as much of a processor."""


def share_free_memory() -> None:
    """Let threads share the memory that others have freed, where the system's C library keeps it apart for each."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_ARENA_MAX, ARENAS)


def usable_cpus() -> int:
    """Count the processors this process may keep busy: those it is bound to, or what its quota comes to."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([bound, *(ceil(quota / period) for quota, period in _limits("cpu.max"))])


def usable_memory() -> int:
    """Count the bytes of memory that this process and those it starts may fill together, whatever else fills it now."""
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([installed, *(limit for (limit,) in _limits("memory.max"))])


def _limits(name: str) -> Iterator[tuple[int, ...]]:
    """Read a limit of each control group of Linux that sets one (docs.kernel.org/admin-guide/cgroup-v2.html)."""
    for group in _groups():
        with suppress(OSError, ValueError):  # it has no such file, or says "max"
            yield tuple(int(number) for number in (group / name).read_text().split())


def _groups() -> list[Path]:
    """List the control group of this process and those around it."""
    with suppress(OSError):
        for line in OWN_CGROUPS.read_text().splitlines():
            if line.startswith("0::/"):
                own = CGROUPS / line.removeprefix("0::/")
                return [group for group in (own, *own.parents) if group.is_relative_to(CGROUPS)]
    return []
