"""Synthetic identities: every kind has one in both languages, they pass their check digits, and the seed decides."""

from __future__ import annotations

import importlib
import random
import re

import pytest

from appliance.privacy import check_digits, identities
from appliance.privacy.kinds import FORMS, KINDS

NAMES = [each.name for each in (*KINDS, *FORMS)]
OF_KINDS = [each.name for each in KINDS]
# The form's name, and who says that its values are right: python-stdnum where it knows the number.
STDNUM = {
    "DE_TAX_ID": "de.idnr",
    "FR_NIR": "fr.nir",
    "ES_NIF": "es.dni",
    "IT_FISCAL_CODE": "it.codicefiscale",
    "NL_BSN": "nl.bsn",
    "PL_PESEL": "pl.pesel",
    "IN_AADHAAR": "in_.aadhaar",
    "IN_PAN": "in_.pan",
    "JP_MY_NUMBER": "jp.in_",
    "KR_RRN": "kr.rrn",
    "CA_SIN": "ca.sin",
    "AU_TFN": "au.tfn",
    "EU_VAT": "de.vat",
    "US_SSN": "us.ssn",
    "US_ITIN": "us.itin",
    "UK_NHS": "gb.nhs",
    "IBAN": "iban",
    "IMEI": "imei",
    "BITCOIN": "bitcoin",
    "card": "luhn",
    "UK_UTR": "gb.utr",
    "ES_NIE": "es.nie",
    "BR_CPF": "br.cpf",
    "OTHER_NATIONAL_ID": "se.personnummer",
    "US_ROUTING_NUMBER": "us.rtn",
    "US_EIN": "us.ein",
}
OWN = {
    "CN_RESIDENT_ID": check_digits.mod_11_2,
    "CN_RESIDENCE_PERMIT": check_digits.mod_11_2,
    "credit code": check_digits.gb_32100,
    "VIN": check_digits.vin,
    "US_NPI": check_digits.npi,
    "US_DEA": check_digits.dea,
    "TW_ID": check_digits.tw_id,
    "CN_FOREIGNER_RESIDENCE": check_digits.mod_11_2,
    "AU_MEDICARE": check_digits.au_medicare,
    "SG_NRIC": check_digits.sg_nric,
    "ICCID": check_digits.luhn,
}


def of_form(name: str) -> identities.Form:
    """Return the form called `name`."""
    return next(form for each in identities.IDENTITIES.values() for form in each if form.name == name)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_kind_has_a_value_and_a_sentence_in_both_languages(kind: str, language: identities.Language) -> None:
    chance = random.Random(3)
    for _each in range(40):
        text, start, end = identities.carrier(kind, language, chance)
        assert text[start:end].strip() == text[start:end] != ""
        assert any(map(str.isalnum, text[start:end]))
        assert identities.make(kind, language, chance)


@pytest.mark.parametrize("kind", OF_KINDS)
def test_chinese_sentences_are_chinese(kind: str) -> None:
    """A kind that people write in China stands in a Chinese sentence there."""
    chance = random.Random(1)
    made = [identities.carrier(kind, "zh", chance) for _each in range(20)]
    assert any(re.search("[\u4e00-\u9fff]", text[:start] + text[end:]) for text, start, end in made)


def test_every_number_that_is_listed_has_a_maker_of_its_own() -> None:
    made = {form.name for each in identities.IDENTITIES.values() for form in each}
    assert set(identities.IDENTITIES) == set(OF_KINDS)
    assert {each.name for each in FORMS} <= made


def test_the_seed_decides() -> None:
    """The same seed gives the same identities, another seed others."""

    def made(seed: int) -> list[str]:
        chance = random.Random(seed)
        return [identities.make(kind, "en", chance) for kind in NAMES]

    assert made(1) == made(1) != made(2)


@pytest.mark.parametrize("name", STDNUM)
def test_numbers_pass_the_check_of_python_stdnum(name: str) -> None:
    module = importlib.import_module(f"stdnum.{STDNUM[name]}")
    chance = random.Random(11)
    for _each in range(100):
        value = of_form(name).make(chance)
        assert module.is_valid(value.replace(" ", "") if name == "card" else value), name


@pytest.mark.parametrize("name", OWN)
def test_numbers_pass_the_check_of_their_standard(name: str) -> None:
    chance = random.Random(12)
    assert all(OWN[name](of_form(name).make(chance)) for _each in range(100))


def test_hong_kong_numbers_carry_their_check_digit_in_brackets() -> None:
    chance = random.Random(13)
    for _each in range(100):
        value = of_form("HK_ID").make(chance)
        assert re.fullmatch(r"[A-Z][0-9]{6}\([0-9A]\)", value)
        assert check_digits.hk_id(re.sub(r"[()]", "", value))


def test_organization_codes_carry_their_check_character_behind_a_hyphen() -> None:
    chance = random.Random(14)
    assert all(
        check_digits.gb_11714(of_form("CN_ORGANIZATION_CODE").make(chance).replace("-", "")) for _each in range(100)
    )


def test_machine_readable_zones_are_valid() -> None:
    chance = random.Random(15)
    for _each in range(50):
        value = of_form("MRZ").make(chance)
        assert [len(line) for line in value.split("\n")] == [44, 44]
        assert check_digits.mrz(value.replace("\n", ""))
