"""When a function is due: `daily 02:17` or `every 5m`, in UTC."""

import re
from dataclasses import dataclass
from datetime import timedelta

# The type of the event that a function is then called with.
DUE = "schedule.due"
_DAY = timedelta(days=1)
_DAILY = re.compile(r"daily ([01]\d|2[0-3]):([0-5]\d)")
_EVERY = re.compile(r"every ([1-9]\d{0,3})m")


@dataclass(frozen=True, slots=True)
class Schedule:
    """Due at `offset` after midnight, and every `interval` from there; the interval divides the day."""

    interval: timedelta
    offset: timedelta

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """Read a schedule.

        Raises:
            ValueError: it is none, or its minutes do not divide the day.
        """
        if daily := _DAILY.fullmatch(text):
            return cls(_DAY, timedelta(hours=int(daily[1]), minutes=int(daily[2])))
        if every := _EVERY.fullmatch(text):
            interval = timedelta(minutes=int(every[1]))
            if _DAY % interval:
                raise ValueError(f"{text!r}: the minutes must divide the day")
            return cls(interval, timedelta())
        raise ValueError(f"not a schedule: {text!r}; `daily 02:17` and `every 5m` are")

    def __str__(self) -> str:
        minutes = int(self.offset.total_seconds()) // 60
        if self.interval == _DAY:
            return f"daily {minutes // 60:02}:{minutes % 60:02}"
        return f"every {int(self.interval.total_seconds()) // 60}m"
