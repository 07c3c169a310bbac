"""Chunking: blocks → sentences → passages. Only spans are computed; a passage's text is the document's at its span."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise, zip_longest

from docqa.types import Block, Chunking, Document, Passage, Span

CountTokens = Callable[[Sequence[str]], list[int]]

DEFAULT_CHUNKING = Chunking(size=200)

MAX_SENTENCE = 2_000
"""Characters; what is longer is cut even when the tokenizer sees few tokens in it (one endless word, say)."""
MAX_WORD = 100
"""Characters; BERT's tokenizers take a longer word for one unknown token."""
MAX_TOKENS_A_CHARACTER = 4
"""Tokenizers of bytes see up to four tokens in one character."""

IDEOGRAPHIC_SENTENCE = re.compile(r"[^。！？]*[。！？]+[」』）”]*|[^。！？]+")
HAS_WORD = re.compile(r"\w")
LINE = re.compile(r"\S[^\r\n]*")
TABLE_RULE = re.compile(r"[\s|:+=-]+")
RUN_OF_MARKS = re.compile(r"(?<=[!?]{3})[!?]+")


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence with its tokens, and those of what stands between it and the sentence before."""

    span: Span
    tokens: int
    lead: int


def chunk(document: Document, *, count_tokens: CountTokens, chunking: Chunking = DEFAULT_CHUNKING) -> list[Passage]:
    """Divide a document into passages.

    A passage is a run of whole sentences under one heading with at most ``chunking.size`` tokens. A paragraph, table
    or code block that fits is kept whole; a sentence is cut only when it alone is too long. Headings and front matter
    are in no passage: headings become the passages' heading path. A heading without text is a passage of its own.
    """
    passages = []
    for blocks in _sections(document):
        for sentences in _pack(_measure(document, blocks, count_tokens, chunking.size), chunking):
            span = Span(sentences[0].start, sentences[-1].end)
            locator = document.locate(span)
            passages.append(
                Passage(document.path, document.title, blocks[0].headings, span, locator, document[span], sentences)
            )
    return passages


def split_sentences(text: str) -> list[Span]:
    """Find the sentences of a paragraph: in order, apart, without the white space around them."""
    import nupunkt  # queries need none, and it takes a fifth of the time that docqa takes to import

    spans = []
    # nupunkt needs quadratic time for a long run of marks
    calm = RUN_OF_MARKS.sub(lambda run: " " * len(run.group()), text)
    # without paragraph breaks, for a sentence may run across a blank line where a page ended
    for start, end in nupunkt.sentence_spans(calm, paragraph_breaks=False):
        for part in IDEOGRAPHIC_SENTENCE.finditer(text, start, end):
            words = part.group().strip()
            if HAS_WORD.search(words):
                first = text.index(words, part.start())
                spans.append(Span(first, first + len(words)))
    return spans


def _sections(document: Document) -> Iterator[list[Block]]:
    """Yield the runs of blocks under one heading."""
    if not any(block.kind not in ("heading", "front_matter") for block in document.blocks):
        yield list(document.blocks)
        return
    run: list[Block] = []
    for block, following in zip_longest(document.blocks, document.blocks[1:]):
        if run and (block.kind == "heading" or block.headings != run[0].headings):
            yield run
            run = []
        if block.kind == "heading" and _stands_alone(document, block, following):
            yield [block]
        elif block.kind not in ("heading", "front_matter"):
            run.append(block)
    if run:
        yield run


def _stands_alone(document: Document, heading: Block, following: Block | None) -> bool:
    """Tell whether a heading has neither text nor headings below it, so that no passage has it in its path."""
    if document[heading.span] == document.title:
        return False
    return following is None or (following.kind == "heading" and len(following.headings) <= len(heading.headings))


def _measure(document: Document, blocks: list[Block], count_tokens: CountTokens, size: int) -> list[list[_Sentence]]:
    """Divide each block into sentences of at most ``size`` tokens."""
    spans = [_sentence_spans(document, block) for block in blocks]
    flat = [span for block in spans for span in block]
    counts = count_tokens([document[span] for span in flat])
    leads = count_tokens(["", *(document[Span(before.end, span.start)] for before, span in pairwise(flat))])
    sentences = (_Sentence(*fields) for fields in zip(flat, counts, leads, strict=False))
    return [
        [part for sentence in islice(sentences, len(block)) for part in _cut(document, sentence, count_tokens, size)]
        for block in spans
    ]


def _sentence_spans(document: Document, block: Block) -> list[Span]:
    start, text = block.span.start, document[block.span]
    if block.kind == "code":
        return [block.span]
    if block.kind == "table":
        rows = [match for match in LINE.finditer(text) if not TABLE_RULE.fullmatch(match.group())]
        return [Span(start + row.start(), start + row.end()) for row in rows]
    return [Span(start + span.start, start + span.end) for span in split_sentences(text)]


def _cut(document: Document, sentence: _Sentence, count_tokens: CountTokens, size: int) -> list[_Sentence]:
    """Cut a sentence that is too long where words end."""
    if sentence.tokens <= size and len(sentence.span) <= MAX_SENTENCE:
        return [sentence]
    parts: list[_Sentence] = []
    for word in _words(document, sentence.span, count_tokens, size):
        joined = Span(parts[-1].span.start, word.span.end) if parts else word.span
        if parts and parts[-1].tokens + word.tokens <= size and len(joined) <= MAX_SENTENCE:
            parts[-1] = _Sentence(joined, parts[-1].tokens + word.tokens, parts[-1].lead)
        else:
            parts.append(replace(word, lead=0 if parts else sentence.lead))
    return parts


def _words(document: Document, span: Span, count_tokens: CountTokens, size: int) -> Iterator[_Sentence]:
    """Yield the words of a span; one that is longer than a passage may be comes in pieces."""
    for word in _pieces(document, span, count_tokens, MAX_WORD):
        if word.tokens <= size:
            yield word
        else:
            yield from _pieces(document, word.span, count_tokens, max(1, size // MAX_TOKENS_A_CHARACTER))


def _pieces(document: Document, span: Span, count_tokens: CountTokens, longest: int) -> list[_Sentence]:
    matches = re.finditer(rf"\S{{1,{longest}}}", document[span])
    spans = [Span(span.start + match.start(), span.start + match.end()) for match in matches]
    counts = count_tokens([document[piece] for piece in spans])
    return [_Sentence(piece, tokens, 0) for piece, tokens in zip(spans, counts, strict=True)]


def _pack(blocks: list[list[_Sentence]], chunking: Chunking) -> Iterator[tuple[Span, ...]]:
    """Fill passages with blocks that fit whole, and with the sentences of those that do not."""
    passage: list[_Sentence] = []
    for group in _kept_together(blocks, chunking.size):
        if passage and _tokens(passage + group) > chunking.size:
            yield tuple(sentence.span for sentence in passage)
            passage = _overlap(passage, group, chunking)
        passage = passage + group
    if passage:
        yield tuple(sentence.span for sentence in passage)


def _kept_together(blocks: list[list[_Sentence]], size: int) -> Iterator[list[_Sentence]]:
    for block in blocks:
        if _tokens(block) <= size:
            yield block
        else:
            yield from ([sentence] for sentence in block)


def _overlap(passage: list[_Sentence], group: list[_Sentence], chunking: Chunking) -> list[_Sentence]:
    """Take the last sentences of a passage, as many as are wanted and fit before what comes next."""
    shared = passage[max(0, len(passage) - chunking.overlap) :]
    while shared and _tokens(shared + group) > chunking.size:
        shared = shared[1:]
    return shared


def _tokens(sentences: list[_Sentence]) -> int:
    return sum(sentence.tokens + sentence.lead for sentence in sentences) - (sentences[0].lead if sentences else 0)
