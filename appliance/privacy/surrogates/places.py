"""Addresses, places and postcodes: numbers and names change, what says that it is a street, a flat or a state stays.

Each word has its own surrogate, so that a town has the same one by itself and within an address. US postcodes come from 000 to 004, Chinese ones
from 9 (but 99), British ones from ZZ99: none of them is given out (USPS Publication 65, China Post, NHS Postcode Directory pseudo codes).
"""

from __future__ import annotations

import re
from itertools import count

from appliance.privacy.normalise import normalise
from appliance.privacy.operators.value import Keyed, Value
from appliance.privacy.surrogates.regions import COUNTRIES, PROVINCES, STATES
from appliance.privacy.surrogates.words import CITY_HEADS, CITY_TAILS, town

__all__ = ["place", "postcode"]

_KINDS_OF_PLACE = """
street st road rd avenue ave lane ln drive dr court ct boulevard blvd way place pl square sq terrace ter circle cir highway hwy parkway pkwy trail trl close
crescent cres row mews gardens grove hill park house building bldg floor fl suite ste unit apartment apt flat room rm box po p o north south east west n s e
w ne nw se sw northeast northwest southeast southwest old new upper lower great little saint the of and at in upon county city town village lake mount mt
fort ft port island islands bay beach springs valley river heights usa us uk straße strasse platz weg allee rue de la le du des del via piazza calle avenida
plaza bus route state province region district
"""
_STAY = frozenset(_KINDS_OF_PLACE.split())
_UNITS = "the of and at in upon de la le du des del po p o box unit suite ste apt apartment flat floor fl room rm building bldg"
_NO_NAME = frozenset(_UNITS.split())
_REGIONS = "|".join((*STATES, *STATES.values(), *COUNTRIES))
_PART = re.compile(
    rf"(?P<zip>(?:(?<=[A-Z][A-Z] )|(?<=, ))[0-9]{{5}}(?:-[0-9]{{4}})?(?=\W*(?:USA?\b.*)?$)|(?<![0-9])[0-9]{{5}}-[0-9]{{4}}(?![0-9]))"
    r"|(?P<british>\b[A-Z]{1,2}[0-9][0-9A-Z]?\s?[0-9][A-Z]{2}\b)"
    rf"|(?P<region>(?<=, )(?:{_REGIONS})(?=[\s,.]*(?:[0-9]{{5}}|,|$)))"
    r"|(?P<number>[0-9]+(?:[A-Za-z]\b)?)"
    r"|(?P<word>[\u3400-\u4dbf\u4e00-\u9fff]+|[^\W\d_\u3400-\u4dbf\u4e00-\u9fff]+(?:['’][^\W\d_\u3400-\u4dbf\u4e00-\u9fff]+)*)"
)
_ZIP = re.compile(r"[0-9]{5}(?:-[0-9]{4})?")
_UK = re.compile(r"[A-Z]{1,2}[0-9][0-9A-Z]?\s?[0-9][A-Z]{2}")
_HAN_PART = re.compile(
    r"([\u3400-\u9fff]+?)(自治区|自治州|自治县|特别行政区|街道|小区|社区|花园|大厦|广场|公寓|新村|家园|[省市区县盟旗镇乡村屯庄路街道巷弄里坊胡同段号栋幢座楼层单元室户组队园苑城])"
)
_HAN_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
_HAN_NUMBER = re.compile(r"[一二三四五六七八九十百甲乙丙丁]+")
_HAN_STAY = re.compile(r"(?:第|附|东|西|南|北|中|上|下|内|外|地下|负|单元|[省市区县路街巷弄号栋幢座楼层室户组队])+")


def place(value: Value, keyed: Keyed) -> str | None:
    """Return another address or place of the same shape; None in scripts that no list is for."""
    plain = normalise(value.text).text
    if re.search(r"[^\W\d_\u0000-\u024f\u1e00-\u1eff\u3400-\u4dbf\u4e00-\u9fff]", plain):
        return None
    for regions in (STATES, COUNTRIES, COUNTRIES.values()):
        if plain.strip() in regions:
            return keyed.pick(sorted(regions), "region", plain.strip(), but=plain.strip())
    places = count()
    plain = "".join(_named(piece, keyed) for piece in re.split(r"([,;\n])", plain))
    return _PART.sub(lambda part: _new_part(part, f"{value.normal} {next(places)}", keyed), plain)


