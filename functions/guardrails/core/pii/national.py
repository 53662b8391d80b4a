"""Further national identifiers: what they look like, how they are checked, and the words that go with them."""

import re
from collections.abc import Callable

from functions.guardrails.core.models import Severity
from functions.guardrails.core.pii import checksums
from functions.guardrails.core.pii import national_checksums as national
from functions.guardrails.core.pii.recogniser import Recogniser

_MONTH, _DAY = "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
# Letters of scripts without spaces may stand right beside a number.
_FRONT, _BEHIND = r"(?<![0-9A-Za-z\u00c0-\u024f_.-])", r"(?![0-9A-Za-z\u00c0-\u024f_-]|\.\d)"


def _of(
    kind: str, pattern: str, check: Callable[[str], bool] | None, score: float, *context: str, ignore_case: bool = False
) -> Recogniser:
    """One identifier; with `check` the score is of what it confirms, without it of the form."""
    compiled = re.compile(f"{_FRONT}(?:{pattern}){_BEHIND}", re.IGNORECASE if ignore_case else 0)
    form = 0.0 if check else score
    return Recogniser(kind, compiled, form, Severity.HIGH, check, score if check else 0.0, context)


NATIONAL: tuple[Recogniser, ...] = (
    _of("SE_PERSONNUMMER", rf"(?:19|20)?\d\d{_MONTH}{_DAY}[-+]\d{{4}}", national.personnummer, 0.6, "personnum", "pnr"),
    _of("DK_CPR", rf"{_DAY}{_MONTH}\d\d-?\d{{4}}", None, 0.2, "cpr", "personnummer"),
    _of("FI_HETU", rf"{_DAY}{_MONTH}\d\d[-+A-FU-Y]\d{{3}}[0-9A-FHJ-NPR-Y]", national.hetu, 0.85, "hetu", "henkil"),
    _of(
        "NO_FNR",
        rf"[0-7]\d{_MONTH}\d\d ?\d{{5}}",
        national.fodselsnummer,
        0.45,
        "fødselsn",
        "fodselsn",
        "fnr",
        "personnum",
    ),
    _of("BE_NRN", r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d", national.rijksregister, 0.9, "rijksregister", "national"),
    _of("BE_NRN", r"\d{11}", national.rijksregister, 0.2, "rijksregister", "numéro national", "registre national"),
    _of(
        "AT_SVNR",
        rf"[1-9]\d{{3}} ?{_DAY}(?:{_MONTH}|1[3-5])\d\d",
        national.svnr,
        0.4,
        "svnr",
        "sozialvers",
        "sv-n",
        "versicherungsn",
    ),
    _of("IE_PPS", r"\d{7}[A-W][A-IW]?", national.pps, 0.45, "pps"),
    _of("SG_NRIC", r"[STFG]\d{7}[A-Z]", national.nric, 0.75, "nric", "fin"),
    _of("KR_RRN", rf"\d\d{_MONTH}{_DAY}-[1-8]\d{{6}}", None, 0.45, "주민등록", "resident registration", "rrn"),
    _of(
        "CN_RESIDENT_ID",
        rf"[1-8]\d{{5}}(?:19|20)\d\d{_MONTH}{_DAY}\d{{3}}[0-9X]",
        national.resident_identity,
        0.9,
        "身份证",
        "identity",
    ),
    _of("JP_MY_NUMBER", r"\d{4}[ -]?\d{4}[ -]?\d{4}", national.my_number, 0.2, "マイナンバー", "個人番号", "my number"),
    _of("ZA_ID", rf"\d\d{_MONTH}{_DAY}\d{{4}}[01][89]\d", checksums.luhn, 0.55, "south africa", "rsa id", "id number"),
    _of(
        "MX_CURP",
        rf"[A-Z][AEIOUX][A-Z]{{2}}\d\d{_MONTH}{_DAY}[HMX][A-Z]{{2}}[B-DF-HJ-NP-TV-Z]{{3}}[A-Z0-9]\d",
        national.curp,
        0.9,
        "curp",
    ),
    _of("TR_TC_KIMLIK", r"[1-9]\d{10}", national.kimlik, 0.4, "kimlik", "tckn", "t.c."),
    _of("IL_ID", r"\d{9}", checksums.luhn, 0.15, "תעודת זהות", "ת.ז", "teudat"),
    _of("AU_TFN", r"\d{3} ?\d{3} ?\d{3}", national.tax_file_number, 0.2, "tfn", "tax file"),
    _of("AU_MEDICARE", r"[2-6]\d{3} ?\d{5} ?\d(?:[ -]?\d)?", national.medicare, 0.3, "medicare"),
    _of("PT_NIF", r"[1-35689]\d{2} ?\d{3} ?\d{3}", national.contribuinte, 0.2, "nif", "contribuinte"),
    _of("BR_CPF", r"\d{11}", checksums.cpf, 0.3, "cpf"),
    _of("ES_NIF", r"\d{2}\.\d{3}\.\d{3}-?[A-Z]", checksums.dni, 0.8, "dni", "nif"),
    _of("NL_BSN", r"\d{3}([. ])\d{3}\1\d{3}", checksums.bsn, 0.2, "bsn", "burgerservice"),
    _of("IT_FISCAL_CODE", r"[a-z]{6}\d\d[a-ehlmprst]\d\d[a-z]\d{3}[a-z]", checksums.codice_fiscale, 0.9, "codice"),
    _of(
        "PASSPORT",
        r"(?=(?:[A-Z]{0,8}\d){4})[A-Z][A-Z0-9]{7,8}",
        None,
        0.15,
        "passport",
        "reisepass",
        "passeport",
        "pasaporte",
        "passaporto",
    ),
)
