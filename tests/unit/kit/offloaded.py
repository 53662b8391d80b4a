"""What the tests have done in processes of their own."""

import os


def work(given: bytes) -> bytes:
    """Turn it round, or misbehave as it says."""
    if given == b"fail":
        raise ValueError("a secret from the text")
    if given == b"die":
        os._exit(3)
    while given == b"hang":
        pass
    if given == b"print":
        print("this is no answer")  # noqa: T201
    return given[::-1]
