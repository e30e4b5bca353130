"""Answers out of files and into them: nothing is lost on the way, bad rows are named, and no cell is a formula."""

from __future__ import annotations

import csv
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.annotations import SUGGESTIONS, answers, create_task, new_label, suggest
from appliance.errors import InputError, SettingsError
from appliance.schema import LabelTask
from appliance.store import Store
from labeling.change import rename
from labeling.exchange import _is_row, _plain, _read_studio, _Reader, _safe, export_answers, import_answers
from labeling.texts import Texts
from tests.labeling.asked import dataset, identity, said, task, tell

TEXTS = ["a 𠮷 card", "the account", "=SUM(A1)", "转账失败", "again", "again"]
FORMULA = '=HYPERLINK("http://example.org")'


def contents(store: Store, asked: LabelTask) -> list[tuple[Any, ...]]:
    """What was said, by whom, how; without the ids and the times of saving."""
    found = [(one.record, one.annotator, json.dumps(dict(one.value), sort_keys=True), one.state, one.review, one.seconds, one.note) for one in answers(store, asked)]  # fmt: skip
    return sorted(found, key=str)


def asked_of(store: Store, kind: str) -> LabelTask:
    asked = task(store, "card transfer other", kind, dataset(store, TEXTS))
    given: dict[str, list[Any]] = {
        "single": ["card", "transfer", None, "other"],
        "multi": [["card"], [], None, ["card", "other"]],
        "spans": [[(2, 3, "card"), (4, 8, "other")], [], None, [(0, 4, "transfer")]],
    }
    tell(store, asked, "ann", *given[kind], seconds=2.5)
    tell(store, asked, "李雷", *given[kind][:1], note="see line 3")
    tell(store, asked, FORMULA, *given[kind][:1], review=True)
    return asked


@pytest.mark.parametrize("kind", ["single", "multi", "spans"])
@pytest.mark.parametrize("ending", ["jsonl", "csv", "json"])
def test_what_goes_out_comes_back(kind: str, ending: str, tmp_path: Path) -> None:
    store = Store.open()
    asked = asked_of(store, kind)
    exported = export_answers(store, asked, tmp_path / f"answers.{ending}")
    other = Store.open(project="other")
    again = task(other, "card transfer other", kind, dataset(other, TEXTS))
    imported = import_answers(other, again, tmp_path / f"answers.{ending}")
    assert (exported["rows"], imported["read"], imported["rows"], imported["rejected"]) == (5, 5, 5, 0)
    names = {label.id: label.name for label in (*asked.labels, *again.labels)}

    def told(rows: list[tuple[Any, ...]]) -> str:
        written = json.dumps([row[:-1] if ending == "json" else row for row in rows], ensure_ascii=False)
        for label, name in names.items():
            written = written.replace(label, name)
        return written

    assert told(contents(other, again)) == told(contents(store, asked))


@pytest.mark.parametrize("ending", ["jsonl", "csv", "json"])
def test_the_same_file_again_changes_nothing(ending: str, tmp_path: Path) -> None:
    store = Store.open()
    asked = asked_of(store, "single")
    export_answers(store, asked, tmp_path / f"a.{ending}")
    for _time in range(2):
        counts = import_answers(store, asked, tmp_path / f"a.{ending}")
        assert (counts["new"], counts["changed"]) == (0, 0) if ending != "json" else counts["new"] == 0
    written = '{"row": 2, "label": "card"}\n'
    (tmp_path / "b.jsonl").write_text(written)
    assert import_answers(store, asked, tmp_path / "b.jsonl", "cyd")["new"] == 1
    assert import_answers(store, asked, tmp_path / "b.jsonl", "cyd")["same"] == 1
    (tmp_path / "b.jsonl").write_text(written.replace("card", "other"))
    assert import_answers(store, asked, tmp_path / "b.jsonl", "cyd")["changed"] == 1


