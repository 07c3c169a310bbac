"""Profiling: which share of the time each module takes.

All threads are looked at every few milliseconds, for what a model takes happens on several, and waiting for them is no
work. Unlike a profiler that counts calls, this does not slow down what makes many.
"""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

INTERVAL = 0.002
"""Seconds between two looks."""
WAITING = {"threading.py", "thread.py", "selectors.py", "connection.py", "subprocess.py", "queue.py"}
"""Where threads are that wait for others or for other processes."""
LEAST = 0.01
"""The smallest share that is told."""
IDLE, OTHERS = "waiting for files to be read", "others"


def share_by_module(do: Callable[[], object]) -> dict[str, float]:
    """Run something, and return the share of each module of docqa, and of each library, largest first."""
    looks: Counter[str] = Counter()
    done = threading.Event()
    sampler = threading.Thread(target=_look, args=(looks, done))
    sampler.start()
    try:
        do()
    finally:
        done.set()
        sampler.join()
    return take_shares(looks)


def take_shares(looks: Mapping[str, int]) -> dict[str, float]:
    """Turn counts into shares, the small ones together."""
    total = max(1, sum(looks.values()))
    shares = {name: count / total for name, count in Counter(looks).most_common() if count >= LEAST * total}
    return {**shares, OTHERS: 1 - sum(shares.values())}


def name_work(frame: FrameType | None) -> str:
    """Name the module that a thread works for: of docqa in full, of a library only the package; none if it waits."""
    if frame and Path(frame.f_code.co_filename).name in WAITING:
        return ""
    while frame:
        if name := name_module(frame.f_code.co_filename):
            return name
        frame = frame.f_back
    return OTHERS


def name_module(file: str) -> str:
    """Name a module by its file; the standard library works for others and has no name."""
    parts = Path(file).with_suffix("").parts
    for root, length in (("site-packages", 1), ("src", None)):
        if root in parts:
            below = parts[len(parts) - parts[::-1].index(root) :]
            return ".".join(below[:length])
    return ""


def _look(looks: Counter[str], done: threading.Event) -> None:
    while not done.wait(INTERVAL):
        own = threading.get_ident()
        working = [
            name for ident, frame in sys._current_frames().items() if ident != own and (name := name_work(frame))
        ]
        looks.update(working or [IDLE])
