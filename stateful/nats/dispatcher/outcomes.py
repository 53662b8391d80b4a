"""What came of a delivery, and what follows from it. Pure: no clock, no network."""

import random
from dataclasses import dataclass

from stateful.nats.dispatcher.settings import DispatcherSettings


@dataclass(frozen=True, slots=True)
class Handled:
    """The function answered 2xx."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The function will never handle this event.

    Attributes:
        status: the HTTP status, 0 when the function was not asked.
    """

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The function tried and failed, or did not answer in time.

    Attributes:
        status: the HTTP status, 0 when there was none.
        retry_after: seconds the function asked to be left alone.
    """

    status: int
    reason: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The function is there, and something that it needs is not (HTTP 503): the event is not to blame.

    Attributes:
        retry_after: seconds the function asked to be left alone.
    """

    reason: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unreachable:
    """There was no function to try: the event is not to blame."""

    reason: str


Outcome = Handled | Refused | Failed | Unavailable | Unreachable
# An outage may last for hours: what waits for its end is to come soon after it.
_UNAVAILABLE_CAP_SECONDS = 30.0
# What functions say who do not know better; a longer time is one at which there is something to do.
_SOON_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The event is done with."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The event is to be delivered again after `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """The event is to be set aside."""

    status: int
    reason: str


Decision = Acknowledge | Retry | DeadLetter


def decide(
    outcome: Outcome, *, tries: int, waits: int, age: float, pause: float, settings: DispatcherSettings
) -> Decision:
    """What to do with an event.

    Args:
        tries: deliveries so far that failed for the event, this one included.
        waits: the others, this one included.
        age: seconds since the event was published.
        pause: seconds until an unreachable function is looked at again.
    """
    match outcome:
        case Handled():
            return Acknowledge()
        case Refused(status, reason):
            return DeadLetter(status, reason)
        case Failed(status, reason, retry_after):
            if tries >= settings.max_tries or age >= settings.unreachable_seconds:
                return DeadLetter(status, f"{tries} tries exhausted: {reason}")
            return Retry(_backoff(tries, retry_after, settings, settings.retry_cap_seconds))
        case Unavailable(reason, retry_after):
            if age >= settings.unreachable_seconds:
                return DeadLetter(503, f"unavailable for {int(age)} s: {reason}")
            if retry_after is not None and retry_after > _SOON_SECONDS:
                return Retry(min(retry_after, settings.retry_cap_seconds) * random.uniform(1.0, 1.1))  # noqa: S311
            return Retry(_backoff(waits, None, settings, _UNAVAILABLE_CAP_SECONDS))
        case Unreachable(reason):
            if age >= settings.unreachable_seconds:
                return DeadLetter(0, f"unreachable for {int(age)} s: {reason}")
            return Retry(pause + random.uniform(0.0, 0.5))  # noqa: S311


def _backoff(tries: int, retry_after: float | None, settings: DispatcherSettings, cap: float) -> float:
    """Exponential with jitter, and not before the function asked for; both within their caps."""
    exponential = settings.retry_base_seconds * 2.0 ** min(max(0, tries - 1), 32)
    own = min(exponential, cap, settings.retry_cap_seconds) * random.uniform(0.5, 1.0)  # noqa: S311
    if retry_after is None:
        return own
    return max(own, min(retry_after, settings.retry_cap_seconds) * random.uniform(1.0, 1.1))  # noqa: S311
