"""Tesseract: the words in the picture of a page without text, as a scan is, recognised by the system's program.

It is called as a program rather than loaded as a library: it needs nothing from Python, reads a picture from a pipe and
writes no file, as a process that reads documents may not, and what it computes has limits of its own.
"""

import ctypes
import io
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import sqrt
from statistics import median
from time import monotonic

from lxml import etree
from pypdfium2 import PdfDocument, PdfiumError, PdfPage

from docqa.reading.pdf.extracting import HYPHENATED, MARK_GAP, Box, Line, Page, clean
from docqa.reading.tesseract import FILE_SECONDS, SECONDS, find_tesseract

MEMORY = 2**30
"""Bytes it may fill, five times what most pages need."""
POINTS = 72
RESOLUTION = 300
"""Dots an inch of the picture, which Tesseract's authors recommend."""
MOST_PIXELS = 20_000_000
"""Of a picture; a larger page has fewer dots an inch."""
SURE = 50
"""Percent; of a line that Tesseract is less sure of on the average, most is no text."""
ALIKE = 0.25
"""The part of the usual size by which letters may be larger and be taken for usual ones: sizes are roughly measured."""
DESCENT = 0.2
"""Ems from a line's base to its foot."""
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word and its place, as high as its line, in points from the shown page's upper left corner."""

    text: str
    box: Box


@dataclass(frozen=True, slots=True)
class WordLine:
    """The words of a recognised line, where it stands, ``base``, and the size of its letters, in points."""

    words: tuple[Word, ...]
    base: float
    size: float


def read_pictures(document: PdfDocument, pages: Iterator[Page]) -> Iterator[Page]:
    """Read those of a document's pages that are pictures, as far as words are recognised in them in time."""
    deadline = monotonic() + FILE_SECONDS
    for page in pages:
        if page.is_picture:
            shown = document[page.number - 1]
            left = deadline - monotonic()
            lines = _to_lines(recognise_lines(shown, left), shown.get_height()) if left > 0 else []
            is_late = not lines and monotonic() > deadline
            yield Page(page.number, lines, is_picture=not lines, is_late=is_late, is_recognised=bool(lines))
        else:
            yield page


def recognise_lines(page: PdfPage, seconds: float | None = None) -> list[WordLine]:
    """Recognise the lines of text in the picture of a page.

    None are found where there is no Tesseract, or when it fails, computes for too long, or takes ``seconds`` by the
    clock.
    """
    tesseract = find_tesseract()
    if tesseract is None:
        return []
    width, height = page.get_size()
    scale = min(RESOLUTION / POINTS, sqrt(MOST_PIXELS / (width * height)))
    options = ["-l", "+".join(tesseract.languages), "--dpi", str(round(scale * POINTS)), "hocr"]
    try:
        reply = subprocess.run(
            [tesseract.program, "stdin", "stdout", *options],
            input=_picture(page, scale),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"OMP_THREAD_LIMIT": "1"},
            preexec_fn=partial(_limit, os.getpid()),
            timeout=seconds,
            check=True,
        ).stdout
        return list(_parse(reply, scale))
    except (subprocess.SubprocessError, OSError, PdfiumError, etree.XMLSyntaxError):
        return []


def _limit(parent: int) -> None:
    """Limit the process that becomes Tesseract, and have the system kill it when its parent dies."""
    for kind, most in ((resource.RLIMIT_CPU, SECONDS), (resource.RLIMIT_DATA, MEMORY)):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    if sys.platform == "linux":
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died just before
            os._exit(1)


def _picture(page: PdfPage, scale: float) -> bytes:
    file = io.BytesIO()
    page.render(scale=scale, grayscale=True).to_pil().convert("L").save(file, "PPM")
    return file.getvalue()


def _parse(hocr: bytes, scale: float) -> Iterator[WordLine]:
    """Read Tesseract's XHTML, in which a line holds its words, and their titles say where they stand in pixels."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    for line in etree.fromstring(hocr, parser).iterfind(".//{*}p/{*}span"):
        spans = [(_numbers(span), clean("".join(span.itertext())).strip()) for span in line.iterfind("{*}span")]
        spans = [(numbers, text) for numbers, text in spans if text]
        if not spans or sum(numbers["x_wconf"][0] for numbers, _ in spans) < SURE * len(spans):
            continue
        whole = _numbers(line)
        left, top, right, bottom = whole["bbox"]
        slope, offset = whole.get("baseline", (0.0, 0.0))
        words = tuple(
            Word(text, (numbers["bbox"][0] / scale, top / scale, numbers["bbox"][2] / scale, bottom / scale))
            for numbers, text in spans
        )
        yield WordLine(words, (bottom + offset + slope * (right - left) / 2) / scale, whole["x_size"][0] / scale)


def _numbers(element: etree._Element) -> dict[str, list[float]]:
    """Read the properties of an element: ``bbox 144 3192 198 3218; x_wconf 95``."""
    properties = (part.split() for part in element.get("title", "").split(";"))
    return {name: [float(value) for value in values] for name, *values in properties}


def _to_lines(found: list[WordLine], height: float) -> list[Line]:
    """Turn recognised lines to lines as they are extracted, divided where columns are; y is 0 at the page's foot."""
    usual = median(line.size for line in found) if found else 0.0
    lines = []
    for line in found:
        size = usual if abs(line.size - usual) < ALIKE * usual else line.size
        bottom = line.base + DESCENT * size - height
        for words in _divide(line.words, size):
            text = " ".join(word.text for word in words)
            left, right = words[0].box[0], words[-1].box[2]
            hyphenated = HYPHENATED.search(text) is not None
            lines.append(Line(text, left, bottom - size, right, bottom, size, hyphenated=hyphenated))
    return lines


def _divide(words: tuple[Word, ...], size: float) -> Iterator[tuple[Word, ...]]:
    gaps = (i for i, (word, after) in enumerate(pairwise(words), 1) if after.box[0] - word.box[2] > MARK_GAP * size)
    for start, end in pairwise([0, *gaps, len(words)]):
        yield words[start:end]
