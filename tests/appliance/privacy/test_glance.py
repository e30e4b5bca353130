"""One look rules out recognizers, never a find: loosened expressions match wherever their originals do, and doubt lets everything through."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.privacy import Scrubber, normalise, policy
from appliance.privacy.glance import Glance
from appliance.privacy.recognizers import PATTERNS, harmless, look
from appliance.privacy.recognizers.labels import Labels
from appliance.privacy.recognizers.recognizer import Recognizer

FOLDER = Path(__file__).resolve().parents[3] / "benchmarks"
BENCHMARKS = ("chinese_numbers", "chinese_numbers_again", "world_numbers", "world_numbers_again")
RULED_OUT = [recognizer for recognizer in PATTERNS if recognizer.expressions]
# Expressions that only look closer at what one of `expressions` found, or that stand behind a label there.
CLOSER = {
    "cn_resident_id": "_CONTEXT _LABEL _PROVINCES",
    "bank_card": "_BEHIND _CONTEXT _ISSUER _LABEL _NEIGHBOUR",
    "cn_phone": "_FAX _LABEL _LOCAL",
    "phone_number": "_DATE _EXTENDED _LABEL _NORTH_AMERICA _RUN _SEVEN",
    "cn_uscc": "_LABEL _NEAR _ORGANIZATION _ORGANIZATION_LABEL",
    "iban": "_LABEL _START",
    "bic": "_CODE _CONTEXT _LABELLED _TELLING",
    "card_security": "_CODE _EXPIRY _PIN",
    "hk_mo_tw_id": "_HONG_KONG _MACAU",
    "vin": "_CONTEXT _NUMBER",
    "device": "_NUMBER",
    "crypto": "_CONTEXT",
    "secret": "_DIGITS _HARMLESS _MARKED _TOLD",
    "gps": "_CONTEXT _SIDED",
    "us_social_security": "_CONTEXT",
    "passport": "_LABELLED",
    "web_address": "_SENTENCE",
    "ip_address": "_MAC_LABEL",
    "dates_en": "_BIRTH _MAY",
    "dates_zh": "_BIRTH _DATE_LABEL",
    "handle": "_EVERYBODY _LINK _NAMED _ODD _QQ _STOP _WECHAT",
    "labelled_number": "_AND _COURT_WORD _LAW_AHEAD _LONG _SLASH_OR_HYPHEN _VALUES",
    "national_number": "_FILL _TOKEN",
}


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    """Return made-up sentences with every kind of number, plain and hidden, and with traps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        modules = [importlib.import_module(name) for name in BENCHMARKS]
        return [
            text
            for module in modules
            for hidden in (False, True)
            for text, _spans, _trap in module.sentences(60, hidden, seed=23)
        ]


def everything(glance: Glance[str], _text: str) -> set[str]:
    return {key for _match, keys in glance._automata for key in keys}


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (r"(?<![0-9A-Za-z])(?=([1-9](?:[ .]{0,2}[0-9]){5,8})(?![0-9A-Za-z]))", "no. 12 34-5 678 901"),
        (r"([0-9]{3})([ .\-])([0-9]{2})\2([0-9]{4})(?![.\-][0-9])", "460-89-9847"),
        (r"(?<=[0-9])[·•](?=[0-9])", "1·2"),
        (r"(?i:[A-Z])-(?-i:[a-z])", "q-z"),
        (r"[^\W\d_]{3}\s\S", "Łuk\u3000x"),
        (r"x{2,40}(?:ab|(?!c)d)*$", "xxxd\n"),
        (r"(?:^|\n)a\b.{0,20000}?b", "a " + "c" * 900 + "b"),
    ],
)
def test_a_loosened_expression_matches_where_the_first_does(expression: str, text: str) -> None:
    """Look-around, references, flags, classes, counts: RE2 reads them all, and loses no match."""
    assert re.search(expression, text)
    assert Glance([{"it": (re.compile(expression),)}])(text) == {"it"}


@pytest.mark.parametrize("text", ["IBAN", "iban", "ıban", "İBAN", "ſ", "K"])
def test_case_is_folded_as_python_folds_it(text: str) -> None:
    """Python takes the dotless and the dotted i, the long s and the Kelvin sign for ASCII letters where case does not count."""
    expression = re.compile("iban|[a-s]$|k$", re.IGNORECASE)
    assert bool(expression.search(text)) <= bool(Glance([{"it": (expression,)}])(text))


def test_look_around_of_one_character_at_an_end_still_counts() -> None:
    """Else every word with `may` in it would be a month."""
    glance = Glance([{"it": (re.compile(r"(?<![A-Za-z])may(?![A-Za-z])"),)}])
    assert glance("in may") == glance("may") == {"it"}
    assert glance("maybe") == glance("dismay") == set()


def expressions() -> Iterator[tuple[str, re.Pattern[str]]]:
    for recognizer in RULED_OUT:
        yield from ((recognizer.rule, each) for each in recognizer.expressions if isinstance(each, re.Pattern))


