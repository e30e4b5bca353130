"""Files of texts are answered row by row, and a file that cannot be read leaves nothing behind."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from appliance import engine
from appliance.engine.predict import predict_file
from appliance.errors import HardwareError, InputError, Interrupted, NotFoundError
from appliance.jobs import reporter
from tests.tiny_onnx import text, write_model

TEXTS = ["w1 w2", 'w3 "w4", w5', "", "w6\u2028w7", " ".join(["w8"] * 100)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> engine.Engine:
    return engine.load(write_model(tmp_path_factory.mktemp("model")))


def answered(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_bytes().splitlines()]


def csv_line(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def write(folder: Path, kind: str) -> Path:
    path = folder / f"rows{kind}"
    if kind == ".txt":
        content = "\n".join(TEXTS)
    elif kind in (".jsonl", ".ndjson"):
        content = "".join(json.dumps({"id": 1, "text": value}, ensure_ascii=False) + "\n" for value in TEXTS)
    else:
        mark = "\t" if kind == ".tsv" else ","
        content = f"id{mark}text\r\n" + "".join(f"1{mark}{csv_line(value)}\r\n" for value in TEXTS) + "\r\n"
    path.write_text(content, "utf-8", newline="")
    return path


@pytest.mark.parametrize("kind", [".csv", ".tsv", ".jsonl", ".ndjson", ".txt"])
def test_each_row_gets_the_answer_of_its_text(model: engine.Engine, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out.jsonl"
    counts = predict_file(model, write(tmp_path, kind), "text", out)
    assert answered(out) == [
        {"row": row, "label": one.label, "score": one.score, "truncated": one.truncated}
        for row, one in enumerate(model.predict(TEXTS), start=1)
    ]
    assert counts == {"rows": 5, "abstained": 0, "truncated": 1, "out": str(out)}


def test_a_byte_order_mark_is_no_part_of_the_column(model: engine.Engine, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"\xef\xbb\xbftext\nw1\n")
    assert predict_file(model, path, "text", tmp_path / "out")["rows"] == 1


def test_fields_may_hold_line_breaks(model: engine.Engine, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('text,id\n"w1\nw2",1\nw3,2\n')
    assert predict_file(model, path, "text", tmp_path / "out")["rows"] == 2


def test_abstained_rows_are_counted(model: engine.Engine, tmp_path: Path) -> None:
    counts = predict_file(model, write(tmp_path, ".txt"), "text", tmp_path / "out", min_score=1.0)
    labels = [row["label"] for row in answered(tmp_path / "out")]
    assert counts["abstained"] == labels.count(None) > 0


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"id,body\n1,w1\n", "no column `text`"),
        ("a.csv", b"", "no column `text`"),
        ("a.csv", b"id,text\n1,w1\n2\n", "row 2: 1 fields"),
        ("a.csv", b'text\n"w1" w2\n', "after row 0"),
        ("a.csv", b"text\n\xff\xfe\n", "line 2: it is not UTF-8"),
        ("a.jsonl", b'{"text": "w1"}\nw2\n', "line 2: it is no JSON"),
        ("a.jsonl", b'{"text": 5}\n', "line 1: no text under `text`"),
        ("a.jsonl", b"[1]\n", "line 1: no text under `text`"),
        ("a.jsonl", b"[" * 100_000 + b"\n", "line 1: it is no JSON"),
        ("a.jsonl", b'{"text": "\\ud800"}\n', "rows 1 to 1"),
        ("a.txt", b"\x00\xff", "not UTF-8"),
        ("a.docx", b"PK", "only .csv, .tsv, .jsonl, .ndjson and .txt"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_row_and_leaves_no_answers(
    model: engine.Engine, tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says):
        predict_file(model, tmp_path / name, "text", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_line_without_an_end_is_refused_in_bounded_memory(model: engine.Engine, tmp_path: Path) -> None:
    with (tmp_path / "a.txt").open("wb") as file:
        file.truncate(300 * 1024**2)
    tracemalloc.start()
    with pytest.raises(InputError, match="line 1: longer than"):
        predict_file(model, tmp_path / "a.txt", "text", tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 64 * 1024**2
    tracemalloc.stop()


def test_memory_does_not_grow_with_the_file(model: engine.Engine, tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("".join(text(3, number) + "\n" for number in range(4000)))
    tracemalloc.start()
    predict_file(model, path, "text", tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 1024**2
    tracemalloc.stop()


def test_a_missing_file_and_a_missing_folder_are_told(model: engine.Engine, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="cannot open"):
        predict_file(model, tmp_path / "none.csv", "text", tmp_path / "out")
    with pytest.raises(HardwareError, match="cannot write"):
        predict_file(model, write(tmp_path, ".txt"), "text", tmp_path / "no folder" / "out")


def test_a_cancelled_job_leaves_no_half_of_a_file(model: engine.Engine, tmp_path: Path) -> None:
    def cancel(*_arguments: object) -> None:
        raise Interrupted("cancelled")

    token = reporter.set(cancel)
    try:
        with pytest.raises(Interrupted):
            predict_file(model, write(tmp_path, ".csv"), "text", tmp_path / "out")
    finally:
        reporter.reset(token)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]
