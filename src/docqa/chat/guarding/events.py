"""What the page and the API may send to Gradio: an event that exists, with values that are words, numbers or nothing.

Gradio takes nested values (files, updates of components, batches) that neither the page nor docqa's endpoint uses, and
answers much that is none of its own with an error 500. Whatever is not named here is left out or refused.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from docqa.chat.guarding.bodies import replay
from docqa.chat.guarding.conversations import MOST_UNREAD, Conversations
from docqa.chat.guarding.routes import CALL, DATA, HEARTBEAT, JOIN

MOST_CHARACTERS = 8_000
"""The longest text; the page's own box takes 2,000."""
LARGEST_NUMBER = 10**9
SESSION = re.compile(r"[A-Za-z0-9-]{1,64}")
WAITING = "Much that you asked is still waiting; try again when it is answered."
API_SETTINGS = 2
"""The endpoint takes a query and how many passages."""


class MalformedEventError(ValueError):
    """The body of an event is not what the page or the API sends."""


@dataclass(frozen=True, slots=True)
class EventsMiddleware:
    """Passes on only events that are well formed, of clients that read what they asked for, and their streams to them.

    ``inputs`` says how many values each event takes, by its number.
    """

    app: ASGIApp
    inputs: Mapping[int, int]
    conversations: Conversations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the event or the stream on, or say what is wrong with it."""
        path = scope["path"] if scope["type"] == "http" else ""
        stream, _, name = path.rpartition("/")
        if path in (JOIN, CALL):
            await self._event(scope, receive, send)
        elif path == DATA:
            await self._stream(_session_in(scope["query_string"]), scope, receive, send)
        elif stream == CALL:
            await self._stream(name, scope, receive, send)
        elif stream == HEARTBEAT and self.conversations.is_anothers(name, scope):
            await _over(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _event(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_call = scope["path"] == CALL
        try:
            event = read_event(await Request(scope, receive).body(), None if is_call else self.inputs)
        except MalformedEventError as problem:
            await JSONResponse({"detail": str(problem)}, 422)(scope, receive, send)
            return
        await self.conversations.drop_unread()
        name = "" if is_call else json.loads(event)["session_hash"]
        if self.conversations.is_anothers(name, scope):
            await _over(scope, receive, send)
        elif self.conversations.unread(scope) >= MOST_UNREAD:
            await JSONResponse({"detail": WAITING}, 429, {"retry-after": "5"})(scope, receive, send)
        else:
            if not is_call:
                self.conversations.use(name, scope)
            sending = self._noting(scope, send) if is_call else send
            with self.conversations.coming(scope):
                await self.app(_with_length(scope, event), replay(event, receive), sending)

    def _noting(self, scope: Scope, send: Send) -> Send:
        """Note the call that a response tells the name of, which is then that of its stream."""

        async def note_and_send(message: Message) -> None:
            if message["type"] == "http.response.body" and (name := _name_in(message.get("body", b""))):
                self.conversations.use(name, scope)
            await send(message)

        return note_and_send

    async def _stream(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        if self.conversations.admit(name, scope, is_page=scope["path"] == DATA):
            with self.conversations.reading(name):
                await self.app(scope, receive, send)
        else:
            await _over(scope, receive, send)


async def _over(scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse({"detail": "this conversation is over; load the page again"}, 404)(scope, receive, send)


def read_event(body: bytes, inputs: Mapping[int, int] | None) -> bytes:
    """Return an event with what it may hold; without ``inputs``, a call of the endpoint.

    Raises:
        MalformedEventError: it is none, with what is wrong.
    """
    given = _object(body)
    if inputs is None:
        return json.dumps({"data": _values(given.get("data"), API_SETTINGS)}).encode()
    number, session, trigger = (given.get(name) for name in ("fn_index", "session_hash", "trigger_id"))
    if type(number) is not int or number not in inputs:
        raise MalformedEventError("there is no such event; load the page again")
    if not isinstance(session, str) or not SESSION.fullmatch(session):
        raise MalformedEventError("session_hash must be 1 to 64 letters and digits")
    event = {
        "fn_index": number,
        "session_hash": session,
        "trigger_id": _value(trigger) if type(trigger) is int else None,
        "data": _values(given.get("data"), inputs[number]),
        "event_data": _event_data(given.get("event_data")),
    }
    return json.dumps(event).encode()


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as problem:
        raise MalformedEventError("the body must be JSON") from problem
    if not isinstance(given, dict):
        raise MalformedEventError("the body must be a JSON object")
    return given


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _values(given: object, count: int) -> list[Any]:
    if not isinstance(given, list) or len(given) != count:
        raise MalformedEventError(f"data must be a list of length {count}")
    return [_value(value) for value in given]


def _event_data(given: object) -> dict[str, Any] | None:
    if given is None:
        return None
    if not isinstance(given, dict) or len(given) > 16:
        raise MalformedEventError("event_data must be an object")
    return {str(_value(name)): _value(value) for name, value in given.items()}


def _value(value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= MOST_CHARACTERS and _is_text(value):
        return value
    if isinstance(value, int | float) and abs(value) <= LARGEST_NUMBER:
        return value
    raise MalformedEventError(f"a value must be a number or a text of at most {MOST_CHARACTERS:,} characters")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a character
        return False
    return True


def _session_in(query: bytes) -> str:
    return parse_qs(query.decode("latin-1")).get("session_hash", [""])[0]


def _name_in(body: bytes) -> str:
    try:
        return str(json.loads(body).get("event_id", ""))
    except (ValueError, AttributeError):
        return ""


def _with_length(scope: Scope, body: bytes) -> Scope:
    about_body = (b"content-length", b"content-type", b"transfer-encoding")
    kept = [field for field in scope["headers"] if field[0] not in about_body]
    said = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return {**scope, "headers": [*kept, *said]}
