from pathlib import Path

import docqa
from conftest import FakeEmbedder
from docqa.store import open_generation
from synthesising import synthesise


def test_a_synthesised_store_can_be_asked_and_begins_as_a_smaller_one(
    corpus: Path, store: Path, fake: FakeEmbedder, tmp_path: Path
) -> None:
    docqa.sync(corpus, store, embedder=fake)
    real = open_generation(store)
    for passages in (50, 120):
        synthesise(passages, tmp_path / str(passages), real)
    small, large = (open_generation(tmp_path / name) for name in ("50", "120"))
    assert (len(small.index), len(large.index), large.manifest.passages) == (50, 120, 120)
    for row in range(50):
        assert small.texts.passage(row).text == large.texts.passage(row).text
        assert small.index.embeddings(row).sentences.tobytes() == large.index.embeddings(row).sentences.tobytes()
    retriever = docqa.Retriever(large, fake)
    for hit in retriever.retrieve("Which bridge crosses the river?", 3):
        assert retriever.document(hit.passage.document)[hit.passage.span] == hit.passage.text
