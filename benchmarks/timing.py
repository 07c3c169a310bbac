"""Timing: what is compared runs in turn, each in a process of its own, and the medians are compared.

Only the standard library is imported here, for the peak memory that the system counts of a process begins with that of
the process that started it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

JOBS = Path(__file__).with_name("speed_jobs.py")
FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "asimddp")
"""Of a processor, those that decide how fast a model is computed."""
PACKAGES = ("docqa", "faiss-cpu", "numpy", "onnxruntime", "sentence-transformers", "torch")

OFFLINE = {"HF_HUB_OFFLINE": "1"}
THREADS = "OMP_NUM_THREADS"
"""What would keep torch from using as many threads as it does by default."""

Figures = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Run:
    """What a process took: seconds from start to end, and bytes of memory at its peak, mapped files counted."""

    seconds: float
    peak: int


class JobError(Exception):
    """A process that was to be measured failed; what it said is in the message."""


def run_job(name: str, *arguments: object, python: str = sys.executable, env: Mapping[str, str] | None = None) -> Any:
    """Run one of benchmarks/speed_jobs.py in a process of its own, and return what it found.

    Raises:
        JobError: it failed.
    """
    command = [python, str(JOBS), name, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment() | dict(env or {}))
    if done.returncode:
        raise JobError(f"{name} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def run_process(command: Sequence[str]) -> Run:
    """Run a command to its end, whatever it prints.

    Raises:
        JobError: it failed.
    """
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=_environment())
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise JobError(f"{' '.join(command)} failed:\n{said.read().decode()}")
    return Run(seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def alternate(repeats: int, *measures: Callable[[], T]) -> list[list[T]]:
    """Measure several things in turn, so that what else the machine does falls on all alike."""
    rounds = [[measure() for measure in measures] for _ in range(repeats)]
    return [list(column) for column in zip(*rounds, strict=True)]


def take_median(runs: Sequence[Figures], name: str) -> float:
    """Take the median of one figure of several runs."""
    return float(median(run[name] for run in runs))


def describe_machine() -> str:
    """Name the processor, how much of it and of memory there is, and the versions of what is measured."""
    found = dict(line.split(":", 1) for line in _read("/proc/cpuinfo").splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in found.items()}
    flags = [flag for flag in FLAGS if flag in fields.get("flags", fields.get("Features", "")).split()]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    name = fields.get("model name", os.uname().machine)
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    versions = ", ".join([python, *(f"{package} {_version(package)}" for package in PACKAGES)])
    flagged = f" ({', '.join(flags)})" if flags else ""
    return f"{name}, {cores} core{'s' * (cores > 1)}{flagged}, {memory:.0f} GB of memory; {versions}"


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != THREADS} | OFFLINE


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
