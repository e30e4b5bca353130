"""Check digits: the numbers that the standards print are accepted, and a wrong digit is noticed wherever the arithmetic promises it."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.privacy import check_digits as check

DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Each number as its standard, law or issuer prints it.
PUBLISHED = [
    (check.mod_11_2, "11010519491231002X"),  # GB 11643-1999 section 4.4
    (check.mod_11_2, "440524188001010014"),  # the same section; its area code was revoked
    (check.gb_32100, "91350100M000100Y43"),  # GB 32100-2015 annex A
    (check.gb_11714, "D2143569X"),  # GB 11714-1997 section 4
    (check.luhn, "49927398716"),  # ISO/IEC 7812-1
    (check.luhn, "4111111111111111"),
    (check.mod_97, "GB29NWBK60161331926819"),  # IBAN registry
    (check.mod_97, "DE89370400440532013000"),
    (check.hk_id, "A1234563"),  # Immigration Department's specimen
    (check.hk_id, "AB9876543"),
    (check.tw_id, "A123456789"),  # the Ministry of the Interior's specimen
    (check.tw_id, "A800000014"),  # resident certificate of 2021
    (check.sg_nric, "S1234567D"),
    (check.npi, "1234567893"),  # CMS
    (check.dea, "AB1234563"),
    (check.dea, "F91234563"),
    (check.mbi, "1EG4TE5MK73"),  # CMS
    (check.nino, "AB123456C"),
    (check.nhs, "9434765919"),  # NHS data dictionary
    (check.au_medicare, "2123456701"),
    (check.aba, "111000025"),
    (check.vin, "1M8GDM9AXKP042788"),  # 49 CFR 565.15
    (check.vin, "11111111111111111"),
    (check.imei, "490154203237518"),
    (check.mrz, "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L898902C36UTO7408122F1204159ZE184226B<<<<<10"),  # ICAO 9303-4
    (check.mrz, "I<UTOD231458907<<<<<<<<<<<<<<<7408122F1204159UTO<<<<<<<<<<<6ERIKSSON<<ANNA<MARIA<<<<<<<<<<"),  # 9303-5
    (check.mrz, "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<D231458907UTO7408122F1204159<<<<<<<6"),  # 9303-6
    (check.mrz, "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L8988901C4XXX4009078F96121096ZE184226B<<<<<<"),  # 9303-7
    (check.base58check, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),  # the first block
    (check.bech32, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),  # BIP 173
    (check.bech32, "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"),  # BIP 350
    (check.by_stdnum("pl.pesel"), "44051401359"),
    (check.by_stdnum("de.idnr"), "36574261809"),
    (check.by_stdnum("it.codicefiscale"), "RCCMNL83S18D969H"),
    (check.by_stdnum("in_.aadhaar"), "234123412346"),
]  # fmt: skip
# These notice every single wrong digit: modulo 11, 31, 37, 97, Luhn, Verhoeff, and 7-3-1 (its weights have no factor of 10).
EVERY_ERROR = [
    (function, number) for function, number in PUBLISHED
    if function not in (check.sg_nric, check.au_medicare, check.mbi, check.nino, check.tw_id, check.dea, check.mrz, check.vin, check.gb_32100, check.mod_11_2)
    and number not in ("36574261809", "RCCMNL83S18D969H", "A1234563", "AB9876543", "111000025")
]  # fmt: skip


@pytest.mark.parametrize(("function", "number"), PUBLISHED)
def test_the_numbers_that_the_standards_print_fit(function, number: str) -> None:
    assert function(number)


# Luhn and modulo 97 are arithmetic alone: they ask for digits and letters.
WITH_A_FORM = {each for each, _number in PUBLISHED[:28]} - {check.luhn, check.mod_97}


@pytest.mark.parametrize("function", sorted(WITH_A_FORM, key=lambda each: each.__name__))
@pytest.mark.parametrize("number", ["", "0", "A", "１２３４５６７８９０", "9" * 200])
def test_other_texts_do_not_fit_and_raise_nothing(function, number: str) -> None:
    assert not function(number)


@pytest.mark.parametrize(("function", "number"), EVERY_ERROR)
@given(st.data())
def test_every_single_wrong_digit_is_noticed(function, number: str, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from([place for place, character in enumerate(number) if character in DIGITS]))
    wrong = data.draw(st.sampled_from([digit for digit in DIGITS if digit != number[place]]))
    assert not function(number[:place] + wrong + number[place + 1 :])


@given(
    st.dates(min_value=date(1900, 1, 1), max_value=date(2025, 12, 31)),
    st.integers(110000, 839999),
    st.integers(0, 999),
    st.data(),
)
def test_mod_11_2_notices_every_wrong_digit_of_any_number(day, area: int, sequence: int, data: st.DataObject) -> None:
    """ISO 7064 section 3: all single substitutions, all transpositions of neighbours."""
    body = f"{area}{day:%Y%m%d}{sequence:03d}"
    number = body + check.mod_11_2_character(body)
    assert check.mod_11_2(number)
    place, wrong = data.draw(st.integers(0, 16)), data.draw(st.sampled_from(DIGITS))
    assert check.mod_11_2(number[:place] + wrong + number[place + 1 :]) == (wrong == number[place])
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    if place < 16:
        assert check.mod_11_2(swapped) == (swapped == number)


@given(
    st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=17, max_size=17),
    st.integers(0, 16),
    st.sampled_from("0123456789ABCDEFGHJKLMNPQRTUWXY"),
)
def test_the_credit_code_notices_every_wrong_character(body: str, place: int, wrong: str) -> None:
    """31 is prime and no weight is a multiple of it."""
    number = body + check.gb_32100_character(body)
    assert check.gb_32100(number)
    assert check.gb_32100(number[:place] + wrong + number[place + 1 :]) == (wrong == number[place])


@given(st.text(DIGITS + LETTERS, min_size=8, max_size=8), st.integers(0, 7), st.sampled_from(DIGITS))
def test_the_organization_code_notices_every_wrong_digit(body: str, place: int, wrong: str) -> None:
    """Weights below 11 and digits apart by less than 11: no two digits stand for the same rest."""
    number = body + check.gb_11714_character(body)
    assert check.gb_11714(number)
    if body[place] in DIGITS:
        assert check.gb_11714(number[:place] + wrong + number[place + 1 :]) == (wrong == number[place])


@given(st.text(DIGITS, min_size=11, max_size=18), st.integers(1, 9))
def test_luhn_notices_a_wrong_check_digit(body: str, change: int) -> None:
    right = next(digit for digit in DIGITS if check.luhn(body + digit))
    assert not check.luhn(body + str((int(right) + change) % 10))


@given(
    st.text(LETTERS, min_size=1, max_size=2),
    st.text(DIGITS, min_size=6, max_size=6),
    st.integers(0, 5),
    st.sampled_from(DIGITS),
)
def test_hong_kong_notices_every_wrong_digit(letters: str, digits: str, place: int, wrong: str) -> None:
    right = next(digit for digit in DIGITS + "A" if check.hk_id(letters + digits + digit))
    other = digits[:place] + wrong + digits[place + 1 :]
    assert check.hk_id(letters + other + right) == (wrong == digits[place])


@given(
    st.sampled_from(LETTERS), st.sampled_from("1289ABCD"), st.text(DIGITS, min_size=7, max_size=7), st.integers(1, 9)
)
def test_taiwan_has_one_check_digit_for_each_body(letter: str, second: str, digits: str, change: int) -> None:
    """Its weights 2, 4, 5, 6, 8 share factors with 10: only the last digit is promised."""
    right = next(digit for digit in DIGITS if check.tw_id(letter + second + digits + digit))
    assert not check.tw_id(letter + second + digits + str((int(right) + change) % 10))


@given(st.text(DIGITS, min_size=6, max_size=6), st.integers(1, 9))
def test_the_dea_number_has_one_check_digit_for_each_body(digits: str, change: int) -> None:
    right = next(digit for digit in DIGITS if check.dea("AB" + digits + digit))
    assert not check.dea("AB" + digits + str((int(right) + change) % 10))


@given(
    st.text("0123456789ABCDEFGHJKLMNPRSTUVWXYZ", min_size=17, max_size=17), st.integers(0, 16), st.sampled_from(DIGITS)
)
def test_vehicles_notice_every_wrong_digit(body: str, place: int, wrong: str) -> None:
    """Modulo 11 with weights below 11; the ninth place is the check itself."""
    right = next(digit for digit in DIGITS + "X" if check.vin(body[:8] + digit + body[9:]))
    number = body[:8] + right + body[9:]
    if number[place] in DIGITS:
        assert check.vin(number[:place] + wrong + number[place + 1 :]) == (wrong == number[place])


@given(st.text(DIGITS + LETTERS + "<", min_size=1, max_size=39), st.data())
def test_the_machine_readable_zone_notices_every_wrong_digit(field: str, data: st.DataObject) -> None:
    """7, 3 and 1 have no factor in common with 10, so no two digits stand for the same rest."""
    places = [place for place, character in enumerate(field) if character in DIGITS]
    if places:
        place, wrong = data.draw(st.sampled_from(places)), data.draw(st.sampled_from(DIGITS))
        same = check.mrz_digit(field[:place] + wrong + field[place + 1 :]) == check.mrz_digit(field)
        assert same == (wrong == field[place])


@pytest.mark.parametrize(
    ("field", "digit"),
    [
        ("L898902C3", "6"),
        ("740812", "2"),
        ("120415", "9"),
        ("ZE184226B<<<<<", "1"),
        ("520727", "3"),
        ("AB2134<<<", "5"),
    ],
)
def test_the_check_digits_that_icao_prints(field: str, digit: str) -> None:
    """ICAO Doc 9303-3 section 4.9 and 9303-4 appendix A."""
    assert check.mrz_digit(field) == digit


@pytest.mark.parametrize(
    "number", ["BG123456A", "GB123456A", "ZZ123456A", "DA123456A", "AO123456A", "AB123456E", "QQ123456C"]
)
def test_prefixes_of_national_insurance_that_are_not_given_out(number: str) -> None:
    assert not check.nino(number)


@pytest.mark.parametrize("number", ["1SG4TE5MK73", "0EG4TE5MK73", "1EG4TE5MKA3", "1EG4TE5MK7", "1EGATE5MK73"])
def test_forms_that_no_medicare_number_has(number: str) -> None:
    assert not check.mbi(number)


@pytest.mark.parametrize(
    ("day", "is_day"),
    [
        ("19491231", True),
        ("20240229", True),
        ("20230229", False),
        ("18490101", False),
        ("99991231", False),
        ("19991301", False),
    ],
)
def test_birthdays_are_days_that_people_alive_can_have(day: str, is_day: bool) -> None:
    assert check.born(day) is is_day
