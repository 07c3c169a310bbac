"""Conversations: what waits in Gradio's queue is kept for who may still read it, and for nobody else."""

import asyncio
from typing import Any

import gradio as gr
import pytest
from gradio.data_classes import PredictBodyInternal
from gradio.queueing import Event, Queue
from gradio.server_messages import ProcessStartsMessage

from docqa.chat.guarding.conversations import UNREAD_SECONDS, Conversations

READER: dict[str, Any] = {"type": "http", "client": ("192.0.2.1", 1)}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def conversations(clock: Clock | None = None) -> Conversations:
    """Begin with a queue of Gradio's whose events are taken and ended by hand; an event loop must run."""
    with gr.Blocks() as blocks:
        blocks.load(lambda: None)
    return Conversations(Queue(False, 1, 1.0, None, blocks), clock or Clock())


async def begin(chat: Conversations) -> Event:
    """Let an event of the page join the queue, be taken out of it, and say that it has begun."""
    queue = chat.queue
    chat.use("page", READER)
    body = PredictBodyInternal(fn_index=0, data=[], session_hash="page")
    _, name, outcome = await queue.push(body, None, None)
    assert outcome == "success"
    event = queue.event_ids_to_events[str(name)]
    queue.event_queue_per_concurrency_id[event.concurrency_id].queue.remove(event)
    queue.active_jobs = [[event]]
    queue.send_message(event, ProcessStartsMessage())
    return event


def end(chat: Conversations, event: Event) -> None:
    """End an event as Gradio does: its name is known no longer, what it has said waits."""
    chat.queue.active_jobs = [None]
    del chat.queue.event_ids_to_events[event._id]


@pytest.mark.parametrize("ended", [False, True])
def test_what_joins_while_a_stream_ends_is_kept_for_the_next_stream(ended: bool) -> None:
    async def session() -> None:
        chat = conversations()
        chat.use("page", READER)
        with chat.reading("page"):
            event = await begin(chat)
            if ended:
                end(chat, event)
        assert chat.unread(READER) == 1
        assert chat.admit("page", READER, is_page=True)
        assert not chat.queue.pending_messages_per_session["page"].empty()

    asyncio.run(session())


def test_what_runs_when_its_reader_leaves_is_forgotten() -> None:
    async def session() -> None:
        chat = conversations()
        await begin(chat)
        with chat.reading("page"):
            await chat.queue.clean_events(session_hash="page")  # as Gradio does when it sees that nobody reads
        assert not chat.queue.pending_messages_per_session
        assert chat.unread(READER) == 0

    asyncio.run(session())


def test_what_had_ended_when_its_reader_was_lost_is_forgotten() -> None:
    async def session() -> None:
        chat = conversations()
        chat.use("page", READER)
        with chat.reading("page"):
            end(chat, await begin(chat))
            del chat.queue.pending_messages_per_session["page"]  # as Gradio does when its stream is cancelled
            await chat.queue.clean_events(session_hash="page")
        assert chat.unread(READER) == 0

    asyncio.run(session())


def test_only_a_page_that_has_sent_events_may_wait_for_what_is_not_there_yet() -> None:
    async def session() -> None:
        chat = conversations()
        chat.use("page", READER)
        assert not chat.admit("page", READER, is_page=False)
        assert not chat.admit("unheard-of", READER, is_page=True)
        assert list(chat.queue.pending_messages_per_session) == []
        assert chat.admit("page", READER, is_page=True)

    asyncio.run(session())


def test_what_nobody_comes_to_read_is_dropped_after_a_time_and_its_page_told_once() -> None:
    async def session() -> None:
        clock = Clock()
        chat = conversations(clock)
        end(chat, await begin(chat))
        with chat.reading("page"):
            clock.now += UNREAD_SECONDS + 1
            await chat.drop_unread()
            assert chat.unread(READER) == 1
        clock.now += UNREAD_SECONDS - 1
        await begin(chat)  # asking more is not reading
        await chat.drop_unread()
        assert chat.unread(READER) == 2
        clock.now += 2
        await chat.drop_unread()
        assert chat.unread(READER) == 0
        await begin(chat)
        assert [chat.admit("page", READER, is_page=True) for _ in range(2)] == [False, True]

    asyncio.run(session())
