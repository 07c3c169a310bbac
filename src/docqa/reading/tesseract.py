"""The system's Tesseract: where it is and what it reads. `docqa.reading.pdf.tesseract` has it read."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

PROGRAM = "tesseract"
REMEDY = "install Tesseract ('apt install tesseract-ocr') and sync again"
SECONDS = 30
"""Of computing, for one page: ten times what most need."""
FILE_SECONDS = 1_800
"""By the clock, for all pages of a file: enough for some 1,000."""
PATIENCE = 10
"""Seconds by the clock, in which it says what it reads."""
NO_LANGUAGES = frozenset({"equ", "osd", "snum"})
"""Data of Tesseract that are for no language."""
MANY_LANGUAGES = 4
"""With more, each page would take long and words be mistaken for those of other languages: English alone is read."""
IMAGE = re.compile(rb"/Subtype\s*/Image\b")


@dataclass(frozen=True, slots=True)
class Tesseract:
    """The program, its version and the languages it reads here."""

    program: str
    version: str
    languages: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.version} {'+'.join(self.languages)}"


def find_tesseract() -> Tesseract | None:
    """Find the system's Tesseract, if there is one that reads some language."""
    program = shutil.which(PROGRAM)
    try:
        return _ask(program, Path(program).stat().st_mtime_ns) if program else None
    except (subprocess.SubprocessError, OSError):
        return None


def recognising_seconds(data: bytes) -> int:
    """Compute the most that Tesseract may need for a file: each picture in a PDF may be a page."""
    if not data.startswith(b"%PDF-") or not find_tesseract():
        return 0
    return min(FILE_SECONDS, SECONDS * len(IMAGE.findall(data)))


@lru_cache(1)
def _ask(program: str, changed: int) -> Tesseract | None:
    """Ask the program, as it was changed last, for its version and its languages; when it fails, it is asked again."""
    version, languages = (
        subprocess.run(
            [program, option], capture_output=True, text=True, errors="replace", check=True, timeout=PATIENCE
        ).stdout.splitlines()
        for option in ("--version", "--list-langs")
    )
    found = tuple(sorted(name for name in languages[1:] if name not in NO_LANGUAGES and "/" not in name))
    if len(found) > MANY_LANGUAGES:
        found = ("eng",) if "eng" in found else found[:1]
    return Tesseract(program, version[0], found) if version and found else None
