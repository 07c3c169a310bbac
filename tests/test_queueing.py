"""Queueing: no more at once than processors, first come first, and nothing is lost on the way."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from docqa import queueing
from docqa.queueing import Queue


def test_who_comes_alone_is_served_in_the_same_thread() -> None:
    queue = Queue()
    assert [queue.run(threading.get_ident) for _ in range(3)] == [threading.get_ident()] * 3


def test_no_more_are_served_at_once_than_there_are_processors_and_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queueing, "usable_cpus", lambda: 2)
    queue, lock, present, most = Queue(), threading.Lock(), 0, 0

    def work() -> None:
        nonlocal present, most
        with lock:
            present += 1
            most = max(most, present)
        time.sleep(0.01)
        with lock:
            present -= 1

    with ThreadPoolExecutor(16) as clients:
        served = [*clients.map(lambda number: queue.run(lambda: (work(), number)[1]), range(64))]
    assert served == [*range(64)]
    assert 2 <= most <= 3  # the first came alone


def test_who_waits_is_served_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queueing, "usable_cpus", lambda: 1)
    queue, started, go_on = Queue(), threading.Semaphore(0), threading.Event()
    order: list[int] = []

    def hold() -> None:
        started.release()
        go_on.wait(60)

    clients = [threading.Thread(target=queue.run, args=(hold,)) for _ in range(2)]  # one alone, one in the queue
    for client in clients:
        client.start()
        assert started.acquire(timeout=60)
    for number in range(5):
        clients.append(threading.Thread(target=queue.run, args=(lambda number=number: order.append(number),)))
        clients[-1].start()
        while queue._present < len(clients):
            time.sleep(0.001)
        time.sleep(0.01)  # from being counted to standing in the queue
    go_on.set()
    for client in clients:
        client.join(60)
    assert order == [*range(5)]


def test_a_problem_comes_to_who_asked() -> None:
    queue, started, go_on = Queue(), threading.Event(), threading.Event()
    first = threading.Thread(target=queue.run, args=(lambda: (started.set(), go_on.wait(60)),))
    first.start()
    assert started.wait(60)
    with pytest.raises(ZeroDivisionError):
        queue.run(lambda: 1 // 0)
    go_on.set()
    first.join(60)
    assert queue.run(lambda: "served") == "served"


def test_a_forked_process_is_served_though_the_threads_are_gone() -> None:
    queue, started, go_on = Queue(), threading.Semaphore(0), threading.Event()
    clients = [
        threading.Thread(target=queue.run, args=(lambda: (started.release(), go_on.wait(60)),)) for _ in range(2)
    ]
    for client in clients:
        client.start()
        assert started.acquire(timeout=60)
    child = os.fork()
    if not child:
        os._exit(0 if queue.run(lambda: "served") == "served" else 1)
    go_on.set()
    for client in clients:
        client.join(60)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
