"""What personal data looks like, how it is checked, and the words that go with it."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

from functions.guardrails.core.models import Severity
from functions.guardrails.core.pii import checksums

_SEPARATORS = re.compile(r"[\s./\u00a0-]")


@dataclass(frozen=True, slots=True)
class Recogniser:
    """One kind of personal data.

    Attributes:
        score: confidence of the form alone.
        keep_case: whether small and capital letters differ in meaning.
        check: confirms the value without separators; what fails is no match at all.
        checked_score: confidence once confirmed.
        context: stems of words nearby that raise the confidence.
    """

    type: str
    pattern: re.Pattern[str]
    score: float
    severity: Severity
    check: Callable[[str], bool] | None = None
    checked_score: float = 0.0
    context: tuple[str, ...] = ()
    keep_case: bool = False

    def value(self, text: str) -> str:
        """The value without separators, in capitals unless they mean something."""
        compact = _SEPARATORS.sub("", text)
        return compact if self.keep_case else compact.upper()


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.VERBOSE)


def _card(digits: str) -> bool:
    known = len(digits) in {13, 14, 15, 16, 19} and (digits[0] in "23456" or digits.startswith("1800"))
    return known and checksums.luhn(digits)


def _ip(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text.lower())
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback)


_CARD_WORDS = (
    "card",
    "credit",
    "visa",
    "master",
    "amex",
    "debit",
    "karte",
    "kreditk",
    "tarjeta",
    "carte",
    "cc ",
    "cvv",
)
_TAX_WORDS = ("steuer", "tax", "idnr", "identifikations", "tin")
_BIRTH = ("born", "birth", "dob", "geboren", "geburt", "né le", "nacid")

RECOGNISERS: tuple[Recogniser, ...] = (
    Recogniser(
        "EMAIL_ADDRESS",
        _pattern(r"(?<![\w.%+-])[\w.%+'-]{1,64}@(?:[\w](?:[\w-]{0,61}[\w])?\.)+[^\W\d_]{2,24}(?![\w-])"),
        0.95,
        Severity.MEDIUM,
    ),
    Recogniser(
        "CREDIT_CARD",
        _pattern(r"(?<![\w.-])(?:\d[ -]?){12,18}\d(?![\w-]|\.\d)"),
        0.0,
        Severity.HIGH,
        _card,
        0.9,
        _CARD_WORDS,
    ),
    Recogniser(
        "CREDIT_CARD",
        _pattern(r"(?<![\w.-])(?:5[0678]|6\d)\d{10}(?![\w-]|\.\d)"),
        0.0,
        Severity.HIGH,
        checksums.luhn,
        0.45,
        _CARD_WORDS,
    ),
    Recogniser(
        "IBAN_CODE",
        _pattern(r"(?i:(?<!\w)[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?(?!\w))"),
        0.0,
        Severity.HIGH,
        checksums.iban,
        0.98,
        ("iban", "account", "konto", "bank"),
    ),
    Recogniser(
        "US_SSN",
        _pattern(r"(?<![\w-])\d{3}(?P<gap>[- .])\d{2}(?P=gap)\d{4}(?![\w-])"),
        0.0,
        Severity.HIGH,
        checksums.us_ssn,
        0.6,
        ("ssn", "social", "security"),
    ),
    Recogniser(
        "US_SSN",
        _pattern(r"(?<![\w.-])\d{9}(?![\w-]|\.\d)"),
        0.0,
        Severity.HIGH,
        checksums.us_ssn,
        0.2,
        ("ssn", "social security"),
    ),
    Recogniser(
        "US_ITIN",
        _pattern(r"(?<![\w-])9\d{2}[- ]\d{2}[- ]\d{4}(?![\w-])"),
        0.0,
        Severity.HIGH,
        checksums.us_itin,
        0.5,
        ("itin", "taxpayer", "tax"),
    ),
    Recogniser(
        "DE_TAX_ID",
        _pattern(r"(?<![\w.-])\d{2}[ ]?\d{3}[ ]?\d{3}[ ]?\d{3}(?![\w-]|\.\d)"),
        0.0,
        Severity.HIGH,
        checksums.steuer_id,
        0.45,
        _TAX_WORDS,
    ),
    Recogniser(
        "DE_SOCIAL_SECURITY",
        _pattern(r"(?<!\w)\d{2}[ ]?(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])\d{2}[ ]?[A-Z][ ]?\d{3}(?!\w)"),
        0.0,
        Severity.HIGH,
        checksums.de_social_security,
        0.8,
        ("rentenvers", "sozialvers", "versicherungsn"),
    ),
    Recogniser(
        "DE_ID_CARD",
        _pattern(r"(?<!\w)[CFGHJKLMNPRTVWXYZ][CFGHJKLMNPRTVWXYZ0-9]{8}\d(?!\w)"),
        0.0,
        Severity.HIGH,
        checksums.german_id,
        0.35,
        ("ausweis", "reisepass", "personalausweis", "passport", "id card"),
    ),
    Recogniser(
        "IN_AADHAAR",
        _pattern(r"(?<![\w.-])[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}(?![\w-]|\.\d)"),
        0.0,
        Severity.HIGH,
        checksums.verhoeff,
        0.45,
        ("aadhaar", "aadhar", "uidai", "आधार"),
    ),
    Recogniser(
        "IN_PAN",
        _pattern(r"(?<!\w)[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z](?!\w)"),
        0.5,
        Severity.HIGH,
        context=("pan", "permanent account", "income tax"),
    ),
    Recogniser(
        "UK_NHS",
        _pattern(r"(?<![\w.-])\d{3}[ -]?\d{3}[ -]?\d{4}(?![\w-]|\.\d)"),
        0.0,
        Severity.HIGH,
        checksums.nhs,
        0.3,
        ("nhs", "national health", "patient"),
    ),
    Recogniser(
        "UK_NINO",
        _pattern(r"(?<!\w)(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ ]?(?:\d{2}[ ]?){3}[A-D](?!\w)"),
        0.6,
        Severity.HIGH,
        context=("nino", "national insurance", "ni number"),
    ),
    Recogniser(
        "ES_NIF",
        _pattern(r"(?<!\w)(?:\d{8}|[XYZ]\d{7})-?[A-Z](?!\w)"),
        0.0,
        Severity.HIGH,
        checksums.dni,
        0.65,
        ("dni", "nif", "nie", "identidad"),
    ),
    Recogniser(
        "IT_FISCAL_CODE",
        _pattern(r"(?<!\w)[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?!\w)"),
        0.0,
        Severity.HIGH,
        checksums.codice_fiscale,
        0.9,
        ("codice", "fiscale"),
    ),
    Recogniser(
        "FR_NIR",
        _pattern(r"(?<![\w.])[12][ ]?\d{2}[ ]?(?:0[1-9]|1[0-2])[ ]?(?:\d{2}|2[AB])[ ]?\d{3}[ ]?\d{3}[ ]?\d{2}(?!\w)"),
        0.0,
        Severity.HIGH,
        checksums.nir,
        0.8,
        ("sécurité sociale", "insee", "nir"),
    ),
    Recogniser(
        "NL_BSN",
        _pattern(r"(?<![\w.-])\d{9}(?![\w-]|\.\d)"),
        0.0,
        Severity.HIGH,
        checksums.bsn,
        0.15,
        ("bsn", "burgerservice", "sofi"),
    ),
    Recogniser(
        "PL_PESEL",
        _pattern(r"(?<![\w.-])\d{11}(?![\w-]|\.\d)"),
        0.0,
        Severity.HIGH,
        checksums.pesel,
        0.35,
        ("pesel",),
    ),
    Recogniser(
        "BR_CPF",
        _pattern(r"(?<![\w.-])\d{3}\.\d{3}\.\d{3}-\d{2}(?![\w-])"),
        0.0,
        Severity.HIGH,
        checksums.cpf,
        0.9,
        ("cpf",),
    ),
    Recogniser(
        "CH_AHV",
        _pattern(r"(?<![\w.-])756[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}(?![\w-])"),
        0.0,
        Severity.HIGH,
        checksums.ahv,
        0.9,
        ("ahv", "avs"),
    ),
    Recogniser(
        "CA_SIN",
        _pattern(r"(?<![\w.-])[1-79]\d{2}[- ]\d{3}[- ]\d{3}(?![\w-])"),
        0.0,
        Severity.HIGH,
        checksums.luhn,
        0.45,
        ("sin", "social insurance"),
    ),
    Recogniser(
        "IP_ADDRESS",
        _pattern(r"(?<![\w.:-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)"),
        0.0,
        Severity.LOW,
        None,
        0.6,
        ("ip", "host", "server", "address"),
    ),
    Recogniser(
        "IP_ADDRESS",
        _pattern(r"(?<![\w:.])(?=[0-9A-Fa-f]{0,4}:)(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![\w:])"),
        0.0,
        Severity.LOW,
        _ip,
        0.8,
        ("ip", "host", "server", "address"),
    ),
    Recogniser(
        "CRYPTO",
        _pattern(r"(?<!\w)(?:[13][a-km-zA-HJ-NP-Z1-9]{25,34}|bc1[a-z0-9]{11,71}|BC1[A-Z0-9]{11,71})(?!\w)"),
        0.0,
        Severity.MEDIUM,
        checksums.bitcoin,
        0.95,
        ("bitcoin", "btc", "wallet"),
        keep_case=True,
    ),
    Recogniser(
        "CRYPTO",
        _pattern(r"(?<!\w)0x[0-9a-fA-F]{40}(?!\w)"),
        0.6,
        Severity.MEDIUM,
        context=("eth", "wallet", "0x", "address"),
    ),
    Recogniser(
        "DATE_OF_BIRTH",
        _pattern(
            r"(?<![\w./-])(?:\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d{2}|(?:19|20)\d{2}-\d{2}-\d{2}"
            r"|\d{1,2}\.?[ ][A-Z][a-zä]{2,8}\.?,?[ ](?:19|20)\d{2}|[A-Z][a-z]{2,8}[ ]\d{1,2},[ ](?:19|20)\d{2})"
            r"(?![\w/-])"
        ),
        0.15,
        Severity.MEDIUM,
        context=_BIRTH,
    ),
    Recogniser(
        "STREET_ADDRESS",
        _pattern(
            r"(?<![\w.])\d{1,5}[A-Za-z]?[ ](?:[NSEW]\.?[ ])?(?:[A-Z][\w'\u2019.-]*[ ]){1,4}"
            r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Square|Sq|Terrace|Crescent|Cres"
            r"|Parkway|Pkwy|Place|Pl|Circle|Cir|Highway|Hwy|Way|Close|Trail)\b\.?"
            r"(?:,?[ \n]{1,2}(?:Apt|Suite|Ste|Unit|Floor|\#)\.?[ ]?[\w-]{1,6})?"
        ),
        0.7,
        Severity.MEDIUM,
        context=("address", "live", "street", "deliver"),
    ),
    Recogniser(
        "STREET_ADDRESS",
        _pattern(
            r"(?<!\w)(?:[A-ZÄÖÜ][\w.-]*[ -]){0,2}[A-ZÄÖÜ]?[a-zäöüß-]*"
            r"(?:[sS]traße|[sS]trasse|[sS]tr\.|[wW]eg|[pP]latz|[aA]llee|[gG]asse|-Ring|[uU]fer|-Damm)"
            r"[ ]\d{1,4}[ ]?[a-z]?(?:,[ ](?:D-)?\d{5}[ ][A-ZÄÖÜ][\wäöüß.-]+)?(?!\w)"
        ),
        0.7,
        Severity.MEDIUM,
        context=("adresse", "anschrift", "wohn", "straße"),
    ),
)
