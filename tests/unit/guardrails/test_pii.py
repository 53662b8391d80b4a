"""Personal data by form, checksum and context."""

import pytest

from functions.guardrails.adapters.phone_numbers import PhoneNumbers
from functions.guardrails.core.models import Part
from functions.guardrails.core.pii import checksums, national_checksums
from functions.guardrails.core.pii.scanner import PatternScanner


def _found(text: str) -> dict[str, str]:
    return {
        match.type: text[match.start : match.end]
        for match in PatternScanner([PhoneNumbers()]).scan(0, Part("user", text))
    }


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("mail jürgen.o'neil+x@mail.example.co.uk today", "EMAIL_ADDRESS", "jürgen.o'neil+x@mail.example.co.uk"),
        ("card 4111 1111 1111 1111 please", "CREDIT_CARD", "4111 1111 1111 1111"),
        ("amex 378282246310005", "CREDIT_CARD", "378282246310005"),
        ("IBAN DE89 3704 0044 0532 0130 00.", "IBAN_CODE", "DE89 3704 0044 0532 0130 00"),
        ("iban gb82west12345698765432", "IBAN_CODE", "gb82west12345698765432"),
        ("my SSN is 536-90-4399", "US_SSN", "536-90-4399"),
        ("Meine Steuer-ID: 86 095 742 719", "DE_TAX_ID", "86 095 742 719"),
        ("Rentenversicherung 15 070649 C 103", "DE_SOCIAL_SECURITY", "15 070649 C 103"),
        ("Personalausweis T220001293", "DE_ID_CARD", "T220001293"),
        ("aadhaar 2341 2341 2346", "IN_AADHAAR", "2341 2341 2346"),
        ("NHS number 943 476 5919", "UK_NHS", "943 476 5919"),
        ("national insurance AB 12 34 56 C", "UK_NINO", "AB 12 34 56 C"),
        ("DNI 12345678Z", "ES_NIF", "12345678Z"),
        ("codice fiscale RSSMRA85T10A562S", "IT_FISCAL_CODE", "RSSMRA85T10A562S"),
        ("sécurité sociale 2 55 08 14 168 025 38", "FR_NIR", "2 55 08 14 168 025 38"),
        ("BSN 111222333", "NL_BSN", "111222333"),
        ("PESEL 44051401359", "PL_PESEL", "44051401359"),
        ("CPF 529.982.247-25", "BR_CPF", "529.982.247-25"),
        ("AHV 756.9217.0769.85", "CH_AHV", "756.9217.0769.85"),
        ("from 203.0.113.9 at noon", "IP_ADDRESS", "203.0.113.9"),
        ("host 2001:db8::8a2e:370:7334", "IP_ADDRESS", "2001:db8::8a2e:370:7334"),
        ("pay 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "CRYPTO", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        (
            "or bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "CRYPTO",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        ),
        ("born on 12.03.1984 in Bonn", "DATE_OF_BIRTH", "12.03.1984"),
        ("call +49 30 901820", "PHONE_NUMBER", "+49 30 901820"),
        ("reach me at (212) 736-5000", "PHONE_NUMBER", "(212) 736-5000"),
        ("IBAN AT61 1904 3002 3457 3201 from my bank", "IBAN_CODE", "AT61 1904 3002 3457 3201"),
        ("pay BE68539007547034 ok", "IBAN_CODE", "BE68539007547034"),
        ("DE89.3704.0044.0532.0130.00", "IBAN_CODE", "DE89.3704.0044.0532.0130.00"),
        ("to LY83002048000020100120361", "IBAN_CODE", "LY83002048000020100120361"),
        ("card 4111\u00a01111\u00a01111\u00a01111", "CREDIT_CARD", "4111\u00a01111\u00a01111\u00a01111"),
        ("card 4111\u20131111\u20131111\u20131111", "CREDIT_CARD", "4111\u20131111\u20131111\u20131111"),
        ("card 4111.1111.1111.1111", "CREDIT_CARD", "4111.1111.1111.1111"),
        (
            "بطاقة \u0664\u0661\u0661\u0661 \u0661\u0661\u0661\u0661 \u0661\u0661\u0661\u0661 \u0661\u0661\u0661\u0661",
            "CREDIT_CARD",
            "\u0664\u0661\u0661\u0661 \u0661\u0661\u0661\u0661 \u0661\u0661\u0661\u0661 \u0661\u0661\u0661\u0661",
        ),
        ("card 4111\u200b1111\u200b1111\u200b1111", "CREDIT_CARD", "4111\u200b1111\u200b1111\u200b1111"),
        ("write to an\u200bna@exam\u200bple.com", "EMAIL_ADDRESS", "an\u200bna@exam\u200bple.com"),
        ("john [at] example [dot] com", "EMAIL_ADDRESS", "john [at] example [dot] com"),
        ("SSN 536\u201390\u20134399", "US_SSN", "536\u201390\u20134399"),
        ("codice fiscale rssmra85t10a562s", "IT_FISCAL_CODE", "rssmra85t10a562s"),
        ("DNI 12.345.678-Z", "ES_NIF", "12.345.678-Z"),
        ("BSN 111.222.333", "NL_BSN", "111.222.333"),
        ("CPF 52998224725", "BR_CPF", "52998224725"),
        ("personnummer 811228-9874", "SE_PERSONNUMMER", "811228-9874"),
        ("CPR 070761-4285", "DK_CPR", "070761-4285"),
        ("henkilötunnus 131052-308T", "FI_HETU", "131052-308T"),
        ("fødselsnummer 15076500565", "NO_FNR", "15076500565"),
        ("rijksregisternummer 85.07.30-033.28", "BE_NRN", "85.07.30-033.28"),
        ("SVNR 1237 010180", "AT_SVNR", "1237 010180"),
        ("PPS 1234567FA", "IE_PPS", "1234567FA"),
        ("NRIC S1234567D", "SG_NRIC", "S1234567D"),
        ("주민등록번호 820701-2409184", "KR_RRN", "820701-2409184"),
        ("我的身份证11010519491231002X", "CN_RESIDENT_ID", "11010519491231002X"),
        ("私のマイナンバー: 123456789018", "JP_MY_NUMBER", "123456789018"),
        ("South African ID 8001015009087", "ZA_ID", "8001015009087"),
        ("CURP HEGG560427MVZRRL04", "MX_CURP", "HEGG560427MVZRRL04"),
        ("TC Kimlik 10000000146", "TR_TC_KIMLIK", "10000000146"),
        ("תעודת זהות 123456782", "IL_ID", "123456782"),
        ("TFN 123 456 782", "AU_TFN", "123 456 782"),
        ("Medicare 2123 45670 1", "AU_MEDICARE", "2123 45670 1"),
        ("contribuinte 123456789", "PT_NIF", "123456789"),
        ("passport C01X00T47", "PASSPORT", "C01X00T47"),
        ("12 Rue de la Paix, 75002 Paris", "STREET_ADDRESS", "12 Rue de la Paix, 75002 Paris"),
        ("vivo en Calle de Alcalá 45", "STREET_ADDRESS", "Calle de Alcalá 45"),
        ("abito in Via Roma 12", "STREET_ADDRESS", "Via Roma 12"),
        ("Asselsestraat 7 in Apeldoorn", "STREET_ADDRESS", "Asselsestraat 7"),
        ("I live at 221 Baker Street", "STREET_ADDRESS", "221 Baker Street"),
        ("Anschrift: Lange Straße 12a, 10243 Berlin", "STREET_ADDRESS", "Lange Straße 12a, 10243 Berlin"),
    ],
)
def test_it_is_found(text: str, kind: str, value: str) -> None:
    assert _found(text).get(kind) == value


