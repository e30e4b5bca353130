"""The words that a site knows: found as whole words in any form, in every process, and kept encrypted."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from appliance.errors import InputError, IntegrityError
from appliance.privacy import site_rules
from appliance.privacy.detect import Scrubber
from appliance.privacy.policy import load
from appliance.privacy.site_rules import SiteRule
from appliance.privacy.workers import _order, serve
from appliance.settings import ScrubSettings
from appliance.store import Store

RULES = (SiteRule("Quillfeather", "PERSON"), SiteRule("小豆豆", "PERSON"), SiteRule("Ward Seven East", "LOCATION"))


def scrubber() -> Scrubber:
    return Scrubber.from_settings("auto", ScrubSettings(), policy=load("structured-only"), rules=RULES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ask Quillfeather today", ["Quillfeather"]),
        ("QUILLFEATHER and quillfeather", ["QUILLFEATHER", "quillfeather"]),
        ("Quillfeathers, myQuillfeather", []),
        ("昨天小豆豆来了，小豆豆走了", ["小豆豆", "小豆豆"]),
        ("on ward seven\n east of it", ["ward seven\n east"]),
        ("Ｑｕｉｌｌfeather by width", ["Ｑｕｉｌｌfeather"]),
        ("nothing", []),
    ],
)
def test_words_are_found_whole_in_any_case_and_width(text: str, words: list[str]) -> None:
    assert [text[each.start : each.end] for each in scrubber().find([text])[0]] == words


def test_a_rule_that_slipped_through_holds_the_record_back() -> None:
    """The second look knows the words, too."""
    assert [each.kind for each in scrubber().leftovers("left: Quillfeather")] == ["PERSON"]


def test_the_processes_that_read_know_the_rules() -> None:
    requests = io.BytesIO(_order(scrubber()) + json.dumps(["by Quillfeather"]).encode() + b"\n")
    answers = io.BytesIO()
    serve(requests, answers)
    found = json.loads(answers.getvalue().splitlines()[1])
    assert [each[2] for each in found[0]] == ["PERSON"]


def test_rules_are_kept_encrypted_once_and_forgotten_with_their_set(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "home")
    assert site_rules.load(store) == ()
    for rule in (*RULES, RULES[0], SiteRule("Zander", "PERSON", dataset="d1")):
        site_rules.add(store, rule)
    assert {each.words for each in site_rules.load(store)} == {"Quillfeather", "小豆豆", "Ward Seven East", "Zander"}
    assert b"Zander" not in (store.home / "site_rules").read_bytes()
    site_rules.follow(store, "d1", "d2", {"r1"})
    assert len(site_rules.load(store)) == 3
    (store.home / "site_rules").write_text("AAAA")
    with pytest.raises(IntegrityError):
        site_rules.load(store)


@pytest.mark.parametrize("words", ["", "  ", "\u200b", "\u200b \ufeff"])
def test_words_that_nobody_sees_are_no_rule(tmp_path: Path, words: str) -> None:
    """They are refused, and passed over where they were kept before."""
    with pytest.raises(InputError, match="can be seen"):
        site_rules.add(Store.open(tmp_path / "home"), SiteRule(words, "PERSON"))
    found = list(site_rules.recognizer([SiteRule(words, "PERSON"), RULES[0]]).find("by Quillfeather"))
    assert [(hit.start, hit.end) for hit in found] == [(3, 15)]


def test_a_rule_does_not_show_its_words() -> None:
    assert "Quillfeather" not in repr(RULES)
