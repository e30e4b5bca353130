"""Numbers that belong to nobody are kept from weaker finds, and never from sure ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.privacy import Scrubber
from appliance.privacy.policy import load
from appliance.privacy.recognizers import harmless
from appliance.privacy.recognizers.recognizer import Hit


@pytest.fixture(scope="module")
def scrubber() -> Scrubber:
    return Scrubber.from_settings("auto", policy=load("structured-only"))


def covered(text: str) -> set[str]:
    return {text[start:end] for start, end in harmless.find(text)}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("order no. 2125550187", "2125550187"),
        ("订单号:13800138000", "13800138000"),
        ("Invoice #: INV-2020-0042", "INV-2020-0042"),
        ("version 28.15.23", "28.15.23"),
        ("certified to ISO 9001:2015", "ISO 9001:2015"),
        ("依据GB/T 35273-2020", "GB/T 35273-2020"),
        ("29 CFR 1910.1200", "29 CFR 1910.1200"),
        ("CVE-2021-44228", "CVE-2021-44228"),
        ("BP 120/80", "120/80"),
        ("血糖5.6mmol/L", "5.6mmol/L"),
        ("共12000人次", "12000人次"),
        ("库存19089159835个", "19089159835个"),
        ("price $212,555.18", "$212,555.18"),
        ("第1062条", "第1062条"),
        ("doi:10.1038/nphys1170", "10.1038/nphys1170"),
        ("诊断E11.900", "E11.900"),
    ],
)
def test_what_the_word_the_unit_or_the_form_tells(text: str, number: str) -> None:
    assert any(number in each for each in covered(text))


@pytest.mark.parametrize(
    "text",
    [
        "订单号13800138000已发货",
        "Your invoice no. 212-555-0187 is due",
        "tracking 4111111111111111",
        "release 26.3.14.20 is out",
        "批号91350100M000100Y43",
        "库存19089159835个",
        "血压120/80，心率72，体温36.5",
        "参见GB 11643-1999第4章",
        "ISBN 9787111128069",
        "用电17379484165千瓦时",
        "port 8080, page 12, row 4127171879",
        "a 10-day course of 500 mg, 3 tablets",
    ],
)
def test_nothing_is_found_in_them(scrubber: Scrubber, text: str) -> None:
    assert [each for each in scrubber.find([text])[0] if each.kind != "DATE"] == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("订单备注：身份证11010519491231002X", "ID_NUMBER"),
        ("订单号11010519491231002X", "ID_NUMBER"),  # date and check character: whatever the label
        ("order for jan@example.com", "EMAIL"),
        ("invoice: IBAN GB29NWBK60161331926819", "IBAN"),
        ("订单12，电话13800138000", "PHONE"),
        ("invoice 12 call 212-555-0187", "PHONE"),
        ("shipment to card number 4111111111111111", "BANK_CARD"),
    ],
)
def test_a_sure_find_and_one_beside_it_stand(scrubber: Scrubber, text: str, kind: str) -> None:
    assert kind in {each.kind for each in scrubber.find([text])[0]}


def test_a_number_is_never_cut() -> None:
    """A rest of a card beside a unit would stay in the text."""
    text = "6222 0212 3456 7890 份"
    hit = Hit(0, 19, "BANK_CARD", 0.8)
    assert list(harmless.rests(text, hit, list(harmless.find(text)))) == [(0, 19)]


def test_a_name_keeps_what_lies_beside_the_number() -> None:
    text = "Jan Novak ISO 9001:2015"
    assert list(harmless.rests(text, Hit(0, len(text), "PERSON", 0.5), [(10, 23)])) == []
    assert list(harmless.rests(text + " Prague office", Hit(0, 37, "PERSON", 0.5), [(10, 23)])) == [(0, 10), (23, 37)]


def test_a_whole_date_stays_a_date() -> None:
    text = "invoice 12/03/2020"
    assert list(harmless.rests(text, Hit(8, 18, "DATE", 0.8), [(8, 18)])) == [(8, 18)]
    assert list(harmless.rests("version 28.15.23", Hit(8, 16, "DATE", 0.8), [(8, 16)])) == []


@pytest.mark.parametrize(
    ("text", "is_number"),
    [
        ("A40", True),
        ("f7b86679", True),
        ("12:30", True),
        ("3M", False),
        ("U2", False),
        ("9/L", True),
        ("K 4.1", True),
        ("AT&T", False),
        ("Anna", False),
        ("王伟", False),
    ],
)
def test_names_that_are_numbers(text: str, is_number: bool) -> None:
    assert harmless.nameless(text) is is_number


@given(st.text("0123456789 .-/订单号order次%", max_size=60))
def test_shields_lie_inside_the_text(text: str) -> None:
    assert all(0 <= start < end <= len(text) for start, end in harmless.find(text))
