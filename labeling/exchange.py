"""Answers out of and into files: JSON Lines, CSV, and the JSON of Label Studio.

A row is one person's answer to one record. A bad row is named by its line and left out, the good ones are kept: read = rows + rejected. No file
carries a text unless asked for, and then the scrubbed one. A cell that a spreadsheet would take for a formula gets an
apostrophe before it, and loses it on the way back (OWASP, CSV Injection).
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.annotations import PEOPLE, STATES, SUGGESTIONS, answers, labels_of, put, resolved, suggest
from appliance.errors import InputError, SettingsError
from appliance.files import fsync_path, open_part
from appliance.reasons import reason
from appliance.schema import Annotation, LabelTask, Record
from appliance.store import Store
from appliance.words import _
from labeling.studio_json import annotation_json, prediction_json, read_answer, task_json
from labeling.texts import Texts, dataset_of

FORMATS = ("jsonl", "csv", "json")  # json: Label Studio's
_COLUMNS = ("record", "row", "annotator", "source", "state", "review", "label", "labels", "spans", "score", "seconds", "created", "note", "id")  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")
_FAULTS_LISTED = 100
_NAME_CHARACTERS, _NOTE_CHARACTERS = 200, 4_000
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_NOBODY = "import"  # who answered, where a file does not say

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that was left out: its place in the file (line, or number of the annotation), from 1, and why; never its content."""

    line: int
    reason: str


# -- out ---------------------------------------------------------------------------------------------------------------


def export_answers(
    store: Store, task: LabelTask, out: Path, text: bool = False, suggestions: bool = False
) -> dict[str, Any]:
    """Write a task's answers to `out`, in the format that its ending tells; with `text` the scrubbed texts too.

    Label Studio's JSON holds the texts in any case, since its regions stand in them. Raises `SettingsError` for another ending.
    """
    kind = _format(out)
    texts = Texts(store, dataset_of(store, task))
    given = list(answers(store, task, sources=(*PEOPLE, *SUGGESTIONS) if suggestions else PEOPLE))
    rows = texts.rows_of({one.record for one in given})
    given = [one for one in given if one.record in rows]
    if kind == "json":
        written: Iterable[str] = _studio_tasks(task, texts, rows, given)
    else:
        lines = (_row(task, one, rows[one.record], texts.record(rows[one.record]).text if text else None) for one in given)  # fmt: skip
        written = _csv_lines(lines, text) if kind == "csv" else (json.dumps(line, ensure_ascii=False) + "\n" for line in lines)  # fmt: skip
    try:
        _write(out, written, "utf-8-sig" if kind == "csv" else "utf-8")
    except OSError as error:
        raise InputError(_("cannot write `{file}`: {error}", file=out, error=reason(error))) from error
    store.event("label-export", (task.dataset,), task=task.name, count=len(given), text=text or kind == "json")
    return {"task": task.name, "path": str(out), "rows": len(given)}


def _row(task: LabelTask, one: Annotation, row: int, text: str | None) -> Row:
    names = {label.id: label.name for label in task.labels}
    said: Row = {}
    if "label" in one.value:
        said = {"label": names[one.value["label"]]}
    elif "labels" in one.value:
        said = {"labels": [names[label] for label in one.value["labels"]]}
    elif "spans" in one.value:
        said = {"spans": [dict(span) | {"label": names[span["label"]]} for span in one.value["spans"]]}
    about = {name: getattr(one, name) for name in ("annotator", "source", "state", "review")}
    said |= {"score": one.value["score"]} if "score" in one.value else {}
    more = {name: getattr(one, name) for name in ("seconds", "created", "note", "id")}
    return {"record": one.record, "row": row} | about | said | more | ({} if text is None else {"text": text})


def _csv_lines(rows: Iterable[Row], text: bool) -> Iterator[str]:
    columns = (*_COLUMNS, *(("text",) if text else ()))
    held = io.StringIO()
    writer = csv.writer(held, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_safe(_cell(row.get(column))) for column in columns])
        yield held.getvalue()
        held.seek(0)
        held.truncate()
    yield held.getvalue()


def _cell(value: Any) -> str:
    if value is None or value is False:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | bool) else str(value)


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].lstrip(" ").startswith(_FORMULA) else cell


def _studio_tasks(task: LabelTask, texts: Texts, rows: Mapping[str, int], given: list[Annotation]) -> Iterator[str]:
    by_record: dict[str, list[Annotation]] = {}
    for one in given:
        by_record.setdefault(one.record, []).append(one)
    for number, (record, them) in enumerate(by_record.items()):
        yield ("[" if not number else ",") + "\n" + json.dumps(_studio_task(task, texts.record(rows[record]), them), ensure_ascii=False)  # fmt: skip
    yield "\n]\n" if by_record else "[]\n"


