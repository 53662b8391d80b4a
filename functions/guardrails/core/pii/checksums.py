"""Check digits of cards, accounts and national identifiers. Each takes the digits or letters without separators."""

import hashlib
from collections.abc import Sequence

_VERHOEFF_PRODUCT = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_VERHOEFF_PERMUTATION = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15,
    "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24, "SI": 19,
    "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
    "BI": 27, "DJ": 27, "FK": 18, "HN": 28, "LY": 25, "MN": 20, "NI": 28, "OM": 23, "RU": 33, "SD": 18, "SO": 23,
    "YE": 30,
}  # fmt: skip


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B; not all digits the same."""
    doubled = [int(digit) * (2 if at % 2 else 1) for at, digit in enumerate(reversed(digits))]
    return len(set(digits)) > 1 and sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def iban_length(country: str) -> int:
    """Characters of the country's IBANs; 0 where it has none (SWIFT's registry)."""
    return _IBAN_LENGTHS.get(country, 0)


def iban(text: str) -> bool:
    """ISO 13616: the country's length, and 1 modulo 97."""
    if _IBAN_LENGTHS.get(text[:2]) != len(text):
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


def verhoeff(digits: str) -> bool:
    """Verhoeff's dihedral check digit, as the Indian Aadhaar number carries it."""
    check = 0
    for at, digit in enumerate(reversed(digits)):
        check = int(_VERHOEFF_PRODUCT[check][int(_VERHOEFF_PERMUTATION[at % 8][int(digit)])])
    return check == 0 and digits[0] not in "01"


def steuer_id(digits: str) -> bool:
    """The German tax number: ISO 7064 MOD 11,10; in the first ten digits one or two numerals are missing."""
    counts = [digits[:10].count(numeral) for numeral in "0123456789"]
    if digits[0] == "0" or max(counts) not in (2, 3) or sum(count > 1 for count in counts) != 1:
        return False
    product = 10
    for digit in digits[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def nhs(digits: str) -> bool:
    """The British health service's number: weights 10 to 2, modulo 11."""
    remainder = 11 - sum(int(digit) * (10 - at) for at, digit in enumerate(digits[:9])) % 11
    return len(set(digits)) > 1 and remainder % 11 == int(digits[9])


def us_ssn(digits: str) -> bool:
    """Numbers that the Social Security Administration can have given out."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    known_fakes = {"078051120", "219099999", "123456789"}
    valid = area not in {"000", "666"} and area[0] != "9" and group != "00" and serial != "0000"
    return valid and digits not in known_fakes and len(set(digits)) > 1


def us_itin(digits: str) -> bool:
    """The taxpayer number of people without a social security number: begins with 9, certain groups."""
    return digits[0] == "9" and (50 <= int(digits[3:5]) <= 65 or 70 <= int(digits[3:5]) <= 99) and digits[3:5] != "89"


def dni(text: str) -> bool:
    """The Spanish DNI and NIE: a letter by the number modulo 23."""
    number = int(text[:-1].translate(str.maketrans("XYZ", "012")))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23] == text[-1]


def codice_fiscale(text: str) -> bool:
    """The Italian tax code: characters at odd places by their own table, modulo 26."""
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    values = [int(character) if character.isdigit() else ord(character) - 65 for character in text[:15]]
    total = sum(odd[value] if at % 2 == 0 else value for at, value in enumerate(values))
    return total % 26 == ord(text[15]) - 65


def nir(text: str) -> bool:
    """The French social security number: 97 minus the number modulo 97; Corsica counts as 19 and 18."""
    number = text[:13].replace("2A", "19").replace("2B", "18")
    return number.isdigit() and 97 - int(number) % 97 == int(text[13:])


def bsn(digits: str) -> bool:
    """The Dutch citizen service number: the eleven test with the last weight negative."""
    return _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and len(set(digits)) > 1


def pesel(digits: str) -> bool:
    """The Polish PESEL: weights 1, 3, 7, 9, and a month that exists."""
    month = int(digits[2:4]) % 20
    return 1 <= month <= 12 and _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def cpf(digits: str) -> bool:
    """The Brazilian CPF: two check digits modulo 11."""
    return len(set(digits)) > 1 and all(
        _weighted(digits[:size], range(size + 1, 1, -1)) * 10 % 11 % 10 == int(digits[size]) for size in (9, 10)
    )


def ahv(digits: str) -> bool:
    """The Swiss AHV number: begins with 756, check digit as EAN-13."""
    return digits.startswith("756") and _weighted(digits, (1, 3) * 6 + (1,)) % 10 == 0


def de_social_security(text: str) -> bool:
    """The German pension insurance number: the letter as two digits, weights of VKVV section 4."""
    digits = text[:8] + f"{ord(text[8]) - 64:02d}" + text[9:11]
    products = [int(digit) * weight for digit, weight in zip(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True)]
    return sum(product // 10 + product % 10 for product in products) % 10 == int(text[11])


def german_id(text: str) -> bool:
    """German identity cards and passports: ICAO 9303, weights 7, 3, 1 modulo 10."""
    values = [int(character, 36) for character in text]
    return _weighted(values[:-1], (7, 3, 1) * 3) % 10 == values[-1]


def bitcoin(text: str) -> bool:
    """Base58Check (version 0 or 5) or Bech32 and Bech32m (BIP 173, BIP 350)."""
    return _bech32(text) if text.lower().startswith("bc1") else _base58check(text)


def _base58check(text: str) -> bool:
    number = 0
    for character in text:
        number = number * 58 + _BASE58.index(character)
    if number >> 200:
        return False
    raw = number.to_bytes(25, "big")
    return raw[0] in {0, 5} and hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def _bech32(text: str) -> bool:
    lowered = text.lower()
    if any(character not in _BECH32 for character in lowered[3:]):
        return False
    values = [ord("b") >> 5, ord("c") >> 5, 0, ord("b") & 31, ord("c") & 31]
    check = 1
    for value in [*values, *(_BECH32.index(character) for character in lowered[3:])]:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_BECH32_GENERATORS):
            check ^= generator if top >> bit & 1 else 0
    return check in {1, 0x2BC830A3}


def _weighted(digits: Sequence[int] | Sequence[str], weights: Sequence[int]) -> int:
    return sum(int(digits[at]) * weight for at, weight in enumerate(weights))
