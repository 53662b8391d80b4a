"""The models that each simulated provider offers."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from local.simulator.refusals import Problem, Refusal

_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|latest)$")
_FREE_NAMES = ("sim-", "ft:")
# Long past, the same for all: only its presence matters.
RELEASED = 1735689600


class Kind(StrEnum):
    """What a model does."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"


@dataclass(frozen=True, slots=True)
class Model:
    """A model; `context` is how many prompt tokens it takes."""

    id: str
    kind: Kind = Kind.CHAT
    context: int = 128_000
    owner: str = "simulator"


class Listing:
    """One provider's models. Names that begin with `sim-` or `ft:` are models too, of any kind."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._models = {model.id: model for model in models}

    def all(self) -> list[Model]:
        """In the order of the listing."""
        return list(self._models.values())

    def get(self, name: str) -> Model:
        """The model of that name, or of that name without a snapshot's date.

        Raises:
            Refusal: there is none.
        """
        model = self._models.get(name) or self._models.get(_SNAPSHOT.sub("", name))
        if model is not None:
            return model
        if name.startswith(_FREE_NAMES):
            return Model(name)
        raise Refusal(Problem.UNKNOWN_MODEL, model=name)

    def of_kind(self, name: str, kind: Kind) -> Model:
        """The model of that name, which must do what is asked.

        Raises:
            Refusal: there is none, or it does something else.
        """
        model = self.get(name)
        if model.kind is not kind and not name.startswith(_FREE_NAMES):
            raise Refusal(Problem.WRONG_MODEL_KIND, model=name)
        return model


def models(names: str, *, owner: str, context: int, kind: Kind = Kind.CHAT) -> list[Model]:
    """Models from names between spaces."""
    return [Model(name, kind, context, owner) for name in names.split()]


SIMULATED = [
    Model("sim-chat"),
    Model("sim-small", context=100),
    Model("sim-embedding", kind=Kind.EMBEDDING, context=8192),
    Model("sim-completion", kind=Kind.COMPLETION),
]

OPENAI = Listing(
    [
        *models("gpt-4o gpt-4o-mini gpt-4-turbo gpt-3.5-turbo", owner="system", context=128_000),
        *models("gpt-4.1 gpt-4.1-mini gpt-4.1-nano", owner="system", context=1_047_576),
        *models("gpt-5 gpt-5-mini gpt-5-nano gpt-5.1 gpt-5.1-mini gpt-5.2", owner="system", context=400_000),
        *models("gpt-5.4 gpt-5.4-mini gpt-5.4-nano gpt-5.5", owner="system", context=400_000),
        *models("gpt-5.6-sol gpt-5.6-terra gpt-5.6-luna", owner="system", context=400_000),
        *models("gpt-6-astra gpt-6-sol gpt-6-luna gpt-6.1-sol gpt-6.1-terra", owner="system", context=400_000),
        *models("gpt-6.2-astra gpt-6.2-sol", owner="system", context=400_000),
        *models("o1 o3 o3-mini o4-mini", owner="system", context=200_000),
        *models("gpt-3.5-turbo-instruct", owner="system", context=4096, kind=Kind.COMPLETION),
        *models(
            "text-embedding-3-small text-embedding-3-large text-embedding-ada-002",
            owner="system",
            context=8192,
            kind=Kind.EMBEDDING,
        ),
        *SIMULATED,
    ]
)

GROQ = Listing(
    [
        *models("llama-3.3-70b-versatile llama-3.1-8b-instant", owner="Meta", context=131_072),
        *models(
            "meta-llama/llama-4-scout-17b-16e-instruct meta-llama/llama-4-maverick-17b-128e-instruct",
            owner="Meta",
            context=131_072,
        ),
        *models("openai/gpt-oss-120b openai/gpt-oss-20b", owner="OpenAI", context=131_072),
        *models("qwen/qwen3-32b", owner="Alibaba Cloud", context=131_072),
        *SIMULATED[:2],
    ]
)

ANTHROPIC = Listing(
    [
        *models("claude-fable-5-2 claude-fable-5-1 claude-fable-5", owner="anthropic", context=1_000_000),
        *models("claude-opus-5-5 claude-opus-5 claude-opus-4-8 claude-opus-4-7", owner="anthropic", context=1_000_000),
        *models("claude-sonnet-5-5 claude-sonnet-5 claude-haiku-5-5", owner="anthropic", context=1_000_000),
        *models("claude-opus-4-6 claude-opus-4-5 claude-sonnet-4-6", owner="anthropic", context=200_000),
        *models("claude-sonnet-4-5 claude-haiku-4-5", owner="anthropic", context=200_000),
        *SIMULATED[:2],
    ]
)

GOOGLE = Listing(
    [
        *models("gemini-3.6-flash gemini-3.5-flash gemini-3.5-flash-lite", owner="google", context=1_048_576),
        *models("gemini-3.1-flash-lite gemini-3.1-pro-preview", owner="google", context=1_048_576),
        *models("gemini-3-flash-preview gemini-3-pro-preview", owner="google", context=1_048_576),
        *models("gemini-2.5-flash gemini-2.5-flash-lite gemini-2.5-pro", owner="google", context=1_048_576),
        *models("gemini-2.0-flash gemini-2.0-flash-lite", owner="google", context=1_048_576),
        *models(
            "gemini-embedding-001 gemini-embedding-2 text-embedding-004 text-embedding-005",
            owner="google",
            context=2048,
            kind=Kind.EMBEDDING,
        ),
        *SIMULATED,
    ]
)
