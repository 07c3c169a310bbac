"""Names for new files, made of what a browser says they are: pure functions."""

import re
import unicodedata
from pathlib import PurePosixPath

from docqa.neutralising import IGNORABLE

LONGEST_NAME = 200
"""Bytes of a new file's name: systems allow 255, and a number may have to be added."""
UNSEEN = re.compile(f"[{IGNORABLE}]")
NOT_IN_NAMES = re.compile(r'[<>:"|?*]')
RESERVED_NAME = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\.|$)", re.IGNORECASE)
"""What Windows does not allow, so that a corpus can be copied there."""


def safe_name(name: str) -> str:
    """Make a file name of what someone says is one: no folder, nothing invisible, nothing that a system reserves."""
    last = UNSEEN.sub("", re.split(r"[/\\]", name)[-1])
    visible = [" " if one.isspace() else one for one in last if one.isspace() or unicodedata.category(one)[0] != "C"]
    plain = unicodedata.normalize("NFC", " ".join("".join(visible).split()))
    plain = NOT_IN_NAMES.sub("_", plain).lstrip(". ")
    plain = f"_{plain}" if RESERVED_NAME.match(plain) else plain
    suffix = PurePosixPath(plain).suffix
    room = max(0, LONGEST_NAME - len(suffix.encode()))
    stem = plain.removesuffix(suffix).encode()[:room].decode(errors="ignore")
    return stem.rstrip(". ") + suffix


def fold(name: str) -> str:
    """Return what two names have in common when a system may take them for the same file."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
