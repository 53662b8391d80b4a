"""Keeps a Redis that is away from costing every request a timeout."""

import time
from collections.abc import Awaitable
from typing import TypeVar

from redis.exceptions import RedisError

Result = TypeVar("Result")


class RedisAway(Exception):
    """Redis did not answer, now or a moment ago."""


class RedisBreaker:
    """After a failure Redis is left alone for a moment; the next call then tries again.

    Args:
        rest_seconds: how long it is left alone.
    """

    def __init__(self, rest_seconds: float = 1.0) -> None:
        self._rest_seconds = rest_seconds
        self._resting_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether Redis is being left alone."""
        return time.monotonic() < self._resting_until

    async def run(self, command: Awaitable[Result]) -> Result:
        """The command's result.

        Raises:
            RedisAway: Redis did not answer.
            redis.exceptions.ResponseError: Redis answered that the command is wrong.
        """
        try:
            return await command
        except (RedisError, OSError, TimeoutError) as error:
            if type(error).__name__ == "ResponseError":
                raise
            self._resting_until = time.monotonic() + self._rest_seconds
            raise RedisAway(str(error)) from error
