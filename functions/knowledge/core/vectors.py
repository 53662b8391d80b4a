"""Embeddings as models answer with them."""

from typing import Any

# The greatest half-precision number (IEEE 754), as which pgvector keeps them.
_GREATEST = 65_504.0


def vector_of(numbers: Any) -> list[float]:
    """An embedding.

    Raises:
        TypeError, ValueError: it is none, or none that can be kept and compared.
    """
    vector = [float(number) for number in numbers]
    # Not a number is not within it either.
    if not vector or not all(-_GREATEST <= number <= _GREATEST for number in vector):
        raise ValueError("an embedding is a list of numbers of half precision")
    return vector
