"""Check digits and shapes of numbers that name a person, an account or a card.

In: the characters of a candidate. Out: whether it can be such a number. The weights are those of
ISO 7064, ISO 13616, ISO/IEC 7812 and of the authority that issues the number.
"""

import re
from collections.abc import Mapping

_IBANS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 "
    "EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 "
    "IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 "
    "NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23 "
    "TN24 TR26 UA29 VA22 VG24 XK20"
)
# Lengths of IBANs by country (SWIFT's registry).
IBAN_LENGTHS: Mapping[str, int] = {each[:2]: int(each[2:]) for each in _IBANS.split()}
_SEPARATORS = re.compile(r"[ .\-/]")
_NINO = re.compile(r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]")
_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21] * 2
        + [2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23],
        strict=True,
    )
)


def compact(text: str) -> str:
    """Without separators, in capitals."""
    return _SEPARATORS.sub("", text).upper()


def passes_luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    total = 0
    for at, digit in enumerate(reversed(digits)):
        value = int(digit) << (at & 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def passes_mod_97(iban: str) -> bool:
    """ISO 7064 MOD 97-10 of a compact IBAN."""
    return int("".join(str(int(each, 36)) for each in iban[4:] + iban[:4])) % 97 == 1


def is_american(number: str) -> bool:
    """A Social Security number; it has no check digit."""
    area, group, serial = number[:3], number[3:5], number[5:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def is_british(number: str) -> bool:
    """A National Insurance number; it has no check digit."""
    return _NINO.fullmatch(number) is not None


def is_spanish(number: str) -> bool:
    """DNI or NIE: the letter is the number modulo 23."""
    digits = number[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2")
    return digits.isdigit() and number[-1] == "TRWAGMYFPDXBNJZSQVHLCKE"[int(digits) % 23]


def is_french(number: str) -> bool:
    """NIR: 97 minus the number modulo 97; Corsica's 2A and 2B count as 19 and 18."""
    digits = number[:13].replace("2A", "19").replace("2B", "18")
    return digits.isdigit() and int(number[13:]) == 97 - int(digits) % 97


def is_german(number: str) -> bool:
    """Steuer-IdNr.: ISO 7064 MOD 11,10; one digit is there two or three times in the first ten."""
    counts = [number[:10].count(digit) for digit in set(number[:10])]
    if number[0] == "0" or max(counts) not in (2, 3):
        return False
    product = 10
    for digit in number[:10]:
        total = (int(digit) + product) % 10 or 10
        product = 2 * total % 11
    return int(number[10]) == (11 - product) % 10


def is_italian(number: str) -> bool:
    """Codice fiscale: odd and even places have other values."""
    total = sum(
        int(each, 36) - (10 if each.isalpha() else 0) if at & 1 else _ODD[each]
        for at, each in enumerate(number[:15])
    )
    return number[15] == chr(ord("A") + total % 26)


def is_polish(number: str) -> bool:
    """PESEL: weights 1, 3, 7, 9; its month has the century added."""
    total = sum(int(each) * (1, 3, 7, 9)[at % 4] for at, each in enumerate(number[:10]))
    month, day = int(number[2:4]) % 20, int(number[4:6])
    return 1 <= month <= 12 and 1 <= day <= 31 and int(number[10]) == -total % 10


def is_brazilian(number: str) -> bool:
    """CPF: two check digits, modulo 11."""
    if len(set(number)) == 1:
        return False
    for length in (9, 10):
        total = sum(int(each) * (length + 1 - at) for at, each in enumerate(number[:length]))
        if int(number[length]) != total * 10 % 11 % 10:
            return False
    return True


def is_chinese(number: str) -> bool:
    """Resident identity number: ISO 7064 MOD 11-2; the birthday is a date."""
    month, day = int(number[10:12]), int(number[12:14])
    total = sum(int(each) * pow(2, 17 - at, 11) for at, each in enumerate(number[:17]))
    return 1 <= month <= 12 and 1 <= day <= 31 and number[17] == "10X98765432"[total % 11]
