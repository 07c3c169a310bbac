"""How much a request may hold and how long it may take to arrive."""

import asyncio
from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from docqa.chat.guarding.routes import UPLOAD

MOST_BYTES = 256_000
"""Questions are short; a document has a route of its own, which counts for itself (``receiving``)."""
MOST_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class BodyLimitMiddleware:
    """Receives the whole body before anything is done with the request; what is too large or too slow is refused."""

    app: ASGIApp
    most_bytes: int = MOST_BYTES
    most_seconds: float = MOST_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body, or say why not."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD") or scope["path"] == UPLOAD:
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self.most_seconds):
                body = await self._body(receive)
        except TimeoutError:
            await _refuse(408, "the request took too long to arrive; send it again")(scope, receive, send)
            return
        if body is None:
            text = f"the request is larger than {self.most_bytes // 1000} KB; ask something shorter"
            await _refuse(413, text)(scope, receive, send)
        else:
            await self.app(scope, replay(body, receive), send)

    async def _body(self, receive: Receive) -> bytes | None:
        """Read a body; None when it is too large. One that breaks off is as long as it came."""
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self.most_bytes:
                return None
            if not message.get("more_body", False):
                return bytes(body)


def _refuse(status: int, text: str) -> JSONResponse:
    # the rest of the body must not be taken for the next request
    return JSONResponse({"detail": text}, status, {"connection": "close"})


def replay(body: bytes, receive: Receive) -> Receive:
    """Make a ``receive`` that gives the body once, then waits for the client to leave."""
    given = False

    async def give() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give
