"""Measure other open-source ways of retrieval on the four question sets, each as its own documentation sets it up.

All embed with docqa's default model, on the same documents, offline. ``make bench-peers`` runs this in an environment
of its own, ``.venv-peers``; docs/benchmarks.md says what the figures mean.
"""

import argparse
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

# before the libraries are imported: nothing is fetched, and nobody is told
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "LANGSMITH_TRACING": "false",
    "TOKENIZERS_PARALLELISM": "false",
}

from docqa import SentenceTransformerEmbedder, Span
from figures import Columns, add_figures
from measuring import Ask, Reply, make_hit, measure
from quality import add_arguments, run
from question_sets import QuestionSet

BATCH = 1_000
"""Chroma takes no more than some thousand texts at a time."""


def langchain(texts: Mapping[str, str], model: str) -> Ask:
    """Set up LangChain: FAISS, and the splitter as in its tutorial."""
    from langchain_community.vectorstores import FAISS
    from langchain_huggingface import HuggingFaceEmbeddings
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200, add_start_index=True)
    documents = splitter.create_documents(list(texts.values()), [{"document": name} for name in texts])
    store = FAISS.from_documents(documents, HuggingFaceEmbeddings(model_name=model))

    def ask(query: str, k: int) -> Reply:
        found = store.similarity_search(query, k)
        places = ((one.metadata["document"], one.metadata["start_index"], len(one.page_content)) for one in found)
        return Reply([make_hit(name, Span(start, start + length)) for name, start, length in places])

    return ask


def llama_index(texts: Mapping[str, str], model: str) -> Ask:
    """Set up LlamaIndex: VectorStoreIndex and SentenceSplitter with their defaults."""
    from llama_index.core import Document, VectorStoreIndex
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    documents = [Document(text=text, id_=name) for name, text in texts.items()]
    embedding = HuggingFaceEmbedding(model_name=model)
    index = VectorStoreIndex.from_documents(documents, embed_model=embedding, transformations=[SentenceSplitter()])

    def ask(query: str, k: int) -> Reply:
        found = [one.node for one in index.as_retriever(similarity_top_k=k).retrieve(query)]
        return Reply([make_hit(node.ref_doc_id, Span(node.start_char_idx, node.end_char_idx)) for node in found])

    return ask


def haystack(texts: Mapping[str, str], model: str) -> Ask:
    """Set up Haystack's hybrid retrieval: BM25 and embeddings in memory, joined by reciprocal rank fusion."""
    from haystack import Document
    from haystack.components.preprocessors import DocumentSplitter
    from haystack.components.writers import DocumentWriter
    from haystack.document_stores.in_memory import InMemoryDocumentStore
    from haystack_integrations.components.embedders.sentence_transformers import SentenceTransformersDocumentEmbedder

    store = InMemoryDocumentStore()
    documents = [Document(content=text, meta={"document": name}) for name, text in texts.items()]
    parts = DocumentSplitter().run(documents)["documents"]
    embedder = SentenceTransformersDocumentEmbedder(model=model, progress_bar=False, local_files_only=True)
    embedder.warm_up()
    DocumentWriter(store).run(embedder.run(parts)["documents"])
    pipeline = _haystack_pipeline(store, model)

    def ask(query: str, k: int) -> Reply:
        deep = {"query": query, "top_k": max(k, 10)}
        inputs = {"embedder": {"text": query}, "dense": {"top_k": deep["top_k"]}, "bm25": deep, "joiner": {"top_k": k}}
        found = pipeline.run(inputs)["joiner"]["documents"]
        places = ((one.meta["document"], one.meta["split_idx_start"], len(one.content)) for one in found)
        return Reply([make_hit(name, Span(start, start + length)) for name, start, length in places])

    return ask


