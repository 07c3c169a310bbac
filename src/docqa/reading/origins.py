"""Origins: who wrote a document and when, where its file says so. Nothing is guessed from its text or its name."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime
from itertools import dropwhile

import yaml
from lxml import etree

from docqa.errors import DocumentReadError
from docqa.reading.archives import Archive
from docqa.reading.composing import clean
from docqa.reading.decoding import decode, decode_declared
from docqa.reading.epub import CONTAINER
from docqa.reading.html import parse_html
from docqa.reading.markdown import NOT_YAML

DATE = re.compile(r"(?:D:)?(?P<year>[12]\d{3})(?:-?(?P<month>\d\d)(?:-?(?P<day>\d\d)(?:[T ]?\d.*)?)?)?Z?", re.DOTALL)
"""ISO 8601, and what PDF makes of it: ``2024-03-01T10:00:00Z``, ``2024-03``, ``D:20240301100000+01'00'``."""
MAX_NAMES = 200
"""Characters; what is longer is no list of names."""
HEAD = re.compile(r"<body\b", re.IGNORECASE)
MAX_HEAD = 500_000
"""Characters at the beginning of a text, in which it says where it comes from."""
FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(.*?)^(?:---|\.\.\.)[ \t]*$", re.DOTALL | re.MULTILINE)
FIELD = re.compile(r":([\w -]+):[ \t]+(\S.*)")
ADORNMENT = re.compile(r"([!-/:-@[-`{-~])\1{2,}")
PAGE_AUTHORS = ("author", "article:author", "dc.creator", "dcterms.creator")
PAGE_DATES = (
    *("article:published_time", "datepublished", "date", "dc.date", "dcterms.date", "dcterms.created"),
    *("article:modified_time", "datemodified", "dcterms.modified", "last-modified"),
)
"""What web pages call the dates of publication, and then of the last change."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who wrote a document, and when, in ISO 8601 as exactly as is known; empty where it is not."""

    author: str = ""
    date: str = ""


def make_origin(authors: Iterable[str], dates: Iterable[str]) -> Origin:
    """Join all names, and take the first date that is one."""
    names = dict.fromkeys(" ".join(clean(name).split()) for name in authors)
    author = ", ".join(name for name in names if name)
    found = (to_date(written) for written in dates)
    return Origin(author if len(author) <= MAX_NAMES else "", next(filter(None, found), ""))


def to_date(written: str) -> str:
    """Write a date in ISO 8601 without its time: ``2024-03-01``, ``2024-03`` or ``2024``; empty if it is none."""
    match = DATE.fullmatch(written.strip())
    if match is None:
        return ""
    parts = [part for part in match.groups() if part]
    try:
        date(*map(int, [*parts, "1", "1"][:3]))
    except ValueError:
        return ""
    return "-".join(parts)


def find_origin(path: str, data: bytes, suffix: str) -> Origin:
    """Find the origin of a file that can be read; PDFs have theirs found where they are opened."""
    find = FINDERS.get(suffix)
    try:
        return find(path, data) if find else Origin()
    except DocumentReadError:  # what tells of a document may be damaged, though the document is not
        return Origin()


def _of_office(path: str, data: bytes) -> Origin:
    core = Archive(path, data).optional_xml("docProps/core.xml")
    return make_origin(_texts(core, "creator"), _texts(core, "created", "modified"))


def _of_opendocument(path: str, data: bytes) -> Origin:
    meta = Archive(path, data).optional_xml("meta.xml")
    authors = list(_texts(meta, "initial-creator")) or _texts(meta, "creator")
    return make_origin(authors, _texts(meta, "creation-date", "date"))


def _of_book(path: str, data: bytes) -> Origin:
    archive = Archive(path, data)
    book = archive.xml(archive.xml(CONTAINER).xpath("string(//*[local-name()='rootfile']/@full-path)"))
    for changed in book.xpath("//*[local-name()='date'][@*[local-name()='event']='modification']"):
        changed.tag = "modified"
    return make_origin(_texts(book, "creator"), _texts(book, "date", "modified"))