def test_a_record_is_named_by_its_id_its_row_or_its_text(tmp_path: Path) -> None:
    store = Store.open()
    asked = task(store, "card other", over=dataset(store, TEXTS))
    rows = [
        {"record": identity(0), "label": "card"},
        {"row": 1, "label": "card"},
        {"text": "转账失败", "label": "other"},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", "utf-8")
    assert import_answers(store, asked, tmp_path / "a.jsonl")["rows"] == 3
    assert {one.record for one in answers(store, asked)} == {identity(0), identity(1), identity(3)}
    assert {one.annotator for one in answers(store, asked)} == {"import"}


BAD = [
    b'{"row": 99, "label": "card"}', b'{"row": 1.5, "label": "card"}', b'{"record": "nowhere", "label": "card"}', b'{"record": ["x"], "label": "card"}',
    b'{"text": "again", "label": "card"}', b'{"text": "unknown", "label": "card"}', b'{"label": "card"}', b'{"row": 1}', b'{"row": 1, "label": "PLANTED"}',
    b'{"row": 1, "label": ["card"]}', b'{"row": 1, "label": "card", "state": "done"}', b'{"row": 1, "label": "card", "annotator": "\\ud800"}',
    b'{"row": 1, "label": "card", "note": "' + b"x" * 5000 + b'"}', b"[1]", b"{", b"\xff\xfe", b"[" * 3000,
]  # fmt: skip


def test_bad_rows_are_named_and_the_good_ones_kept(tmp_path: Path) -> None:
    store = Store.open()
    asked = task(store, "card other", over=dataset(store, TEXTS))
    (tmp_path / "a.jsonl").write_bytes(
        b"\n".join([b'{"row": 0, "label": "card"}', *BAD, b'{"row": 4, "label": "other"}'])
    )
    found = import_answers(store, asked, tmp_path / "a.jsonl")
    assert (found["read"], found["rows"], found["rejected"], found["new"]) == (len(BAD) + 2, 2, len(BAD), 2)
    assert [fault["line"] for fault in found["faults"]] == list(range(2, len(BAD) + 2))
    assert "PLANTED" not in json.dumps(found) and all(fault["reason"] for fault in found["faults"])


def test_a_file_without_a_good_row_is_an_error(tmp_path: Path) -> None:
    """It names the first fault and its line, and nothing is taken in."""
    store = Store.open()
    asked = task(store, "card other", over=dataset(store, TEXTS))
    (tmp_path / "a.jsonl").write_text('{"row": 0, "label": "nosuch"}\n{"row": 9, "label": "card"}\n')
    with pytest.raises(InputError, match="2 were rejected; line 1"):
        import_answers(store, asked, tmp_path / "a.jsonl")
    assert not list(answers(store, asked))


def test_spans_that_do_not_fit_the_text_are_named(tmp_path: Path) -> None:
    store = Store.open()
    asked = task(store, "card", "spans", dataset(store, TEXTS))
    spans = [[(0, 8)], [(0, 12)], [(3, 3)], [(-1, 2)]]
    rows = [{"row": 0, "spans": [{"start": start, "end": end, "label": "card"} for start, end in each]} for each in spans]  # fmt: skip
    rows += [{"row": 1, "spans": {"start": 1}}, {"row": 1, "spans": [{"start": "0", "end": 2, "label": "card"}]}]  # type: ignore[list-item]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = import_answers(store, asked, tmp_path / "a.jsonl")
    assert (found["rows"], [fault["line"] for fault in found["faults"]]) == (1, [2, 3, 4, 5, 6])


def test_a_spreadsheet_of_other_people_is_read(tmp_path: Path) -> None:
    """With columns in another order, in the encoding of a Chinese Excel, with a row too short and an empty line."""
    store = Store.open()
    asked = task(store, "card 转账", over=dataset(store, TEXTS))
    (tmp_path / "a.csv").write_bytes("Label,Text,annotator\r\n转账,转账失败,李雷\r\ncard,the account\r\n\r\n card ,the account,\r\n".encode("gb18030"))  # fmt: skip
    found = import_answers(store, asked, tmp_path / "a.csv", "ann")
    assert (found["read"], found["rows"], [fault["line"] for fault in found["faults"]]) == (3, 2, [3])
    assert {(one.record, one.annotator) for one in answers(store, asked)} == {(identity(3), "李雷"), (identity(1), "ann")}  # fmt: skip


def test_a_quote_that_is_not_closed_is_one_bad_row(tmp_path: Path) -> None:
    store = Store.open()
    asked = task(store, "card", over=dataset(store, TEXTS))
    (tmp_path / "a.csv").write_text('row,label\n0,card\n1,"card\n2,card\n')
    found = import_answers(store, asked, tmp_path / "a.csv")
    assert (found["read"], found["rows"], found["rejected"]) == (2, 1, 1)
    assert found["faults"][0]["line"] == 3


def test_no_cell_of_a_csv_is_a_formula(tmp_path: Path) -> None:
    store = Store.open()
    asked = task(store, over=dataset(store, TEXTS), names="+card -other")
    tell(store, asked, FORMULA, "+card", None, "-other", note="@now")
    export_answers(store, asked, tmp_path / "a.csv", text=True)
    content = (tmp_path / "a.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    cells = [cell for row in csv.reader(content.decode("utf-8-sig").splitlines()) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert {"'+card", "'=SUM(A1)", "'@now", f"'{FORMULA}"} <= set(cells)


@given(st.text(max_size=8))
def test_a_cell_is_read_as_it_was(cell: str) -> None:
    assert _plain(_safe(cell)) == cell
    assert not _safe(cell).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_texts_go_out_only_when_asked_for(tmp_path: Path) -> None:
    store = Store.open()
    asked = asked_of(store, "single")
    export_answers(store, asked, tmp_path / "a.jsonl")
    assert "account" not in (tmp_path / "a.jsonl").read_text()
    export_answers(store, asked, tmp_path / "a.jsonl", text=True)
    assert "account" in (tmp_path / "a.jsonl").read_text()
    verbs = [(event.verb, event.details["text"]) for event in store.events() if event.verb == "label-export"]
    assert verbs == [("label-export", False), ("label-export", True)]


@pytest.mark.parametrize("ending", ["jsonl", "csv", "json"])
def test_suggestions_stay_suggestions(ending: str, tmp_path: Path) -> None:
    store = Store.open()
    asked = task(store, "card other", over=dataset(store, TEXTS))
    suggest(store, asked, "model", "m@1", {identity(0): {"label": asked.labels[0].id, "score": 0.75}})
    suggest(store, asked, "rule", "words", {identity(0): {"label": asked.labels[1].id, "score": 1.0}})
    assert export_answers(store, asked, tmp_path / f"a.{ending}", suggestions=True)["rows"] == 2
    before = {(one.source, one.annotator, json.dumps(dict(one.value))) for one in answers(store, asked, sources=SUGGESTIONS)}  # fmt: skip
    assert import_answers(store, asked, tmp_path / f"a.{ending}")["suggestions"] == 2
    assert {(one.source, one.annotator, json.dumps(dict(one.value))) for one in answers(store, asked, sources=SUGGESTIONS)} == before  # fmt: skip
    assert list(answers(store, asked)) == []


def test_earlier_names_and_chinese_names_are_known(tmp_path: Path) -> None:
    store = Store.open()
    asked = rename(store, task(store, "card other", over=dataset(store, TEXTS)), "card", "bank card", "银行卡")
    lines = [
        {"row": row, "label": name} for row, name in enumerate(["card", "bank card", "银行卡", asked.labels[0].id])
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    import_answers(store, asked, tmp_path / "a.jsonl")
    assert [one.value["label"] for one in answers(store, asked)] == [asked.labels[0].id] * 4


_LEAF = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats()
    | st.sampled_from(["card", "", "[", identity(0), "choices", "labels", "\ud800"])
)
_KEYS = st.sampled_from(["record", "row", "text", "label", "labels", "spans", "start", "end", "state", "score", "seconds", "review", "id", "data", "meta", "annotations", "predictions", "result", "type", "value", "choices", "unique_id", "completed_by"])  # fmt: skip
_ROWS = st.recursive(_LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5), max_leaves=12)  # fmt: skip


@pytest.mark.parametrize("kind", ["single", "multi", "spans"])
def test_whatever_a_file_holds_a_row_is_good_or_named(kind: str, tmp_path: Path) -> None:
    store = Store.open()
    asked = task(store, "card other", kind, dataset(store, TEXTS))
    reader = _Reader(asked, Texts(store, store.dataset("notes")), set(), "ann")

    @given(st.lists(_ROWS, max_size=3))
    def read(rows: list[Any]) -> None:
        (tmp_path / "a.json").write_text(json.dumps(rows))
        listed = [(reader.row, row) for row in rows] + [(reader.studio, row) for _line, row in _read_studio(tmp_path / "a.json", 0)]  # fmt: skip
        for parse, row in listed:
            with suppress(InputError):
                parse(_is_row(row)).value.items()

    read()


def test_skipped_and_flagged_answers_need_no_label(tmp_path: Path) -> None:
    store = Store.open()
    asked = task(store)
    (tmp_path / "a.jsonl").write_text('{"row": 0, "state": "skipped"}\n{"row": 1, "state": "flagged", "note": "odd"}\n')
    assert import_answers(store, asked, tmp_path / "a.jsonl")["rows"] == 2
    export_answers(store, asked, tmp_path / "b.csv")
    assert import_answers(store, asked, tmp_path / "b.csv")["same"] == 2


def test_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    store = Store.open()
    asked = task(store)
    (tmp_path / "a.csv").write_bytes(b"name,label\n1,yes\n")
    (tmp_path / "a.json").write_text('{"data": {}}')
    (tmp_path / "b.csv").write_bytes(b"\xff\xff\xff\xff")
    for name in ("a.csv", "a.json", "b.csv", "none.jsonl"):
        with pytest.raises(InputError, match=name):
            import_answers(store, asked, tmp_path / name)
    with pytest.raises(SettingsError, match="xlsx"):
        import_answers(store, asked, tmp_path / "a.xlsx")


def test_an_export_of_label_studio_itself_is_read(tmp_path: Path) -> None:
    """The form that Label Studio writes: users by e-mail, a cancelled annotation, a task that is not ours."""
    store = Store.open()
    asked = task(store, "card other", over=dataset(store, TEXTS))
    choice = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["card"]}}
    tasks = [
        {"id": 1, "data": {"text": "the account"}, "annotations": [{"id": 7, "completed_by": {"email": "ann@example.org"}, "lead_time": 3.5, "result": [choice], "was_cancelled": False}]},
        {"id": 2, "data": {"record": identity(3)}, "annotations": [{"id": 8, "completed_by": 4, "result": [], "was_cancelled": True}]},
        {"id": 3, "data": {"text": "somewhere else"}, "annotations": [{"id": 9, "completed_by": 4, "result": [choice]}]},
        {"id": 4, "data": {"record": identity(4)}, "annotations": ["x", {"result": "y"}]}, "z",
    ]  # fmt: skip
    (tmp_path / "ls.json").write_text(json.dumps(tasks))
    found = import_answers(store, asked, tmp_path / "ls.json")
    assert (found["read"], found["rows"], [fault["line"] for fault in found["faults"]]) == (5, 2, [3, 4, 5])
    assert [(one.record, one.annotator, one.state, one.seconds) for one in answers(store, asked)] == [
        (identity(1), "ann@example.org", "submitted", 3.5), (identity(3), "4", "skipped", None),
    ]  # fmt: skip


