"""Terms: text → the stemmed words that BM25 and the coverage of a query count."""

import re
import unicodedata
from functools import lru_cache

import Stemmer
from bm25s.stopwords import STOPWORDS_EN_PLUS

from docqa.types import Passage

WORD = re.compile(r"\w+")
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
STOP_WORDS = frozenset(STOPWORDS_EN_PLUS)

_stem = lru_cache(1 << 16)(Stemmer.Stemmer("english").stemWord)


def extract_terms(text: str) -> list[str]:
    """List the terms of a text in order: lower case, without accents, without stop words, stemmed (Porter 2).

    Source: bm25s' list of 179 English stop words; the Snowball project's English stemmer.
    """
    return [_stem(word) for word in WORD.findall(_plain(text)) if word not in STOP_WORDS]


def index_terms(passage: Passage) -> list[str]:
    """List the terms a passage is found by: those of its text, and twice those of its document's title and headings."""
    above = extract_terms("\n".join([passage.title, *passage.headings]))
    return above + above + extract_terms(passage.text)


def index_sentence_terms(passage: Passage) -> list[list[str]]:
    """List the terms of each of a passage's sentences."""
    return [extract_terms(passage.quote(sentence)) for sentence in passage.sentences]


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    return NOT_ASCII.sub(_without_marks, unicodedata.normalize("NFKD", text)).casefold()


def _without_marks(match: re.Match[str]) -> str:
    return "".join(character for character in match[0] if not unicodedata.combining(character))
