"""Understanding: a query, with the conversation before it, → what the index is asked. No language model is needed.

A question that leans on what was said before carries the question before it, and weakly the reply, into its embedding,
its tokens and its terms.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from docqa.embedding import Embedder
from docqa.errors import EmbeddingError
from docqa.index import Index, Scores
from docqa.terms import extract_terms
from docqa.types import Embeddings, Exchange, QueryEmbeddings, TokenEmbeddings

CARRIED_QUERY, CARRIED_REPLY = 0.3, 0.1
"""What the question before and its reply weigh beside a question that leans on them."""
CARRIED_TOKENS = 0.4
"""What the tokens of the question before weigh beside those of one that leans on it."""
CARRIED_TERMS = 0.15
"""What the terms of the questions before that weigh."""
FEW_TERMS = 2
"""A question with more terms stands alone, unless it points back."""
POINTING_BACK = re.compile(
    r"^\s*(?:and|but|so|also|then|what about|how about|why not)\b"
    r"|\b(?:it|its|they|them|their|theirs|he|him|his|she|her|hers|this|these|those|else|others?)\b"
    r"|\b(?:which|this|that|the|other|another) ones?\b|\b(?:about|of|for|with|after|before|do|did|does) that\b"
    r"|\b(?:that|there)\W*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Understood:
    """A query as the index is asked: its text, its embedding, its tokens with their weights, and its terms by weight.

    ``asking_about`` is the earlier question that it was found to lean on; empty when it stands alone.
    """

    text: str
    embedding: Embeddings
    tokens: TokenEmbeddings
    weights: Scores
    terms: dict[float, list[str]]
    asking_about: str = ""

    @property
    def information(self) -> dict[float, list[str]]:
        """Return the terms that its evidence should hold: its own, and less those of the question it leans on."""
        return {weight: terms for weight, terms in self.terms.items() if weight in (1.0, CARRIED_QUERY)}


def understand(query: str, history: Sequence[Exchange], embedder: Embedder, index: Index) -> Understood:
    """Understand a query, with the exchanges before it if it leans on them.

    Raises:
        EmbeddingError: the model gave an embedding of a wrong shape or that is not finite.
    """
    embedded, terms = _embed(query, embedder, index), extract_terms(query)
    tokens, weights = _weigh(embedded, index)
    history = [exchange for exchange in history if extract_terms(exchange.query)]
    if not history or not _leans(query, terms):
        return Understood(query, embedded.query, tokens, weights, {1.0: terms})
    last = history[-1]
    before = _embed(last.query, embedder, index)
    reply = _embed(last.reply, embedder, index).query if last.reply.strip() else 0 * embedded.query
    carried = embedded.query + CARRIED_QUERY * before.query + CARRIED_REPLY * reply
    texts = (last.query, last.reply, " ".join(exchange.query for exchange in history[:-1]))
    weighed = zip((CARRIED_QUERY, CARRIED_REPLY, CARRIED_TERMS), map(extract_terms, texts), strict=True)
    new = {weight: [term for term in dict.fromkeys(found) if term not in terms] for weight, found in weighed}
    more, less = _weigh(before, index)
    tokens = TokenEmbeddings(np.concatenate([tokens.ids, more.ids]), np.concatenate([tokens.rows, more.rows]))
    weights = np.concatenate([(1 - CARRIED_TOKENS) * weights, CARRIED_TOKENS * less])
    weights = weights / max(float(weights.sum()), 1e-9)
    carried /= np.linalg.norm(carried)
    return Understood(query, carried, tokens, weights, {1.0: terms} | new, _subject(history))


def _embed(query: str, embedder: Embedder, index: Index) -> QueryEmbeddings:
    embedded = embedder.embed_query(query.encode("utf-8", "replace").decode())
    finite = all(np.isfinite(rows).all() for rows in (embedded.query, embedded.tokens.rows))
    if embedded.query.shape != (index.dimension,) or not finite:
        raise EmbeddingError(f"the model '{embedder.name}' gave an embedding of a wrong shape or value")
    return embedded


def _weigh(embedded: QueryEmbeddings, index: Index) -> tuple[TokenEmbeddings, Scores]:
    """Weigh a query's tokens by their rarity; the weights' sum is 1."""
    rarity = index.token_rarity(embedded.tokens.ids)
    return embedded.tokens, np.asarray(rarity / max(float(rarity.sum()), 1e-9), np.float32)


def _subject(history: Sequence[Exchange]) -> str:
    """Find the last question that stood alone: what the ones since then were about."""
    alone = (
        exchange.query for exchange in reversed(history) if not _leans(exchange.query, extract_terms(exchange.query))
    )
    return next(alone, history[0].query)


def _leans(query: str, terms: Sequence[str]) -> bool:
    """Tell whether a question needs what was said before: it points back to it, or says little by itself."""
    return bool(POINTING_BACK.search(query)) or len(set(terms)) <= FEW_TERMS
