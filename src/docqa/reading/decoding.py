"""Decoding: bytes of an unknown encoding → text."""

import re

from charset_normalizer import from_bytes

from docqa.errors import DocumentReadError

SAMPLE_BYTES = 1_000_000
"""How much of a file its encoding is guessed from, around the first byte that is not ASCII."""
NOT_ASCII = re.compile(rb"[\x80-\xff]")


def decode(path: str, data: bytes) -> str:
    """Decode a text file: UTF-8 with or without a byte order mark, else the encoding its bytes suggest.

    Newlines are left as they are. A byte order mark is not part of the text.

    Raises:
        DocumentReadError: the bytes are no text.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _decode_as(path, data, "utf-16")
    if b"\0" in data:
        raise DocumentReadError(path, "it holds NUL bytes, so it is a binary file, not text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        best = from_bytes(_sample(data)).best()
    if best is None:
        raise DocumentReadError(path, "its bytes are text in no known encoding; save it as UTF-8")
    return _decode_as(path, data, best.encoding)


def _sample(data: bytes) -> bytes:
    first = NOT_ASCII.search(data)
    start = max(0, first.start() - SAMPLE_BYTES // 2) if first else 0
    return data[start : start + SAMPLE_BYTES]


def _decode_as(path: str, data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as exc:
        raise DocumentReadError(path, f"its bytes are not {encoding} throughout; save it as UTF-8") from exc
    if "\0" in text:
        raise DocumentReadError(path, "it holds NUL characters, so it is a binary file, not text")
    return text
