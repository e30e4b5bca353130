"""A policy is read whole or refused with the nearest right word; the shipped ones cover the laws they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import SettingsError
from appliance.privacy import policy
from appliance.privacy.kinds import KINDS

HEAD = '[policy]\nname = "mine"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_shipped_ones_are_sound_and_without_warnings() -> None:
    assert {
        "balanced",
        "hipaa-safe-harbor",
        "gdpr",
        "pipl",
        "jrt-0171",
        "minimal",
        "max-recall",
        "structured-only",
    } <= set(policy.shipped())
    for name in policy.shipped():
        found = policy.check(name)
        assert found["ok"] and found["warnings"] == [], name
        assert policy.load(name).name == name
        assert policy.load(name).en and policy.load(name).zh and policy.load(name).source


def test_balanced_writes_placeholders_for_every_kind_that_is_on() -> None:
    balanced = policy.load("balanced")
    assert balanced.kinds == {kind.name for kind in KINDS if kind.on}
    assert {balanced.operator(kind).operator for kind in balanced.kinds} == {"placeholder"}


def test_safe_harbor_covers_its_eighteen_classes_and_says_what_text_cannot() -> None:
    classes = policy.check("hipaa-safe-harbor")["classes"]
    assert [each["class"] for each in classes] == list("ABCDEFGHIJKLMNOPQR")
    assert [each["class"] for each in classes if not each["covered"]] == ["P", "Q"]
    assert all(each["beyond"] for each in classes if each["class"] in "PQ")


def test_every_kind_that_a_law_names_is_known() -> None:
    known = {kind.name for kind in KINDS}
    for law in policy.laws().values():
        for each in law["classes"]:
            assert set(each["kinds"]) <= known
            assert each["en"] and each["zh"]
            assert each["kinds"] or (each["beyond"]["en"] and each["beyond"]["zh"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + "[kinds]\nPERSN = 'surrogate'\n", ("PERSN", "`PERSON`")),
        (HEAD + "[kinds]\nUS_SSN = 'mask'\n", ("US_SSN", "`NATIONAL_ID`")),
        (HEAD + "[kinds]\nPERSON = 'surogate'\n", ("surogate", "`surrogate`")),
        (HEAD + "[kinds]\nDATE = { operator = 'date-shift', dys = 3 }\n", ("dys", "`days`")),
        (HEAD + "[kinds]\nAGE = { operator = 'generalise', band = 99 }\n", ("band", "30")),
        (HEAD + "[kinds]\nAGE = { operator = 'generalise', band = true }\n", ("band", "30")),
        (HEAD + "[kinds]\nAGE = { operator = 'generalise', band = 10.0 }\n", ("band", "30")),
        (HEAD + "[kinds]\nEMAIL = { operator = 'hmac', length = 16.0 }\n", ("length", "64")),
        (HEAD + "[kinds]\nAGE = { operator = 'mask', form = ['all'] }\n", ("form", "all")),
        (HEAD + "[kinds]\nAGE = { operator = ['mask'] }\n", ("operator",)),
        (HEAD + "[kinds]\nAGE = 5\n", ("operator",)),
        (HEAD + "min_score = 2\n", ("min_score",)),
        (HEAD + "mode = 'fast'\n", ("mode", "fast")),
        (HEAD + "mode = ['fast']\n", ("mode",)),
        (HEAD + "off = ['PHON']\n", ("PHON", "`PHONE`")),
        (HEAD + "off = [['PHONE']]\n", ("PHONE",)),
        (HEAD + "law = 'hippa'\n", ("hippa", "`hipaa-safe-harbor`")),
        (HEAD + "colour = 1\n", ("colour",)),
        (HEAD + "[kind]\nPERSON = 'mask'\n", ("`kinds`",)),
        ("policy = 1\n", ("[policy]",)),
        ("[kinds]\n", ("name",)),
        ("[policy]\nname = 'two words'\n", ("name",)),
        ("[policy\n", ("mine.toml",)),
        ("\0", ("mine.toml",)),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_the_nearest_right_word(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError) as raised:
        policy.load(write(tmp_path, text))
    assert all(word in str(raised.value) for word in words)


def test_all_faults_are_listed_at_once(tmp_path: Path) -> None:
    found = policy.check(write(tmp_path, HEAD + "mode = 'x'\n[kinds]\nPERSN = 'mask'\nURL = 'kepe'\n"))
    assert not found["ok"]
    assert len(found["errors"]) == 3


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("law = 'hipaa-safe-harbor'\noff = ['PHONE']\n", "PHONE"),
        ("law = 'hipaa-safe-harbor'\n[kinds]\nEMAIL = 'keep'\n", "EMAIL"),
        ("law = 'hipaa-safe-harbor'\n[kinds]\nDATE = 'date-shift'\n", "164.514(b)(1)"),
        ("law = 'gdpr'\n[kinds]\nPERSON = 'hmac'\n", "4(5)"),
        ("mode = 'structured-only'\n[kinds]\nPERSON = 'mask'\n", "structured-only"),
        ("off = ['URL']\n[kinds]\nURL = 'mask'\n", "URL"),
        ("[kinds]\nEMAIL = 'date-shift'\n", "EMAIL"),
        ("[kinds]\nEMAIL = 'vault'\n", "two people"),
        ("min_score = 0.9\n", "min_score"),
    ],
)
def test_what_is_allowed_but_doubtful_is_a_warning(tmp_path: Path, text: str, word: str) -> None:
    found = policy.check(write(tmp_path, HEAD + text))
    assert found["ok"]
    assert any(word in each["warning"] for each in found["warnings"])


def test_the_digest_is_of_what_a_policy_does(tmp_path: Path) -> None:
    first = policy.load(write(tmp_path, HEAD + "en = 'a'\n"))
    assert policy.load(write(tmp_path, "# a word\n" + HEAD + "en = 'b'\nmin_score = 0.4\n")).digest == first.digest
    assert policy.load(write(tmp_path, HEAD + "[kinds]\nPERSON = 'mask'\n")).digest != first.digest
    assert policy.load(write(tmp_path, HEAD + "off = ['URL']\n")).digest != first.digest


def test_off_takes_a_kind_away_and_naming_one_turns_it_on(tmp_path: Path) -> None:
    found = policy.load(write(tmp_path, HEAD + "off = ['URL']\n[kinds]\nPERSON = 'keep'\n"))
    assert "URL" not in found.kinds
    assert found.operator("PERSON").operator == "keep"
    assert found.operator("PHONE").operator == "placeholder"


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    with pytest.raises(SettingsError, match="`balanced`"):
        policy.load("hipaa")
