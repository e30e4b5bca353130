"""The flat list of kinds and the recognizers agree."""

import importlib
import re
from pathlib import Path

import pytest

from appliance.privacy.kinds import FORMS, KINDS, form, kind
from appliance.privacy.kinds_zh import CHECKS
from appliance.privacy.recognizers import PATTERNS

FOLDER = Path(importlib.import_module("appliance.privacy.recognizers").__file__).parent  # type: ignore[arg-type]
MODULES = sorted(
    path.stem for path in FOLDER.glob("*.py") if re.search(r"^def find(_all)?\(", path.read_text("utf-8"), re.M)
)


def test_every_kind_names_its_source_in_both_languages() -> None:
    for each in KINDS:
        assert each.presidio and each.source and each.validation and each.en
        assert re.search("[\u4e00-\u9fff]", each.zh)
        assert kind(each.name) is each


def test_every_number_of_a_kind_names_its_law_and_its_check() -> None:
    for each in FORMS:
        assert each.presidio and each.source and each.validation and each.en
        assert re.search("[\u4e00-\u9fff]", each.zh)
        assert kind(each.parent) and form(each.name) is each


def test_no_kind_is_listed_twice() -> None:
    rows = (*KINDS, *FORMS)
    assert len({each.name for each in rows}) == len(rows)


def test_the_kinds_that_the_issue_of_privacy_names_are_listed() -> None:
    """The numbers that hospitals and banks ask for by name."""
    named = {
        *("HK_ID", "TW_ID", "MO_ID", "CN_RESIDENT_ID", "CN_RESIDENT_ID_15", "CN_RESIDENCE_PERMIT", "CN_TRAVEL_PERMIT"),
        *("CN_MILITARY_ID", "CN_DRIVER_FILE", "CN_SOCIAL_SECURITY", "CN_ORGANIZATION_CODE", "QQ", "WECHAT", "FAX"),
        *("US_SSN", "US_ITIN", "US_NPI", "US_DEA", "US_MBI", "UK_NHS", "UK_NINO", "DE_TAX_ID", "FR_NIR", "ES_NIF"),
        *("ES_NIE", "IT_FISCAL_CODE", "NL_BSN", "PL_PESEL", "IN_AADHAAR", "IN_PAN", "JP_MY_NUMBER", "KR_RRN"),
        *("CA_SIN", "AU_TFN", "EU_VAT", "MRZ", "IMEI", "JWT", "PRIVATE_KEY", "BITCOIN"),
    }
    assert named <= {each.name for each in FORMS}
    assert {"VIN", "GPS", "SECRET", "BIC", "CARD_SECURITY", "DEVICE_ID", "LICENSE", "HEALTH_ID"} <= {
        each.name for each in KINDS
    }


@pytest.mark.parametrize("name", MODULES)
def test_recognizers_name_only_numbers_that_are_listed(name: str) -> None:
    source = (FOLDER / f"{name}.py").read_text("utf-8")
    told = set(re.findall(r'Hit\([^\n]*, "([A-Z][A-Z0-9_]+)"\)', source)) - {each.name for each in KINDS}
    assert told <= {each.name for each in FORMS}


def test_rules_have_names_of_their_own() -> None:
    assert len({recognizer.rule for recognizer in PATTERNS}) == len(PATTERNS)


@pytest.mark.parametrize("name", MODULES)
def test_every_recognizer_says_what_it_follows(name: str) -> None:
    """One recognizer, one file: a docstring, and kinds that stand in the list."""
    module = importlib.import_module(f"appliance.privacy.recognizers.{name}")
    assert module.__doc__
    source = (FOLDER / f"{name}.py").read_text("utf-8")
    used = set(re.findall(r'"([A-Z]{2,}(?:_[A-Z]+)*)"', source)) & {each.name for each in KINDS}
    assert used


@pytest.mark.parametrize("recognizer", PATTERNS, ids=lambda recognizer: recognizer.rule)
def test_recognizers_keep_their_offsets_inside_the_text(recognizer) -> None:
    """Hostile and empty texts: spans stay inside, scores in [0, 1], kinds are known, and it ends soon."""
    for text in (
        "",
        " ",
        "1" * 5_000,
        "a1 " * 2_000,
        "1 " * 3_000,
        "(" * 2_000,
        "<PERSON_1> <PHONE_2>",
        "路1号" * 500,
        "A" * 5_000 + "@",
        "Mr " * 1_000,
        "1." * 2_000,
    ):
        for hit in recognizer.find(text):
            assert 0 <= hit.start < hit.end <= len(text)
            assert 0 <= hit.score <= 1
            assert kind(hit.kind)


def test_every_check_is_told_in_chinese() -> None:
    """And nothing is told that no kind has."""
    assert set(CHECKS) == {each.validation for each in (*KINDS, *FORMS)}
    assert all(re.search("[\u4e00-\u9fff]", told) or re.fullmatch("[A-Z0-9 ]+", told) for told in CHECKS.values())
