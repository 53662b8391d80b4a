"""Latencies in slots that can be added up: DDSketch (Masson, Rim and Lee, VLDB 2019), at most 2 % off."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# As in the SQL function `latency_slot`.
RELATIVE_ERROR = 0.02
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
NOTHING = -1


@dataclass(frozen=True, slots=True)
class Latency:
    """How many calls took how long: slot → calls. Slot n holds what is above g^(n-1) and up to g^n milliseconds."""

    slots: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of_all(cls, parts: "Iterable[Latency]") -> "Latency":
        """Several together."""
        sums: Counter[int] = Counter()
        for part in parts:
            sums.update(part.slots)
        return cls(dict(sums))

    def quantile(self, part: float) -> float | None:
        """The latency in milliseconds that `part` of the calls did not exceed, by nearest rank, at most 2 % off.

        Returns:
            None where there were no calls.
        """
        rank = max(1, math.ceil(part * sum(self.slots.values())))
        for slot in sorted(self.slots):
            rank -= self.slots[slot]
            if rank <= 0:
                return value_of(slot)
        return None


def slot_of(milliseconds: int) -> int:
    """The slot of a latency."""
    return NOTHING if milliseconds < 1 else math.ceil(math.log(milliseconds) / math.log(_GAMMA) - 1e-9)


def value_of(slot: int) -> float:
    """What stands for all latencies of a slot, in milliseconds."""
    return 0.0 if slot == NOTHING else round(2 * _GAMMA**slot / (_GAMMA + 1), 3)
