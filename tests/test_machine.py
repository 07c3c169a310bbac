"""The machine: what a control group allows counts, and where there is none, all that is there."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from docqa import machine
from docqa.machine import usable_cpus, usable_memory

GIB = 2**30


@pytest.fixture(autouse=True)
def large_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the machine have 16 processors and 64 GiB, and its control groups stand in a folder."""
    sizes = {"SC_PHYS_PAGES": 64 * GIB // 4096, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)), raising=False)
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "OWN_CGROUPS", tmp_path / "own")


def write_groups(folder: Path, own: str, limits: dict[str, str]) -> None:
    (folder / "own").write_text(own)
    for name, limit in limits.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(limit)


def test_without_control_groups_all_of_the_machine_is_usable() -> None:
    assert (usable_cpus(), usable_memory()) == (16, 64 * GIB)


@pytest.mark.parametrize(
    ("own", "limits", "cpus", "memory"),
    [
        ("0::/\n", {"cpu.max": "400000 100000\n", "memory.max": f"{4 * GIB}\n"}, 4, 4 * GIB),
        ("0::/\n", {"cpu.max": "max 100000\n", "memory.max": "max\n"}, 16, 64 * GIB),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2, 64 * GIB),
        ("0::/\n", {"cpu.max": "20000 100000\n"}, 1, 64 * GIB),
        ("0::/\n", {"cpu.max": "3200000 100000\n", "memory.max": f"{99 * GIB}\n"}, 16, 64 * GIB),
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": f"{3 * GIB}\n"}, 16, 3 * GIB),
        ("0::/a/b\n", {"a/b/cpu.max": "100000 50000\n", "a/cpu.max": "300000 100000\n"}, 2, 64 * GIB),
        ("0::/elsewhere\n", {"memory.max": f"{2 * GIB}\n"}, 16, 2 * GIB),  # as in a container with the host's names
        ("4:memory:/a\n0::/\n", {"a/memory.max": f"{GIB}\n", "memory.max": f"{2 * GIB}\n"}, 16, 2 * GIB),
        ("4:memory:/\n", {"memory.max": f"{GIB}\n"}, 16, 64 * GIB),
    ],
)
def test_the_smallest_limit_around_the_process_counts(
    tmp_path: Path, own: str, limits: dict[str, str], cpus: int, memory: int
) -> None:
    write_groups(tmp_path, own, limits)
    assert (usable_cpus(), usable_memory()) == (cpus, memory)


def test_the_processors_a_process_is_bound_to_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5}, raising=False)
    assert usable_cpus() == 2


def test_where_no_process_can_be_bound_all_processors_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable_cpus() == 6


ARENAS_USED = """
import ctypes, sys, threading
from docqa.machine import share_free_memory

if sys.argv[1] == "shared":
    share_free_memory()
libc, together = ctypes.CDLL(None), threading.Barrier(8)
libc.malloc.restype = ctypes.c_void_p

def fill():
    together.wait()
    for _ in range(100):
        libc.malloc(ctypes.c_size_t(10_000))
    together.wait()

threads = [threading.Thread(target=fill) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.malloc_stats()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only this library keeps free memory apart")
def test_threads_share_the_memory_that_others_have_freed() -> None:
    def arenas(how: str) -> int:
        command = [sys.executable, "-c", ARENAS_USED, how]
        return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True).stderr.count("Arena ")

    assert arenas("apart") > 2
    assert arenas("shared") == 2
