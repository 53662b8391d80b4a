"""Limits on what a tenant uses: what they may be on, the windows they hold in, and where they are counted."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, NamedTuple

SubjectKind = Literal["tenant", "group", "user", "api_key", "model"]
Metric = Literal["requests", "tokens", "cost"]
Window = Literal["minute", "day", "month"]

# Redis: the stream that calls are settled into, until when something is held for each call under way, and what.
PENDING = "usage:pending"
# Fields of its entries: a call's record, what was said in it (sealed), and a threshold that was crossed.
RECORD_FIELD = "r"
CONTENT_FIELD = "c"
THRESHOLD_FIELD = "q"
RESERVATIONS = "quota:reservations"
HELD = "quota:held"

_MINUTE = 60
_DAY = 86_400


class Span(NamedTuple):
    """A window of UTC: seconds since 1970, `end` exclusive."""

    start: int
    end: int

    @property
    def began(self) -> datetime:
        """The moment of `start`."""
        return datetime.fromtimestamp(self.start, UTC)

    @property
    def resets(self) -> datetime:
        """The moment of `end`."""
        return datetime.fromtimestamp(self.end, UTC)


def span_of(window: Window, at: datetime) -> Span:
    """The window that a moment lies in."""
    return spans_at(at)[window]


def spans_at(at: datetime) -> dict[Window, Span]:
    """All windows that a moment lies in."""
    return _spans(int(at.timestamp()) // _MINUTE)


def counter_key(tenant_id: str, quota_id: str, span: Span) -> str:
    """The Redis hash that counts a quota in a window: `used`, `reserved`, and the thresholds that were crossed."""
    return f"t:{tenant_id}:quota:{quota_id}:{span.start}"


@lru_cache(maxsize=64)
def _spans(minute: int) -> dict[Window, Span]:
    """The windows that a minute lies in; the same for every call of that minute."""
    moment = minute * _MINUTE
    day = moment - moment % _DAY
    first = datetime.fromtimestamp(day, UTC).replace(day=1)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return {
        "minute": Span(moment, moment + _MINUTE),
        "day": Span(day, day + _DAY),
        "month": Span(int(first.timestamp()), int(following.timestamp())),
    }
