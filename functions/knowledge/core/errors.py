"""What can go wrong, as the caller is told."""

from functions.kit.errors import Conflict, NotFound, PayloadTooLarge, Unprocessable


class CorpusNotFound(NotFound):
    """The caller has no such corpus."""

    code = "corpus_not_found"


class CorpusNameTaken(Conflict):
    """Another corpus of the tenant has the name."""

    code = "corpus_name_taken"


class EmbeddingsDiffer(Conflict):
    """An index holds embeddings of one model only; another model needs an index of its own."""

    code = "embeddings_differ"


class IndexNotFound(NotFound):
    """The caller has no such index."""

    code = "index_not_found"


class IndexInUse(Conflict):
    """Searches use the index; another must take its place first."""

    code = "index_in_use"


class DocumentNotFound(NotFound):
    """The caller has no such document."""

    code = "document_not_found"


class DocumentNameTaken(Conflict):
    """The corpus has a document of that name that the caller may not replace."""

    code = "document_name_taken"


class DocumentTooLarge(PayloadTooLarge):
    """The document is larger than documents may be."""

    code = "document_too_large"


class UploadMissing(Conflict):
    """There is no upload to complete: nothing was sent to the address, or nothing is waited for."""

    code = "upload_missing"


class TextNotReady(Conflict):
    """The document has not been read yet, so it has no text to cite from."""

    code = "text_not_ready"


class JobNotFound(NotFound):
    """The caller has no such job."""

    code = "job_not_found"


class JobCancelled(Conflict):
    """The job was cancelled; it takes no more documents."""

    code = "job_cancelled"


class TooMuchMetadata(Unprocessable):
    """The metadata is larger than metadata may be."""

    code = "metadata_too_large"


class ModelRefused(Unprocessable):
    """The gateway refuses the model or the request, or the model answers something that is of no use."""

    code = "model_refused"
