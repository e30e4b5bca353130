"""Surrogates look like what they stand for and belong to nobody."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from appliance.privacy import check_digits
from appliance.privacy.operators import surrogate
from appliance.privacy.operators.value import Keyed, Scope, Value, normal
from appliance.privacy.surrogates import numbers
from appliance.privacy.surrogates.words import FEMALE_NAMES, MALE_NAMES

SCOPE = Scope(Keyed(b"k" * 32), date(2026, 6, 1))


def made(kind: str, text: str) -> str:
    found = surrogate.replace(Value(text, kind, "s"), SCOPE)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("212-555-0187", r"[2-9]\d\d-555-01\d\d"),
        ("+1 (415) 867-5309", r"\+1 \([2-9]\d\d\) 555-01\d\d"),
        ("1-800-555-1234", r"1-[2-9]\d\d-555-01\d\d"),
        ("07912 345678", r"07700 900\d{3}"),
        ("+44 7912 345678", r"\+44 7700 900\d{3}"),
        ("+44 20 7123 4567", r"\+44 (20 7946 0\d{3}|1[1-6]\d?.*)"),
        ("01 42 34 56 78", r"01 99 00 \d\d \d\d"),
        ("+61 412 345 678", r"\+61 491 57\d \d{3}"),
        ("13912345678", r"12\d{9}"),
        ("+86 138-0013-8000", r"\+86 12\d-\d{4}-\d{4}"),
        ("010-62345678", r"010-0\d{7}"),
        ("079 2718 1155", r"077 0090 0\d{3}"),
        ("0791-2345678", r"0791-0\d{6}"),
        ("0688 872 49 99", r"000\d \d{3} \d\d \d\d"),
        ("(0571) 8765 4321", r"\(0571\) 0\d{3} \d{4}"),
        ("0571-8765432转812", r"0571-0\d{6}转\d{3}"),
        ("+49 30 123456", r"\+999\d+"),
        ("555-1234", r"000-\d{4}"),
    ],
)
def test_telephone_numbers_ring_nowhere(text: str, pattern: str) -> None:
    assert re.fullmatch(pattern, made("PHONE", text))


@pytest.mark.parametrize(
    ("kind", "text", "pattern"),
    [
        ("EMAIL", "anna@clinic.org", r"[a-z]+\.[a-z]+\d\d@example\.(com|net|org)"),
        ("EMAIL", "12345678@qq.com", r"0\d{7}@example\.(com|net|org)"),
        ("URL", "https://clinic.org/anna", r"https://[a-z]+\.example\.(com|net|org)/[0-9a-f]{8}"),
        ("IP", "41.173.96.26", r"(192\.0\.2|198\.51\.100|203\.0\.113)\.\d{1,3}"),
        ("IP", "fe80::1", r"2001:db8(:[0-9a-f]{1,4}){6}"),
        ("MAC", "AA-BB-CC-DD-EE-FF", r"00-00-5E-00-53-[0-9A-F]{2}"),
        ("HANDLE", "@annak", r"@[a-z]+\d\d"),
        ("NATIONAL_ID", "078-05-1120", r"666-\d\d-\d{4}"),
        ("NATIONAL_ID", "AB 12 34 56 C", r"QQ \d\d \d\d \d\d [A-Z]"),
        ("HEALTH_ID", "1EG4-TE5-MK73", r"0[A-Z]{2}\d-[A-Z]{2}\d-[A-Z]{2}\d\d"),
        ("PLATE", "京A12345", r"[^京][A-Z][0-9O]{5}"),
        ("BIC", "DEUTDEFF500", r"[A-Z]{4}ZZ[A-Z]{2}\d{3}"),
        ("POSTCODE", "62704", r"00[0-4]\d\d"),
        ("POSTCODE", "100081", r"9[0-8]\d{4}"),
        ("POSTCODE", "SW1A 1AA", r"ZZ99 \d[A-Z]{2}"),
        ("AGE", "45岁", r"4[0-46-9]岁"),
        ("AGE", "93", r"9\d|10[01]"),
        ("ADDRESS", "12 Main Street, Springfield, IL 62704", r"\d\d [A-Z][a-z]+ Street, [A-Z][a-z]+, IL 00[0-4]\d\d"),
        ("ADDRESS", "朝阳区建国路88号3栋501室", r"..区..路\d\d号\d栋\d{3}室"),
        ("ORGANIZATION", "Barclays Bank plc", r"[A-Z][a-z]+ Bank plc"),
        ("ORGANIZATION", "北京协和医院", r".{4}医院"),
        ("BIRTH_DATE", "5 January 1980", r"\d{1,2} [A-Z][a-z]+ 19(79|80|81)"),
    ],
)  # fmt: skip
def test_they_look_like_the_real_ones(kind: str, text: str, pattern: str) -> None:
    assert re.fullmatch(pattern, made(kind, text))


@settings(max_examples=40, deadline=None)
@given(digits=some.text("0123456789", min_size=15, max_size=15))
def test_cards_fail_their_check_digit(digits: str) -> None:
    card = next(digits + last for last in "0123456789" if check_digits.luhn(digits + last))
    new = made("BANK_CARD", card)
    assert len(new) == 16
    assert not check_digits.luhn(new)


@settings(max_examples=40, deadline=None)
@given(serial=some.integers(0, 999), day=some.dates(date(1930, 1, 1), date(2020, 1, 1)))
def test_resident_numbers_fail_their_check_digit(serial: int, day: date) -> None:
    body = f"110105{day:%Y%m%d}{serial:03d}"
    new = made("ID_NUMBER", body + check_digits.mod_11_2_character(body))
    assert re.fullmatch(r"\d{17}[0-9X]", new)
    assert not check_digits.mod_11_2(new)
    assert check_digits.born(new[6:14])


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("IBAN", "GB29NWBK60161331926819"),
        ("USCC", "91350100M000100Y43"),
        ("ID_NUMBER", "A123456(3)"),
        ("VIN", "1M8GDM9AXKP042788"),
        ("DEVICE_ID", "490154203237518"),
        ("LICENSE", "1234567893"),
        ("NATIONAL_ID", "943 476 5919"),
        ("NATIONAL_ID", "44051401359"),
        ("CRYPTO", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
    ],
)
def test_checked_numbers_fail_every_check(kind: str, text: str) -> None:
    assert not numbers.is_wrong(kind, text)
    assert numbers.is_wrong(kind, made(kind, text))


def test_gender_is_kept_where_the_name_tells_it() -> None:
    assert made("PERSON", "Anna Kovacs").split()[0] in FEMALE_NAMES
    assert made("PERSON", "Ms Xanthippe Novak").split()[1] in FEMALE_NAMES
    assert made("PERSON", "George Novak").split()[0] in MALE_NAMES


def test_a_surname_alone_is_the_one_of_the_full_name() -> None:
    assert made("PERSON", "Anna Kovacs").split()[1] == made("PERSON", "Kovacs")
    assert made("PERSON", "Kovacs, Anna") == ", ".join(reversed(made("PERSON", "Anna Kovacs").split()))
    assert made("PERSON", "小李")[1] == made("PERSON", "李建国")[0]


@pytest.mark.parametrize("name", ["李明", "欧阳修远", "阿不都·热合曼", "张某某", "王总", "陈"])
def test_chinese_names_keep_their_number_of_characters(name: str) -> None:
    new = made("PERSON", name)
    assert len(new) == len(name)
    assert new != name
    assert re.fullmatch(r"[\u4e00-\u9fff·]+", new)


@pytest.mark.parametrize(
    "text", ["5 Park Lane, London", "12 North Street", "The Old House", "North Island", "PO Box 12, Lake City"]
)
def test_a_name_made_of_words_that_stay_does_not_stay(text: str) -> None:
    new = made("ADDRESS", text)
    assert not re.search("Park Lane|North Street|Old House|North Island|Lake City", new)
    assert re.search("Lane|Street|House|Island|City", new)


def test_a_town_has_one_surrogate_alone_and_in_an_address() -> None:
    assert made("LOCATION", "Springfield") in made("ADDRESS", "12 Main Street, Springfield, IL 62704")


@settings(max_examples=100, deadline=None)
@given(words=some.lists(some.text("abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=8), min_size=1, max_size=3))
def test_no_surrogate_equals_its_original(words: list[str]) -> None:
    for kind in ("PERSON", "LOCATION", "ORGANIZATION"):
        text = " ".join(word.title() for word in words)
        new = surrogate.replace(Value(text, kind, "s"), SCOPE)
        assert new is None or normal(new) != normal(text)


@pytest.mark.parametrize("kind", ["SECRET", "GPS", "NATIONALITY", "CARD_SECURITY"])
def test_kinds_without_a_harmless_likeness_have_none(kind: str) -> None:
    assert surrogate.replace(Value("12345678", kind, "s"), SCOPE) is None


def test_latin_words_beside_chinese_ones_do_not_stay() -> None:
    assert "parkview" not in made("LOCATION", "parkviewgreen芳草地").lower()
    assert not re.search("TH000|000", made("PERSON", "TH000"))