@pytest.mark.parametrize(("rule", "expression"), list(expressions()))
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_an_expression_matches_is_seen(rule: str, expression: re.Pattern[str], data: st.DataObject) -> None:
    """Texts made from each expression of each recognizer."""
    text = data.draw(st.from_regex(expression))
    if sum(map(text.count, "0123456789")) >= next(each.min_digits for each in RULED_OUT if each.rule == rule):
        assert rule in look(text)


def test_what_a_look_rules_out_finds_nothing(sentences: list[str]) -> None:
    """Every recognizer reads every sentence as it would without the look."""
    for text in (normalise.normalise(sentence).text for sentence in sentences):
        seen = look(text)
        for recognizer in RULED_OUT:
            if recognizer.rule not in seen and enough(recognizer, text):
                assert not list(recognizer.find(text)), recognizer.rule


def enough(recognizer: Recognizer, text: str) -> bool:
    digits = sum(map(text.count, "0123456789"))
    return digits >= recognizer.min_digits and (recognizer.trigger is None or bool(recognizer.trigger.search(text)))


@pytest.mark.parametrize("joined", [1, 12])
def test_findings_are_the_same_without_any_glance(
    joined: int, sentences: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever looks first (recognizers, normalisation, labels, what belongs to nobody) changes speed alone; also in long texts, paragraph by paragraph."""
    chosen = replace(policy.load("balanced"), mode="structured-only")
    texts = ["\n".join(sentences[place : place + joined]) for place in range(0, len(sentences), joined)]
    quick = Scrubber.from_settings("auto", policy=chosen).find(texts)
    monkeypatch.setattr(Glance, "__call__", everything)
    assert quick == Scrubber.from_settings("auto", policy=chosen).find(texts)


@pytest.mark.parametrize("recognizer", RULED_OUT, ids=lambda recognizer: recognizer.rule)
def test_no_expression_of_a_recognizer_is_forgotten(recognizer: Recognizer) -> None:
    """An expression that `find` starts from stands in `expressions`; else what it would find is ruled out."""
    module = sys.modules[recognizer.find.__module__]
    closer = set(CLOSER.get(recognizer.rule, "").split())
    forgotten = {
        name
        for name, value in vars(module).items()
        if name not in closer and not set(patterns(value)) <= set(recognizer.expressions)
    }
    labelled = any(isinstance(value, Labels) for value in vars(module).values())
    assert forgotten == set()
    assert not labelled or any(not isinstance(each, re.Pattern) for each in recognizer.expressions)


def patterns(value: object) -> list[re.Pattern[str]]:
    if isinstance(value, dict):
        value = tuple(value.values())
    return [each for each in (value if isinstance(value, tuple) else (value,)) if isinstance(each, re.Pattern)]


def test_an_answer_without_the_empty_expression_rules_nothing_out() -> None:
    """RE2 finds nothing at all where its automaton has no room for states (`RE2::Set::Match`); that is no answer."""
    glance = Glance([{"one": (re.compile("x"),), "other": (re.compile("y"),)}])
    assert glance("x") == {"one"}
    for answer in (None, [], [1]):
        glance._automata = [(lambda _content, answer=answer: answer, keys) for _match, keys in glance._automata]
        assert glance("x") == {"one", "other"}


def test_half_characters_rule_nothing_out() -> None:
    """RE2 reads UTF-8, which has none."""
    assert Glance([{"it": (re.compile("x"),)}])("\ud83d") == {"it"}


def test_without_re2_nothing_is_ruled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A serving box without the extra `privacy` still normalises what it compares."""
    monkeypatch.setitem(sys.modules, "re2", None)
    assert Glance([{"it": (re.compile("x"),)}])("y") == {"it"}


def test_a_shield_reaches_over_the_end_of_a_paragraph() -> None:
    """The label of an order may stand in the paragraph ahead of its number, in long texts as in short ones."""
    scrubber = Scrubber.from_settings("en", policy=replace(policy.load("balanced"), mode="structured-only"))
    short = "Call us about the order number.\n\n312-555-0187 is it."
    long = "Nothing of note was said here at all.\n" * 12 + short
    assert [found.kind for found in scrubber.find([short])[0]] == [found.kind for found in scrubber.find([long])[0]]


def test_labels_are_found_whatever_the_letters_around_them() -> None:
    """Words end at letters, Latin ones with accents too; ASCII texts and others are read in different ways."""
    labels = Labels((("case, case no", 1), ("身份证", 2)))
    assert [span[:2] for span in labels.find("Case no 5, showcase, cases, case_1")] == [(0, 7), (28, 32)]
    assert [span[:2] for span in labels.find("é case, écase, CASE 身份证")] == [(2, 6), (15, 19), (20, 23)]


def test_harmless_numbers_are_told_at_a_glance() -> None:
    """Nothing to tell, nothing to read."""
    assert list(harmless.find("She came home.")) == []
    assert [*harmless.find("order 12345")] == [(6, 11)]
