"""How many events to ask NATS for: never more than there are free hands, one at a time while a function is down."""

from dataclasses import dataclass


@dataclass(slots=True)
class Window:
    """Counts a function's events that are asked for and those in hand.

    Attributes:
        limit: most events in hand or on their way.
    """

    limit: int
    in_hand: int = 0
    asked: int = 0

    def wanted(self, *, probing: bool = False) -> int:
        """How many more to ask for now.

        Small remainders are saved up while a request is open, so that not every settled event costs one.
        """
        if probing:
            return 1 if self.in_hand + self.asked == 0 else 0
        free = self.limit - self.in_hand - self.asked
        return free if free > 0 and (self.asked == 0 or free * 2 >= self.limit) else 0

    def ask(self, count: int) -> None:
        """`count` more events were asked for."""
        self.asked += count

    def received(self) -> None:
        """One of them came."""
        self.asked = max(0, self.asked - 1)
        self.in_hand += 1

    def unanswered(self, count: int) -> None:
        """`count` of them will not come."""
        self.asked = max(0, self.asked - count)

    def settled(self) -> None:
        """One in hand is done with."""
        self.in_hand -= 1


class Reachability:
    """Whether a function can be reached, and when to look again if not.

    Args:
        base: seconds before the first look again; doubled with each in vain.
        cap: longest wait.
    """

    def __init__(self, *, base: float, cap: float) -> None:
        self._base = base
        self._cap = cap
        self._misses = 0
        self._next_look = 0.0

    @property
    def down(self) -> bool:
        """Whether the last look was in vain."""
        return self._misses > 0

    def pause(self, now: float) -> float:
        """Seconds until the next look is due; 0 when it is due or the function is up."""
        return max(0.0, self._next_look - now) if self._misses else 0.0

    def missed(self, now: float) -> float:
        """The function could not be reached. Returns seconds until the next look."""
        if now >= self._next_look:
            # Deliveries that were under way together count as one look.
            self._misses += 1
            self._next_look = now + min(self._cap, self._base * 2.0 ** min(self._misses - 1, 16))
        return self.pause(now)

    def answered(self) -> None:
        """The function is there."""
        self._misses = 0
        self._next_look = 0.0
