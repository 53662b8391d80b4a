"""Telephone numbers by the numbering plans of Google's libphonenumber."""

import re
from collections.abc import Iterator
from itertools import islice

from functions.guardrails.core.pii.scanner import context_near

REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "AT", "CH", "AU", "IN", "BR", "PL", "SE", "DK", "NZ", "ZA")
_CANDIDATE = re.compile(
    r"(?<![\w/.,#$€£-])(?P<plus>\+|00)?\(?\d{1,4}\)?(?:[ \u00a0./-]{0,2}\(?\d{1,5}\)?){1,6}"
    r"(?:\s?(?:x|ext\.?)\s?\d{1,6})?(?![\w/%-]|[.,]\d)"
)
_DATE = re.compile(
    r"(?:\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d{2}|(?:19|20)\d{2}[./-](?:0?[1-9]|1[0-2])[./-]\d{1,2})(?!\d)"
)
_WORDS = (
    "phone",
    "tel",
    "call",
    "mobile",
    "cell",
    "fax",
    "contact",
    "whatsapp",
    "sms",
    "handy",
    "ruf",
    "text me",
    "dial",
    "answer",
    "reach",
    "my number",
)
_OTHER_NUMBERS = re.compile(
    r"(?:invoice|order|ticket|build|version|release|ports?|range|isbn|issn|doi|rfc|iso|part|model|serial|rechnung|auftrag"
    r"|facture|id|uuid|no\.|nr\.)[\s:#.]*(?:no\.?|nr\.?|number|range)?[\s:#.]*$",
    re.IGNORECASE,
)
_FEWEST, _MOST = 7, 15
# Shorter national numbers look like house numbers and postal codes: they count only with a word nearby.
_FEWEST_UNASKED = 9
# A text of digits alone must not cost seconds.
_MOST_CANDIDATES = 1000


class PhoneNumbers:
    """Telephone numbers, international or as written in one of the regions."""

    def __init__(self, regions: tuple[str, ...] = REGIONS) -> None:
        self._regions = regions

    def find(self, text: str) -> Iterator[tuple[str, int, int, float]]:
        """Type, start, end and score of each number; national forms count more with a word like `call` nearby."""
        for found in islice(_CANDIDATE.finditer(text), _MOST_CANDIDATES):
            digits = sum(character.isdigit() for character in found[0])
            if not _FEWEST <= digits <= _MOST + 4 or _DATE.match(found[0]):
                continue
            score = self._score(found[0], text, found)
            if score:
                yield "PHONE_NUMBER", found.start(), found.end(), score

    def _score(self, number: str, text: str, found: re.Match[str]) -> float:
        near = context_near(text, found.start(), found.end(), _WORDS)
        if found["plus"]:
            return 0.9 if self._is_valid(number, None) else 0.6 * near
        if not near and _OTHER_NUMBERS.search(text, max(0, found.start() - 24), found.start()):
            return 0.0
        written = bool(re.search(r"\d[ ./()-]+\d", number))
        if any(self._is_valid(number, region) for region in self._regions):
            whole = written and sum(character.isdigit() for character in number) >= _FEWEST_UNASKED
            return (0.55 if whole else 0.3) + 0.35 * near
        return 0.55 * (near and written)

    def _is_valid(self, number: str, region: str | None) -> bool:
        import phonenumbers

        try:
            parsed = phonenumbers.parse(
                number.replace("00", "+", 1) if region is None and number[0] == "0" else number, region
            )
        except phonenumbers.NumberParseException:
            return False
        return phonenumbers.is_valid_number(parsed)
