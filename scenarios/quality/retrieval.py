"""`python -m scenarios.quality.retrieval`: how well search finds, beside its parts, plain RRF and LlamaIndex's default.

On the collections that the weights of the fusion were chosen on, and on others (`collections.py`). Every figure is of
the product's own search over a real Postgres; LlamaIndex gets the same embeddings in the same run. Fails when the
hybrid is worse than a figure that must hold, or than the better of its parts.
"""

import asyncio
import math
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from functions.kit.service_tokens import OnBehalf
from functions.knowledge.core.models import Reader
from functions.knowledge.core.search import Search, SearchRequest
from functions.knowledge.core.search_ports import Passage
from scenarios.knowledge_server import BEHALF, KnowledgeServer, Measured, knowledge_server
from scenarios.quality.collections import DATA, Collection, others, tuned
from scenarios.quality.embedded_model import Matrix, embed

_DEPTH = 100
# What nobody would notice, and what rounding in 16 bits does.
_SLACK = 0.001

Find = Callable[[str], Awaitable[Sequence[str]]]


@dataclass(frozen=True)
class Quality:
    """Means over the questions."""

    ndcg: float
    recall: float

    def is_at_least(self, other: "Quality") -> bool:
        """Whether neither figure is worse."""
        return self.ndcg >= other.ndcg - _SLACK and self.recall >= other.recall - _SLACK


class KeptEmbeddings:
    """Port `QueryEmbedder` from what was embedded beforehand."""

    def __init__(self, questions: Sequence[str], vectors: Matrix) -> None:
        self._vectors: dict[str, list[float]] = dict(zip(questions, vectors.tolist(), strict=True))

    async def embed_query(self, behalf: OnBehalf, model: str, query: str) -> Sequence[float]:
        """The embedding of a question of the collection."""
        del behalf, model
        return self._vectors[query]


class NoReranker:
    """Port `Reranker`, which nothing here uses."""

    async def rerank(self, behalf: OnBehalf, query: str, passages: Sequence[Passage]) -> Sequence[float]:
        """Grade nothing."""
        del behalf, query
        return [0.0] * len(passages)


async def measure(collection: Collection, find: Find) -> Quality:
    """Ask every question."""
    gains, recalls = [], []
    for question, text in collection.questions.items():
        found, relevant = await find(text), collection.relevant[question]
        gain = sum(relevant.get(document, 0.0) / math.log2(rank + 2) for rank, document in enumerate(found[:10]))
        ideal = sum(
            grade / math.log2(rank + 2) for rank, grade in enumerate(sorted(relevant.values(), reverse=True)[:10])
        )
        gains.append(gain / ideal)
        recalls.append(len(relevant.keys() & set(found[:_DEPTH])) / len(relevant))
    return Quality(sum(gains) / len(gains), sum(recalls) / len(recalls))


async def compare(server: KnowledgeServer, collection: Collection) -> bool:
    """Print the collection's table; whether all that must hold does."""
    vectors, asked = embed(collection.texts), list(collection.questions.values())
    questions = embed(asked)
    index = await server.corpus()
    documents = [
        Measured(text, vector, {}, collection.kind)
        for text, vector in zip(collection.texts, vectors.tolist(), strict=True)
    ]
    names = dict(zip(await server.fill(index, documents, per_document=50), collection.ids, strict=True))
    search = Search(server.search, KeptEmbeddings(asked, questions), NoReranker())

    def ours(request: SearchRequest) -> Find:
        async def find(text: str) -> Sequence[str]:
            wanted = replace(request, query=text, corpus_ids=[index.corpus_id], top_k=_DEPTH, highlight=False)
            result = await search(server.space, Reader(everything=True), BEHALF, wanted)
            return [names[hit.passage.chunk.id] for hit in result.hits]

        return find

    parts = {
        "BM25": await measure(collection, ours(SearchRequest("", words_weight=1.0))),
        "dense": await measure(collection, ours(SearchRequest("", hybrid=False))),
        "plain RRF": await measure(collection, ours(SearchRequest("", fusion="rrf"))),
        "LlamaIndex default": await measure(collection, llama_index(collection, vectors, questions, asked)),
    }
    hybrid = await measure(collection, ours(SearchRequest("")))
    print(f"{collection.name}: {len(collection.ids):,} documents, {len(asked)} questions")
    for name, quality in {**parts, "hybrid": hybrid}.items():
        print(f"  {name:20} nDCG@10 {quality.ndcg:.3f}  Recall@100 {quality.recall:.3f}")
    for weight in (0.05, 0.2, 0.35, 0.5):
        fixed = await measure(collection, ours(SearchRequest("", words_weight=weight)))
        print(f"  words weigh {weight:<8} nDCG@10 {fixed.ndcg:.3f}  Recall@100 {fixed.recall:.3f}")
    wanted = [Quality(*collection.least), parts["BM25"], parts["dense"]]
    holds = all(hybrid.is_at_least(part) for part in wanted)
    print("  holds" if holds else f"  MUST BE BETTER: at least {collection.least}, and each of its parts")
    return holds


def llama_index(collection: Collection, vectors: Matrix, questions: Matrix, asked: Sequence[str]) -> Find:
    """LlamaIndex's `VectorStoreIndex` with its own store and retriever."""
    from llama_index.core import VectorStoreIndex
    from llama_index.core.embeddings import MockEmbedding
    from llama_index.core.schema import QueryBundle, TextNode

    nodes = [
        TextNode(id_=document, text=text, embedding=vector)
        for document, text, vector in zip(collection.ids, collection.texts, vectors.tolist(), strict=True)
    ]
    index = VectorStoreIndex(nodes, embed_model=MockEmbedding(embed_dim=vectors.shape[1]))
    retriever = index.as_retriever(similarity_top_k=_DEPTH)
    embedded = dict(zip(asked, questions.tolist(), strict=True))

    async def find(text: str) -> Sequence[str]:
        return [hit.node.node_id for hit in retriever.retrieve(QueryBundle(text, embedding=embedded[text]))]

    return find


async def run() -> int:
    """Compare on every collection there is."""
    if not DATA.exists():
        print(f"skipped: {DATA} is not there")
        return 0
    async with knowledge_server() as server:
        return 0 if all([await compare(server, collection) for collection in (*tuned(), *others())]) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))