def _texts(root: etree._Element | None, *names: str) -> Iterator[str]:
    """Yield the texts of a root's elements of some names, all of the first name first."""
    if root is not None:
        for name in names:
            yield from ("".join(element.itertext()) for element in root.iter(f"{{*}}{name}"))


def _of_page(path: str, data: bytes) -> Origin:
    text = decode_declared(path, data)
    body = HEAD.search(text, 0, MAX_HEAD)
    found: dict[str, list[str]] = {}
    for element in parse_html(path, text[: body.start() if body else MAX_HEAD]).iter("meta"):
        name = element.get("name") or element.get("property") or element.get("itemprop") or ""
        found.setdefault(name.lower(), []).append(element.get("content", ""))
    authors = (name for key in PAGE_AUTHORS for name in found.get(key, ()) if "://" not in name)
    return make_origin(authors, (written for key in PAGE_DATES for written in found.get(key, ())))


def _of_mail(path: str, data: bytes) -> Origin:
    try:
        message = message_from_bytes(data, policy=policy.default)
        senders = message["From"].addresses if message["From"] else ()
        names = [sender.display_name or sender.addr_spec for sender in senders]
        written = parsedate_to_datetime(message["Date"]).date().isoformat() if message["Date"] else ""
    except Exception as exc:  # as in reading e-mails
        raise DocumentReadError(path, f"it is a damaged e-mail ({exc}); export it anew") from exc
    return make_origin(names, [written])


def _of_markdown(path: str, data: bytes) -> Origin:
    matter = FRONT_MATTER.match(decode(path, data))
    try:
        # not loaded, for a few lines of aliases can unfold to gigabytes
        fields = yaml.compose(matter[1], Loader=yaml.SafeLoader) if matter else None
        values = {key.value: value for key, value in fields.value} if isinstance(fields, yaml.MappingNode) else {}
        authors = [name for key in ("author", "authors") if key in values for name in _scalars(values[key])]
        return make_origin(authors, _scalars(values["date"]) if "date" in values else ())
    except NOT_YAML:
        return Origin()


def _scalars(node: yaml.Node) -> list[str]:
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    return [str(one.value) for one in nodes if isinstance(one, yaml.ScalarNode)]


def _of_restructured_text(path: str, data: bytes) -> Origin:
    fields: dict[str, str] = {}
    for match in map(FIELD.match, _docinfo(decode(path, data))):
        if match:
            fields.setdefault(match[1].lower(), match[2])
    authors = fields.get("author", fields.get("authors", ""))
    return make_origin(authors.split(";"), [fields.get("date", "")])


def _docinfo(text: str) -> Iterator[str]:
    """Yield the list of fields that a reStructuredText begins with, or has right below its title."""
    filled = (line.rstrip() for line in text[:MAX_HEAD].split("\n") if line.strip())
    lines = list(
        dropwhile(lambda line: line[0].isspace() or line.startswith("..") or ADORNMENT.fullmatch(line), filled)
    )
    if len(lines) > 1 and ADORNMENT.fullmatch(lines[1]):
        del lines[:2]
    for line in lines:
        if not line.startswith(":") and not line[0].isspace():
            return
        yield line


FINDERS: dict[str, Callable[[str, bytes], Origin]] = {
    **dict.fromkeys((".docx", ".pptx", ".xlsx"), _of_office),
    **dict.fromkeys((".htm", ".html", ".xhtml"), _of_page),
    **dict.fromkeys((".md", ".markdown"), _of_markdown),
    ".eml": _of_mail,
    ".epub": _of_book,
    ".odt": _of_opendocument,
    ".rst": _of_restructured_text,
}
"""Suffix → a function from a path and bytes to the origin that a file of that format tells."""