def _studio_task(task: LabelTask, record: Record, given: list[Annotation]) -> Row:
    people = [one for one in given if one.source in PEOPLE]
    proposed = [one for one in given if one.source not in PEOPLE]
    more = {one.id: {"annotator": one.annotator, "review": one.review, "state": one.state} for one in people}
    made = task_json(task, record)
    made["meta"] = {"labels": {label.id: label.name for label in task.labels}}  # another task has other ids
    made["annotations"] = [annotation_json(task, record.text, one) | more[one.id] for one in people]
    made["predictions"] = [prediction_json(task, record.text, one.value, one.annotator) | {"source": one.source} for one in proposed]  # fmt: skip
    return made


def _write(out: Path, lines: Iterable[str], encoding: str) -> None:
    part, descriptor = open_part(out)
    try:
        with os.fdopen(descriptor, "w", encoding=encoding, newline="") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        part.rename(out)
        fsync_path(out.parent)
    finally:
        part.unlink(missing_ok=True)


# -- in ----------------------------------------------------------------------------------------------------------------


def import_answers(store: Store, task: LabelTask, file: Path, annotator: str = _NOBODY) -> dict[str, Any]:
    """Take in the answers of a file; `annotator` gave those whose row does not say who.

    A row names its record by `record` (id), `row` (from 0) or the whole scrubbed `text`, its labels by name, Chinese name, an earlier
    name or id. The same file again changes nothing; a row that was changed is the next version of its answer. Rows of the source `model` or `rule` are
    suggestions. Raises `InputError` when the file cannot be read or no row can be taken in, `SettingsError` for another ending.
    """
    kind = _format(file)
    texts = Texts(store, dataset_of(store, task))
    known = {(one.id, one.record, one.review) for one in answers(store, task, states=STATES, history=True)}
    reader = _Reader(task, texts, known, annotator)
    parsed: Callable[[Row], Annotation] = reader.studio if kind == "json" else reader.row
    good: list[Annotation] = []
    faults: list[Fault] = []
    for line, found in _READ[kind](file, store.settings.ingest.max_field_bytes):
        try:
            good.append(parsed(_is_row(found)))
        except InputError as error:
            faults.append(Fault(line, str(error)))
    if faults and not good:
        raise InputError(
            _(
                "no row of `{file}` could be taken in, {count} were rejected; line {line}: {reason}",
                file=file,
                count=len(faults),
                line=faults[0].line,
                reason=faults[0].reason,
            )
        )
    counts = put(store, task, [one for one in good if one.source in PEOPLE])
    proposed = _propose(store, task, [one for one in good if one.source in SUGGESTIONS])
    store.event("label-import", (task.dataset,), task=task.name, rows=len(good), rejected=len(faults), **counts)
    listed = [{"line": fault.line, "reason": fault.reason} for fault in faults[:_FAULTS_LISTED]]
    total = {"task": task.name, "read": len(good) + len(faults), "rows": len(good), "rejected": len(faults)}
    return total | counts | {"suggestions": proposed, "faults": listed}


def _propose(store: Store, task: LabelTask, given: list[Annotation]) -> int:
    by_whom: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for one in given:
        by_whom.setdefault((one.source, one.annotator), {})[one.record] = one.value
    return sum(suggest(store, task, source, who, values) for (source, who), values in by_whom.items())


