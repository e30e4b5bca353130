"""Numbers of many countries: sure beside their word, unsure alone, never where the word says that they are something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.privacy.recognizers import national_number
from appliance.privacy.recognizers.national_number import NUMBERS

WEAK = 0.5  # one check digit lets one number in ten or eleven through


def hits(text: str) -> set[tuple[str, str]]:
    return {(text[hit.start : hit.end], hit.form) for hit in national_number.find(text) if hit.score >= 0.4}


def best(text: str) -> float:
    return max((hit.score for hit in national_number.find(text)), default=0.0)


@pytest.mark.parametrize(
    ("text", "number", "form"),
    [
        ("NPI 1234567893 on the claim", "1234567893", "US_NPI"),
        ("DEA registration AB1234563", "AB1234563", "US_DEA"),
        ("Medicare 1EG4-TE5-MK73", "1EG4-TE5-MK73", "US_MBI"),
        ("routing number: 111000025", "111000025", "US_ROUTING_NUMBER"),
        ("our EIN is 12-3456789", "12-3456789", "US_EIN"),
        ("NHS number 943 476 5919", "943 476 5919", "UK_NHS"),
        ("NI number AB 12 34 56 C", "AB 12 34 56 C", "UK_NINO"),
        ("UTR 1955839661", "1955839661", "UK_UTR"),
        ("Steuer-ID: 36 574 261 809", "36 574 261 809", "DE_TAX_ID"),
        ("NIR 2 95 10 99 126 111 93", "2 95 10 99 126 111 93", "FR_NIR"),
        ("DNI 54362315K", "54362315K", "ES_NIF"),
        ("su NIE es X2482300W", "X2482300W", "ES_NIE"),
        ("codice fiscale: RSSMRA85T10A562S", "RSSMRA85T10A562S", "IT_FISCAL_CODE"),
        ("BSN 111222333", "111222333", "NL_BSN"),
        ("PESEL 44051401359", "44051401359", "PL_PESEL"),
        ("Aadhaar 2341 2341 2346", "2341 2341 2346", "IN_AADHAAR"),
        ("PAN ACUPA7085R", "ACUPA7085R", "IN_PAN"),
        ("My Number 1234-5678-9018", "1234-5678-9018", "JP_MY_NUMBER"),
        ("マイナンバー123456789018", "123456789018", "JP_MY_NUMBER"),
        ("RRN 971013-9019902", "971013-9019902", "KR_RRN"),
        ("social insurance number 123-456-782", "123-456-782", "CA_SIN"),
        ("TFN 123 456 782", "123 456 782", "AU_TFN"),
        ("Medicare card 2123 45670 1", "2123 45670 1", "AU_MEDICARE"),
        ("NRIC S1234567D", "S1234567D", "SG_NRIC"),
        ("CPF 390.533.447-05", "390.533.447-05", "BR_CPF"),
        ("VAT no. DE136695976", "DE136695976", "EU_VAT"),
        ("HETU 131052-308T", "131052-308T", "OTHER_NATIONAL_ID"),
        ("AHV 756.9217.0769.85", "756.9217.0769.85", "OTHER_NATIONAL_ID"),
        ("TC Kimlik 17291716060", "17291716060", "OTHER_NATIONAL_ID"),
        ("他的NHS号是9434765919。", "9434765919", "UK_NHS"),
        ("| PESEL | 44051401359 |", "44051401359", "PL_PESEL"),
        ('"nino": "AB123456C"', "AB123456C", "UK_NINO"),
        ("44051401359 (PESEL)", "44051401359", "PL_PESEL"),
    ],
)
def test_a_number_that_fits_is_sure_beside_its_word(text: str, number: str, form: str) -> None:
    assert (number, form) in hits(text)
    assert best(text) == 0.9


@pytest.mark.parametrize(
    "text", ["PESEL 44051401358", "NHS number 9434765918", "steuer-id 36574261808", "BSN: 111222334"]
)
def test_a_mistyped_number_counts_behind_its_word(text: str) -> None:
    assert best(text) == 0.7


@pytest.mark.parametrize(
    "text",
    [
        "943 476 5919 units were sold",
        "44051401359 was printed",
        "1234567893",
        "111222333",
        "order AB123456C",
        "invoice no. 390.533.447-05",
        "the 5th of May 2020, 12:30",
        "AB-CD-EF 12",
    ],
)
def test_bare_digits_and_labelled_orders_are_no_identity_numbers(text: str) -> None:
    assert hits(text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "54362315K",
        "X2482300W",
        "S1234567D",
        "DE136695976",
        "36 574 261 809",
        "AB1234563",
        "123-456-782",
        "2341 2341 2346",
    ],
)
def test_one_check_digit_alone_is_never_sure(text: str) -> None:
    assert 0.4 <= best(text) <= WEAK


@pytest.mark.parametrize("text", ["RSSMRA85T10A562S", "390.533.447-05", "756.9217.0769.85", "97.10.13-123.45"])
def test_a_form_of_its_own_with_a_strong_check_stands_alone(text: str) -> None:
    assert best(text) == (0.9 if "97" not in text else 0.0)  # the last fails its check


def test_every_row_belongs_to_a_kind_and_has_shapes() -> None:
    for number in NUMBERS:
        assert number.words and set(number.shapes) <= set("dAx- ")
        assert number.free <= 0.9


@given(st.text("0123456789ABCXYZ .-/", max_size=60))
def test_whatever_is_written_raises_nothing(written: str) -> None:
    text = f"PESEL NHS VAT hetu {written}"
    assert all(0 <= hit.start < hit.end <= len(text) for hit in national_number.find(text))
