"""Plain text: a line or a file is a record."""

from __future__ import annotations

from pathlib import Path

from appliance.data.formats import txt
from appliance.data.formats.rows import Fault, IngestOptions, Row
from appliance.settings import IngestSettings

OPTIONS, SETTINGS = IngestOptions("text"), IngestSettings(max_row_bytes=1024)


def written(folder: Path, content: bytes) -> Path:
    (folder / "ward").mkdir()
    path = folder / "ward" / "a.txt"
    path.write_bytes(content)
    return path


def test_a_line_is_a_record_without_its_end(tmp_path: Path) -> None:
    path = written(tmp_path, "one\r\n  two\u2028 \n\n三".encode())
    rows = list(txt.read(path, "a.txt", OPTIONS, SETTINGS))
    assert [(row.row, row.byte, row[2]) for row in rows] == [
        (1, 0, "one"),
        (2, 5, "  two\u2028 "),
        (3, 15, ""),
        (4, 16, "三"),
    ]
    assert isinstance(rows[0], Row) and rows[0].fields == {"text": "one", "folder": "ward"}


def test_long_and_broken_lines_are_faults(tmp_path: Path) -> None:
    path = written(tmp_path, b"x" * 2000 + "\né\na".encode() + b"\xe9\nlast")
    first, _row, broken, last = txt.read(path, "a.txt", OPTIONS, SETTINGS)
    assert isinstance(first, Fault) and first.byte == 0
    assert broken == Fault(3, 2005, "not utf-8 here")
    assert last[2] == "last"


def test_a_whole_file_is_a_record_as_it_stands(tmp_path: Path) -> None:
    path = written(tmp_path, "one\r\ntwo 三\n".encode("utf-16"))
    (row,) = txt.read_whole(path, "a.txt", OPTIONS, SETTINGS)
    assert row == Row(1, 0, "one\r\ntwo 三\n", {"text": "one\r\ntwo 三\n", "folder": "ward"})


def test_a_whole_file_over_the_limit_or_broken_is_a_fault(tmp_path: Path) -> None:
    path = written(tmp_path, b"x" * 1025)
    (long,) = txt.read_whole(path, "a.txt", OPTIONS, SETTINGS)
    assert isinstance(long, Fault) and "max_row_bytes" in long.reason
    path.write_bytes("é\né\n".encode() + b"\xe9")
    assert list(txt.read_whole(path, "a.txt", OPTIONS, SETTINGS)) == [Fault(1, 6, "not utf-8 here")]
