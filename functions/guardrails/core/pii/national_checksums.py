"""Check digits of further national identifiers. Each takes the digits or letters without separators."""

from collections.abc import Sequence

from functions.guardrails.core.pii.checksums import luhn

_HETU = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_NRIC = {"S": ("JZIHGFEDCBA", 0), "T": ("JZIHGFEDCBA", 4), "F": ("XWUTRQPNMLK", 0), "G": ("XWUTRQPNMLK", 4)}
_CURP = "0123456789ABCDEFGHIJKLMN\u00d1OPQRSTUVWXYZ"


def personnummer(digits: str) -> bool:
    """The Swedish personal number, with or without the century: Luhn over the last ten digits."""
    return luhn(digits.replace("+", "")[-10:])


def hetu(text: str) -> bool:
    """The Finnish identity code: birthday and serial modulo 31."""
    digits = text[:6] + text[-4:-1]
    return digits.isdigit() and _HETU[int(digits) % 31] == text[-1]


def fodselsnummer(digits: str) -> bool:
    """The Norwegian birth number: two check digits modulo 11."""
    first = -_sum(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11
    second = -_sum(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return len(set(digits)) > 1 and (first, second) == (int(digits[9]), int(digits[10]))


def rijksregister(digits: str) -> bool:
    """The Belgian national number: 97 less the number modulo 97; a 2 in front of those born since 2000."""
    number, check = digits[:9], int(digits[9:])
    return check in {97 - int(number) % 97, 97 - int(f"2{number}") % 97}


def svnr(digits: str) -> bool:
    """The Austrian social security number: the fourth digit by weights 3, 7, 9, 5, 8, 4, 2, 1, 6 modulo 11."""
    return _sum(digits[:3] + digits[4:], (3, 7, 9, 5, 8, 4, 2, 1, 6)) % 11 == int(digits[3]) and digits[0] != "0"


def pps(text: str) -> bool:
    """The Irish PPS number: a letter by weights 8 to 2, a second letter counting nine times, modulo 23."""
    second = ord(text[8]) - 64 if len(text) > 8 and text[8] != "W" else 0
    return "WABCDEFGHIJKLMNOPQRSTUV"[(_sum(text[:7], range(8, 1, -1)) + 9 * second) % 23] == text[7]


def nric(text: str) -> bool:
    """The Singaporean identity number: weights 2, 7, 6, 5, 4, 3, 2 modulo 11 into a table by the first letter."""
    table, offset = _NRIC[text[0]]
    return table[(_sum(text[1:8], (2, 7, 6, 5, 4, 3, 2)) + offset) % 11] == text[8]


def resident_identity(text: str) -> bool:
    """The Chinese identity number: ISO 7064 MOD 11-2 (GB 11643)."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[_sum(text[:17], weights) % 11] == text[17]


def my_number(digits: str) -> bool:
    """The Japanese individual number: weights 6 to 2 and 7 to 2 modulo 11."""
    rest = _sum(digits[:11], (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return int(digits[11]) == (0 if rest <= 1 else 11 - rest)


def curp(text: str) -> bool:
    """The Mexican population key: its 37 characters by weights 18 to 2 modulo 10."""
    return -sum(_CURP.index(text[at]) * (18 - at) for at in range(17)) % 10 == int(text[17])


def kimlik(digits: str) -> bool:
    """The Turkish identity number: two check digits over odd and even places."""
    odd, even = (sum(map(int, digits[start:9:2])) for start in (0, 1))
    return (odd * 7 - even) % 10 == int(digits[9]) and sum(map(int, digits[:10])) % 10 == int(digits[10])


def tax_file_number(digits: str) -> bool:
    """The Australian tax file number: weights 1, 4, 3, 7, 5, 8, 6, 9, 10 modulo 11."""
    return _sum(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0 and len(set(digits)) > 1


def medicare(digits: str) -> bool:
    """The Australian Medicare number: the ninth digit by weights 1, 3, 7, 9 modulo 10."""
    return _sum(digits[:8], (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(digits[8])


def contribuinte(digits: str) -> bool:
    """The Portuguese tax number: weights 9 to 2 modulo 11."""
    rest = _sum(digits[:8], range(9, 1, -1)) % 11
    return int(digits[8]) == (0 if rest < 2 else 11 - rest)


def _sum(digits: str, weights: Sequence[int]) -> int:
    return sum(int(digits[at]) * weight for at, weight in enumerate(weights))
