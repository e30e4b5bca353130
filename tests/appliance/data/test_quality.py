"""The cleaning rules: what each mends or drops, and what it must leave alone."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.data import quality
from appliance.data.quality import DROPPING, MENDING, clean_text
from appliance.errors import MissingPartError
from appliance.settings import CleanSettings

ALL_ON = CleanSettings(signatures=True, wrong_language=True)
ALL_OFF = CleanSettings(**dict.fromkeys((*MENDING, *DROPPING), False))
DATA = Path(__file__).resolve().parents[3] / "../shared/data"

MENDED = [
    ("mojibake", "the cafÃ© on HafenstraÃŸe", "the café on Hafenstraße"),
    ("mojibake", "æ\x88\x91æ\x83³é¢\x84çº¦é—¨è¯Š", "我想预约门诊"),
    ("control_characters", "a\x00b\x07c\x7f", "abc"),
    ("control_characters", "one\r\ntwo\rthree\u2028four\x85five", "one\ntwo\nthree\nfour\nfive"),
    ("control_characters", "\ufeff138\u200b0013\u202e8000", "13800138000"),
    ("nfkc", "１３８００１３８０００，ＡＢＣ", "13800138000,ABC"),
    ("nfkc", "ﬁne\u00a0print", "fine print"),
    ("html", "<p>Dear team,</p><p>my <b>card</b> is lost<br/>please block it</p>", "Dear team,\nmy card is lost\nplease block it"),
    ("html", "fish &amp; chips &lt;3 &nbsp;&#8364;5", "fish & chips <3 €5"),
    ("html", "&lt;br&gt;line", "line"),
    ("html", "&amp;amp;lt;br&amp;gt;line", "line"),
    ("html", "<td>a</td><td>b</td>", "a b"),
    ("html", "x<!-- hidden --><style>p {color: red}</style><SCRIPT type=\"a\">run()</SCRIPT>y", "xy"),
    ("html", '<a href="https://example.com/?a=1&b=2" class=x>portal</a>', "portal"),
    ("signatures", "Please call me.\n-- \nSam Example\n+1 212 555 0143", "Please call me."),
    ("signatures", "请回复\n发自我的手机", "请回复"),
    ("signatures", "See you\n\nSent from my phone\n", "See you"),
    ("repeated_lines", "hello\nhello \nhello\nbye\nhello", "hello\nbye\nhello"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "text", "expected"), MENDED)
def test_each_mending_rule_does_its_work(rule: str, text: str, expected: str) -> None:
    assert MENDING[rule](text) == expected


LEFT_ALONE = [
    ("mojibake", "naïve café, 你好，“测试”，Ñandú"),
    ("control_characters", "a\tb\nc 👩\u200d⚕️"),
    ("html", "if a < b and c > d then <3"),
    ("html", "a <b and c> d"),
    ("html", "see https://example.com/?x=1&copy=2&lang=en"),
    ("html", "<ADDRESS> <ADDRESS_1> <A_1> <B_2> <I_3>"),
    ("html", "<!-- never closed"),
    ("signatures", "-- \nonly this"),
    ("signatures", "a -- b\n--- \nc"),
    ("repeated_lines", "a\n\n\nb\nc"),
]


@pytest.mark.parametrize(("rule", "text"), LEFT_ALONE)
def test_each_mending_rule_leaves_the_rest_alone(rule: str, text: str) -> None:
    assert MENDING[rule](text) == text


GERMAN = "Ich möchte bitte einen Termin bei meinem Hausarzt für nächsten Dienstag vereinbaren, danke."
JAPANESE = "来週の火曜日に診察の予約を取りたいのですが、よろしくお願いします。"
DROPPED = [
    ("wrong_language", GERMAN, True),
    ("wrong_language", JAPANESE, True),
    ("wrong_language", "I would like to book an appointment with Dr Smith next Tuesday, thank you.", False),
    ("wrong_language", "我想预约下周二上午的专家门诊，请问还有号吗？医保卡可以用吗？", False),
    ("wrong_language", "請問下星期二上午還有沒有專家門診的號可以預約，醫保卡可以使用嗎？", False),
    ("wrong_language", "Bonjour docteur", False),
    ("wrong_language", "<PERSON_1> <ADDRESS_1> <PHONE_1> <ORGANIZATION_1> <PERSON_2> <LOCATION_1>", False),
    ("short", " a ", True),
    ("short", " 你好 ", False),
    ("short", "", True),
    ("repetitive", "help me " * 20, True),
    ("repetitive", "请接电话" * 30, True),
    ("repetitive", "a" * 100, True),
    ("repetitive", "!" * 100, True),
    ("repetitive", "no no no no, please stop", False),
    ("repetitive", "哈哈哈哈哈", False),
    ("repetitive", "ok", False),
]


@pytest.mark.parametrize(("rule", "text", "expected"), DROPPED)
def test_each_dropping_rule_knows_what_to_drop(rule: str, text: str, expected: bool) -> None:
    assert DROPPING[rule](text, CleanSettings()) is expected


def test_rules_have_the_names_and_the_order_of_the_settings() -> None:
    switches = [name for name, info in CleanSettings.model_fields.items() if info.annotation is bool]
    assert [*MENDING, *DROPPING] == switches


def test_a_rule_that_is_off_does_nothing() -> None:
    text = "<b>ｘ</b>\x00\nÃ©\nÃ©" + GERMAN
    assert clean_text(text, ALL_OFF) == quality.Cleaned(text)


def test_every_rule_that_touched_the_text_is_named() -> None:
    cleaned = clean_text("<p>Ｈello</p>\x07\nbye\nbye", CleanSettings())
    assert cleaned.text == "Hello\nbye"
    assert cleaned.changed == ("control_characters", "nfkc", "html", "repeated_lines")
    assert cleaned.dropped is None


def test_a_dropped_text_names_its_rule() -> None:
    assert clean_text("<br>.", CleanSettings()).dropped == "short"
    assert clean_text("我" * 60, CleanSettings()).dropped == "repetitive"


def test_limits_come_from_the_settings() -> None:
    assert clean_text("abc", CleanSettings(min_characters=4)).dropped == "short"
    assert clean_text("help me " * 20, CleanSettings(max_repetition=1)).dropped is None


def test_punctuation_and_stop_words_stay() -> None:
    text = "Oh, it is... the (very) same! -- or isn't it? 是的，就是它的吗？"
    assert clean_text(text, CleanSettings(nfkc=False)) == quality.Cleaned(text)


PLACEHOLDERS = ["<PERSON_1>", "<ID_NUMBER_12>", "<ADDRESS_2>", "<IP_1>", "<URL_3>", "<PERSON_0f3a9c1d2b4e5f60>", "<VAULT_PERSON_" + "A2" * 40 + ">"]  # fmt: skip
AROUND = ["<p>", "</p>", '<a href="', '">', "<!--", "-->", "&lt;", "&amp;", "Ã©", "，", "ﬁ", "\x00", "\r\n", "\u0338", "\n", "a ", "<", ">"]  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.sampled_from([*PLACEHOLDERS, *AROUND]), max_size=12).map("".join))
def test_placeholders_survive_every_rule(text: str) -> None:
    """In any surroundings, markup and combining characters included, no placeholder is lost."""
    before = set(quality._PLACEHOLDER.findall(text))
    assert before <= set(quality._PLACEHOLDER.findall(clean_text(text, CleanSettings()).text))


@settings(deadline=None)
@given(st.text(st.sampled_from("ab <>/&;#1=\"'\n-!\x00é你，＜brp"), max_size=60))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = clean_text(text, ALL_ON).text
    again = clean_text(once, CleanSettings(nfkc=False)).text
    assert again == once


@pytest.mark.parametrize(
    "text",
    ["<!--" * 60_000, "<a " * 60_000, "&" + "amp;" * 60_000, " " * 200_000 + "<b>", "<script " * 40_000, "\n" * 200_000,
     "<A_" * 60_000, '<a x="' * 40_000, "--\n" * 60_000, "<" * 20_000 + "b>" * 20_000],
)  # fmt: skip
def test_hostile_texts_cost_no_more_than_their_length(text: str) -> None:
    """A rule that needs the square of the length would take minutes here."""
    started = time.process_time()
    clean_text(text, ALL_ON)
    assert time.process_time() - started < 5


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    quality._part.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "ftfy", None)
    with pytest.raises(MissingPartError, match=r"clean\.mojibake.*skerry\[data\]"):
        clean_text("é", CleanSettings())


@pytest.mark.parametrize("name", ["banking77", "waimai_10k_zh"])
def test_real_messages_are_not_taken_for_rubbish(name: str) -> None:
    """Of a thousand real short texts in either language no rule drops one, and none is mended but for its width."""
    path = DATA / name / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"no {path.name} beside the repository")
    with path.open(encoding="utf-8") as file:
        texts = [row["text"] for row, _number in zip(csv.DictReader(file), range(1000), strict=False)]
    cleaned = [clean_text(text, ALL_ON) for text in texts]
    assert not [one for one in cleaned if one.dropped]
    assert not [one for one in cleaned if set(one.changed) - {"nfkc", "control_characters"}]
