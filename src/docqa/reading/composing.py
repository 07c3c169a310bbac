"""Composing: the pieces of a converted file → a text and its blocks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from docqa.types import Block, BlockKind, Span


@dataclass(frozen=True, slots=True)
class Piece:
    """One structural piece of a file that is no text itself.

    ``level`` is a heading's, 1 the highest; a heading without text ends the sections above it. ``place`` says where the
    piece stands when that is not told by its headings: ``slide 4``.
    """

    kind: BlockKind
    text: str
    level: int = 0
    place: str = ""


def compose(title: str | None, pieces: Iterable[Piece]) -> tuple[str, list[Block]]:
    """Join pieces to a text, with a block for each. One without a place is placed by its headings or its number."""
    parts: list[str] = []
    blocks: list[Block] = []
    path: list[tuple[int, str]] = []
    length = number = 0
    for piece in pieces:
        if piece.kind == "heading":
            path = [(level, heading) for level, heading in path if level < piece.level]
        headings = tuple(heading for i, (_, heading) in enumerate(path) if i or heading != title)
        text = clean(piece.text)
        if text.strip():
            number += piece.kind != "heading"
            parts.append(_gap(blocks[-1].kind if blocks else None, piece.kind) + text)
            length += len(parts[-1])
            place = piece.place or (f"§ {' › '.join(headings)}" if headings else f"paragraph {max(number, 1)}")
            blocks.append(Block(piece.kind, Span(length - len(text), length), headings=headings, place=place))
        if piece.kind == "heading" and text.strip():
            path.append((piece.level, text))
    return "".join(parts), blocks


def lone_heading(pieces: Sequence[Piece]) -> str | None:
    """Return the first heading if no other is as high, which makes it the title of all."""
    headings = [piece for piece in pieces if piece.kind == "heading" and piece.text]
    alone = headings and all(piece.level > headings[0].level for piece in headings[1:])
    return headings[0].text if alone else None


def clean(text: str) -> str:
    """Take out of a text what cannot be stored or seen: halves of characters, NULs, soft hyphens."""
    return text.translate({0: None, 0xAD: None}).encode("utf-8", "replace").decode()


def _gap(kind: BlockKind | None, following: BlockKind) -> str:
    if kind is None:
        return ""
    return "\n" if kind == following and kind in ("list_item", "table") else "\n\n"
