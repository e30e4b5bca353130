"""Pre-labels: keywords in both languages and where they stand, a head's and a model's answers, never a person's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import InputError
from appliance.schema import LabelName, LabelTask, Prediction, Span
from labeling.prelabel import Rule, by_model, by_probabilities, by_rules, holds, rules_of, with_rule

CARD, REFUND = LabelName("00000001", "card", "银行卡"), LabelName("00000002", "refund", "退款")
TASK = LabelTask("triage", "main", "0" * 64, "single", (CARD, REFUND))
RULES = (Rule(CARD.id, ("card", "银行卡")), Rule(REFUND.id, ("money back", "退款")))


def labels(*texts: str) -> list[str | None]:
    return [value["label"] if value else None for value in by_rules(TASK, RULES, texts)]


@pytest.mark.parametrize(
    "text", ["my CARD is lost", "ＣＡＲＤ", "card", "(card)", "我的银行卡丢了", "请看card吧", "the card's chip"]
)
def test_a_keyword_is_found_whatever_its_case_and_width(text: str) -> None:
    assert labels(text) == [CARD.id]


@pytest.mark.parametrize("text", ["discard it", "cardinal", "card_holder", "", "carte", "银行 卡", "cardé"])
def test_a_part_of_a_longer_word_is_no_keyword(text: str) -> None:
    assert labels(text) == [None]


def test_the_blanks_of_a_phrase_may_be_any() -> None:
    assert labels("I want my money \n back", "moneyback", "money, back") == [REFUND.id, None, None]


def test_the_label_with_most_keywords_wins_and_a_tie_is_none() -> None:
    (value,) = by_rules(TASK, RULES, ["card, card, 退款"])
    assert value == {"label": CARD.id, "score": pytest.approx(2 / 3)}
    assert labels("card 退款") == [None]


def test_several_labels_come_in_the_order_of_the_task() -> None:
    (value,) = by_rules(replace(TASK, kind="multi"), RULES, ["退款 to my card"])
    assert value is not None and value["labels"] == [CARD.id, REFUND.id]


def test_spans_stand_where_the_keyword_stands_in_code_points() -> None:
    """Before it stand a character outside the basic plane, one that folds into two, and one that NFKC makes three of."""
    text = "😀ß㎏ 银行卡, MONEY  BACK"
    (value,) = by_rules(replace(TASK, kind="spans"), RULES, [text])
    assert value is not None
    found = [(text[span["start"] : span["end"]], span["label"]) for span in value["spans"]]
    assert found == [("银行卡", CARD.id), ("MONEY  BACK", REFUND.id)]


@pytest.mark.parametrize("text", ["la cafe\u0301 noir", "la CAFÉ noir"])
def test_a_letter_and_its_mark_are_one(text: str) -> None:
    (value,) = by_rules(replace(TASK, kind="spans"), (Rule(CARD.id, ("café",)),), [text])
    assert value is not None
    (span,) = value["spans"]
    assert text[span["start"] : span["end"]] == text.split()[1]


def test_a_blank_keyword_is_nowhere() -> None:
    assert list(by_rules(TASK, (Rule(CARD.id, (" ",)),), ["a b"])) == [None]


def test_the_longest_keyword_wins() -> None:
    rules = (Rule(CARD.id, ("card",)), Rule(REFUND.id, ("card refund",)))
    (value,) = by_rules(TASK, rules, ["a card refund"])
    assert value == {"label": REFUND.id, "score": 1.0}


@given(st.text(max_size=40), st.text(min_size=1, max_size=6))
def test_every_span_lies_in_its_text(text: str, word: str) -> None:
    for value in by_rules(replace(TASK, kind="spans"), (Rule(CARD.id, (word,)),), [text, text + word + text]):
        for span in value["spans"] if value else ():
            assert 0 <= span["start"] < span["end"] <= 2 * len(text) + len(word)


def test_texts_that_hold_a_word_are_told() -> None:
    assert list(holds(("退款", "refund"), ["please refund", "no", "我要退款"])) == [True, False, True]


def test_a_rule_keeps_the_words_it_had() -> None:
    task = replace(TASK, settings={"rules": with_rule(TASK, "card", ["Card", " lost  CARD "])})
    task = replace(task, settings={"rules": with_rule(task, "银行卡", ["card", "卡"])})
    assert rules_of(task) == (Rule(CARD.id, ("card", "lost card", "卡")),)


@pytest.mark.parametrize(("label", "words"), [("nobody", ["x"]), ("card", ["  ", ""])])
def test_a_rule_needs_a_label_on_offer_and_words(label: str, words: list[str]) -> None:
    with pytest.raises(InputError):
        with_rule(TASK, label, words)


def test_rules_follow_a_merged_label_and_leave_a_retired_one() -> None:
    kept = [{"label": CARD.id, "words": ["card"]}, {"label": REFUND.id, "words": ["refund"]}]
    task = replace(TASK, settings={"rules": kept})
    merged = replace(task, labels=(CARD, replace(REFUND, into=CARD.id)))
    assert rules_of(merged) == (Rule(CARD.id, ("card", "refund")),)
    assert rules_of(replace(task, labels=(CARD, replace(REFUND, retired=True)))) == (Rule(CARD.id, ("card",)),)


def test_keywords_stand_in_no_repr() -> None:
    assert "secret" not in repr(Rule(CARD.id, ("secret",)))


def test_a_head_answers_with_its_best_label_and_its_probability() -> None:
    found = by_probabilities([CARD.id, REFUND.id], np.array([[0.25, 0.75], [1.0, 0.0]], np.float32))
    assert found == [{"label": REFUND.id, "score": 0.75}, {"label": CARD.id, "score": 1.0}]


def test_a_model_answers_by_the_names_of_its_labels() -> None:
    answers = [Prediction("refund", 0.7), Prediction("weather", 0.9), Prediction(None, 0.2)]
    assert list(by_model(TASK, answers)) == [{"label": REFUND.id, "score": 0.7}, None, None]


def test_a_tagger_answers_with_the_stretches_that_the_task_knows() -> None:
    answer = Prediction(None, 0.6, spans=(Span(0, 2, "card", 0.6), Span(3, 5, "weather", 0.9)))
    (value,) = by_model(replace(TASK, kind="spans"), [answer])
    assert value == {"spans": [{"start": 0, "end": 2, "label": CARD.id, "score": 0.6}], "score": 0.6}


def test_several_labels_are_those_that_a_model_gives_half_a_chance() -> None:
    answer = Prediction("card", 0.8, {"card": 0.8, "refund": 0.5, "weather": 0.9})
    (value,) = by_model(replace(TASK, kind="multi"), [answer])
    assert value == {"labels": [CARD.id, REFUND.id], "score": 0.8}
