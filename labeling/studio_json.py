"""What is said between Skerry and Label Studio: its screen, tasks, predictions and annotations as plain data.

Label Studio's formats: labelstud.io/guide/tasks (tasks, predictions) and labelstud.io/guide/export (annotations). A label travels as the `alias` of a
choice, which is its id here: renaming it changes what people see and no annotation. Label Studio 1.23 counts places in code points, as Skerry does; older
versions counted UTF-16 units. A region carries its own text, so that both are read right.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

from appliance.errors import InputError
from appliance.schema import Annotation, LabelName, LabelTask, Record
from appliance.words import _
from labeling.offsets import from_utf16

__all__ = [
    "Answer",
    "annotation_json",
    "config_xml",
    "instruction",
    "prediction_json",
    "read_answer",
    "screen_text",
    "task_json",
]

_CONTROL, _OBJECT = "label", "text"  # the names of the two tags of each screen
_LONGEST_S = 1e9  # of an answer; what says more, or is no number, says nothing
_SEARCHED = 10  # labels from which on a search box stands over them
_TAGS = {"single": ("Choices", "Choice"), "multi": ("Choices", "Choice"), "spans": ("Labels", "Label")}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2
_UNSENDABLE = re.compile("[\0\ud800-\udfff]")  # neither PostgreSQL's JSON nor UTF-8 has them
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one annotation of Label Studio says: a value of ours, `submitted` or `skipped`, and the seconds it took."""

    value: Mapping[str, Any]
    state: str
    seconds: float | None


# -- the screen --------------------------------------------------------------------------------------------------------


def config_xml(task: LabelTask, language: str = "en", kept: Collection[str] = ()) -> str:
    """Return the labeling screen of a task in `en` or `zh`.

    `kept` are ids of labels offered no more that annotations over there still name: they stay behind the others, marked, since
    Label Studio refuses to drop them.
    """
    screen = (Path(__file__).parent / "configs" / f"{task.kind}.{language}.xml").read_text("utf-8")
    root = ElementTree.fromstring(screen)  # noqa: S314 a file of ours
    group, leaf = _TAGS[task.kind]
    control = cast(ElementTree.Element, root.find(group))
    offered = task.choices
    keys = _keys(offered)
    names = _names(offered, language)
    for label in offered:
        ElementTree.SubElement(control, leaf, _attributes(label, names[label.id], keys.get(label.id, ""), task.kind))
    for label in task.labels:
        if label.id in kept and label not in offered:
            ElementTree.SubElement(control, leaf, {"value": _clean(f"✕ {label.name} ({label.id})"), "alias": label.id})
    search = root.find("Filter")
    if search is not None and len(control) < _SEARCHED:
        root.remove(search)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode")


def instruction(task: LabelTask) -> str:
    """Return a task's guidelines as the HTML that Label Studio shows: text only, nothing in it is markup."""
    return html.escape(task.guidelines).replace("\n", "<br>")


def _attributes(label: LabelName, name: str, key: str, kind: str) -> dict[str, str]:
    more = {"hotkey": key} if key else {}
    if label.color:
        more |= {"background": label.color}
    if label.description and kind != "spans":
        more |= {"hint": _clean(label.description)}
    return {"value": name, "alias": label.id, **more}


def _names(labels: Iterable[LabelName], language: str) -> dict[str, str]:
    # Two labels may not look the same, or Label Studio takes them for one.
    found: dict[str, str] = {}
    for label in labels:
        name = _clean((label.chinese if language == "zh" else "") or label.name)
        found[label.id] = f"{name} ({label.id})" if name in found.values() else name
    return found


def _keys(labels: Iterable[LabelName]) -> dict[str, str]:
    # Those that were chosen, then the digits that are left, in order.
    chosen = {label.id: label.key for label in labels if label.key}
    free = (digit for digit in "123456789" if digit not in chosen.values())
    return chosen | dict(zip((label.id for label in labels if not label.key), free, strict=False))


def _clean(name: str) -> str:
    return _NOT_XML.sub(_REPLACEMENT, name)


# -- to Label Studio ---------------------------------------------------------------------------------------------------


def task_json(
    task: LabelTask, record: Record, suggestion: Annotation | None = None, version: str = ""
) -> dict[str, Any]:
    """Return a record as a task of Label Studio, with what a model or rule proposes for it as a prediction of the version `version`."""
    made: dict[str, Any] = {"data": {"text": screen_text(record.text), "record": record.id}}
    if suggestion is not None:
        made["predictions"] = [prediction_json(task, record.text, suggestion.value, version)]
    return made


