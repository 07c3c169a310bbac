"""What is made to be timed by benchmarks/speed_jobs.py: texts, questions, stores, and a flat index beside them."""

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import docqa
from docqa.index import PASSAGES_FILE
from docqa.store import open_generation, read_manifest
from question_sets import load_sets
from synthesising import synthesise
from timing import Figures


def write_corpus(evaluation: str, folder: str, sets: str, most: str) -> Figures:
    """Write documents of question sets, the first so many of each, as text files into one folder."""
    with tempfile.TemporaryDirectory() as corpora:
        for one in load_sets(Path(evaluation), Path(corpora), sets.split(",")):
            (Path(folder) / one.name).mkdir(parents=True)
            for path in sorted(one.corpus.iterdir())[: int(most)]:
                shutil.copy(path, Path(folder) / one.name)
    return {}


def write_questions(evaluation: str, path: str, most: str) -> Figures:
    """Write the first questions of SQuAD, of all articles in turn, as a list."""
    with tempfile.TemporaryDirectory() as corpora:
        (asked,) = load_sets(Path(evaluation), Path(corpora), ["squad"], int(most))
    Path(path).write_text(json.dumps([question.text for question in asked.questions]))
    return {}


def write_texts(store: str, folder: str) -> Figures:
    """Write the documents of a store as text files."""
    texts = open_generation(Path(store)).texts
    for document in texts.documents():
        path = Path(folder) / document.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(texts.document(document.path).text.encode())
    return {}


def write_shortest(store: str, folder: str) -> Figures:
    """Write what the shortest script reads: the passages of a store, and their embeddings in a FAISS index."""
    import faiss

    generation = open_generation(Path(store))
    Path(folder).mkdir(parents=True)
    faiss.write_index(make_flat(store), f"{folder}/index.faiss")
    passages = [generation.texts.passage(row).text for row in range(len(generation.index))]
    Path(folder, "texts.json").write_text(json.dumps(passages))
    return {"passages": len(passages), "model": model_folder()}


def make_store(real: str, store: str, passages: str) -> Figures:
    """Synthesise a store from a real one."""
    started = time.perf_counter()
    synthesise(int(passages), Path(store), open_generation(Path(real)))
    return {"seconds": time.perf_counter() - started}


def make_flat(store: str) -> Any:
    """Make a flat FAISS index of a store's passages."""
    import faiss

    rows = np.load(find_array(store, PASSAGES_FILE), mmap_mode="r")
    index = faiss.IndexFlatIP(rows.shape[1])
    for start in range(0, len(rows), 50_000):
        index.add(np.asarray(rows[start : start + 50_000], np.float32))
    return index


def find_array(store: str, name: str) -> Path:
    """Return the file of an array of a store."""
    return Path(store) / read_manifest(Path(store)).generation / name


def model_folder() -> str:
    """Return the folder of the default model."""
    return str(docqa.SentenceTransformerEmbedder()._folder)
