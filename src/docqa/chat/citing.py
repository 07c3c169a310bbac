"""Citations as plain text, for the clipboard: quote, title, locator, path."""

from docqa.neutralising import neutral, neutral_name, one_line
from docqa.types import Answer, Hit, Quote


def quoted_evidence(hit: Hit) -> str:
    """Return the words of a hit's evidence, with ``…`` where words are left out; without evidence, the passage."""
    pieces: list[str] = []
    end = hit.passage.span.start
    for span in sorted(hit.evidence):
        skipped = hit.passage.text[end - hit.passage.span.start : span.start - hit.passage.span.start]
        if pieces and skipped.strip():
            pieces.append("…")
        pieces.append(hit.passage.quote(span))
        end = max(end, span.end)
    return one_line(" ".join(pieces) or hit.passage.text)


def hit_citation(hit: Hit) -> str:
    """Return a hit's evidence with its title, locator and path."""
    passage = hit.passage
    return _citation(quoted_evidence(hit), f"{passage.title}, {passage.locator}", passage.document)


def quote_citation(quote: Quote) -> str:
    """Return a quote with its citation and path."""
    return _citation(quote.text, quote.citation, quote.document)


def cited_hit(answer: Answer, quote: Quote) -> Hit | None:
    """Return the best hit whose passage holds a quote."""
    return next((hit for hit in answer.hits if _holds(hit, quote)), None)


def _citation(words: str, place: str, path: str) -> str:
    return f"“{one_line(neutral(words))}” — {one_line(neutral(place))} ({one_line(neutral_name(path))})"


def _holds(hit: Hit, quote: Quote) -> bool:
    span = hit.passage.span
    return hit.passage.document == quote.document and span.start <= quote.span.start and quote.span.end <= span.end
