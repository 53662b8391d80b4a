"""Time: aware, in UTC, RFC 3339 on the wire."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present, with its zone."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """An aware time as RFC 3339 text in UTC, e.g. `2026-11-01T08:00:00.000000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
