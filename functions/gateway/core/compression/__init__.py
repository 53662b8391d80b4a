"""Makes prompts shorter without taking from them what the answer needs."""

from functions.gateway.core.compression.compressor import Compressed, Level, Step, compress
from functions.gateway.core.compression.pruning import Shortener

__all__ = ["Compressed", "Level", "Shortener", "Step", "compress"]
