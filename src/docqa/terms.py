"""Terms: text → the stemmed words that BM25 and the coverage of a query count."""

import re
import unicodedata
from functools import lru_cache

import Stemmer

from docqa.types import Passage

WORD = re.compile(r"\w+")
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
STOP_WORDS = frozenset(
    """
    a about above after again against ain all am an and any are aren aren't as at be because been before being
    below between both but by can couldn couldn't d did didn didn't do does doesn doesn't doing don don't down
    during each few for from further had hadn hadn't has hasn hasn't have haven haven't having he her here hers
    herself him himself his how i if in into is isn isn't it it's its itself just ll m ma me mightn mightn't
    more most mustn mustn't my myself needn needn't no nor not now o of off on once only or other our ours
    ourselves out over own re s same shan shan't she she's should should've shouldn shouldn't so some such t
    than that that'll the their theirs them themselves then there these they this those through to too under
    until up ve very was wasn wasn't we were weren weren't what when where which while who whom why will with
    won won't wouldn wouldn't y you you'd you'll you're you've your yours yourself yourselves
    """.split()
)
"""The 179 of NLTK's list of English, as bm25s has them (STOPWORDS_EN_PLUS)."""

_stem = lru_cache(1 << 16)(Stemmer.Stemmer("english").stemWord)


def extract_terms(text: str) -> list[str]:
    """List the terms of a text in order: lower case, without accents, without stop words, stemmed (Porter 2).

    Source: the Snowball project's English stemmer.
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
