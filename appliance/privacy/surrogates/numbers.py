"""Numbers of the same shape that belong to nobody: from a range that is never given out where the standard has one, else with a wrong check digit.

==========================================  =========================================================================================
US social security number                   area 666, never given out (SSA POMS RM 10201.035)
UK national insurance number                prefix QQ, never given out (HMRC NIM39110)
Medicare beneficiary identifier             first digit 0; the format asks for 1 to 9 (CMS)
VIN                                         a Q in the check digit's place; a VIN has no I, O, Q (ISO 3779)
plates of China                             an O in the serial, which has no I and no O (GA 36-2018)
15-digit resident number                    month 00
BIC                                         country ZZ, which ISO 3166-1 leaves to users
a machine-readable zone                     state UTO, the specimens' (ICAO Doc 9303-3), and wrong check digits
cards, resident and tax numbers, IBAN ...   as many tries as it takes until every check that fits the length fails
==========================================  =========================================================================================

Numbers that one house gives out (records, accounts, cases, members) have neither: theirs may be somebody's by chance.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping

from appliance.privacy import check_digits
from appliance.privacy.normalise import normalise
from appliance.privacy.operators.value import Keyed, Value

__all__ = ["is_wrong", "number"]

_TRIES = 500
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_PROVINCES = "京津沪渝冀晋辽吉黑苏浙皖闽赣鲁豫鄂湘粤桂琼川贵云藏陕甘青宁新蒙"
_MODULES = """
us.ssn us.itin gb.nhs gb.utr gb.vat de.idnr de.vat fr.nir fr.tva es.dni es.nie es.nif it.codicefiscale it.iva
nl.bsn nl.btw pl.pesel pl.nip in_.aadhaar jp.cn jp.in_ kr.rrn ca.sin au.tfn br.cpf se.personnummer fi.hetu dk.cpr
no.fodselsnummer be.nn ch.ssn ie.pps pt.cc at.uid
"""
_NATIONAL = tuple(_MODULES.split())
_Check = Callable[[str], bool]


def _luhn(text: str) -> bool:
    return text.isascii() and text.isdigit() and check_digits.luhn(text)


def _iban(text: str) -> bool:
    return len(text) > 4 and text.isascii() and text.isalnum() and check_digits.mod_97(text)


_CHECKS: Mapping[str, Iterable[_Check]] = {
    "BANK_CARD": (_luhn,),
    "IBAN": (_iban,),
    "ID_NUMBER": (check_digits.mod_11_2, check_digits.hk_id, check_digits.tw_id),
    "USCC": (check_digits.gb_32100, check_digits.gb_11714),
    "NATIONAL_ID": (check_digits.nino, check_digits.sg_nric, check_digits.tw_id, check_digits.hk_id, check_digits.mod_11_2),
    "HEALTH_ID": (check_digits.nhs, check_digits.mbi, check_digits.au_medicare, _luhn, check_digits.mod_11_2),
    "LICENSE": (check_digits.npi, check_digits.dea),
    "VIN": (check_digits.vin,),
    "DEVICE_ID": (_luhn,),
    "CRYPTO": (check_digits.base58check, check_digits.bech32),
    "PASSPORT": (check_digits.mrz,),
    "ACCOUNT": (check_digits.aba, _luhn),
}  # fmt: skip


def number(value: Value, keyed: Keyed) -> str | None:
    """Return another number of the same shape that is nobody's by its standard; None where there is too little to change or no try fails its checks."""
    plain = normalise(value.text).text
    if not re.search(r"[0-9A-Za-z]", plain):
        return None
    for attempt in range(_TRIES):
        new = _of_nobody(value.kind, plain, _scrambled(plain, keyed, value.kind, value.normal, str(attempt)))
        if is_wrong(value.kind, new) and new != plain:
            return new
    return None


def is_wrong(kind: str, text: str) -> bool:
    """Tell whether every check digit that a number of this kind could carry is wrong."""
    compact = re.sub(r"[^0-9A-Za-z<]", "", text)
    upper = compact if kind == "CRYPTO" else compact.upper()
    if any(check(upper) for check in _CHECKS.get(kind, ())):
        return False
    return kind != "NATIONAL_ID" or not any(check_digits.by_stdnum(name)(upper) for name in _NATIONAL)


