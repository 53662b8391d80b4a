"""What can go wrong, as the caller is told."""

from functions.kit.errors import Conflict, NotFound


class CorpusNotFound(NotFound):
    """The caller has no such corpus."""

    code = "corpus_not_found"


class CorpusNameTaken(Conflict):
    """Another corpus of the tenant has the name."""

    code = "corpus_name_taken"


class EmbeddingsDiffer(Conflict):
    """An index holds embeddings of one model only; another model needs an index of its own."""

    code = "embeddings_differ"
