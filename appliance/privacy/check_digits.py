"""The arithmetic of check digits: pure functions over a number without separators, letters in capitals. Each names its standard.

`python-stdnum` has the national numbers of many countries (`by_stdnum`); what stands here in full it has not, or vetoes by a list of areas.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import cache
from hashlib import sha256

__all__ = [
    "aba",
    "au_medicare",
    "base58check",
    "bech32",
    "born",
    "by_stdnum",
    "dea",
    "gb_11714",
    "gb_11714_character",
    "gb_32100",
    "gb_32100_character",
    "hk_id",
    "imei",
    "luhn",
    "mbi",
    "mod_11_2",
    "mod_11_2_character",
    "mod_97",
    "mrz",
    "mrz_digit",
    "nhs",
    "nino",
    "npi",
    "sg_nric",
    "tw_id",
    "vin",
]

_GB_32100 = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_MOD_11_2 = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
# Taiwan's letters stand for two digits, by the order in which the places got them.
_TAIWAN = dict(zip("ABCDEFGHJKLMNPQRSTUVXYWZIO", range(10, 36), strict=True))
_DEA = re.compile(r"[ABCDEFGHJKLMPRSTUX][A-Z9][0-9]{7}")
_LETTER = "AC-HJKMNP-RT-Y"
_MBI = re.compile(rf"[1-9][{_LETTER}][0-9{_LETTER}][0-9][{_LETTER}][0-9{_LETTER}][0-9][{_LETTER}]{{2}}[0-9]{{2}}")
_NINO = re.compile(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]")
_VIN = dict(zip("0123456789ABCDEFGHJKLMNPRSTUVWXYZ", (*range(10), *range(1, 9), *range(1, 6), 7, 9, *range(2, 10)), strict=True))  # fmt: skip
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def luhn(digits: str) -> bool:
    """Tell whether the last digit fits (ISO/IEC 7812-1 annex B). It notices every single wrong digit."""
    odd, even = digits[-1::-2], digits[-2::-2]
    return (sum(map(int, odd)) + sum(sum(divmod(2 * int(digit), 10)) for digit in even)) % 10 == 0


def mod_97(characters: str) -> bool:
    """Tell whether the first four characters moved to the end, letters as 10..35, leave 1 modulo 97 (ISO 13616-1 section 6, ISO 7064 MOD 97-10)."""
    return int("".join(str(int(letter, 36)) for letter in characters[4:] + characters[:4])) % 97 == 1


def mod_11_2_character(digits: str) -> str:
    """Return the 18th character for 17 digits (ISO 7064 MOD 11-2, as in GB 11643-1999 section 4.3)."""
    return "10X98765432"[_weighted(digits, _MOD_11_2) % 11]


def mod_11_2(number: str) -> bool:
    """Tell whether 17 digits and a check character fit (GB 11643-1999). The area is not asked: codes get revoked."""
    return (
        len(number) == 18
        and number.isascii()
        and number[:17].isdigit()
        and mod_11_2_character(number[:17]) == number[17]
    )


def born(yyyymmdd: str) -> bool:
    """Tell whether eight digits are a day between 1850 and next year."""
    try:
        day = date(int(yyyymmdd[:4]), int(yyyymmdd[4:6]), int(yyyymmdd[6:]))
    except ValueError:
        return False
    return 1850 <= day.year <= date.today().year + 1


def gb_32100_character(code: str) -> str:
    """Return the 18th character for the first 17 (GB 32100-2015 annex A: 31 - sum of value * 3^(place - 1) modulo 31)."""
    total = sum(_GB_32100.index(letter) * pow(3, place, 31) for place, letter in enumerate(code))
    return _GB_32100[-total % 31]


def gb_32100(code: str) -> bool:
    """Tell whether a unified social credit code fits: 18 of 0-9 A-Z without I O S V Z (GB 32100-2015)."""
    return len(code) == 18 and set(code) <= set(_GB_32100) and gb_32100_character(code[:17]) == code[17]


def gb_11714_character(code: str) -> str:
    """Return the 9th character for the first 8 (GB 11714-1997: weights 3 7 9 10 5 8 4 2, modulo 11, X for 10)."""
    values = (int(letter, 36) for letter in code)
    return "0123456789X0"[11 - sum(v * w for v, w in zip(values, (3, 7, 9, 10, 5, 8, 4, 2), strict=True)) % 11]


def gb_11714(code: str) -> bool:
    """Tell whether an organization code of 9 characters fits (GB 11714-1997)."""
    return bool(re.fullmatch("[0-9A-Z]{8}[0-9X]", code)) and gb_11714_character(code[:8]) == code[8]


def hk_id(number: str) -> bool:
    """Tell whether a Hong Kong identity card fits: 1 or 2 letters, 6 digits, 0-9 or A (weights 9 to 1, space 36, letters 10 to 35, modulo 11)."""
    if not re.fullmatch("[A-Z]{1,2}[0-9]{6}[0-9A]", number):
        return False
    values = [36] * (9 - len(number)) + [int(character, 36) for character in number]
    return sum(value * weight for value, weight in zip(values, range(9, 0, -1), strict=True)) % 11 == 0


def tw_id(number: str) -> bool:
    """Tell whether a Taiwan identity card fits, also a resident certificate: letter + 8 or 9 (2021), or two letters (before). Weights 1 9 8 7 6 5 4 3 2 1 1."""
    if not re.fullmatch("[A-Z](?:[1289]|[A-D])[0-9]{8}", number):
        return False
    first, second = _TAIWAN[number[0]], number[1]
    digits = f"{first}{second if second.isdigit() else _TAIWAN[second] % 10}{number[2:]}"
    return _weighted(digits, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)) % 10 == 0


def sg_nric(number: str) -> bool:
    """Tell whether a Singapore NRIC or FIN fits (weights 2 7 6 5 4 3 2, 4 more for T and G, 3 for M, modulo 11; published by use, not by law)."""
    if not re.fullmatch("[STFGM][0-9]{7}[A-Z]", number):
        return False
    total = _weighted(number[1:8], (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(number[0], 0)
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "M": "KLJNPQRTUWX"}.get(number[0], "XWUTRQPNMLK")
    return letters[10 - total % 11 if number[0] == "M" else total % 11] == number[8]


def npi(number: str) -> bool:
    """Tell whether a US national provider identifier fits: 10 digits from 1 or 2, Luhn with 80840 ahead (45 CFR 162.406; CMS)."""
    return bool(re.fullmatch("[12][0-9]{9}", number)) and luhn("80840" + number)


def dea(number: str) -> bool:
    """Tell whether a DEA registration fits: two letters (or a letter and 9), 7 digits, the last that of d1+d3+d5 + 2(d2+d4+d6) (21 CFR 1301.13; DEA)."""
    return bool(_DEA.fullmatch(number)) and (_weighted(number[2:8], (1, 2, 1, 2, 1, 2)) - int(number[8])) % 10 == 0


def mbi(number: str) -> bool:
    """Tell whether 11 characters have the form of a Medicare beneficiary identifier: no S L O I B Z (CMS, 2017). It has no check digit."""
    return bool(_MBI.fullmatch(number))


def nino(number: str) -> bool:
    """Tell whether 9 characters have the form of a UK national insurance number with a prefix that is given out (HMRC NIM39110). It has no check digit."""
    return bool(_NINO.fullmatch(number))


def nhs(number: str) -> bool:
    """Tell whether an NHS number fits: 10 digits, weights 10 to 2, 11 minus the rest modulo 11 (NHS data dictionary)."""
    return bool(re.fullmatch("[0-9]{10}", number)) and _weighted(number, range(10, 0, -1)) % 11 == 0


def au_medicare(number: str) -> bool:
    """Tell whether an Australian Medicare card fits: 10 digits from 2-6 (an 11th for the person), the ninth by weights 1 3 7 9 1 3 7 9 modulo 10."""
    return bool(re.fullmatch("[2-6][0-9]{9,10}", number)) and (
        _weighted(number[:8], (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(number[8])
    )


def aba(number: str) -> bool:
    """Tell whether a US routing number fits: 9 digits, a Federal Reserve prefix, weights 3 7 1 modulo 10 (ANSI X9.110)."""
    return bool(re.fullmatch("(?:0[0-9]|1[0-2]|2[1-9]|3[0-2]|6[1-9]|7[0-2]|80)[0-9]{7}", number)) and (
        _weighted(number, (3, 7, 1) * 3) % 10 == 0
    )


def vin(number: str) -> bool:
    """Tell whether a vehicle identification number fits: 17 without I O Q, the ninth modulo 11 (ISO 3779; 49 CFR 565.15; GB 16735-2019). Europe leaves it open."""
    if len(number) != 17 or not set(number) <= set(_VIN):
        return False
    total = sum(_VIN[character] * weight for character, weight in zip(number, _VIN_WEIGHTS, strict=True))
    return "0123456789X"[total % 11] == number[8]


def imei(number: str) -> bool:
    """Tell whether the 15 digits of a mobile equipment identity fit (3GPP TS 23.003 annex B: Luhn)."""
    return bool(re.fullmatch("[0-9]{15}", number)) and luhn(number)


def mrz_digit(field: str) -> str:
    """Return the check digit of a field of a machine-readable zone: weights 7 3 1, A = 10, < = 0, modulo 10 (ICAO Doc 9303-3 section 4.9)."""
    values = (0 if character == "<" else int(character, 36) for character in field)
    return str(sum(value * (7, 3, 1)[place % 3] for place, value in enumerate(values)) % 10)


def mrz(zone: str) -> bool:
    """Tell whether the check digits of a whole zone fit: TD1 90 characters, TD2 72, TD3 88, line after line (ICAO Doc 9303 parts 5, 6 and 4).

    A field and its digit, then all of them together; visas (MRV) have no digit over all.
    """
    if not re.fullmatch("[0-9A-Z<]+", zone):
        return False
    if len(zone) == 90:
        fields, line = ((5, 14), (30, 36), (38, 44)), zone[5:30] + zone[30:37] + zone[38:45] + zone[48:59]
        whole = zone[59]
    elif len(zone) in (72, 88):
        half = len(zone) // 2
        fields = ((half, half + 9), (half + 13, half + 19), (half + 21, half + 27))
        line, whole = zone[half : half + 10] + zone[half + 13 : half + 20] + zone[half + 21 : -1], zone[-1]
    else:
        return False
    fits = all(mrz_digit(zone[start:end]) == zone[end] for start, end in fields)
    return fits and (zone[0] == "V" or mrz_digit(line) == whole)


def base58check(address: str) -> bool:
    """Tell whether 25 bytes in Base58 end with the first 4 bytes of the double SHA-256 of the rest (Bitcoin, Base58Check)."""
    if not 26 <= len(address) <= 35 or not set(address) <= set(_BASE58):
        return False
    number = 0
    for character in address:
        number = number * 58 + _BASE58.index(character)
    if number >= 1 << 200:
        return False
    whole = number.to_bytes(25, "big")
    return sha256(sha256(whole[:21]).digest()).digest()[:4] == whole[21:]


def bech32(address: str) -> bool:
    """Tell whether a segregated-witness address fits its polynomial check, Bech32 or Bech32m (BIP 173, BIP 350)."""
    prefix, _one, data = address.lower().rpartition("1")
    if not prefix or len(data) < 6 or not set(data) <= set(_BECH32):
        return False
    check = 1
    values = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + [_BECH32.index(c) for c in data]
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> place & 1 else 0
    return check in (1, 0x2BC830A3)


@cache
def by_stdnum(name: str) -> Callable[[str], bool]:
    """Return `is_valid` of `stdnum.<name>` (python-stdnum: `pl.pesel`, `de.idnr`); it is imported at the first number asked about."""

    def valid(number: str) -> bool:
        from importlib import import_module

        return bool(import_module(f"stdnum.{name}").is_valid(number))

    return valid


def _weighted(digits: str, weights: range | tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))