class _Reader:
    """Turns a row of a file into an answer of the task. What it raises, `InputError`, never quotes the row."""

    def __init__(self, task: LabelTask, texts: Texts, known: set[tuple[str, str, bool]], annotator: str) -> None:
        self.task, self.texts, self.known, self.annotator = task, texts, known, annotator
        self.rows = {record: row for row, record in enumerate(texts.ids)}
        self._by_text: dict[bytes, str | None] = {}
        self._ids = {name: label.id for label in reversed(task.labels) for name in _names_of(label) if name}
        self._ids |= {name: label.id for label in task.choices for name in (label.id, label.name, label.chinese) if name}  # fmt: skip

    def row(self, row: Row) -> Annotation:
        """Read a row of JSON Lines or CSV."""
        record = self._record(row)
        state = str(row.get("state") or "submitted")
        value = self._value(row, state)
        if self.task.kind == "spans" and value:
            self._check_places(value, record)
        source = str(row.get("source") or "import")
        return self._answer(record, row, value, state, source if source in SUGGESTIONS else "import")

    def studio(self, row: Row) -> Annotation:
        """Read an annotation or a prediction of Label Studio, with the task that it stands in."""
        data = row["task"].get("data")
        record = self._record(data if isinstance(data, dict) else {})
        text = self.texts.record(self.rows[record]).text
        one = row["annotation"]
        read = read_answer(self.task, text, {"result": None} | self._in_our_words(one, row["task"].get("meta")))
        about = {"id": one.get("unique_id"), "annotator": _who(one), "seconds": read.seconds, "review": one.get("review")}  # fmt: skip
        if row["proposed"]:
            score = _number(one.get("score"))
            value = dict(read.value) | ({} if score is None else {"score": score})
            source = "rule" if one.get("source") == "rule" else "model"
            return self._answer(record, about | {"annotator": str(one.get("model_version") or "model")}, value, "submitted", source)  # fmt: skip
        state = str(one.get("state") or read.state) if read.value or one.get("state") == "flagged" else read.state
        return self._answer(record, about, read.value, state, "import")

    def _in_our_words(self, one: Row, meta: Any) -> Row:
        # ids of the labels of the task that wrote the file, by their names
        names = meta.get("labels") if isinstance(meta, dict) else None
        result = one.get("result")
        if not isinstance(names, dict) or not isinstance(result, list):
            return one
        known = {label.id for label in self.task.labels}

        def named(label: Any) -> Any:
            return names.get(label, label) if isinstance(label, str) and label not in known else label

        def value(found: Any) -> Any:
            listed = [key for key in ("choices", "labels") if isinstance(found, dict) and isinstance(found.get(key), list)]  # fmt: skip
            return found | {key: list(map(named, found[key])) for key in listed} if listed else found

        said = [one | {"value": value(one.get("value"))} if isinstance(one, dict) else one for one in result]
        return one | {"result": said}

    def _answer(self, record: str, row: Row, value: Mapping[str, Any], state: str, source: str) -> Annotation:
        who, review = _written(row.get("annotator") or self.annotator, _NAME_CHARACTERS), _truth(row.get("review"))
        created = str(row.get("created") or "")
        return Annotation(
            self._identity(row.get("id"), record, who, review), self.task.name, record, who, source, value, _state(state),
            _number(row.get("seconds")), created if _TIME.fullmatch(created) else "",
            note=_written(row.get("note"), _NOTE_CHARACTERS), review=review,
        )  # fmt: skip

    def _identity(self, given: Any, record: str, who: str, review: bool) -> str:
        # an answer of ours that comes back about the same record keeps its id; any other gets one that the same file gives again
        if isinstance(given, str) and (given, record, review) in self.known:
            return given
        about = json.dumps([self.task.project, self.task.name, record, who, review, given or ""])
        return hashlib.sha256(about.encode()).hexdigest()[:32]

    def _record(self, row: Row) -> str:
        if row.get("record") not in (None, ""):
            if isinstance(row["record"], str) and row["record"] in self.rows:
                return row["record"]
            raise InputError(_("the data set has no record with this `record` id"))
        if row.get("row") not in (None, ""):
            number = _whole(row["row"])
            if number is not None and 0 <= number < len(self.texts):
                return self.texts.ids[number]
            raise InputError(_("the data set has no such `row`; rows count from 0"))
        if not isinstance(row.get("text"), str):
            raise InputError(_("the row names no record; give `record`, `row` or `text`"))
        found = self._of_text(row["text"])
        if found is None:
            raise InputError(_("no single record of the data set has this `text`"))
        return found

    def _of_text(self, text: str) -> str | None:
        if not self._by_text:
            for row, record in enumerate(self.texts.ids):
                key = _hash(self.texts.record(row).text)
                self._by_text[key] = None if key in self._by_text else record
        return self._by_text.get(_hash(text))

    def _value(self, row: Row, state: str) -> dict[str, Any]:
        said = {key: row[key] for key in ("label", "labels", "spans") if row.get(key) not in (None, "")}
        if not said and state in ("skipped", "flagged"):
            return {}
        given = said.get({"single": "label", "multi": "labels", "spans": "spans"}[self.task.kind], said.get("label"))
        try:
            if isinstance(given, str) and given.startswith("[") and self.task.kind != "single":  # in a cell of CSV
                given = json.loads(given)
            found = self._read(given)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(_("the row has no answer of the kind `{kind}`", kind=self.task.kind)) from error
        labels_of(self.task, found)
        score = _number(row.get("score"))
        return found if score is None else found | {"score": score}

    def _read(self, given: Any) -> Row:
        if given is None:
            raise InputError(_("the row has no answer of the kind `{kind}`", kind=self.task.kind))
        if self.task.kind == "single":
            return {"label": self._label(given)}
        listed: list[Any] = [given] if isinstance(given, str) else list(given)
        if self.task.kind == "multi":
            return {"labels": list(dict.fromkeys(self._label(one) for one in listed))}
        return {"spans": [{"start": one["start"], "end": one["end"], "label": self._label(one["label"])} for one in listed]}  # fmt: skip

    def _label(self, name: Any) -> str:
        found = self._ids.get(name.strip()) if isinstance(name, str) else None
        if found is None:
            raise InputError(
                _(
                    "the row names a label that task `{task}` does not have; see `skerry label show {task}`",
                    task=self.task.name,
                )
            )
        return resolved(self.task, found).id

    def _check_places(self, value: Mapping[str, Any], record: str) -> None:
        length = len(self.texts.record(self.rows[record]).text)
        if any(span["end"] > length for span in value["spans"]):
            raise InputError(_("a span ends behind the text, which has {length} characters", length=length))


