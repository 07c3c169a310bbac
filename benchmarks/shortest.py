"""Search a saved FAISS index for a question: the shortest such script, with which `docqa ask` is compared.

Usage: shortest.py MODEL FOLDER QUESTION, where FOLDER has ``index.faiss`` and the passages in ``texts.json``.
"""

import json
import sys
from pathlib import Path

import faiss
from sentence_transformers import SentenceTransformer

model = SentenceTransformer(sys.argv[1])
index = faiss.read_index(f"{sys.argv[2]}/index.faiss")
texts = json.loads(Path(sys.argv[2], "texts.json").read_text())
_, found = index.search(model.encode([sys.argv[3]], normalize_embeddings=True), 5)
for row in found[0]:
    print(texts[row])