def test_an_answer_of_another_task_is_not_taken_for_ones_own(tmp_path: Path) -> None:
    store = Store.open()
    asked = task(store, over=dataset(store, TEXTS))
    tell(store, asked, "ann", "yes")
    export_answers(store, asked, tmp_path / "a.jsonl")
    second = create_task(store, "second", store.dataset("notes"), "single", map(new_label, ("yes", "no")))
    assert import_answers(store, second, tmp_path / "a.jsonl")["new"] == 1
    assert len(list(answers(store, asked))) == len(list(answers(store, second))) == 1
    assert said(asked, 0, "ann", "yes").value == next(answers(store, asked)).value


@pytest.mark.parametrize("header", ["row,answer", "row,label,Label", "who,label", ""])
def test_a_table_without_the_columns_that_are_needed_or_with_one_twice_is_refused_as_a_whole(
    tmp_path: Path, header: str
) -> None:
    """Not row by row, and never by taking one of two columns in silence."""
    store = Store.open()
    asked = task(store)
    (tmp_path / "answers.csv").write_text(f"{header}\n1,yes,no\n")
    with pytest.raises(InputError, match="column"):
        import_answers(store, asked, tmp_path / "answers.csv")


def test_a_row_that_was_moved_to_another_record_is_an_answer_of_its_own(tmp_path: Path) -> None:
    """The id of its answer stays with the record that it was given to, so that no answer stands there twice."""
    store = Store.open()
    asked = task(store, "card transfer", "single", dataset(store, TEXTS))
    tell(store, asked, "ann", "card")
    [kept] = answers(store, asked)
    row = {"row": 1, "label": "transfer", "annotator": "ann", "id": kept.id}
    (tmp_path / "moved.jsonl").write_text(json.dumps(row) + "\n")
    imported = import_answers(store, asked, tmp_path / "moved.jsonl")
    found = {one.record: one for one in answers(store, asked)}
    assert imported["new"] == 1 and len(found) == 2
    assert found[kept.record] == kept and len({one.id for one in found.values()}) == 2


def test_a_time_beyond_all_numbers_is_no_time(tmp_path: Path) -> None:
    store = Store.open()
    asked = task(store, "card transfer", "single", dataset(store, TEXTS))
    row = {"row": 0, "label": "card", "seconds": 10**400}
    (tmp_path / "long.jsonl").write_text(json.dumps(row) + "\n")
    assert import_answers(store, asked, tmp_path / "long.jsonl")["new"] == 1
    assert [one.seconds for one in answers(store, asked)] == [None]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Not the hidden one that stands in its place meanwhile."""
    store = Store.open()
    asked = task(store, over=dataset(store, TEXTS))
    with pytest.raises(InputError, match=r"`[^`]*/nowhere/answers\.csv`"):
        export_answers(store, asked, tmp_path / "nowhere" / "answers.csv")