def _names_of(label: Any) -> tuple[str, ...]:
    return (*label.was, label.chinese, label.name, label.id)


def _who(one: Row) -> str:
    given = one.get("annotator") or one.get("completed_by")
    if isinstance(given, dict):
        given = given.get("email") or given.get("id")
    return "" if given is None else str(given)


def _state(state: str) -> str:
    if state not in STATES:
        raise InputError(_("the row has no state of an answer: {states}", states=", ".join(STATES)))
    return state


def _truth(value: Any) -> bool:
    return value is True or str(value).lower() in ("true", "1", "yes")


def _number(value: Any) -> float | None:
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number < float("inf") else None


def _written(value: Any, characters: int) -> str:
    written = str(value or "").strip()
    if len(written) > characters or any("\ud800" <= one <= "\udfff" for one in written):
        raise InputError(
            _("a name or note is longer than {characters} characters, or no Unicode", characters=characters)
        )
    return written


def _whole(value: Any) -> int | None:
    try:
        return None if isinstance(value, bool | float) else int(value)
    except (TypeError, ValueError):
        return None


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _is_row(found: Any) -> Row:
    if isinstance(found, InputError):
        raise found
    if not isinstance(found, dict):
        raise InputError(_("the row is no JSON object"))
    return found


def _read_jsonl(file: Path, limit: int) -> Iterator[tuple[int, Any]]:
    with _opened(file) as opened:
        for number, line in enumerate(iter(lambda: opened.readline(limit * 4), b""), start=1):
            if line.strip():
                yield number, _json(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return InputError(_("the line is no JSON"))


def _read_csv(file: Path, limit: int) -> Iterator[tuple[int, Any]]:
    csv.field_size_limit(limit)
    with _opened(file) as opened:
        content = opened.read()
    reader = csv.reader(io.StringIO(_decoded(content, file), newline=""), strict=True)
    header = [name.strip().lower() for name in next(reader, [])]
    if not {"record", "row", "text"} & set(header):
        raise InputError(_("`{file}` has no column `record`, `row` or `text`", file=file.name))
    if not {"label", "labels", "spans", "state"} & set(header):
        raise InputError(_("`{file}` has no column `label`, `labels` or `spans`", file=file.name))
    if any(header.count(name) > 1 for name in (*_COLUMNS, "text")):
        raise InputError(_("`{file}` has two columns of the same name", file=file.name))
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield line, InputError(_("no CSV: {error}", error=error))
            continue
        if cells is None:
            return
        if len(cells) == len(header):
            yield line, dict(zip(header, map(_plain, cells), strict=True))
        elif any(cells):
            yield line, InputError(_("{fields} fields, the header has {columns}", fields=len(cells), columns=len(header)))  # fmt: skip


def _decoded(content: bytes, file: Path) -> str:
    for encoding in ("utf-8-sig", "gb18030"):  # as spreadsheets write, elsewhere and in China
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError(_("`{file}` is neither UTF-8 nor GB18030; save it as UTF-8", file=file.name))


def _read_studio(file: Path, _limit: int) -> Iterator[tuple[int, Any]]:
    with _opened(file) as opened:
        found = _json(opened.read())
    if not isinstance(found, list):
        raise InputError(_("`{file}` is no export of Label Studio: a JSON list of tasks", file=file.name))
    number = 0
    for task in found:
        for kind in ("annotations", "predictions"):
            listed = task.get(kind) if isinstance(task, dict) else None
            for one in listed if isinstance(listed, list) else []:
                number += 1
                fits = isinstance(one, dict)
                yield number, {"task": task, "annotation": one, "proposed": kind == "predictions"} if fits else None


def _opened(file: Path) -> Any:
    try:
        return file.open("rb")
    except OSError as error:
        raise InputError(_("cannot read `{file}`: {error}", file=file, error=reason(error))) from error


_READ: dict[str, Callable[[Path, int], Iterator[tuple[int, Any]]]] = {"jsonl": _read_jsonl, "csv": _read_csv, "json": _read_studio}  # fmt: skip


def _format(file: Path) -> str:
    kind = file.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise SettingsError(_("`{file}` ends in none of .jsonl, .csv and .json (Label Studio)", file=file.name))
    return kind
