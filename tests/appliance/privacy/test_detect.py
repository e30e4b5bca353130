"""The scrubber over both languages, with the models that the extra `privacy` brings."""

from __future__ import annotations

import itertools
import socket

import pytest

from appliance.errors import MissingPartError
from appliance.privacy import Scrubber
from appliance.privacy.recognizers import spacy_entities


@pytest.fixture(scope="module")
def scrubber() -> Scrubber:
    return Scrubber.from_settings("auto")


def values(scrubber: Scrubber, text: str) -> set[tuple[str, str]]:
    return {(text[found.start : found.end], found.kind) for found in scrubber.find([text])[0]}


def test_english_and_chinese_side_by_side(scrubber: Scrubber) -> None:
    english = "Dr. Jane Smith of Mercy Hospital wrote to jane@example.com on 12 March 1990."
    chinese = "患者王小明，身份证号11010519491231002X，住北京市朝阳区建国路88号3栋501室，电话１３８００１３８０００。"
    assert {("Jane Smith", "PERSON"), ("jane@example.com", "EMAIL"), ("12 March 1990", "DATE")} <= values(
        scrubber, english
    )
    assert {
        ("王小明", "PERSON"),
        ("11010519491231002X", "ID_NUMBER"),
        ("１３８００１３８０００", "PHONE"),
        ("北京市朝阳区建国路88号3栋501室", "ADDRESS"),
    } <= values(scrubber, chinese)


def test_numbers_of_one_language_are_found_in_the_other(scrubber: Scrubber) -> None:
    assert ("11010519491231002X", "ID_NUMBER") in values(scrubber, "His Chinese id 11010519491231002X was copied.")
    assert ("a.b@example.org", "EMAIL") in values(scrubber, "请发到a.b@example.org，谢谢")
    assert ("460-89-9847", "NATIONAL_ID") in values(scrubber, "他的社保号460-89-9847")
    assert ("GB29NWBK60161331926819", "IBAN") in values(scrubber, "汇到GB29NWBK60161331926819")


def test_mixed_text_keeps_its_greetings_and_loses_its_names(scrubber: Scrubber) -> None:
    assert values(scrubber, "hello 我想查一下报告") == set()
    assert values(scrubber, "Thanks 王医生") == {("王", "PERSON")}
    assert values(scrubber, "my app crashes, 你们的App太烂了") == set()
    assert ("Zhang Wei", "PERSON") in values(scrubber, "Please call Zhang Wei 谢谢你们")


@pytest.mark.parametrize(
    "hidden", ["1\u200b3800138000", "１３８００１３８０００", "138 0013 8000", "138.0013.8000", "13800138\ufeff000"]
)
def test_hidden_numbers_keep_their_original_offsets(scrubber: Scrubber, hidden: str) -> None:
    text = f"\U0001f600电话：{hidden}，谢谢"
    assert (hidden, "PHONE") in values(scrubber, text)


def test_findings_are_in_order_without_overlaps(scrubber: Scrubber) -> None:
    text = "Mr Jan Novak, 12 Main Street, Springfield, IL 62704, +1 212-555-0187, jan@example.com, born 2/8/1935 in Springfield."
    found = scrubber.find([text])[0]
    assert all(before.end <= after.start for before, after in itertools.pairwise(found))
    assert all(0 <= each.score <= 1 and each.rule and each.presidio for each in found)


def test_a_name_found_once_is_found_again(scrubber: Scrubber) -> None:
    text = "The witness Dr. Quillfeather spoke first. Later Quillfeather left."
    assert sum(text[found.start : found.end] == "Quillfeather" for found in scrubber.find([text])[0]) == 2


def test_titles_stay_and_whole_names_go(scrubber: Scrubber) -> None:
    text = "Mr Jan Novak signed."
    assert [text[found.start : found.end] for found in scrubber.find([text])[0]] == ["Jan Novak"]


def test_the_answers_do_not_depend_on_the_company(scrubber: Scrubber) -> None:
    texts = ["Anna Kovacs called.", "王小明来电。", "", "no names here", "Anna Kovacs called."]
    together = scrubber.find(texts)
    assert together == [scrubber.find([text])[0] for text in texts]


def test_a_long_text_is_read_in_pieces(scrubber: Scrubber) -> None:
    filler = "The weather was fine and nothing else happened here. " * 250
    text = filler + "Then Dr. Jane Smith arrived. " + filler
    assert ("Jane Smith", "PERSON") in values(scrubber, text)


def test_nothing_asks_the_network(scrubber: Scrubber, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert scrubber.find(["mail jan@example.co.uk, NHS number 943 476 5919, see http://example.com"])[0]


def test_a_missing_model_names_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    with pytest.raises(MissingPartError, match="skerry base fetch spacy-en-md"):
        spacy_entities.load(tmp_path)
    monkeypatch.setattr(spacy_entities, "_FALLBACK", "no_such_model_here")
    with pytest.raises(MissingPartError, match="skerry base fetch spacy-en-md"):
        spacy_entities.load.__wrapped__(None)


def test_one_language_loads_one_model() -> None:
    assert Scrubber.from_settings("zh")._nlp is None
    assert Scrubber.from_settings("en")._lac is None


def test_what_is_scrubbed_leaves_nothing_strong(scrubber: Scrubber) -> None:
    assert scrubber.leftovers("卡号4111111111111111") != []
    assert scrubber.leftovers("卡号<BANK_CARD_1>，电话<PHONE_1>") == []
