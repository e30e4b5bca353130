"""Rows are answered in their order, rejected ones are listed among them, and what fails leaves nothing behind."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from appliance import engine
from appliance.data.ingest import IngestOptions, read_files
from appliance.engine.predict import predict_rows
from appliance.errors import BusyError, HardwareError, InputError, Interrupted, NotFoundError
from appliance.schema import Prediction, Record, Rejected, Source
from appliance.settings import IngestSettings
from tests.tiny_onnx import text, write_model

TEXTS = ["w1 w2", 'w3 "w4", w5', "w6\u2028w7", " ".join(["w8"] * 100)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> engine.Engine:
    return engine.load(write_model(tmp_path_factory.mktemp("model")))


def answered(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_bytes().splitlines()]


def rows(texts: Iterable[str]) -> Iterator[Record]:
    for number, value in enumerate(texts, start=1):
        yield Record(f"{number:032x}", value, source=Source("rows.csv", number))


def read(path: Path) -> Iterator[Record | Rejected]:
    return read_files([path], IngestOptions("text"), IngestSettings())


def test_each_row_gets_the_answer_of_its_text(model: engine.Engine, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    counts = predict_rows(model, rows(TEXTS), out)
    assert answered(out) == [
        {"file": "rows.csv", "row": row, "label": one.label, "score": one.score, "truncated": one.truncated}
        for row, one in enumerate(model.predict(TEXTS), start=1)
    ]
    numbers = {"read": 4, "rows": 4, "rejected": 0, "abstained": 0, "truncated": 1}
    assert counts == numbers | {"complete": True, "out": str(out)}
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    ("name", "encoding", "content"),
    [
        ("a.csv", "gb18030", "id,text\r\n1,天气好\r\n2,\r\n3,医生\r\n"),
        ("a.tsv", "utf-16", "id\ttext\n1\t天气好\n2\t\n3\t医生\n"),
        ("a.jsonl", "utf-8-sig", '{"text": "天气好"}\n{"text": null}\n{"text": "医生"}\n'),
    ],
)
def test_a_file_in_any_encoding_is_answered_and_a_bad_row_is_listed_in_its_place(
    model: engine.Engine, tmp_path: Path, name: str, encoding: str, content: str
) -> None:
    (tmp_path / name).write_text(content, encoding, newline="")
    counts = predict_rows(model, read(tmp_path / name), tmp_path / "out")
    found = answered(tmp_path / "out")
    assert [line["row"] for line in found] == [1, 2, 3]
    assert ["error" in line for line in found] == [False, True, False]
    assert (counts["read"], counts["rows"], counts["rejected"]) == (3, 2, 1)
    assert [found[0]["label"], found[2]["label"]] == [one.label for one in model.predict(["天气好", "医生"])]


def test_abstained_rows_are_counted(model: engine.Engine, tmp_path: Path) -> None:
    counts = predict_rows(model, rows(TEXTS), tmp_path / "out", min_score=1.0)
    labels = [row["label"] for row in answered(tmp_path / "out")]
    assert counts["abstained"] == labels.count(None) > 0


def test_a_batch_of_rejected_rows_needs_no_model(model: engine.Engine, tmp_path: Path) -> None:
    bad = [Rejected("a.csv", number, None, "the text is empty") for number in range(1, 101)]
    counts = predict_rows(model, [*bad, *rows(["w1"])], tmp_path / "out")
    assert (counts["rejected"], counts["rows"]) == (100, 1)


def test_no_answer_at_all_is_an_error_and_leaves_no_file(model: engine.Engine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no row could be answered: 1 rejected"):
        predict_rows(model, [Rejected("a.csv", 1, None, "the text is empty")], tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_rows_that_are_not_there_leave_no_file(model: engine.Engine, tmp_path: Path) -> None:
    """What reading raises comes through, and the hidden file is gone."""
    missing = read_files([tmp_path / "none.csv"], IngestOptions("text"), IngestSettings())
    with pytest.raises(NotFoundError):
        predict_rows(model, missing, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_rows(model: engine.Engine, tmp_path: Path) -> None:
    predict_rows(model, rows(["w1"]), tmp_path / "warm")
    tracemalloc.start()
    predict_rows(model, rows(text(3, number) for number in range(4000)), tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 1024**2
    tracemalloc.stop()


def test_a_missing_folder_is_told(model: engine.Engine, tmp_path: Path) -> None:
    with pytest.raises(HardwareError, match="cannot write"):
        predict_rows(model, rows(TEXTS), tmp_path / "no folder" / "out")


class Counting:
    """An engine that counts the texts it is asked, and is stopped before the batch that begins behind `most` of them."""

    def __init__(self, model: engine.Engine, most: int | None = None) -> None:
        self.model, self.plan, self.labels, self.most, self.asked = model, model.plan, model.labels, most, 0

    def predict(self, texts: Sequence[str], min_score: float = 0.0) -> list[Prediction]:
        if self.most is not None and self.asked >= self.most:
            raise Interrupted("cancelled")
        self.asked += len(texts)
        return self.model.predict(texts, min_score)

    def logits(self, texts: Sequence[str]) -> Any:
        return self.model.logits(texts)


def test_a_stopped_run_leaves_no_half_of_a_file_and_goes_on_behind_its_last_answer(
    model: engine.Engine, tmp_path: Path
) -> None:
    many = [text(3, number) for number in range(200)]
    out = tmp_path / "out"
    with pytest.raises(Interrupted):
        predict_rows(Counting(model, 100), rows(many), out, work="1")
    assert not out.exists()
    (left,) = tmp_path.iterdir()
    with left.open("ab") as file:
        file.write(b'{"file": "rows.csv", "row": 129, "la')  # what a power cut leaves of a line
    rest = Counting(model)
    counts = predict_rows(rest, rows(many), out, work="1")
    assert (rest.asked, counts["rows"], counts["complete"]) == (200 - 128, 200, True)
    predict_rows(model, rows(many), tmp_path / "at once")
    assert out.read_bytes() == (tmp_path / "at once").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["at once", "out"]


def test_other_rows_or_another_model_begin_anew_and_what_was_left_goes(model: engine.Engine, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        predict_rows(Counting(model, 64), rows(TEXTS * 30), tmp_path / "out", work="1")
    fresh = Counting(model)
    predict_rows(fresh, rows(TEXTS), tmp_path / "out", work="2")
    assert fresh.asked == 4
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_out_of_time_gives_the_rows_so_far_and_the_same_again_goes_on(model: engine.Engine, tmp_path: Path) -> None:
    many = [text(3, number) for number in range(200)]
    out = tmp_path / "out"
    for done in (64, 128):  # each time some rows, however long it took to come to them
        counts = predict_rows(model, rows(many), out, work="1", time_limit_s=0.0)
        assert (counts["complete"], counts["rows"], len(answered(out))) == (False, done, done)
    counts = predict_rows(model, rows(many), out, work="1", time_limit_s=600)
    assert (counts["complete"], len(answered(out))) == (True, 200)
    assert predict_rows(model, rows(many[:64]), out, work="2", time_limit_s=0.0)["complete"]


def test_parquet_holds_the_same_answers(model: engine.Engine, tmp_path: Path) -> None:
    mixed: list[Record | Rejected] = [*rows(TEXTS), Rejected("a.csv", 5, None, "the text is empty")]
    predict_rows(model, mixed, tmp_path / "out.jsonl")
    predict_rows(model, mixed, tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet").to_pylist()
    kept = [{key: value for key, value in row.items() if value is not None} for row in table]
    assert kept == answered(tmp_path / "out.jsonl")


def test_two_processes_do_not_write_one_file(model: engine.Engine, tmp_path: Path) -> None:
    def meanwhile() -> Iterator[Record]:
        with pytest.raises(BusyError, match="another process"):
            predict_rows(model, rows(TEXTS), tmp_path / "out", work="1")
        yield from rows(TEXTS)

    predict_rows(model, meanwhile(), tmp_path / "out", work="1")
