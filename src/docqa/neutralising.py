"""Neutralising: how words of documents are shown. They stay words, hide nothing and steer nothing.

One function per kind of output. In Python and in JSON quotes stay verbatim, character for character.
"""

import html
import json
import re
from itertools import groupby
from unicodedata import category

MOST_MARKS = 5
"""Combining characters on one letter: Hebrew with its chant has four. More of them only cover the lines around."""

CONTROL = "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"
"""What steers a terminal, but for what divides lines."""
IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Characters that are not seen: Unicode's Default_Ignorable_Code_Point, and U+FFF9 to U+FFFB. Some turn text round."""
HARMLESS = "\u00ad\u034f\u061c\u200b\u200e\u200f\u2060\ufeff"
"""Those of them that honest writing is full of; in text they are left out, in names they would hide a difference."""

JOINED = "\u0600-\u109f\u1780-\u18af\ua800-\uabff\U00010a00-\U00011fff"
"""Arabic, the scripts of India and others, whose letters change their shape beside a joiner."""
EMOJI = "\u00a9\u00ae\u203c\u2049\u2100-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
IDEOGRAPH = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
AT_WORK = (
    f"(?<=[{JOINED}])[\u200c\u200d](?=[{JOINED}])|(?<=[{EMOJI}\ufe0f])\u200d(?=[{EMOJI}])"
    f"|(?<=[#*0-9{EMOJI}])[\ufe0e\ufe0f]|(?<=[{IDEOGRAPH}])[\U000e0100-\U000e01ef]"
)
"""Joiners and variation selectors where they do what they are for."""

LINE_END = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
UNSEEN = re.compile(f"{AT_WORK}|(?P<unseen>[{CONTROL}{IGNORABLE}\ud800-\udfff]+)")
UNSEEN_IN_TEXT = re.compile(f"{AT_WORK}|[{HARMLESS}]+|(?P<unseen>[{CONTROL}{IGNORABLE}\ud800-\udfff]+)")
PILED = re.compile(rf"[^\w\s\x00-\u02ff]{{{MOST_MARKS + 1},}}")
LOOKALIKE = "\u0400-\u052fΑΒΕΖΗΙΚΜΝΟΡΤΥΧονϲϳ\u0561-\u0587\u13a0-\u13ff"
"""Letters of other scripts that are drawn like Latin ones."""
DISGUISED = re.compile(f"(?<=[A-Za-z])[{LOOKALIKE}]|[{LOOKALIKE}](?=[A-Za-z])")
PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
STEERING = re.compile(f"[{CONTROL}\x85{IGNORABLE}\u2028\u2029]")


def neutral(text: str) -> str:
    """Return a text with what is not seen shown as a sign, such as ``⟨U+202E⟩``, and line ends as line feeds."""
    return _neutral(text, UNSEEN_IN_TEXT)


def neutral_name(name: str) -> str:
    """Return a file's name so that two that differ look different: as a text, but nothing is left out."""
    return DISGUISED.sub(lambda match: match[0] + _sign(match[0]), _neutral(name, UNSEEN))


def escape(text: str) -> str:
    """Escape a text for HTML, within attributes too."""
    return html.escape(neutral(text))


def isolate(text: str) -> str:
    """Escape a text for HTML in an element of its own: what is written from right to left does not move the rest."""
    return f"<bdi>{escape(text)}</bdi>"


def isolate_name(name: str) -> str:
    """Escape a file's name for HTML in an element of its own."""
    return f"<bdi>{html.escape(neutral_name(name))}</bdi>"


def verbatim(value: str) -> str:
    """Escape a value for an attribute that is read back and not shown; what UTF-8 cannot hold becomes ``?``."""
    return html.escape(value.encode("utf-8", "replace").decode())


def escape_markdown(text: str) -> str:
    """Return a text that Markdown shows as it is: one line, every ASCII punctuation character escaped."""
    return PUNCTUATION.sub(r"\\\1", one_line(neutral(text)))


def printable(text: str) -> str:
    """Return a text that can be printed on a terminal: one line, without a character that steers it."""
    return one_line(neutral(text))


def printable_name(name: str) -> str:
    """Return a file's name as it can be printed on a terminal."""
    return one_line(neutral_name(name))


def dump_json(value: object) -> str:
    """Write a value as JSON whose strings are verbatim when read, and that a terminal can be shown meanwhile."""
    return STEERING.sub(_json_escape, json.dumps(value, ensure_ascii=False, indent=2))


def one_line(text: str) -> str:
    """Return a text with every run of whitespace made one space."""
    return " ".join(text.split())


def _neutral(text: str, unseen: re.Pattern[str]) -> str:
    if text.isascii() and text.isprintable():
        return text  # nearly every name: lists have thousands
    return PILED.sub(_unpile, unseen.sub(_show, LINE_END.sub("\n", text)))


def _show(match: re.Match[str]) -> str:
    if unseen := match["unseen"]:
        return _sign(unseen)
    return "" if match[0][0] in HARMLESS else match[0]


def _sign(unseen: str) -> str:
    more = f" and {len(unseen) - 1:,} more" if len(unseen) > 1 else ""
    return f"⟨U+{ord(unseen[0]):04X}{more}⟩"


def _unpile(match: re.Match[str]) -> str:
    runs = ("".join(run) for _, run in groupby(match[0], key=_is_mark))
    return "".join(run if len(run) <= MOST_MARKS or not _is_mark(run[0]) else _thin(run) for run in runs)


def _thin(marks: str) -> str:
    return marks[:MOST_MARKS] + _sign(marks[MOST_MARKS:])


def _is_mark(character: str) -> bool:
    return category(character) in ("Mn", "Me")


def _json_escape(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]
