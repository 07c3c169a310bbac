"""What every response says to the browser about itself."""

from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""Lets the page load from and speak to its own server only; Gradio's page needs inline scripts and ``eval``."""

SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), display-capture=()",
    "referrer-policy": "same-origin",  # "no-referrer" would make the origin of the login form unknown
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
KEPT_BY_BROWSERS = ("/assets/", "/static/", "/theme.css", "/favicon.ico")
"""What holds no word of a document; everything else is kept nowhere."""


@dataclass(frozen=True, slots=True)
class SecurityHeadersMiddleware:
    """Adds the security headers to every response, and keeps documents out of the browser's cache."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add the headers to what comes back."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                if not scope["path"].startswith(KEPT_BY_BROWSERS):
                    headers["cache-control"] = "no-store"
            await send(message)

        await self.app(scope, receive, send_with_headers)