@pytest.mark.parametrize(
    "text",
    [
        "card 4111 1111 1111 1112",
        "DE89 3704 0044 0532 0130 01",
        "order 123-45-678 of 2024-05-06 12:30",
        "version 10.4.2.1 of the library, and 127.0.0.1 is this machine",
        "550e8400-e29b-41d4-a716-446655440000",
        "9fceb02d0ae598e95dc970b74767f19372d61af8",
        "3.14159265358979 and 1,000,000,000 and 12345678",
        "The report of 12.03.1984 was long.",
        "During 1971 and Spring 1972 sales rose",
        "ratio 10:20:30 at 12:30:45",
        "user@localhost is no address, nor is @handle",
        "PAN is a word, SIN too",
        "invoice 2024-000123, port range 30000-32767, build 20240506.1",
        "clone git@github.com:org/repo.git",
        "a 5 Minute Drive",
        "ISBN 978-3-16-148410-0 and EAN 4006381333931",
        "order 255081416802539 of 1700000000000",
        "numbers 123456782, 123456789 and 123456789018",
    ],
)
def test_look_alikes_are_not(text: str) -> None:
    assert _found(text) == {}


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (checksums.luhn, "79927398713"),
        (checksums.verhoeff, "234123412346"),
        (checksums.steuer_id, "86095742719"),
        (checksums.nhs, "9434765919"),
        (checksums.bsn, "111222333"),
        (checksums.pesel, "44051401359"),
        (checksums.cpf, "52998224725"),
        (checksums.ahv, "7569217076985"),
        (national_checksums.personnummer, "8112289874"),
        (national_checksums.fodselsnummer, "15076500565"),
        (national_checksums.my_number, "123456789018"),
        (national_checksums.kimlik, "10000000146"),
        (national_checksums.tax_file_number, "123456782"),
        (national_checksums.contribuinte, "123456789"),
    ],
)
def test_a_check_digit_catches_every_wrong_digit(check: object, value: str) -> None:
    assert callable(check)
    assert check(value)
    last = value[-1]
    assert not any(check(value[:-1] + digit) for digit in "0123456789" if digit != last)


def test_two_accounts_in_a_row_are_two() -> None:
    text = "DE89 3704 0044 0532 0130 00 AT61 1904 3002 3457 3201"
    found = PatternScanner().scan(0, Part("user", text))

    assert [text[match.start : match.end] for match in found] == [text[:27], text[28:]]


def test_context_makes_the_difference() -> None:
    assert _found("number 111222333") == {}
    assert "NL_BSN" in _found("mijn burgerservicenummer is 111222333")
