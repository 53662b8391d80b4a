"""Spares callers the wait for a provider that is down: after some failures in a row it is left alone for a moment."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from functions.gateway.adapters.provider_errors import details_of
from functions.gateway.core.errors import ProviderTimeout, ProviderUnavailable
from functions.gateway.core.models import Provider, Target
from functions.kit.context import current
from functions.kit.errors import DcoderError

_Key = tuple[str | None, Provider]
_MOST_CIRCUITS = 1000


@dataclass(slots=True)
class _Circuit:
    """The failures in a row of one tenant's provider.

    Attributes:
        failures: when the last of them happened, as many as open the circuit.
        open: whether calls are held back until one succeeds.
        next_probe: when an open circuit lets the next call through.
    """

    failures: deque[float]
    open: bool = False
    next_probe: float = 0.0


class CircuitBreakers:
    """One circuit for each tenant and provider.

    Only a provider that cannot be reached, fails or hangs opens it. An open circuit lets one call through in each
    rest, and the first that gets any answer closes it.

    Args:
        failures: calls in a row that open the circuit.
        within_seconds: the time in which they must happen.
        rest_seconds: how long the provider is left alone.
    """

    def __init__(
        self,
        *,
        failures: int = 5,
        within_seconds: float = 30.0,
        rest_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures = failures
        self._within_seconds = within_seconds
        self._rest_seconds = rest_seconds
        self._clock = clock
        self._circuits: dict[_Key, _Circuit] = {}

    def enter(self, target: Target) -> bool:
        """Let a call through, and tell whether it probes an open circuit. How it ends is to be told.

        Raises:
            ProviderUnavailable: the circuit is open.
        """
        # To look an equal provider up takes a hash of all it has, and there mostly is none.
        circuit = self._circuits.get(_key(target)) if self._circuits else None
        if circuit is None or not circuit.open:
            return False
        wait = circuit.next_probe - self._clock()
        if wait > 0:
            raise ProviderUnavailable(
                "the provider failed several times in a row and is left alone for a moment",
                details=details_of(target),
                retry_after=max(1.0, wait),
            )
        circuit.next_probe = self._clock() + self._rest_seconds
        return True

    def answered(self, target: Target) -> None:
        """The call was answered: the provider is there."""
        if self._circuits:
            self._circuits.pop(_key(target), None)

    def failed(self, target: Target, error: DcoderError) -> None:
        """The call has failed."""
        if not isinstance(error, ProviderUnavailable | ProviderTimeout):
            # A refusal is an answer.
            self.answered(target)
            return
        now, key = self._clock(), _key(target)
        circuit = self._circuits.get(key)
        if circuit is None:
            self._forget_old(now)
            circuit = self._circuits[key] = _Circuit(deque(maxlen=self._failures))
        circuit.failures.append(now)
        full = len(circuit.failures) == self._failures
        if circuit.open or (full and circuit.failures[0] >= now - self._within_seconds):
            circuit.open = True
            circuit.next_probe = now + self._rest_seconds

    def _forget_old(self, now: float) -> None:
        """Keep the number of circuits bounded."""
        if len(self._circuits) < _MOST_CIRCUITS:
            return
        horizon = now - self._within_seconds
        self._circuits = {key: circuit for key, circuit in self._circuits.items() if circuit.failures[-1] >= horizon}


def _key(target: Target) -> _Key:
    return current().tenant_id, target.provider
