"""Decides whether a failed call to a provider is worth another try, and when.

A try is repeated only while no successful answer has begun, so that nothing is billed twice unnoticed.
"""

import random
from dataclasses import dataclass

from functions.kit.errors import DcoderError

_OVERLOADED = frozenset({503, 529})
_FAILED = frozenset({500, 502, 504})


@dataclass(frozen=True, slots=True)
class Failure:
    """A try that brought no answer to use.

    Attributes:
        status: the HTTP status; None when no byte of an answer came.
        asked_wait: seconds the provider asks to wait; None when it does not say.
        repeatable: the connection was refused or lost before any byte of an answer.
        final: the provider says that trying again is of no use.
    """

    error: DcoderError
    status: int | None = None
    asked_wait: float | None = None
    repeatable: bool = False
    final: bool = False


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to try again.

    Attributes:
        most: tries after the first.
        longest_wait: seconds; a provider that asks for a longer wait is not tried again.
        first_pause: seconds; the bound of the first pause, doubled for each further one.
    """

    most: int = 2
    longest_wait: float = 2.0
    first_pause: float = 0.2

    def pause(self, failure: Failure, tried: int, remaining: float) -> float | None:
        """Seconds to wait before the next try, or None to give up.

        The pause is random between nothing and a bound that doubles (full jitter, "Exponential Backoff And Jitter",
        AWS Architecture Blog), but never shorter than the provider asks.

        Args:
            tried: tries so far, at least 1.
            remaining: seconds left for the whole call.
        """
        if tried > self._worth(failure):
            return None
        bound = min(self.longest_wait, self.first_pause * 2 ** (tried - 1))
        pause = max(random.uniform(0, bound), failure.asked_wait or 0)  # noqa: S311 - spreads load, keeps no secret
        return pause if pause < remaining else None

    def _worth(self, failure: Failure) -> int:
        """How many further tries a failure is worth."""
        if failure.final or (failure.asked_wait or 0) > self.longest_wait:
            return 0
        if failure.repeatable:
            return self.most
        if failure.status == 429:
            # Without a time to come back, a rate limit is the tenant's to wait out.
            return self.most if failure.asked_wait is not None else 0
        if failure.status in _OVERLOADED:
            return self.most if failure.asked_wait is not None else min(1, self.most)
        return min(1, self.most) if failure.status in _FAILED else 0
