"""The price table: integer money, versioned by the day a price holds from."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from functions.gateway.core.models import Usage

_TABLE = Path(__file__).with_name("prices.yaml")
# Vertex serves Google's models at Google's prices.
_SAME_AS = {"vertex": "google"}


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens equal micro-dollars per token; kept a thousandfold, as integers."""

    input_nano_usd: int
    output_nano_usd: int

    def cost_micro_usd(self, usage: Usage) -> int:
        """What the tokens cost, rounded half up to a millionth of a dollar."""
        nano = usage.prompt_tokens * self.input_nano_usd + usage.completion_tokens * self.output_nano_usd
        return (nano + 500) // 1000


class PriceTable:
    """One version of the prices."""

    def __init__(self, version: str, models: Mapping[str, Mapping[str, Mapping[str, str]]]) -> None:
        self.version = version
        self._prices = {
            kind: {name: Price(_nano(row["input"]), _nano(row["output"])) for name, row in rows.items()}
            for kind, rows in models.items()
        }

    def cost_micro_usd(self, kind: str, model: str, usage: Usage) -> int:
        """What a call cost, in millionths of a dollar; a model without a price costs nothing."""
        price = self.find(kind, model)
        return price.cost_micro_usd(usage) if price else 0

    def nano_usd(self, kind: str, model: str) -> tuple[int, int]:
        """What a token of the prompt and one of the answer cost, in thousandths of a micro-dollar."""
        price = self.find(kind, model)
        return (price.input_nano_usd, price.output_nano_usd) if price else (0, 0)

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
    versions: list[dict[str, Any]] = yaml.safe_load(_TABLE.read_text())
    newest = max(versions, key=lambda version: str(version["version"]))
    return PriceTable(newest["version"], newest["models"])


def _nano(usd_per_million: str) -> int:
    return int(Decimal(usd_per_million) * 1000)
