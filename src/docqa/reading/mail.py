"""EML: one e-mail, its subject for a title, with who wrote it to whom and when."""

from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart

from docqa.errors import DocumentReadError
from docqa.reading.composing import Piece
from docqa.reading.decoding import decode
from docqa.reading.html import parse_html, read_page
from docqa.reading.plain_text import PARAGRAPH

HEADERS = ("From", "To", "Cc", "Date")


def read_eml(path: str, data: bytes) -> tuple[str | None, list[Piece]]:
    """Read an e-mail: headers, text, and the names of what is attached.

    Raises:
        DocumentReadError: it is damaged.
    """
    try:
        message = message_from_bytes(data, policy=policy.default)
        title = _header(message, "Subject") or None
        pieces = [Piece("paragraph", line) for name in HEADERS if (line := _line(message, name))]
        body = message.get_body(("plain", "html"))
        text = "" if body is None else _content(path, body)
        names = [part.get_filename() for part in message.iter_attachments()]
    except DocumentReadError:
        raise
    # the standard library promises no errors here, and raises many for hostile headers and encodings
    except Exception as exc:
        raise DocumentReadError(path, f"it is a damaged e-mail ({exc}); export it anew") from exc
    if not pieces and title is None:
        raise DocumentReadError(path, "it is no e-mail, for it has neither a sender nor a subject")
    html = body is not None and body.get_content_subtype() == "html"
    pieces += read_page(parse_html(path, text)) if html else _paragraphs(text)
    return title, [*pieces, *(Piece("paragraph", f"Attachment: {name}") for name in names if name)]


def _content(path: str, body: MIMEPart) -> str:
    try:
        return str(body.get_content())
    except LookupError:  # an encoding that is none
        return decode(path, bytes(body.get_payload(decode=True)))


def _header(message: EmailMessage, name: str) -> str:
    return " ".join(str(message.get(name, "")).split())


def _line(message: EmailMessage, name: str) -> str:
    value = _header(message, name)
    return f"{name}: {value}" if value else ""


def _paragraphs(text: str) -> list[Piece]:
    return [Piece("paragraph", match.group()) for match in PARAGRAPH.finditer(text)]
