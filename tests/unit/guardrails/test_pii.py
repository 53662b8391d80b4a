"""Personal data by form, checksum and context."""

import pytest

from functions.guardrails.adapters.phone_numbers import PhoneNumbers
from functions.guardrails.core.models import Part
from functions.guardrails.core.pii import checksums
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
    ],
)
def test_a_check_digit_catches_every_wrong_digit(check: object, value: str) -> None:
    assert callable(check)
    assert check(value)
    last = value[-1]
    assert not any(check(value[:-1] + digit) for digit in "0123456789" if digit != last)


def test_context_makes_the_difference() -> None:
    assert _found("number 111222333") == {}
    assert "NL_BSN" in _found("mijn burgerservicenummer is 111222333")
