"""Who is logged in, and who has tried too often."""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

IDLE_SECONDS = 2 * 3600.0
"""After how long without a request a session ends. An open page asks every few seconds: it counts from its closing."""
LONGEST_SECONDS = 12 * 3600.0
"""How long a session lasts at most: a working day."""
MOST_SESSIONS = 50
"""How many a user may have; when there are more, the one that was not used for longest ends."""


@dataclass(slots=True)
class Session:
    """One login: whose, when, and when it was last used."""

    user: str
    began: float
    used: float


@dataclass(slots=True)
class Sessions:
    """The sessions, each by the hash of its token: what is in memory logs nobody in. A restart ends them all."""

    clock: Callable[[], float] = time.monotonic
    _sessions: dict[str, Session] = field(default_factory=dict)

    def begin(self, user: str) -> str:
        """Begin a session and return its token, 256 random bits."""
        token, now = secrets.token_urlsafe(32), self.clock()
        own = [name for name, session in self._sessions.items() if session.user == user]
        if len(own) >= MOST_SESSIONS:
            del self._sessions[min(own, key=lambda name: self._sessions[name].used)]
        self._sessions[session_name(token)] = Session(user, now, now)
        return token

    def use(self, token: str) -> Session | None:
        """Find the session of a token and note that it was used; None when there is none, or not any more."""
        name, now = session_name(token), self.clock()
        session = self._sessions.get(name)
        if session is None:
            return None
        if now - session.used > IDLE_SECONDS or now - session.began > LONGEST_SECONDS:
            del self._sessions[name]
            return None
        session.used = now
        return session

    def end(self, token: str) -> None:
        """End a session."""
        self._sessions.pop(session_name(token), None)


def session_name(token: str) -> str:
    """Return what a session may be called where its token must not be known."""
    return hashlib.sha256(token.encode()).hexdigest()


FORGOTTEN_AFTER = 3600.0
MOST_REMEMBERED = 10_000


@dataclass(slots=True)
class Attempts:
    """Failed attempts by key; after some that are ``free``, each doubles the pause before the next, up to ``longest``.

    What is tried during a pause is not looked at and does not lengthen it, so the right password works after it.
    """

    free: int
    longest: float
    clock: Callable[[], float] = time.monotonic
    _failed: OrderedDict[str, tuple[int, float]] = field(default_factory=OrderedDict)

    def pause(self, key: str) -> float:
        """Return for how many seconds no further attempt is looked at."""
        failures, last = self._failed.get(key, (0, 0.0))
        if failures < self.free or self.clock() - last > FORGOTTEN_AFTER:
            return 0.0
        pause = min(self.longest, 2.0 ** min(failures - self.free, 32))
        return max(0.0, last + pause - self.clock())

    def fail(self, key: str) -> None:
        """Count a failed attempt."""
        failures, last = self._failed.pop(key, (0, 0.0))
        now = self.clock()
        self._failed[key] = (1 if now - last > FORGOTTEN_AFTER else failures + 1, now)
        while len(self._failed) > MOST_REMEMBERED:
            self._failed.popitem(last=False)

    def forget(self, key: str) -> None:
        """Forget what failed."""
        self._failed.pop(key, None)
