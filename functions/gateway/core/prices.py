"""The price table: integer money, versioned by the day a price holds from."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from functions.gateway.core.models import Usage

# The C one where it was compiled; the other takes ten times as long at every cold start.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TABLE = Path(__file__).with_name("prices.yaml")
# Vertex serves Google's models at Google's prices.
_SAME_AS = {"vertex": "google"}


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens equal micro-dollars per token; kept a thousandfold, as integers.

    Attributes:
        cached_nano_usd: a token of the prompt that the provider's cache had.
        write_nano_usd: one that it was told to keep.
        write_hour_nano_usd: one that it was told to keep for an hour.
        above: tokens of a prompt beyond which all of a call costs what `long` says; 0 where there is no such price.
    """

    input_nano_usd: int
    output_nano_usd: int
    cached_nano_usd: int
    write_nano_usd: int
    write_hour_nano_usd: int
    above: int = 0
    long: "Price | None" = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Price":
        """A row of the table; what it does not name costs what other tokens of the prompt do."""
        given, write, dearer = row["input"], row.get("write", row["input"]), row.get("long")
        return cls(
            input_nano_usd=_nano(given),
            output_nano_usd=_nano(row["output"]),
            cached_nano_usd=_nano(row.get("cached", given)),
            write_nano_usd=_nano(write),
            write_hour_nano_usd=_nano(row.get("hour", write)),
            above=dearer["above"] if dearer else 0,
            long=cls.of(dearer) if dearer else None,
        )

    def at(self, prompt_tokens: int) -> "Price":
        """The price of a call with so long a prompt."""
        return self.long if self.long is not None and prompt_tokens > self.above else self

    def cost_micro_usd(self, usage: Usage) -> int:
        """What the tokens cost, rounded half up to a millionth of a dollar."""
        prompt = usage.prompt_tokens
        if self.long is not None and prompt > self.above:
            return self.long.cost_micro_usd(usage)
        nano = prompt * self.input_nano_usd + usage.completion_tokens * self.output_nano_usd
        if usage.cached_prompt_tokens or usage.cache_write_tokens:
            nano += self._apart_nano_usd(usage)
        return (nano + 500) // 1000

    def _apart_nano_usd(self, usage: Usage) -> int:
        """What is to be added for tokens of the prompt that do not cost what the others do; it may be below zero."""
        written, kept = usage.cache_write_tokens, usage.cache_write_hour_tokens
        return (
            usage.cached_prompt_tokens * (self.cached_nano_usd - self.input_nano_usd)
            + (written - kept) * (self.write_nano_usd - self.input_nano_usd)
            + kept * (self.write_hour_nano_usd - self.input_nano_usd)
        )


class PriceTable:
    """One version of the prices."""

    def __init__(self, version: str, models: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        self.version = version
        self._prices = {kind: {name: Price.of(row) for name, row in rows.items()} for kind, rows in models.items()}

    def cost_micro_usd(self, kind: str, model: str, usage: Usage) -> int:
        """What a call cost, in millionths of a dollar; a model without a price costs nothing."""
        price = self.find(kind, model)
        return price.cost_micro_usd(usage) if price else 0

    def nano_usd(self, kind: str, model: str, *, prompt_tokens: int = 0, writes_cache: bool = False) -> tuple[int, int]:
        """What a token of the prompt and one of the answer cost at most, in thousandths of a micro-dollar.

        Args:
            prompt_tokens: of the prompt, where a long one may cost more.
            writes_cache: the call tells the provider to keep its prompt, which some bill at a premium.
        """
        price = self.find(kind, model)
        if price is None:
            return 0, 0
        price = price.at(prompt_tokens)
        # Who is not told to keep a prompt may do so by itself, unless it is Anthropic.
        kept = price.write_hour_nano_usd if writes_cache else price.write_nano_usd
        into = price.input_nano_usd if kind == "anthropic" and not writes_cache else max(price.input_nano_usd, kept)
        return into, price.output_nano_usd

    def family(self, kind: str, model: str) -> str:
        """The name in the table that a model goes by; empty where it has none."""
        return self._family(kind, model) or ""

    @lru_cache(maxsize=4096)  # noqa: B019 - there is one table a process, and it lives as long as it
    def find(self, kind: str, model: str) -> Price | None:
        """The price of a model; dated releases such as `gpt-4o-2024-08-06` cost what their family does."""
        family = self._family(kind, model)
        return self._rows(kind)[family] if family else None

    @lru_cache(maxsize=4096)  # noqa: B019 - as above
    def _family(self, kind: str, model: str) -> str | None:
        families = [name for name in self._rows(kind) if model == name or model.startswith(f"{name}-")]
        return max(families, key=len) if families else None

    def _rows(self, kind: str) -> Mapping[str, Price]:
        return self._prices.get(_SAME_AS.get(kind, kind), {})


@lru_cache(maxsize=1)
def load_prices() -> PriceTable:
    """The newest version of the table."""
    versions: list[dict[str, Any]] = yaml.load(_TABLE.read_text(), _LOADER)  # noqa: S506 - one of the safe ones
    newest = max(versions, key=lambda version: str(version["version"]))
    return PriceTable(newest["version"], newest["models"])


def _nano(usd_per_million: str) -> int:
    return int(Decimal(usd_per_million) * 1000)
