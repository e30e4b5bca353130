"""Names of people and organizations: the shape of the old one, each part drawn by the key from its own, gender kept where the name or its title tells it.

So the surname alone has the same surrogate as within the full name.
"""

from __future__ import annotations

import re

from appliance.privacy.operators.value import Keyed, Value
from appliance.privacy.surrogates.words import (
    ANY_CHARACTERS,
    ANY_NAMES,
    COMPOUND_SURNAMES,
    FEMALE_CHARACTERS,
    FEMALE_NAMES,
    MALE_CHARACTERS,
    MALE_NAMES,
    SOUNDS,
    SURNAMES,
    SURNAMES_ZH,
    town,
)

__all__ = ["organization", "person"]

_TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_AROUND_NAMES = """
mr mrs ms miss mx dr prof sir dame lord lady rev fr van von der den de del della di da dos la le bin ibn al el ter
ten zu jr sr ii iii iv md phd esq s and
"""
_PARTICLES = frozenset(_AROUND_NAMES.split())
_MALE = re.compile(r"(?:mr|sir|lord|mister|master)\b", re.IGNORECASE)
_FEMALE = re.compile(r"(?:mrs|ms|miss|lady|dame|madam)\b", re.IGNORECASE)
_FEMALE_ENDS = ("a", "ette", "elle", "lyn", "ine", "ie")
_MALE_ZH, _FEMALE_ZH = re.compile("先生|叔|爷爷|哥"), re.compile("女士|小姐|太太|夫人|姐|婶|姨|奶奶")
_SUFFIX_ZH = re.compile(
    r"(?:某+|先生|女士|小姐|太太|夫人|医生|大夫|护士|主任|教授|老师|律师|法官|经理|师傅|同志|局长|院长|所长|总|姐|哥|叔|婶|姨|氏|工)+$"
)
_LEGAL = re.compile(
    r"\b(?:inc|llc|llp|ltd|limited|plc|corp|corporation|company|co|gmbh|ag|sa|bv|nv|group|holdings?|bank|hospital|clinic|cent(?:er|re)|university|college"
    r"|school|institute|department|ministry|agency|authority|council|court|church|foundation|trust|association|society|union|services?|systems?|health"
    r"|medical|insurance|the|of|and|for|st|saint|general|national|international|city|county|state|community|care|&)\b\.?",
    re.IGNORECASE,
)
_KIND_ZH = re.compile(
    r"(?:有限责任公司|股份有限公司|集团有限公司|有限公司|分公司|公司|集团|人民医院|中医院|妇幼保健院|医院|卫生院|诊所|支行|分行|银行|信用社|人民法院|法院|检察院"
    r"|派出所|公安局|公安分局|税务局|局|委员会|居委会|村委会|委|大学|学院|中学|小学|幼儿园|学校|研究院|研究所|研究中心|实验室|俱乐部|联盟|政府|组织|中心|基金会|协会|事务所|工厂|厂|商店|店|超市|酒店|部|处|科|院|所|社|会|队)+$"
)


def person(value: Value, keyed: Keyed) -> str | None:
    """Return another name of the same script, number of words, and for Chinese number of characters; None in scripts that no list is for."""
    if value.han:
        return _foreign_letters(
            re.sub(r"[\u3400-\u4dbf\u4e00-\u9fff]+", lambda run: _chinese(run[0], value, keyed), value.text)
        )
    if not value.text.isascii() and re.search(r"[^\W\d_\u0000-\u024f\u1e00-\u1eff]", value.text):
        return None
    tokens = [match for match in _TOKEN.finditer(value.text) if match[0].lower() not in _PARTICLES]
    if not tokens:
        return None
    comma = value.text.find(",")  # Novak, Jan
    last = tokens[0] if tokens[0].end() <= comma < tokens[-1].start() else tokens[-1]
    first = next((token[0] for token in tokens if token is not last and len(token[0]) > 1), last[0])
    gender = _gender(value, first)
    text = re.sub(r"[0-9]", lambda digit: keyed.digits(1, "name", value.normal, str(digit.start())), value.text)
    for token in reversed(tokens):
        given = token is not last or (len(tokens) == 1 and token[0].lower() in _GIVEN)
        text = text[: token.start()] + _cased(_name(token[0], given, gender, keyed), token[0]) + text[token.end() :]
    return text


_FEMALE_SET = frozenset(map(str.lower, FEMALE_NAMES))
_GIVEN = _FEMALE_SET | frozenset(map(str.lower, MALE_NAMES))


