"""Why a document cannot be indexed, or is not yet: the codes that documents, jobs and events tell."""

from enum import StrEnum


class Reason(StrEnum):
    """Stable codes; docs/knowledge.md says what each asks of whom."""

    ENCRYPTED = "encrypted"
    EMPTY = "empty"
    CORRUPT = "corrupt"
    ZIP_BOMB = "zip_bomb"
    TOO_LARGE = "too_large"
    UNKNOWN_TYPE = "unknown_type"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    NO_TEXT = "no_text"
    NO_CAPTION_MODEL = "no_caption_model"
    FETCH_DENIED = "fetch_denied"
    FETCH_FAILED = "fetch_failed"
    CONTENT_MISSING = "content_missing"
    MODEL_REFUSED = "model_refused"
    GIVEN_UP = "given_up"
    # These are waited out.
    DEPENDENCY_UNAVAILABLE = "dependency_unavailable"
    QUOTA_EXCEEDED = "quota_exceeded"
    PROVIDER_UNAVAILABLE = "provider_unavailable"


class CannotIngest(Exception):
    """The document itself is in the way: to try the same again is in vain."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class NotNow(Exception):
    """What is needed will be there later.

    Attributes:
        seconds: after which it is worth trying; None when nobody knows.
        most_waits: how often it is waited for before it is given up; None for ever.
    """

    def __init__(
        self, reason: Reason, detail: str, seconds: float | None = None, *, most_waits: int | None = None
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.seconds = seconds
        self.most_waits = most_waits
