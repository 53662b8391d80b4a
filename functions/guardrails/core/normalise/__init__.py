"""Texts as a model may read them: Unicode disguises undone, encoded payloads decoded, every character traceable."""

from functions.guardrails.core.normalise.view import View
from functions.guardrails.core.normalise.views import views

__all__ = ["View", "views"]
