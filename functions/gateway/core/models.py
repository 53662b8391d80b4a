"""What a call is made of while the gateway handles it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from functions.gateway.core.errors import ModelNotAllowed
from functions.kit.errors import Forbidden
from functions.kit.settings import TenantSettings

Json = dict[str, Any]
# No model reads or writes so many; beyond it a figure is a mistake, and sums of such figures overflow.
_MOST_TOKENS = 1_000_000_000
CacheState = Literal["miss", "hit", "semantic"]


@dataclass(frozen=True, slots=True)
class Provider:
    """A tenant's provider with its key in the clear; lives in memory only and never in a repr.

    Attributes:
        base_url: without a trailing slash, version included, e.g. `https://api.openai.com/v1`.
        models: the models allowed; empty allows all.
    """

    name: str
    kind: str
    base_url: str
    api_key: str = field(repr=False)
    models: tuple[str, ...] = ()
    embedding_model: str | None = None
    default_model: str | None = None


class Target(NamedTuple):
    """Where a call goes: a provider and the model's name there."""

    provider: Provider
    model: str


class Caller(NamedTuple):
    """On whose behalf, and on whose bill.

    Attributes:
        models: the models that the credential may call, as `provider/model` or `model`; empty for all.
        authorise: asks the tenant's policies about a model, named `provider/model`; raises Forbidden.
        examined: guardrails look at what is said in the tenant's calls.
        compression: how far this call's prompt is compressed.
        session_id: what the caller names the conversation, for traces; empty where it does not.
    """

    tenant_id: str
    api_key_id: str | None
    user_id: str | None
    request_id: str
    settings: TenantSettings
    groups: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    authorise: Callable[[str], None] | None = None
    examined: bool = True
    compression: Literal["off", "light", "full"] = "off"
    session_id: str = ""

    def may_call(self, target: Target) -> bool:
        """Whether the credential is good for a provider's model, and the policies allow it."""
        try:
            self.ensure_may_call(target)
        except Forbidden:
            return False
        return True

    def ensure_may_call(self, target: Target) -> None:
        """Refuse what the credential is not good for, or the policies do not allow.

        Raises:
            ModelNotAllowed: the API key is limited to other models.
            Forbidden: no policy allows it, or one denies it.
        """
        named = f"{target.provider.name}/{target.model}"
        if self.models and named not in self.models and target.model not in self.models:
            raise ModelNotAllowed(f"this API key may not call {named}", details={"model": named})
        if self.authorise is not None:
            self.authorise(named)


_LONGEST_AGE = 12


class CacheControl(NamedTuple):
    """The request's `Cache-Control` directives (RFC 9111) that the semantic cache honours."""

    may_read: bool = True
    may_store: bool = True
    max_age_seconds: int | None = None

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, header: str) -> "CacheControl":
        """Read a header; directives that are not known are ignored, as the RFC asks."""
        directives = {
            name.strip().lower(): value.strip().strip('"')
            for name, _, value in (part.partition("=") for part in header.split(","))
        }
        age = directives.get("max-age", "")
        return cls(
            may_read="no-cache" not in directives and "no-store" not in directives,
            may_store="no-store" not in directives,
            # Longer than any answer is kept; nor are all that Python calls digits numbers.
            max_age_seconds=int(age) if age.isascii() and age.isdigit() and len(age) <= _LONGEST_AGE else None,
        )


class Usage(NamedTuple):
    """Tokens of one call.

    Attributes:
        prompt_tokens: all of the prompt, those that the provider's own cache read or wrote among them.
        completion_tokens: all that the model wrote, its thoughts among them.
        estimated: counted by us because the provider did not say.
        cached_prompt_tokens: of the prompt, read from the provider's cache, which bills them at a discount.
        cache_write_tokens: of the prompt, written to the provider's cache; some bill them at a premium.
        cache_write_hour_tokens: of those written, the ones that Anthropic keeps for an hour, at a higher one.
        reasoning_tokens: of the answer, thoughts; billed as the rest of it is.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    cached_prompt_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_hour_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    @classmethod
    def of(cls, usage: object) -> "Usage | None":
        """Read OpenAI's `usage` object; None when there is none that can be true. An explicit zero is a zero.

        Details that are no counts, or more than the whole, are taken for none and for the whole: nobody is billed less
        than nothing.
        """
        if not isinstance(usage, dict):
            return None
        prompt, completion = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
        if not isinstance(prompt, int) or not isinstance(completion or 0, int):
            return None
        prompt, completion = max(0, prompt), max(0, completion or 0)
        if prompt > _MOST_TOKENS or completion > _MOST_TOKENS:
            return None
        cached = written = hourly = thought = 0
        if details := usage.get("prompt_tokens_details"):
            cached = _count(details, "cached_tokens", prompt)
            # Our name of it, and OpenAI's.
            written = max(
                _count(details, "cache_creation_tokens", prompt - cached),
                _count(details, "cache_write_tokens", prompt - cached),
            )
        if written and (details := usage.get("cache_creation")):
            hourly = _count(details, "ephemeral_1h_input_tokens", written)
        if details := usage.get("completion_tokens_details"):
            thought = _count(details, "reasoning_tokens", completion)
        return cls(prompt, completion, False, cached, written, hourly, thought)


def _count(details: object, name: str, most: int) -> int:
    value = details.get(name) if isinstance(details, dict) else None
    return min(max(0, value), most) if isinstance(value, int) else 0


class CachedAnswer(NamedTuple):
    """A stored completion and how near the question was.

    Attributes:
        completion: the OpenAI completion object.
        similarity: cosine similarity, 1.0 for the exact tier.
        age_seconds: how long ago it was stored.
        entry_id: names it within the tenant's cache; empty when it was not stored.
    """

    completion: Json
    state: CacheState
    similarity: float
    age_seconds: int
    entry_id: str = ""


class Found(NamedTuple):
    """What the exact tier knows of a request.

    Attributes:
        is_mine: nobody asked for it until now, or it cannot be told; others may wait for this call.
        is_theirs: another process is asking for it.
    """

    answer: CachedAnswer | None = None
    is_mine: bool = False
    is_theirs: bool = False


@dataclass(slots=True, eq=False)
class CacheKey:
    """A question's coordinates in the cache. Everything but `question` must be equal for two to share an answer.

    Attributes:
        exact: digest of the whole request and its provider; also the entry's id.
        question: the last user message; empty when only the exact tier may serve.
        digested: makes `conditions`, which the exact tier has no use for.
    """

    tenant_id: str
    provider: str
    model: str
    exact: str
    question: str
    digested: Callable[[], str] = field(repr=False)
    _conditions: str = ""

    @property
    def conditions(self) -> str:
        """Digest of all that shapes the answer besides the last question: instructions, earlier turns, parameters."""
        if not self._conditions:
            self._conditions = self.digested()
        return self._conditions


@dataclass(frozen=True, slots=True)
class QuestionVector:
    """A question's embedding.

    Attributes:
        data: little-endian float32.
        model: what embedded it; vectors of different models are never compared.
    """

    data: bytes
    model: str

    @property
    def dimensions(self) -> int:
        """How many numbers it has."""
        return len(self.data) // 4


class CachePolicy(NamedTuple):
    """How much of a tenant is kept, and for how long."""

    ttl_seconds: int
    max_entries: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Learned:
    """A least similarity that was learned.

    Attributes:
        start: the tenant's setting that it was learned from; under another setting it says nothing.
    """

    start: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question asked before under the same conditions."""

    question: str
    answer: CachedAnswer
    learned: Learned | None = None
