"""What an entity model takes for a name and is none, in English and in Chinese."""

import pytest

from appliance.privacy.recognizers import plausible, plausible_zh

WORDS = "sleepover retweet concert walk home ball patient study treat doctor take pill disease note house smith wife"
DICTIONARY = frozenset(WORDS.split())


def kept(text: str, kind: str) -> bool:
    """Tell whether the part in square brackets is kept as a name."""
    start, end = text.index("["), text.index("]") - 1
    return plausible.is_name(text.replace("[", "").replace("]", ""), start, end, kind, DICTIONARY)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a history of [Crohn]'s disease", "PERSON"),
        ("the [Murphy] sign was negative", "PERSON"),
        ("He takes 20 mg of [Belviq] daily; the patient felt better on the medication.", "PERSON"),
        ("The patient was started on [Otezla] 30 mg for arthritis.", "ORGANIZATION"),
        ("Levels of [ANG II] fell in treated patients with renal disease.", "ORGANIZATION"),
        ("The [Court] held", "ORGANIZATION"),
        ("the [Polish Government] replied", "ORGANIZATION"),
        ("[Sleepover] on set!", "LOCATION"),
        ("i need a [sleepover] now", "PERSON"),
        ("so happy [yesssss]", "PERSON"),
        ("foi muito bom quando [ganhamos] ontem mesmo", "PERSON"),
        ("a [2.5 +] score", "PERSON"),
    ],
)
def test_what_names_nobody_is_dropped(text: str, kind: str) -> None:
    assert not kept(text, kind)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("his wife [Crohn] sued", "PERSON"),
        ("The patient was seen by [Okonkwo] for chronic pain.", "PERSON"),
        ("The patient with chronic pain was transferred from [Mass General].", "ORGANIZATION"),
        ("The patient, treated for asthma, lives in [Waltham].", "LOCATION"),
        ("lunch with [kendall jenner]", "PERSON"),
        ("the [District Court of Kraków]", "ORGANIZATION"),
        ("[Smith] said", "PERSON"),
        ("moved from [Estonia]", "LOCATION"),
    ],
)
def test_names_are_kept(text: str, kind: str) -> None:
    assert kept(text, kind)


def kept_zh(text: str, tag: str) -> bool:
    """Tell whether the part in square brackets is kept as a name."""
    start, end = text.index("["), text.index("]") - 1
    return plausible_zh.is_name(text.replace("[", "").replace("]", ""), start, end, tag)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("患者口服[美多芭]治疗", "PER"), ("查体：[墨菲]征阴性", "PER"), ("遵医嘱给予[卡托普利]12.5mg", "ORG"), ("被告，[满族]", "ORG"),
        ("[人民法院]认为", "ORG"), ("[人民陪审员]到庭", "PER"), ("住在[外地]", "LOC"),
    ],
)  # fmt: skip
def test_chinese_words_that_name_nobody_are_dropped(text: str, tag: str) -> None:
    assert not kept_zh(text, tag)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("患者由[谭勇]陪同入院", "PER"), ("转诊至[武汉同济医院]治疗", "ORG"), ("[朝阳区人民法院]认为", "ORG"), ("请[吴晓波]主任会诊，患者病史如下", "PER"),
    ],
)  # fmt: skip
def test_chinese_names_are_kept(text: str, tag: str) -> None:
    assert kept_zh(text, tag)
