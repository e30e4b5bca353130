"""What every operator keeps to, whatever it does: it never fails, never leaves the value, and hangs on the key alone."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from appliance.privacy.kinds import KINDS
from appliance.privacy.operators import Run, Writer
from appliance.privacy.operators.date_shift import days_of
from appliance.privacy.operators.value import Keyed, normal
from appliance.privacy.policy import OPERATORS, OperatorSpec, Policy
from appliance.privacy.vault import Vault
from appliance.schema import Finding

KEY, OTHER = b"k" * 32, b"o" * 32
TODAY = date(2026, 6, 1)
VALUES = {
    "PERSON": ("Anna Kovacs", "O'BRIEN", "van der Berg", "欧阳修远", "李建国", "阿不都·热合曼", "Иван Петров", "Novak, Jan P."),
    "ORGANIZATION": ("Barclays Bank plc", "IBM", "北京协和医院", "Газпром"),
    "LOCATION": ("Springfield", "New York", "杭州市", "Germany"),
    "ADDRESS": ("12 Main Street, Springfield, IL 62704", "Flat 3, 221B Baker Street, London NW1 6XE", "浙江省杭州市西湖区文三路一号"),
    "POSTCODE": ("62704", "03601-1234", "100081", "SW1A 1AA", "75008 Paris"),
    "DATE": ("5 January 2020", "2020-01-05", "Christmas 2019", "13.05.98", "二〇二〇年十一月二十五日", "Feb 29"),
    "BIRTH_DATE": ("1931-12-02", "2 December 1990"),
    "AGE": ("45", "93 years", "四十五岁"),
    "NATIONALITY": ("Hungarian", "汉族"),
    "PHONE": ("212-555-0187", "+1 415 867 5309", "13912345678", "010-62345678", "+44 20 7123 4567", "07912 345678", "+49 30 123456", "12345"),
    "EMAIL": ("anna@clinic.org", "12345678@qq.com"),
    "URL": ("https://www.clinic.org/anna?x=1", "clinic.org"),
    "IP": ("41.173.96.26", "fe80::1"),
    "MAC": ("AA:BB:CC:DD:EE:FF", "aabb.ccdd.eeff"),
    "HANDLE": ("@annak", "12345678"),
    "BANK_CARD": ("4111 1111 1111 1111", "6222021234567890123"),
    "IBAN": ("GB29 NWBK 6016 1331 9268 19",),
    "ACCOUNT": ("123456789",),
    "ID_NUMBER": ("11010519491231002X", "110105491231002", "A123456(3)"),
    "USCC": ("91350100M000100Y43",),
    "PASSPORT": ("E12345678", "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10"),
    "PLATE": ("京A12345", "AB12 CDE"),
    "NATIONAL_ID": ("078-05-1120", "AB 12 34 56 C", "943 476 5919"),
    "VIN": ("1M8GDM9AXKP042788",),
    "DEVICE_ID": ("490154203237518",),
    "REFERENCE": ("（2021）京01民初123号", "12345/99"),
    "CRYPTO": ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",),
    "SECRET": ("hunter2-hunter2",),
    "GPS": ("39.9042, 116.4074",),
}  # fmt: skip
CASES = [(kind, value) for kind, values in VALUES.items() for value in values]
EVERY = [name for name in OPERATORS if name not in ("keep", "generalise")]


def run(operator: str, key: bytes = KEY, options: dict[str, object] | None = None) -> Run:
    spec = OperatorSpec(operator, options or {})
    kinds = frozenset(kind.name for kind in KINDS)
    policy = Policy("test", "balanced", kinds, {}, spec, 0.4, "", "", "", "0" * 64)
    return Run(policy, key, Vault(key, bytes(16)), TODAY)


def write(operator: str, kind: str, text: str, key: bytes = KEY, subject: str = "s1", **options: object) -> str:
    found = [Finding(0, len(text), kind, 1.0, "rule", kind)] if text else []
    return Writer(run(operator, key, options), subject).write(text, found).text


def test_every_kind_is_tried() -> None:
    by_label = {
        "MEDICAL_RECORD",
        "DRIVER_LICENSE",
        "HEALTH_ID",
        "LICENSE",
        "BIC",
        "CARD_SECURITY",
    }  # shaped like ACCOUNT
    assert {kind.name for kind in KINDS} - set(VALUES) <= by_label


@pytest.mark.parametrize("operator", EVERY)
def test_no_value_is_left(operator: str) -> None:
    for kind, value in CASES:
        written = normal(write(operator, kind, value))
        assert normal(value) not in written, kind
        for word in re.findall(r"[0-9]{5,}", value):
            assert word not in written, kind


@pytest.mark.parametrize("operator", list(OPERATORS))
def test_the_same_key_writes_the_same(operator: str) -> None:
    for kind, value in CASES:
        assert write(operator, kind, value) == write(operator, kind, value), kind


@pytest.mark.parametrize("operator", ["surrogate", "hmac", "date-shift", "vault"])
def test_another_key_writes_something_else(operator: str) -> None:
    """Over all values; a single one may meet by chance where few are to be had (90 ages, 256 hardware addresses)."""
    changed = [write(operator, kind, value) != write(operator, kind, value, OTHER) for kind, value in CASES]
    tried = sum(
        not re.fullmatch(r"<[A-Z_]+_1>", write(operator, kind, value)) for kind, value in CASES
    )  # all but the placeholders that it gave way to
    assert sum(changed) >= 0.95 * tried > 0


@pytest.mark.parametrize("operator", ["surrogate", "hmac"])
def test_case_width_and_separators_make_no_difference(operator: str) -> None:
    pairs = [
        ("PERSON", "anna kovacs", "Anna  Kovacs"),
        ("IP", "41.173.96.26", "４１.173.96.26"),
        ("EMAIL", "a@b.org", "A@B.ORG"),
    ]
    pairs += [("BANK_CARD", "4111111111111111", "4111 1111 1111 1111"), ("PHONE", "13912345678", "139 1234 5678")]
    for kind, one, other in pairs:
        assert normal(write(operator, kind, one)) == normal(write(operator, kind, other)), kind


@settings(max_examples=150, deadline=None)
@given(value=some.text(min_size=1, max_size=40), kind=some.sampled_from([kind.name for kind in KINDS]), operator=some.sampled_from(list(OPERATORS)))  # fmt: skip
def test_no_text_makes_an_operator_fail(value: str, kind: str, operator: str) -> None:
    written = write(operator, kind, value)
    if operator not in ("keep", "generalise", "hmac", "vault") and len(normal(value)) > 5 and value.isalnum():
        assert normal(value) not in normal(written)


def test_what_an_operator_cannot_do_becomes_a_placeholder_and_is_counted() -> None:
    shared = run("date-shift")
    text = "Christmas 2019"
    assert Writer(shared, "s").write(text, [Finding(0, len(text), "DATE", 1.0, "rule", "")]).text == "<DATE_1>"
    assert shared.as_dict()["fallbacks"] == {"date-shift": 1}
    assert shared.as_dict()["operators"] == {"placeholder": 1}


def test_keep_leaves_the_value_and_counts_it() -> None:
    shared = run("keep")
    assert Writer(shared, "s").write("Anna", [Finding(0, 4, "PERSON", 1.0, "rule", "")]).text == "Anna"
    assert shared.as_dict()["operators"] == {"keep": 1}


def test_the_second_look_reads_placeholders_wherever_an_operator_wrote() -> None:
    text = "call 212-555-0187 or Anna"
    written = Writer(run("surrogate"), "s").write(text, [Finding(5, 17, "PHONE", 1.0, "rule", "")])
    assert written.shown == "call <PHONE_0> or Anna"


def test_values_that_share_a_surrogate_are_counted_once() -> None:
    """There are 762 addresses for documentation: of 1,000 others at least 238 share one."""
    shared = run("surrogate")
    values = [f"41.173.{number // 250}.{number % 250}" for number in range(1000)]
    written = []
    for value in [*values, *values]:
        written.append(Writer(shared, "s").write(value, [Finding(0, len(value), "IP", 1.0, "rule", "")]).text)
    assert shared.as_dict()["collisions"] == 1000 - len(set(written)) >= 238


def test_hashes_have_the_stated_length() -> None:
    assert re.fullmatch("<PHONE_[0-9a-f]{16}>", write("hmac", "PHONE", "13912345678"))
    assert re.fullmatch("<PHONE_[0-9a-f]{40}>", write("hmac", "PHONE", "13912345678", length=40))


def test_shifts_differ_by_subject_and_are_never_nothing() -> None:
    days = [days_of(f"subject {number}", Keyed(KEY)) for number in range(2000)]
    assert set(days) <= set(range(-365, 366)) - {0}
    assert {-365, 365, -1, 1} & set(days) and len(set(days)) > 600
    assert {days_of(f"subject {number}", Keyed(KEY), 1) for number in range(50)} == {-1, 1}


def test_suppress_tells_neither_kind_nor_length() -> None:
    assert {write("suppress", kind, value) for kind, value in CASES} == {"***"}


def test_every_operator_has_its_file() -> None:
    folder = Path(__file__).parents[4] / "appliance" / "privacy" / "operators"
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "write", "value"}
    assert len(files) == len(OPERATORS)
