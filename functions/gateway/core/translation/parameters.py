"""Reads the parameters of an OpenAI chat request, each once; what nobody has read at the end is refused."""

from collections.abc import Mapping, Sequence
from typing import Any

from functions.gateway.core.models import Json
from functions.gateway.core.translation.refusals import refuse

# How a request travels and how the platform files it; they never shape the answer.
_FILED = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "user", "metadata", "safety_identifier"),
        *("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"),
    }
)
# Values that ask for what every provider does anyway.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "store": (False,),
    "modalities": (["text"],),
    "service_tier": ("auto",),
    "verbosity": ("medium",),
    "stop": ([],),
    "tools": ([],),
    "response_format": ({"type": "text"},),
    "parallel_tool_calls": (True,),
}


class Parameters:
    """The parameters of one request.

    Args:
        provider: the provider's name as the caller knows it, for refusals.
    """

    def __init__(self, body: Json, provider: str) -> None:
        self._body = {
            name: value for name, value in body.items() if name not in _FILED and not _is_neutral(name, value)
        }
        self._provider = provider

    def take(self, name: str) -> Any:
        """The value, or None when it is absent or asks for nothing."""
        return self._body.pop(name, None)

    def number(self, name: str, low: float, high: float) -> float | None:
        """A number within the provider's range."""
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refuse(name, "must be a number")
        if not low <= value <= high:
            raise refuse(name, f"{self._provider} takes {low:g} to {high:g}")
        return value

    def integer(self, name: str, low: int, high: int | None = None) -> int | None:
        """A whole number within the provider's range."""
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise refuse(name, "must be an integer")
        if value < low or (high is not None and value > high):
            raise refuse(name, f"{self._provider} takes {low} to {high}" if high else f"must be at least {low}")
        return value

    def flag(self, name: str) -> bool | None:
        """A boolean."""
        value = self.take(name)
        if value is not None and not isinstance(value, bool):
            raise refuse(name, "must be true or false")
        return value

    def one_of(self, name: str, values: Sequence[str]) -> str | None:
        """One of some words."""
        value = self.take(name)
        if value is not None and value not in values:
            raise refuse(name, f"{self._provider} takes {', '.join(values)}")
        return value  # type: ignore[no-any-return]

    def table(self, name: str) -> Json | None:
        """An object."""
        value = self.take(name)
        if value is not None and not isinstance(value, dict):
            raise refuse(name, "must be an object")
        return value

    def stops(self, most: int | None = None) -> list[str] | None:
        """`stop`, always as a list."""
        value = self.take("stop")
        if value is None:
            return None
        stops = [value] if isinstance(value, str) else value
        if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
            raise refuse("stop", "must be a string or a list of strings")
        if most is not None and len(stops) > most:
            raise refuse("stop", f"{self._provider} takes at most {most}")
        return stops

    def token_limit(self) -> int | None:
        """`max_completion_tokens`, or the older `max_tokens`."""
        older, newer = self.integer("max_tokens", 1), self.integer("max_completion_tokens", 1)
        if older is not None and newer is not None and older != newer:
            raise refuse("max_tokens", "contradicts max_completion_tokens; give one of them")
        return older if newer is None else newer

    def finish(self) -> None:
        """Everything has been read.

        Raises:
            ProviderRejected: something is left.
        """
        for name in self._body:
            raise refuse(name, f"{self._provider} has no such parameter")


def _is_neutral(name: str, value: Any) -> bool:
    # bool is an int: `n: true` is not a 1, nor `logprobs: 0` a no.
    return value is None or any(value == same and type(value) is type(same) for same in _NEUTRAL.get(name, ()))
