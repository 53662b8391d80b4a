"""The prompt-injection scanner with the weights that ship with the package."""

import base64
from functools import cache
from importlib.resources import files

from functions.guardrails.core import injection
from functions.guardrails.core.injection.linear import load
from functions.guardrails.core.injection.scanner import InjectionScanner


@cache
def injection_scanner() -> InjectionScanner:
    """One a process: reading the weights takes a few milliseconds, and it remembers words it has seen."""
    _, models = load(base64.decodebytes(files(injection).joinpath("weights.txt").read_bytes()))
    return InjectionScanner(models)