def _named(piece: str, keyed: Keyed) -> str:
    """Give a piece another name where its name is made of words that stay: `Park Lane`, `North Island`, `The Old House`."""
    words = list(re.finditer(r"[^\W\d_]+", piece))
    if len(words) < 2 or any(word[0].lower() not in _STAY for word in words):
        return piece
    name = next((word for word in words[:-1] if word[0].lower() not in _NO_NAME), None)
    return piece[: name.start()] + _new_word(name[0], keyed) + piece[name.end() :] if name else piece


def _new_part(part: re.Match[str], key: str, keyed: Keyed) -> str:
    if part.lastgroup == "zip":
        return _us(part[0], keyed)
    if part.lastgroup == "british":
        return _british(part[0], keyed)
    if part.lastgroup == "number":
        return _new_number(part[0], key, keyed)
    return part[0] if part.lastgroup == "region" else _word(part[0], keyed)


def postcode(value: Value, keyed: Keyed) -> str | None:
    """Return a postcode that is not given out; None for a shape that no country here has."""
    plain = normalise(value.text).text.strip()
    if _ZIP.fullmatch(plain):
        return _us(plain, keyed)
    if re.fullmatch(r"[0-9]{6}", plain):
        return "9" + keyed.pick("012345678", "postcode", plain) + keyed.digits(4, "postcode", plain)
    return _british(plain, keyed) if _UK.fullmatch(plain.upper()) else None


def _us(code: str, keyed: Keyed) -> str:
    new = f"00{keyed.pick('01234', 'zip', code[:5])}{keyed.digits(2, 'zip', code[:5])}"
    return new + (f"-{keyed.digits(4, 'zip', code)}" if "-" in code else "")


def _british(code: str, keyed: Keyed) -> str:
    letters = (keyed.pick("ABDEFGHJLNPQRSTUWXYZ", "postcode", code.upper(), end) for end in "12")
    return f"ZZ99 {keyed.digits(1, 'postcode', code.upper())}{''.join(letters)}"


def _new_number(old: str, key: str, keyed: Keyed) -> str:
    digits = re.sub(r"[^0-9]", "", old)
    new = keyed.digits(len(digits), "house", key)
    new = new.replace("0", "1", 1) if new[0] == "0" and digits[0] != "0" else new
    if new == digits:
        new = f"{(int(digits) + 1) % 10 ** len(digits):0{len(digits)}d}"
    return new + ("" if old.isdigit() else keyed.pick("ABCDEFGH", "house letter", key, but=old[-1].upper()))


def _word(word: str, keyed: Keyed) -> str:
    if _HAN_RUN.fullmatch(word):
        return _chinese(word, keyed)
    return word if word.lower() in _STAY else _new_word(word, keyed)


def _new_word(word: str, keyed: Keyed) -> str:
    if len(word) == 1:
        return keyed.pick("ABCDEFGH", "unit", word, but=word.upper())
    new = town(keyed, "place", word.casefold())
    return new.upper() if word.isupper() else new if word[0].isupper() else new.lower()


def _chinese(run: str, keyed: Keyed) -> str:
    pieces, position = [], 0
    for part in _HAN_PART.finditer(run):
        pieces.append(_chinese_name(part[1], keyed) + part[2])
        position = part.end()
    return "".join([*pieces, _chinese_name(run[position:], keyed) if run[position:] else ""])


def _chinese_name(name: str, keyed: Keyed) -> str:
    if name in PROVINCES:
        return keyed.pick([one for one in PROVINCES if len(one) == len(name)], "province", name, but=name)
    if _HAN_STAY.fullmatch(name):
        return name
    if _HAN_NUMBER.fullmatch(name):
        return "".join(
            keyed.pick("一二三四五六七八九", "number", name, str(at), but=one) for at, one in enumerate(name)
        )
    last = len(name) - 1
    return "".join(
        keyed.pick(CITY_TAILS if at == last and last else CITY_HEADS, "town", name, str(at), but=one)
        for at, one in enumerate(name)
    )
