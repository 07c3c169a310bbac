"""What the page and the API may send to Gradio: an event that exists, with values that are words, numbers or nothing.

Gradio takes nested values (files, updates of components, batches) that neither the page nor docqa's endpoint uses, and
answers much that is none of its own with an error 500. Whatever is not named here is left out or refused.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from docqa.chat.guarding.bodies import replay
from docqa.chat.guarding.routes import CALL, DATA, JOIN

MOST_CHARACTERS = 8_000
"""The longest text; the page's own box takes 2,000."""
LARGEST_NUMBER = 10**9
SESSION = re.compile(r"[A-Za-z0-9-]{1,64}")
API_SETTINGS = 2
"""The endpoint takes a query and how many passages."""


class MalformedEventError(ValueError):
    """The body of an event is not what the page or the API sends."""


@dataclass(frozen=True, slots=True)
class EventsMiddleware:
    """Passes on only events that are well formed, and only streams of sessions that there are.

    ``inputs`` says how many values each event takes, by its number; ``streams`` tells whether a session has a stream.
    """

    app: ASGIApp
    inputs: Mapping[int, int]
    streams: Callable[[str], bool]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the event on as it is understood, or say what is wrong with it."""
        path = scope["path"] if scope["type"] == "http" else ""
        if path in (JOIN, CALL):
            try:
                event = read_event(await Request(scope, receive).body(), self.inputs if path == JOIN else None)
            except MalformedEventError as problem:
                await JSONResponse({"detail": str(problem)}, 422)(scope, receive, send)
                return
            await self.app(_with_length(scope, event), replay(event, receive), send)
        elif path and (session := _session_of(path, scope["query_string"])) is not None and not self.streams(session):
            await JSONResponse({"detail": "this conversation is over; load the page again"}, 404)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


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


def _session_of(path: str, query: bytes) -> str | None:
    if path == DATA:
        return parse_qs(query.decode("latin-1")).get("session_hash", [""])[0]
    return path.removeprefix(f"{CALL}/") if path.startswith(f"{CALL}/") else None


def _with_length(scope: Scope, body: bytes) -> Scope:
    about_body = (b"content-length", b"content-type", b"transfer-encoding")
    kept = [field for field in scope["headers"] if field[0] not in about_body]
    said = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return {**scope, "headers": [*kept, *said]}
