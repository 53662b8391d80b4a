"""What personal data looks like, how it is checked, and the words that go with it."""

import ipaddress
import re

from functions.guardrails.core.models import Severity
from functions.guardrails.core.pii import checksums
from functions.guardrails.core.pii.addresses import ADDRESSES
from functions.guardrails.core.pii.national import NATIONAL
from functions.guardrails.core.pii.recogniser import Recogniser


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.VERBOSE)


# First digits and lengths of cards (ISO/IEC 7812): Visa, Mastercard, Amex, Diners, Discover, JCB, UnionPay, Maestro.
_CARDS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d{2}|2(?:22[1-9]|2[3-9]\d|[3-6]\d{2}|7[01]\d|720))\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[68]\d)\d{11}|(?:6011|64[4-9]\d|65\d{2})\d{12,15}|35\d{14,17}"
    r"|(?:1800|2131)\d{11}|62\d{14,17}|(?:5[06-8]|6\d)\d{14}"
)


def _card(digits: str) -> bool:
    return _CARDS.fullmatch(digits) is not None and checksums.luhn(digits)


def _iban_extent(text: str) -> int:
    """The country says how long it is; what follows may be the next word of the sentence. 0 when it is none."""
    length = checksums.iban_length(text[:2].upper())
    letters = [at for at, character in enumerate(text) if character.isalnum()]
    if not length or len(letters) < length:
        return 0
    end = letters[length - 1] + 1
    return end if not text[end : end + 1].isalnum() else 0


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
        _pattern(r"(?<![\w.%+-])(?!git@)[\w.%+'-]{1,64}@(?:[\w](?:[\w-]{0,61}[\w])?\.)+[^\W\d_]{2,24}(?![\w-])"),
        0.95,
        Severity.MEDIUM,
        needs=("@",),
    ),
    Recogniser(
        "EMAIL_ADDRESS",
        _pattern(
            r"(?i:(?<![\w.%+-])[\w.%+-]{1,64}[ ]?[\[({](?:at|æt)[\])}][ ]?[\w-]{1,63}"
            r"(?:(?:[ ]?[\[({](?:dot|punkt|point|punto)[\])}][ ]?|\.)[\w-]{1,63}){0,4}"
            r"(?:[ ]?[\[({](?:dot|punkt|point|punto)[\])}][ ]?|\.)[^\W\d_]{2,24}(?![\w-]))"
        ),
        0.85,
        Severity.MEDIUM,
        needs=("at]", "at)", "at}"),
    ),
    Recogniser(
        "CREDIT_CARD",
        _pattern(r"(?<![\w.-])\d{4}(?P<gap>[._]|[ ]{2})\d{4}(?P=gap)\d{4}(?P=gap)\d{1,7}(?![\w-]|\.\d)"),
        0.0,
        Severity.HIGH,
        _card,
        0.9,
        _CARD_WORDS,
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
        _pattern(r"(?i:(?<!\w)[A-Z]{2}\d{2}(?:[ .-]?[A-Z0-9]){11,30})"),
        0.0,
        Severity.HIGH,
        checksums.iban,
        0.98,
        ("iban", "account", "konto", "bank"),
        extent=_iban_extent,
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
    *ADDRESSES,
    *NATIONAL,
)
