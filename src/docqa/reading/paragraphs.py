"""Paragraphs that a blank line tore apart."""

import re
from dataclasses import replace

from docqa.types import Block, Span

SENTENCE_END = re.compile(r"[.!?:;…。！？।*_\"'”’»)\]\d]\s*$")
MIN_BROKEN = 120
"""Characters; a shorter paragraph without a full stop is a heading or a list item of its own."""


def join_broken_paragraphs(text: str, blocks: list[Block]) -> list[Block]:
    """Join a paragraph to the one before when a sentence runs across the blank line between them.

    Text copied from pages has such blank lines where a page ended.
    """
    joined: list[Block] = []
    for block in blocks:
        if joined and _runs_on(text, joined[-1], block):
            joined[-1] = replace(block, span=Span(joined[-1].span.start, block.span.end))
        else:
            joined.append(block)
    return joined


def _runs_on(text: str, block: Block, following: Block) -> bool:
    return (
        block.kind == following.kind == "paragraph"
        and block.headings == following.headings
        and len(block.span) >= MIN_BROKEN
        and text[following.span.start].islower()
        and not SENTENCE_END.search(text, block.span.end - 1, block.span.end)
    )