def prediction_json(task: LabelTask, text: str, value: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Return a suggestion as a prediction. Its `score` orders the tasks there: the lowest comes first."""
    return {"model_version": version, "score": float(value.get("score", 0.0)), "result": regions(task, text, value)}


def annotation_json(task: LabelTask, text: str, answer: Annotation, unique: str = "") -> dict[str, Any]:
    """Return a person's answer as an annotation. Label Studio takes one with the same `unique` id (default: its id here) once."""
    skipped = answer.state == "skipped"
    result = regions(task, text, answer.value) if answer.value and not skipped else []
    return {
        "unique_id": unique or answer.id, "result": result, "was_cancelled": skipped, "ground_truth": False, "lead_time": answer.seconds,
    }  # fmt: skip


def regions(task: LabelTask, text: str, value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a value as the regions of a `result`."""
    if task.kind == "spans":
        return [_span(text, span, number) for number, span in enumerate(value["spans"])]
    labels = [value["label"]] if task.kind == "single" else list(value["labels"])
    return [{"id": "choice", **_named("choices"), "value": {"choices": labels}}] if labels else []


def screen_text(text: str) -> str:
    """Return a text as it is sent: the same number of characters, without those that cannot travel or would move the others.

    A browser shows `\\r\\n` as one line end and Label Studio as two, so the carriage return becomes a blank.
    """
    return _UNSENDABLE.sub(_REPLACEMENT, text).replace("\r\n", " \n").replace("\r", "\n")


def _span(text: str, span: Mapping[str, Any], number: int) -> dict[str, Any]:
    start, end = span["start"], span["end"]
    value = {"start": start, "end": end, "text": screen_text(text)[start:end], "labels": [span["label"]]}
    more = {"score": float(span["score"])} if "score" in span else {}
    return {"id": f"span{number}", **_named("labels"), "value": value} | more


def _named(kind: str) -> dict[str, str]:
    return {"from_name": _CONTROL, "to_name": _OBJECT, "type": kind}


# -- from Label Studio -------------------------------------------------------------------------------------------------


def read_answer(task: LabelTask, text: str, annotation: Mapping[str, Any]) -> Answer:
    """Read one annotation of Label Studio (API, export or webhook) about the record with this text.

    Regions of other tags are left out. Labels are known by id, name or Chinese name. Raises `InputError` for a label that the task lacks, places
    outside the text, and an annotation that is no answer of the task's kind.
    """
    seconds = annotation.get("lead_time")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds < _LONGEST_S:
        seconds = None
    took = None if seconds is None else float(seconds)
    try:
        ours = [region for region in annotation["result"] if region["type"] in ("choices", "labels")]
        if annotation.get("was_cancelled"):
            return Answer({}, "skipped", took)
        return Answer(_value(task, text, ours), "submitted", took)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(_("an annotation is none that Label Studio writes: its `result` cannot be read")) from error


def _value(task: LabelTask, text: str, found: list[Mapping[str, Any]]) -> dict[str, Any]:
    if task.kind == "spans":
        spans = [
            span for region in found if region["type"] == "labels" for span in _read_spans(task, text, region["value"])
        ]
        return {"spans": sorted(spans, key=lambda span: (span["start"], span["end"], span["label"]))}
    labels = [name for region in found if region["type"] == "choices" for name in region["value"]["choices"]]
    known = list(dict.fromkeys(_label(task, name) for name in labels))
    if task.kind == "multi":
        return {"labels": known}
    if len(known) != 1:
        raise InputError(
            _("an annotation of task `{task}` names {count} labels; it must name one", task=task.name, count=len(known))
        )
    return {"label": known[0]}


def _read_spans(task: LabelTask, text: str, value: Mapping[str, Any]) -> list[dict[str, Any]]:
    start, end = _places(text, value)
    return [{"start": start, "end": end, "label": _label(task, name)} for name in value["labels"]]


def _places(text: str, value: Mapping[str, Any]) -> tuple[int, int]:
    start, end, marked = value["start"], value["end"], value.get("text")
    if type(start) is not int or type(end) is not int or start < 0 or end < start:
        raise InputError(_("an annotation marks {start} to {end}, which is no stretch of a text", start=start, end=end))
    shown = screen_text(text)
    if isinstance(marked, str) and not _same(shown[start:end], marked):
        try:
            first, last = from_utf16(shown, (start, end))
        except InputError:
            first, last = start, end
        if _same(shown[first:last], marked):
            start, end = first, last
    if end > len(text) or start == end:
        raise InputError(
            _(
                "an annotation marks {start} to {end} of a text of {length} characters",
                start=start,
                end=end,
                length=len(text),
            )
        )
    return start, end


def _same(one: str, other: str) -> bool:
    # A browser writes a line end of a selection as the two characters `\n`.
    def plain(text: str) -> str:
        return "".join(unicodedata.normalize("NFC", text.replace("\\n", "")).split())

    return plain(one) == plain(other)


def _label(task: LabelTask, name: str) -> str:
    wanted = name.strip()
    for label in (*task.choices, *task.labels):
        if wanted in (label.id, label.name, label.chinese, _clean(label.name), f"{label.name} ({label.id})"):
            return label.id
    raise InputError(
        _("task `{task}` has no label `{label}`; see `skerry label show {task}`", task=task.name, label=wanted[:64])
    )