def _scrambled(text: str, keyed: Keyed, *words: str) -> str:
    """Return `text` with another digit for each digit and another letter for each letter; separators do not change what is drawn."""
    digits = iter(keyed.digits(len(text), *words))
    letters = iter(keyed.digest(*words, "letters") * (len(text) // 32 + 1))
    new: list[str] = []
    for character in text:
        if character.isascii() and character.isdigit():
            drawn = next(digits)
            leads = drawn == "0" != character and not any(map(str.isalnum, new))
            new.append("1" if leads else drawn)
        elif character.isascii() and character.isalpha():
            letter = _LETTERS[next(letters) % len(_LETTERS)]
            new.append(letter if character.isupper() else letter.lower())
        else:
            new.append(character)
    return "".join(new)


def _of_nobody(kind: str, old: str, new: str) -> str:
    """Put what the standard never gives out into its place; keep what tells the kind of number and not whose it is."""
    compact = re.sub(r"[^0-9A-Za-z]", "", old)
    if kind == "IBAN":
        return _put(new, 0, old[:2])
    if kind == "BANK_CARD":
        return _put(new, 0, old[:1])  # the first digit is the industry (ISO/IEC 7812-1)
    if kind == "CRYPTO" and old.startswith("0x"):
        return "0x" + hashlib.sha256(new.encode()).hexdigest()[: len(old) - 2]
    if kind == "CRYPTO":
        return _put(new, 0, old[:1])
    if kind == "BIC":
        return _put(new, 4, "ZZ")
    if kind == "VIN" and len(compact) == 17:
        return _put(new, 8, "Q")
    if kind == "PLATE":
        return _plate(old, new)
    if kind == "PASSPORT" and "<" in old:
        return _zone(old, new)
    if kind == "ID_NUMBER" and compact.isdigit() and len(compact) == 15:
        return _put(new, 8, "00")
    if kind == "ID_NUMBER" and len(compact) == 18:
        return _dated(new)
    if kind == "HEALTH_ID" and check_digits.mbi(compact.upper()):
        return _put(new, 0, "0")
    if kind == "NATIONAL_ID" and re.fullmatch(r"[0-9]{9}", compact):
        return _put(new, 0, "666")
    if kind == "NATIONAL_ID" and re.fullmatch(r"[A-Za-z]{2}[0-9]{6}[A-Za-z]?", compact):
        return _put(new, 0, "QQ")
    return new


def _put(text: str, place: int, what: str) -> str:
    """Return `text` with the letters and digits from `place` on (separators not counted) replaced by those of `what`."""
    places = [index for index, character in enumerate(text) if character.isascii() and character.isalnum()]
    characters = list(text)
    for index, character in zip(places[place:], what, strict=False):
        characters[index] = character
    return "".join(characters)


def _dated(new: str) -> str:
    # a birth that could be: 19yy, month 01-12, day 01-28; the check character is a digit or X
    digits = re.sub(r"[^0-9A-Za-z]", "", new)
    year, month, day = (
        f"19{int(digits[6:8]) % 70 + 30:02d}",
        f"{int(digits[8:10]) % 12 + 1:02d}",
        f"{int(digits[10:12]) % 28 + 1:02d}",
    )
    last = digits[17] if digits[17].isdigit() else "X"
    return _put(_put(new, 6, year + month + day), 17, last)


def _plate(old: str, new: str) -> str:
    if not re.match(rf"[{_PROVINCES}]", old):
        return new
    province = _PROVINCES[(_PROVINCES.index(old[0]) + 1 + sum(map(ord, new)) % (len(_PROVINCES) - 1)) % len(_PROVINCES)]
    serial = sum(character.isascii() and character.isalnum() for character in new)
    return province + _put(new, max(1, serial - 2), "O")[1:]


def _zone(old: str, new: str) -> str:
    return (
        re.sub(r"^(\s*)..(.)...", lambda head: f"{head[1]}{old.strip()[:2]}UTO", new) if len(old.strip()) > 5 else new
    )
