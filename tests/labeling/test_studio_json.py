"""Screens, tasks, predictions and annotations go to Label Studio and come back as they were."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import InputError
from appliance.schema import Annotation, LabelName, LabelTask, Record
from labeling.studio_json import annotation_json, config_xml, instruction, read_answer, regions, screen_text, task_json

LABELS = (
    LabelName("aaaa0001", "card lost", "卡丢失", color="#1f77b4", description="gone, stolen"),
    LabelName("aaaa0002", "transfer", "转账", key="t"),
    LabelName("aaaa0003", 'x" onload="<b>&\x00', "其他"),
)
ODD = ["a", " ", "\n", "\r\n", "e\u0301", "诊", "👨‍👩‍👧", "🇨🇳", "𠮷", "\u200b", "<b>", "\ud83d", "\0"]
texts = st.lists(st.sampled_from(ODD) | st.text(max_size=2), min_size=1, max_size=15).map("".join)


def task(kind: str = "single", labels: tuple[LabelName, ...] = LABELS, **more: Any) -> LabelTask:
    return LabelTask("intents", "main", "0" * 64, kind, labels, **more)


def answer(value: dict[str, Any], **more: Any) -> Annotation:
    return Annotation("c" * 32, "intents", "d" * 32, "wang", "human", value, **more)


def leaves(xml: str) -> list[dict[str, str]]:
    return [dict(leaf.attrib) for leaf in ElementTree.fromstring(xml).iter() if leaf.tag in ("Choice", "Label")]


@pytest.mark.parametrize("kind", ["single", "multi", "spans"])
def test_a_screen_names_each_label_by_its_id(kind: str) -> None:
    """What people read is in their language; what is kept is the id."""
    for language, names in (("en", ["card lost", "transfer"]), ("zh", ["卡丢失", "转账"])):
        found = leaves(config_xml(task(kind), language))
        assert [leaf["alias"] for leaf in found] == ["aaaa0001", "aaaa0002", "aaaa0003"]
        assert [leaf["value"] for leaf in found][:2] == names
        assert [leaf["hotkey"] for leaf in found] == ["1", "t", "2"]
        assert found[0]["background"] == "#1f77b4"


def test_a_label_cannot_break_out_of_the_screen() -> None:
    """Markup in a name stays text, and what XML cannot hold is replaced."""
    last = leaves(config_xml(task()))[2]
    assert last["value"] == 'x" onload="<b>&\ufffd'
    assert "onload" not in last


def test_a_search_box_stands_over_many_labels_only() -> None:
    many = tuple(LabelName(f"{number:08x}", f"label {number}") for number in range(77))
    assert "<Filter" in config_xml(task(labels=many))
    assert "<Filter" not in config_xml(task())


def test_two_labels_never_look_the_same() -> None:
    twins = (LabelName("aaaa0001", "loan", "贷款"), LabelName("aaaa0002", "credit", "贷款"))
    names = [leaf["value"] for leaf in leaves(config_xml(task(labels=twins), "zh"))]
    assert names == ["贷款", "贷款 (aaaa0002)"]


def test_a_label_that_was_merged_stays_for_what_names_it() -> None:
    """It stands marked at the end while annotations over there name it, and is gone when none does."""
    merged = (LABELS[0], LabelName("aaaa0002", "transfer", into="aaaa0001"))
    assert [leaf["alias"] for leaf in leaves(config_xml(task(labels=merged)))] == ["aaaa0001"]
    kept = leaves(config_xml(task(labels=merged), kept=("aaaa0002",)))
    assert kept[1] == {"value": "✕ transfer (aaaa0002)", "alias": "aaaa0002"}


def test_guidelines_are_text() -> None:
    shown = instruction(task(guidelines="mark <script>alert(1)</script>\nand & so on"))
    assert shown == "mark &lt;script&gt;alert(1)&lt;/script&gt;<br>and &amp; so on"


def test_a_task_carries_the_text_its_record_and_what_the_model_proposes() -> None:
    proposal = Annotation("e" * 32, "intents", "d" * 32, "triage", "model", {"label": "aaaa0002", "score": 0.25})
    made = task_json(task(), Record("d" * 32, "my card 😀"), proposal, "triage-1")
    assert made["data"] == {"text": "my card 😀", "record": "d" * 32}
    region = {"id": "choice", "from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["aaaa0002"]}}  # fmt: skip
    assert made["predictions"] == [{"model_version": "triage-1", "score": 0.25, "result": [region]}]


@given(texts, st.data())
def test_every_value_comes_back(text: str, data: st.DataObject) -> None:
    """Whatever a person answers goes there and comes back equal, whatever the characters are."""
    ids = st.sampled_from([label.id for label in LABELS])
    places = st.tuples(st.integers(0, len(text)), st.integers(0, len(text)), ids).filter(lambda one: one[0] < one[1])
    spans = data.draw(st.lists(places, max_size=4, unique=True).map(sorted))
    given_spans = [{"start": start, "end": end, "label": label} for start, end, label in spans]
    for kind, value in (
        ("single", {"label": data.draw(ids)}),
        ("multi", {"labels": data.draw(st.lists(ids, unique=True))}),
        ("spans", {"spans": given_spans}),
    ):
        sent = annotation_json(task(kind), text, answer(value, seconds=2.5))
        back = read_answer(task(kind), text, sent)
        assert (back.value, back.state, back.seconds) == (value, "submitted", 2.5)


@pytest.mark.parametrize("seconds", [10**400, float("nan"), float("inf"), -1, True, "5", None])
def test_what_is_no_time_is_none(seconds: object) -> None:
    said = annotation_json(task(), "x", answer({"label": "aaaa0001"})) | {"lead_time": seconds}
    assert read_answer(task(), "x", said).seconds is None


@given(texts)
def test_the_text_on_the_screen_keeps_every_place(text: str) -> None:
    """It has as many characters, can be written as UTF-8, and no carriage return."""
    shown = screen_text(text)
    assert len(shown) == len(text)
    assert "\r" not in shown.encode().decode()


@given(st.text(max_size=10), st.sampled_from(["Smith", "张伟", "𠮷野"]), st.text(max_size=10))
def test_places_in_utf16_are_known_by_the_text_they_mark(before: str, word: str, after: str) -> None:
    """A file of an older Label Studio, which counted UTF-16 units, is read right."""
    text = f"{before}😀{word}{after}"
    start = len(screen_text(text[: len(before) + 1]).encode("utf-16-le")) // 2
    end = start + len(word.encode("utf-16-le")) // 2
    value = {"start": start, "end": end, "text": word, "labels": ["card lost"]}
    region = {"type": "labels", "from_name": "label", "to_name": "text", "value": value}
    span = read_answer(task("spans"), text, {"result": [region]}).value["spans"][0]
    assert screen_text(text)[span["start"] : span["end"]] == word


def test_a_skipped_annotation_is_skipped() -> None:
    sent = annotation_json(task(), "x", answer({}, state="skipped"))
    assert sent["was_cancelled"] is True
    assert read_answer(task(), "x", sent).state == "skipped"


def test_labels_are_known_by_name_in_both_languages() -> None:
    """A project made by hand, without ids of ours, can be read."""
    for name in ("transfer", "转账", " aaaa0002 "):
        result = [{"type": "choices", "value": {"choices": [name]}}]
        assert read_answer(task(), "x", {"result": result}).value == {"label": "aaaa0002"}


def choices(*names: str) -> dict[str, Any]:
    return {"result": [{"type": "choices", "value": {"choices": list(names)}}]}


def marked(start: Any, end: Any) -> dict[str, Any]:
    return {"result": [{"type": "labels", "value": {"start": start, "end": end, "labels": ["transfer"]}}]}


@pytest.mark.parametrize(
    ("kind", "annotation", "says"),
    [
        ("single", choices("nobody"), "has no label `nobody`"),
        ("single", choices("transfer", "card lost"), "names 2 labels"),
        ("single", {"result": []}, "names 0 labels"),
        ("single", {"result": "x"}, "cannot be read"),
        ("single", {}, "cannot be read"),
        ("single", choices(7), "cannot be read"),  # type: ignore[arg-type]
        ("spans", marked(0, 9), "of a text of 3"),
        ("spans", marked(-1, 2), "no stretch"),
        ("spans", marked(2, 1), "no stretch"),
        ("spans", marked(1, 1), "of a text of 3"),
        ("spans", marked("0", 2), "no stretch"),
    ],
)
def test_what_is_no_answer_is_refused_without_its_text(kind: str, annotation: dict[str, Any], says: str) -> None:
    """The error says what is wrong and quotes nothing of the record."""
    with pytest.raises(InputError, match=says) as caught:
        read_answer(task(kind), "abc", annotation)
    assert "abc" not in str(caught.value)


def test_regions_of_other_tags_are_left_out() -> None:
    comment = {"type": "textarea", "value": {"text": ["a note"]}}
    result = [comment, *regions(task(), "x", {"label": "aaaa0001"})]
    assert read_answer(task(), "x", {"result": result}).value == {"label": "aaaa0001"}
