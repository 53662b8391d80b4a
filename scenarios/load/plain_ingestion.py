"""Reads and cuts the files of a folder by Unstructured and LlamaIndex alone: the comparison of `ingestion.py`.

Unstructured's language model is replaced by spaCy's blank one, as the platform does: it would be downloaded, and its
time would only make the comparison easier. What it has no reader for without torch (PDF) counts as failed.
"""

import json
import multiprocessing
import sys
import time
from pathlib import Path


def prepare() -> None:
    """Import both, once a process."""
    from llama_index.core.node_parser import SentenceSplitter  # noqa: F401
    from unstructured.partition.auto import partition  # noqa: F401

    from functions.knowledge.adapters.parsing.formats.office import _spare_the_language_model

    _spare_the_language_model()


def ingest(path: str) -> bool:
    """Read and cut one file; returns whether that worked."""
    from llama_index.core import Document
    from llama_index.core.node_parser import SentenceSplitter
    from unstructured.partition.auto import partition

    from functions.knowledge.core.cutting import count_tokens, split_sentences

    try:
        text = "\n\n".join(element.text for element in partition(filename=path, languages=[""]))
    except Exception:  # noqa: BLE001 - whatever it is, it counts
        return False
    splitter = SentenceSplitter(
        chunk_size=256,
        chunk_overlap=32,
        tokenizer=lambda said: [0] * count_tokens(said),
        chunking_tokenizer_fn=split_sentences,
    )
    return bool(splitter.get_nodes_from_documents([Document(text=text)]))


def main() -> None:
    """Print as JSON how many were read, how many failed, and the seconds without importing."""
    folder, processes = Path(sys.argv[1]), int(sys.argv[2])
    paths = [str(path) for path in sorted(folder.iterdir())]
    with multiprocessing.get_context("spawn").Pool(processes, prepare) as pool:
        pool.map(ingest, paths[:processes])
        started = time.monotonic()
        read = sum(pool.map(ingest, paths, chunksize=4))
        seconds = time.monotonic() - started
    sys.stdout.write(json.dumps({"read": read, "failed": len(paths) - read, "seconds": seconds}) + "\n")


if __name__ == "__main__":
    main()
