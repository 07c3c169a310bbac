"""Feedback on hits, kept in files: what was helpful as questions for ``docqa evaluate``, what was not in a file beside.

    feedback.jsonl        one line for every passage that answers its question
    feedback-down.jsonl   one line for every passage that does not; no answers, so ``docqa evaluate`` refuses the file

Of several votes on one passage for one question the last counts: its line replaces the ones before.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from stat import S_IMODE
from typing import Any

from docqa.durable import replacing
from docqa.types import Exchange, Hit, Span

VoteKey = tuple[str, str, int, int]
"""What a vote is about: question, document, and the start and end of the passage."""


def record_feedback(
    path: Path, query: str, hit: Hit, helpful: bool | None, *, history: Sequence[Exchange] = ()
) -> None:
    """Record whether a passage answers a question, in place of what was recorded of the two before.

    Args:
        path: of the file of helpful passages; made, for its owner's eyes only, when there is none.
        query: the question.
        hit: the passage, with the evidence that answers.
        helpful: None takes back what was recorded.
        history: the conversation that the question was understood from.

    Raises:
        OSError: a file cannot be read or written; it is then as it was.
    """
    line = _line(query, hit, helpful, history)
    key = vote_key(query, hit)
    with _locked(path.resolve()) as file:
        # the file that gives a line up comes first: a wrong answer never stays in the set
        for kept, wanted in sorted(
            [(file, helpful is True), (_beside(file), helpful is False)], key=lambda pair: pair[1]
        ):
            _replace_line(kept, key, line if wanted else b"")


def read_votes(path: Path) -> dict[VoteKey, bool]:
    """Read which passages were said to answer which questions, and which not; nothing from a file that is not there.

    Raises:
        OSError: a file cannot be read.
    """
    votes: dict[VoteKey, bool] = {}
    for file, helpful in ((_beside(path.resolve()), False), (path.resolve(), True)):
        votes |= dict.fromkeys(_keys_of(file, _mark(file)), helpful)
    return votes


def vote_key(query: str, hit: Hit) -> VoteKey:
    """Return what a vote on a hit is about."""
    return _sound(query), hit.passage.document, hit.passage.span.start, hit.passage.span.end


def _line(query: str, hit: Hit, helpful: bool | None, history: Sequence[Exchange]) -> bytes:
    passage = _pair(hit.passage.span)
    evidence = [_pair(span) for span in hit.evidence if len(span)] or [passage]
    gold = {"spans": evidence, "answerable": True} if helpful else {"evidence": evidence}
    asked = [{"query": _sound(exchange.query), "reply": _sound(exchange.reply)} for exchange in history]
    fields = {
        "question": _sound(query),
        "document": hit.passage.document,
        **gold,
        "passage": passage,
        **({"history": asked} if asked else {}),
        "feedback": "up" if helpful else "down",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def _pair(span: Span) -> list[int]:
    return [span.start, span.end]


def _sound(text: str) -> str:
    """Return a text without halves of characters, which no file holds."""
    return text.encode("utf-8", "replace").decode()


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}-down{path.suffix}")


@contextmanager
def _locked(path: Path) -> Iterator[Path]:
    """Hold the folder for this writer alone: the files in it are replaced, and a lock would go with the old one."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield path
    finally:
        os.close(descriptor)


def _replace_line(path: Path, key: VoteKey, line: bytes) -> None:
    before = _lines(path)
    kept = [other for other in before if _key_of(other) != key]
    if line or len(kept) < len(before):
        _write(path, b"".join(kept) + line)


def _lines(path: Path) -> list[bytes]:
    """Return the lines of a file, the last one ended too; others than ours are kept as they are."""
    with suppress(FileNotFoundError):
        lines = path.read_bytes().splitlines(keepends=True)
        return [line if line.endswith(b"\n") else line + b"\n" for line in lines]
    return []


def _key_of(line: bytes) -> VoteKey | None:
    """Return what a line of ours is about; None for what people or other programs wrote."""
    try:
        fields: dict[str, Any] = json.loads(line)
        start, end = fields["passage"]
        ours = isinstance(fields["feedback"], str)
        return (str(fields["question"]), str(fields["document"]), int(start), int(end)) if ours else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


@lru_cache(8)
def _keys_of(path: Path, _: tuple[int, ...]) -> tuple[VoteKey, ...]:
    """Return what the lines of a file are about; it is looked at with every answer and seldom another."""
    keys = (_key_of(line) for line in _lines(path))
    return tuple(key for key in keys if key)


def _mark(path: Path) -> tuple[int, ...]:
    """Return what changes when a file does."""
    with suppress(FileNotFoundError):
        found = path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    return ()


def _write(path: Path, data: bytes) -> None:
    """Put a file in place whole: whoever reads it sees the old lines or the new ones."""
    with replacing(path, mode=0o600) as file:
        if path.exists():
            os.fchmod(file.fileno(), S_IMODE(path.stat().st_mode))
        file.write(data)