def _gender(value: Value, first: str) -> str:
    """Return `male`, `female` or nothing, by a title within the value or the name itself: one value, one answer."""
    name = first.lower()
    if _FEMALE.match(value.text) or name in _FEMALE_SET:
        return "female"
    if _MALE.match(value.text) or name in _GIVEN:
        return "male"
    return "female" if name.endswith(_FEMALE_ENDS) else ""


def _name(old: str, given: bool, gender: str, keyed: Keyed) -> str:
    key = old.casefold()
    if len(old) == 1:
        return keyed.pick("ABCDEFGHJKLMNPRSTW", "initial", key, but=old.upper())
    if given:
        pool = {"male": MALE_NAMES, "female": FEMALE_NAMES}.get(gender, ANY_NAMES)
        return keyed.pick(pool, "given name", key, but=old.title())
    index = keyed.below(4, "surname pool", key)
    return keyed.pick(SURNAMES, "surname", key, but=old.title()) if index == 0 else town(keyed, "surname", key)


def _cased(new: str, old: str) -> str:
    if old.isupper() and len(old) > 1:
        return new.upper()
    return new if old[0].isupper() else new.lower()


def _foreign_letters(text: str) -> str | None:
    # a Latin name among Chinese characters would stay
    return None if re.search(r"[^\W\d_\u3400-\u4dbf\u4e00-\u9fff]", text) else text


def _chinese(run: str, value: Value, keyed: Keyed) -> str:
    suffix = _SUFFIX_ZH.search(run)
    core = run[: suffix.start()] if suffix and suffix.start() else run
    tail = run[len(core) :]
    head = core[0] if len(core) == 2 and core[0] in "小老阿" and core[1] in SURNAMES_ZH else ""
    core = core[len(head) :]
    return head + _chinese_name(core, "·" in value.text or "•" in value.text, tail, keyed) + tail


def _chinese_name(core: str, sounds: bool, title: str, keyed: Keyed) -> str:
    if core[:2] in COMPOUND_SURNAMES and len(core) > 2:
        surname = keyed.pick(COMPOUND_SURNAMES, "surname", core[:2], but=core[:2])
    elif not sounds and core[0] in SURNAMES_ZH and len(core) < 4:
        surname = keyed.pick(SURNAMES_ZH, "surname", core[0], but=core[0])
    else:
        surname = ""
    given = core[len(surname) :]
    characters = SOUNDS if sounds or len(given) > 3 else _characters(given, title)
    return surname + "".join(
        keyed.pick(characters, "given name", given, str(place), but=old) for place, old in enumerate(given)
    )


def _characters(given: str, title: str) -> str:
    """Return the characters that fit the gender that title or name tell, those that fit any where neither does."""
    female = bool(_FEMALE_ZH.search(title)) or (
        not set(given) & set(MALE_CHARACTERS) and bool(set(given) & set(FEMALE_CHARACTERS))
    )
    male = bool(_MALE_ZH.search(title)) or (
        not set(given) & set(FEMALE_CHARACTERS) and bool(set(given) & set(MALE_CHARACTERS))
    )
    return FEMALE_CHARACTERS if female else MALE_CHARACTERS if male else ANY_CHARACTERS


def organization(value: Value, keyed: Keyed) -> str | None:
    """Return another name whose words for what it is (`Ltd`, `Hospital`, 有限公司, 医院) stay; None where nothing else is there or no list is for the script."""
    if value.han:
        kind = _KIND_ZH.search(value.text)
        core = value.text[: kind.start()] if kind and kind.start() else value.text
        new = "".join(
            keyed.pick(SOUNDS + ANY_CHARACTERS, "organization", core, str(place), but=old) if old.isalnum() else old
            for place, old in enumerate(core)
        )
        return new + value.text[len(core) :]
    if re.search(r"[^\W\d_\u0000-\u024f\u1e00-\u1eff]", value.text):
        return None
    kept = [match.span() for match in _LEGAL.finditer(value.text)]

    def new_word(match: re.Match[str]) -> str:
        if any(start <= match.start() < end for start, end in kept):
            return match[0]
        if match[0].isupper() and len(match[0]) <= 5:
            letters = (
                keyed.pick("ABCDEFGHKLMNPRSTVW", "acronym", match[0], str(place), but=old)
                for place, old in enumerate(match[0])
            )
            return "".join(letters)
        return _cased(town(keyed, "place", match[0].casefold()), match[0])

    text = re.sub(
        r"[0-9]",
        lambda digit: keyed.pick("123456789", "organization", value.normal, str(digit.start()), but=digit[0]),
        value.text,
    )
    return re.sub(r"[^\W\d_]+(?:['’][^\W\d_]+)*", new_word, text)
