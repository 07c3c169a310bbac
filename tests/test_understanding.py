"""Understanding: which questions lean on the conversation, and what they carry of it, with the fake embedder."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import docqa
from conftest import FakeEmbedder
from docqa.index import Index
from docqa.store import open_generation
from docqa.terms import extract_terms
from docqa.types import Exchange
from docqa.understanding import CARRIED_QUERY, CARRIED_REPLY, CARRIED_TERMS, CARRIED_TOKENS, _leans, understand

BRIDGE = Exchange("Which old bridge crosses the river Tay?", "The old bridge crosses it at Dundee.")
SWARM = Exchange("When does a swarm of bees leave?", "A swarm leaves in May.")


@pytest.fixture
def index(corpus: Path, store: Path, fake: FakeEmbedder) -> Index:
    docqa.sync(corpus, store, embedder=fake)
    return open_generation(store).index


@pytest.mark.parametrize(
    ("query", "leans"),
    [
        ("When does a swarm of bees leave the hive?", False),
        ("Which old bridge crosses the river?", False),
        ("When does it leave the old hive in spring?", True),
        ("And which old bridge crosses the river?", True),
        ("  what about the old bridge across the river?", True),
        ("WHY NOT build bridges across old rivers?", True),
        ("Which old bridges do THEY cross near Dundee?", True),
        ("Which of the others crosses rivers near Dundee?", True),
        ("Which one crosses rivers near Dundee?", True),
        ("Does the android handle itches better than sandwiches?", False),
        ("Is the sand good enough for castles there?", True),
        ("How many museums are there in the city of Oslo?", False),
        ("What is the one hundred metres record of Usain Bolt?", False),
        ("Which law says that old bridges close in winter?", False),
        ("Where is the law about that written down?", True),
        ("Old bridge?", True),
        ("Bridge, bridge, bridges: the bridge?", True),
        ("Old river bridges?", False),
        ("Why?", True),
        ("?", True),
    ],
)
def test_a_question_leans_that_points_back_or_says_little(query: str, leans: bool) -> None:
    assert _leans(query, extract_terms(query)) is leans


@pytest.mark.parametrize("history", [[], [SWARM], [SWARM, BRIDGE], [Exchange("?", "The bridge.")]])
def test_what_stands_alone_is_asked_as_it_is(fake: FakeEmbedder, index: Index, history: list[Exchange]) -> None:
    query = "How long does a sponge cake bake?"
    asked = understand(query, history, fake, index)
    assert (asked.text, asked.asking_about) == (query, "")
    assert asked.terms == {1.0: ["long", "spong", "cake", "bake"]}
    embedded = fake.embed_query(query)
    assert_array_equal(asked.embedding, embedded.query)
    assert_array_equal(asked.tokens.ids, embedded.tokens.ids)
    rarity = index.token_rarity(embedded.tokens.ids)
    assert_allclose(asked.weights, rarity / rarity.sum(), rtol=1e-6)


def test_what_leans_carries_the_question_before_and_weakly_the_rest(fake: FakeEmbedder, index: Index) -> None:
    query, history = "And when was it built?", [Exchange("Who bakes cake and bread?", "Nobody bakes."), SWARM, BRIDGE]
    asked = understand(query, history, fake, index)
    assert (asked.text, asked.asking_about) == (query, BRIDGE.query)
    assert asked.terms == {
        1.0: ["built"],
        CARRIED_QUERY: ["old", "bridg", "cross", "river", "tay"],
        CARRIED_REPLY: ["old", "bridg", "cross", "dunde"],
        CARRIED_TERMS: ["bake", "cake", "bread", "swarm", "bee", "leav"],
    }
    own, before, reply = (fake.embed_query(text) for text in (query, BRIDGE.query, BRIDGE.reply))
    carried = own.query + CARRIED_QUERY * before.query + CARRIED_REPLY * reply.query
    assert_allclose(asked.embedding, carried / np.linalg.norm(carried), rtol=1e-5)
    assert_array_equal(asked.tokens.ids, np.concatenate([own.tokens.ids, before.tokens.ids]))
    first, second = (index.token_rarity(each.tokens.ids) for each in (own, before))
    expected = np.concatenate([(1 - CARRIED_TOKENS) * first / first.sum(), CARRIED_TOKENS * second / second.sum()])
    assert_allclose(asked.weights, expected, rtol=1e-5)
    assert asked.weights.sum() == pytest.approx(1)


def test_a_term_of_its_own_is_not_carried_too(fake: FakeEmbedder, index: Index) -> None:
    asked = understand("Which bridge?", [SWARM, Exchange(BRIDGE.query)], fake, index)
    assert asked.terms[1.0] == ["bridg"]
    assert asked.terms[CARRIED_QUERY] == ["old", "cross", "river", "tay"]
    assert asked.terms[CARRIED_REPLY] == []


@pytest.mark.parametrize("reply", ["", " ", "\n"])
def test_no_reply_weighs_nothing(fake: FakeEmbedder, index: Index, reply: str) -> None:
    asked = understand("Why?", [Exchange(BRIDGE.query, reply)], fake, index)
    own, before = (fake.embed_query(text).query for text in ("Why?", BRIDGE.query))
    carried = own + CARRIED_QUERY * before
    assert_allclose(asked.embedding, carried / np.linalg.norm(carried), rtol=1e-5)


@pytest.mark.parametrize(
    ("asked_before", "subject"),
    [
        ([BRIDGE.query], BRIDGE.query),
        ([SWARM.query, BRIDGE.query], BRIDGE.query),
        ([BRIDGE.query, "And who built it?", "When exactly?"], BRIDGE.query),
        ([BRIDGE.query, "?", "the", ""], BRIDGE.query),
        (["Bridges?", "And the river Tay near Dundee?"], "Bridges?"),
        (["?", "Bridges?", "And rivers?"], "Bridges?"),
    ],
)
def test_a_follow_up_is_about_the_last_question_that_stood_alone(
    fake: FakeEmbedder, index: Index, asked_before: list[str], subject: str
) -> None:
    asked = understand("How long is it?", [Exchange(query) for query in asked_before], fake, index)
    assert asked.asking_about == subject


def test_a_surrogate_of_a_terminal_does_not_reach_the_model(fake: FakeEmbedder, index: Index) -> None:
    read: list[str] = []
    embed = fake.embed_query
    fake.embed_query = lambda query: (read.append(query), embed(query))[1]  # type: ignore[method-assign, func-returns-value]
    understand("Why?", [Exchange("Which old bridge \ud800 crosses the river?", "The \udcff one.")], fake, index)
    assert read == ["Why?", "Which old bridge ? crosses the river?", "The ? one."]
