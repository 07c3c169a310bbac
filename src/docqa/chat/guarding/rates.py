"""How much one client may ask: a bucket of tokens that fills steadily; each request takes what its route costs."""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from docqa.chat.guarding.routes import find_route

BURST, PER_SECOND = 600.0, 40.0
"""A page takes about 30 tokens to load and one event (10) every five seconds: room for twenty pages of a client."""
MOST_CLIENTS = 10_000
"""How many clients are remembered; the one not seen for longest is forgotten, and starts afresh."""


def user_of(scope: Scope) -> str:
    """Return the user who is logged in; empty without a login."""
    return str(scope.get("state", {}).get("docqa_user", ""))


def client_of(scope: Scope) -> str:
    """Name the client of a request: the user who is logged in, however often, else the address.

    One home has a whole network of IPv6 addresses, so that they count as one.
    """
    user = user_of(scope)
    return f"user {user}" if user else network_of(address_of(scope))


def address_of(scope: Scope) -> str:
    """Return the address that a request came from."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def network_of(address: str) -> str:
    """Return an address, of IPv6 only the part that stands for one home; one of IPv4 may be written as one of IPv6."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.version == 4 or ip.is_loopback:
        return str(ip)
    return str(ipaddress.ip_network((ip, 64), strict=False))


@dataclass(slots=True)
class Allowance:
    """What every client may still take, in tokens."""

    burst: float = BURST
    per_second: float = PER_SECOND
    clock: Callable[[], float] = time.monotonic
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def take(self, client: str, cost: float) -> float:
        """Take tokens and return 0, or return in how many seconds there would be enough."""
        now = self.clock()
        left, then = self._left.pop(client, (self.burst, now))
        left = min(self.burst, left + (now - then) * self.per_second)
        enough = left >= cost
        self._left[client] = (left - cost if enough else left, now)
        while len(self._left) > MOST_CLIENTS:
            self._left.popitem(last=False)
        return 0.0 if enough else (cost - left) / self.per_second


@dataclass(frozen=True, slots=True)
class RateLimitMiddleware:
    """Answers 429 to a client that asks more than its allowance."""

    app: ASGIApp
    allowance: Allowance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or say when to come back."""
        route = find_route(scope["path"]) if scope["type"] == "http" else None
        wait = self.allowance.take(client_of(scope), route.cost) if route else 0.0
        if wait:
            await too_much(wait)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def too_much(wait: float) -> JSONResponse:
    """Say when to come back."""
    seconds = math.ceil(wait)
    when = "in a second" if seconds == 1 else f"in {seconds} seconds"
    return JSONResponse({"detail": f"That was a lot at once; try again {when}."}, 429, {"retry-after": str(seconds)})
