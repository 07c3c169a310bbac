"""Receiving files from the page, straight into the corpus: Gradio would keep copies in a folder of its own."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakValueDictionary

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.state_holder import SessionState
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from docqa.chat.guarding.rates import client_of
from docqa.chat.library import READ_ONLY, Library
from docqa.chat.state import Addition, Turn
from docqa.corpus import MAX_BYTES

AT_ONCE = 4
"""How many files are received at the same time, each in memory, and one of a client; others wait."""
MOST_SECONDS, MOST_SECONDS_SILENT = 300, 10
"""How long one may take to arrive, and how long nothing of it, so that none that stalls keeps others waiting."""

TOO_LARGE = f"it is larger than the {MAX_BYTES // 1_000_000} MB docqa reads; divide it"


class Chat(gr.Blocks):
    """The page, the library behind it, the routes that its server has beside Gradio's, and who hears of answers."""

    library: Library
    own_routes: Sequence[BaseRoute] = ()
    observers: Sequence[Callable[[Turn, float], None]] = ()
    """Each is told of every question and the seconds it took."""

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list[Any] | dict[Any, Any], state: SessionState | None
    ) -> list[Any]:
        """Do as Gradio does, and keep nothing of what was sent.

        Gradio keeps the last value of every component of every page, for links that the chat does not have, and a new
        component for each one that an event leaves as it is.
        """
        output = await super().postprocess_data(block_fn, predictions, state)
        if state:
            state.is_closed = False  # though its heartbeat may have broken; Gradio's page does not begin another
            state.blocks_config.blocks = dict(self.blocks)
            state.config_values = {number: state.config_values[number] for number in self.blocks}
            for config in state.config_values.values():
                config["props"].pop("value", None)
        return output

    def answer(self, pending: Turn) -> Turn:
        """Answer a question of a conversation."""
        began = time.perf_counter()
        turn = self.library.answer(pending)
        for observer in self.observers:
            observer(turn, time.perf_counter() - began)
        return turn


def upload_route(library: Library) -> Route:
    """Make the route that takes one file as its body, under the name in the query, and answers what came of it."""
    free = asyncio.Semaphore(AT_ONCE)
    turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def receive(request: Request) -> JSONResponse:
        if library.read_only:
            return _answer(403, Addition(problem=READ_ONLY))
        async with turns.setdefault(client_of(request.scope), asyncio.Lock()), free:
            try:
                async with asyncio.timeout(MOST_SECONDS):
                    data = await _body(request)
            except ClientDisconnect:
                return _answer(400, Addition(problem="the file did not arrive whole"))
            except TimeoutError:
                return _answer(408, Addition(problem="the file took too long to arrive; add it again"))
            if data is None:
                return _answer(413, Addition(problem=TOO_LARGE))
            added = await run_in_threadpool(library.add, request.query_params.get("name", ""), data)
        return _answer(200, added)

    return Route("/docqa/documents", receive, methods=["POST"])


async def _body(request: Request) -> bytes | None:
    """Read a request's body; None when it is larger than a document may be."""
    if int(request.headers.get("content-length", "0")) > MAX_BYTES:
        return None
    data, loop = bytearray(), asyncio.get_running_loop()
    async with asyncio.timeout(MOST_SECONDS_SILENT) as silence:
        async for part in request.stream():
            silence.reschedule(loop.time() + MOST_SECONDS_SILENT)
            data += part
            if len(data) > MAX_BYTES:
                return None
    return bytes(data)


def _answer(status: int, added: Addition) -> JSONResponse:
    return JSONResponse({"path": added.path, "problem": added.problem}, status)
