"""Decoding: bytes of an unknown encoding → text."""

import re

from charset_normalizer import from_bytes

from docqa.errors import DocumentReadError

SAMPLE_BYTES = 1_000_000
"""How much of a file its encoding is guessed from, around the first byte that is not ASCII."""
FOREIGN = re.compile("[^\\x00-\\x7f]+")
UNLIKELY = re.compile("[^\\x00-\\x7fÀ-ÖØ-öø-ÿŒœŠšŽžŸ“”‘’„‚‹›«»–—…•·€£§©®™°ªº¿¡´\\xa0\\xad]")
"""What hardly stands in a text of Western Europe."""
DECLARED = re.compile(
    rb"<(?:meta[^>]+charset|\?xml[^>]+encoding)\s*=\s*[\"']?\s*([\w.:-]+)",
    re.IGNORECASE,
)
"""Where a web page declares its encoding."""
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
    except UnicodeDecodeError as exc:
        if _is_mostly_utf8(data):
            raise DocumentReadError(path, f"byte {exc.start + 1} is not UTF-8, as the rest is; mend it") from exc
    if _is_western(data):
        return data.decode("cp1252")
    best = from_bytes(_sample(data)).best()
    if best is None:
        raise DocumentReadError(path, "its bytes are text in no known encoding; save it as UTF-8")
    return _decode_as(path, data, best.encoding)


def decode_declared(path: str, data: bytes) -> str:
    """Decode a web page: UTF-8 if its bytes are, else the encoding the page declares, else the one they suggest.

    Raises:
        DocumentReadError: the bytes are no text.
    """
    found = DECLARED.search(data[:4_000])
    if found and b"\0" not in data:
        declared = found.group(1).decode().lower()
        # browsers take these for Windows-1252, of which they are a part
        encoding = "cp1252" if declared in ("ascii", "us-ascii", "iso-8859-1", "latin1") else declared
        for candidate in ("utf-8-sig", encoding):
            try:
                return data.decode(candidate)
            except (UnicodeError, LookupError):
                continue
    return decode(path, data)


def _is_mostly_utf8(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    foreign = sum(1 for character in text if character > "\x7f")
    return foreign > 2 * text.count("\ufffd")


def _is_western(data: bytes) -> bool:
    """Tell whether bytes are likely Windows-1252: as such, letters of Western Europe, mostly one by one.

    A detector of all encodings finds too little in a short text with few accents to tell it from its cousins.
    """
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return False
    runs = FOREIGN.findall(text)
    together = sum(len(run) for run in runs if len(run) > 1)
    return not UNLIKELY.search(text) and 4 * together <= sum(map(len, runs))


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