def _haystack_pipeline(store: Any, model: str) -> Any:
    from haystack import Pipeline
    from haystack.components.joiners import DocumentJoiner
    from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
    from haystack_integrations.components.embedders.sentence_transformers import SentenceTransformersTextEmbedder

    pipeline = Pipeline()
    embedder = SentenceTransformersTextEmbedder(model=model, progress_bar=False, local_files_only=True)
    pipeline.add_component("embedder", embedder)
    pipeline.add_component("dense", InMemoryEmbeddingRetriever(store))
    pipeline.add_component("bm25", InMemoryBM25Retriever(store))
    pipeline.add_component("joiner", DocumentJoiner(join_mode="reciprocal_rank_fusion"))
    pipeline.connect("embedder.embedding", "dense.query_embedding")
    pipeline.connect("dense", "joiner")
    pipeline.connect("bm25", "joiner")
    return pipeline


def txtai(texts: Mapping[str, str], model: str) -> Ask:
    """Set up txtai: hybrid search over paragraphs, as its Segmentation finds them."""
    from txtai import Embeddings
    from txtai.pipeline import Segmentation

    segmentation = Segmentation(paragraphs=True, cleantext=False)  # cleaning would move the offsets
    places = [place for name, text in texts.items() for place in _locate(name, text, segmentation(text))]
    embeddings = Embeddings(path=model, hybrid=True)
    embeddings.index([texts[name][span.start : span.end] for name, span in places])

    def ask(query: str, k: int) -> Reply:
        return Reply([make_hit(*places[int(row)]) for row, _ in embeddings.search(query, k)])

    return ask


def chroma(texts: Mapping[str, str], model: str) -> Ask:
    """Set up Chroma; it has no splitter, so the one its own evaluation of chunking recommends is taken."""
    import chromadb
    from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction
    from langchain_text_splitters import RecursiveCharacterTextSplitter
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    splitter = RecursiveCharacterTextSplitter.from_huggingface_tokenizer(tokenizer, chunk_size=200, chunk_overlap=0)
    places = [place for name, text in texts.items() for place in _locate(name, text, splitter.split_text(text))]
    collection = chromadb.EphemeralClient().create_collection(
        f"documents-{secrets.token_hex(4)}",  # all clients of a process share one memory
        embedding_function=SentenceTransformerEmbeddingFunction(model_name=model),
    )
    for first in range(0, len(places), BATCH):
        rows = range(first, min(first + BATCH, len(places)))
        parts = [texts[places[row][0]][places[row][1].start : places[row][1].end] for row in rows]
        collection.add(ids=[str(row) for row in rows], documents=parts)

    def ask(query: str, k: int) -> Reply:
        return Reply(
            [make_hit(*places[int(row)]) for row in collection.query(query_texts=[query], n_results=k)["ids"][0]]
        )

    return ask


def _locate(document: str, text: str, parts: list[str]) -> Iterator[tuple[str, Span]]:
    """Find where the parts of a text stand that follow one another in it."""
    end = 0
    for part in filter(str.strip, parts):
        start = text.index(part, end)
        end = start + len(part)
        yield document, Span(start, end)


PEERS: dict[str, tuple[str, Callable[[Mapping[str, str], str], Ask]]] = {
    "LangChain": ("1000 characters, 200 overlap", langchain),
    "LlamaIndex": ("1024 tokens, 200 overlap", llama_index),
    "Haystack": ("200 words", haystack),
    "txtai": ("paragraphs", txtai),
    "Chroma": ("200 tokens", chroma),
}


def main() -> int:
    """Print the table of the peers."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), help="measure only these")
    args = parser.parse_args()
    return run(args, lambda asked, store, columns: measure_peers(asked, args.peers, columns))


def measure_peers(asked: QuestionSet, peers: Sequence[str], columns: Columns) -> None:
    """Measure the peers on one set."""
    embedder = SentenceTransformerEmbedder()
    for name in peers:
        passages, build = PEERS[name]
        print(f"{name}, {asked.name}: indexing", file=sys.stderr)
        ask = build(asked.texts(), str(embedder._folder))
        add_figures(columns, name, {"passages": passages, **measure(asked, ask, embedder.count_tokens, name)})


if __name__ == "__main__":
    sys.exit(main())
