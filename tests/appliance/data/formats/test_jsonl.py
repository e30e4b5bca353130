"""JSON Lines: one sound object a line, or a fault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.data.formats import jsonl
from appliance.data.formats.rows import Fault, IngestOptions, Row
from appliance.errors import InputError
from appliance.settings import IngestSettings

characters = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def read(folder: Path, content: bytes | str, **options: Any) -> list[Row | Fault]:
    path = folder / "a.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(jsonl.read(path, path.name, IngestOptions("text", **options), IngestSettings(max_row_bytes=2**20)))


@given(
    items=st.lists(st.tuples(characters, characters), max_size=8),
    ascii_only=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"]),
)
def test_what_was_written_is_read_back_at_its_byte(
    tmp_path_factory: pytest.TempPathFactory, items: list[tuple[str, str]], ascii_only: bool, encoding: str
) -> None:
    lines = [
        json.dumps({"text": text, "n": 1, "label": label}, ensure_ascii=ascii_only) + "\n" for text, label in items
    ]
    content = "".join(lines).encode(encoding)
    body = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}.get(encoding, encoding)
    rows = read(
        tmp_path_factory.mktemp("round"),
        content,
        label_column="label",
        encoding=None if encoding.startswith("utf") else encoding,
    )
    assert [(row.text, row.fields["label"]) for row in rows if isinstance(row, Row)] == items
    for row, line in zip(rows, lines, strict=True):
        assert row.byte is not None
        assert content[row.byte :].decode(body).startswith(line)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "a", "text": "b"}', "a key stands twice"),
        ('{"text": "a", "x": {"y": 1, "y": 2}}', "a key stands twice"),
        ('{"text": "a", "x": NaN}', "NaN or Infinity"),
        ('{"text": "a", "x": [-Infinity]}', "NaN or Infinity"),
        ('{"text": "a"', "no JSON at character 14"),
        ('{"text": "a\tb"}', "no JSON at character 12"),
        ('{"text": "a"} {"text": "b"}', "no JSON at character 15"),
        ("", "empty line"),
        ("[1]", "no JSON object"),
        ('"text"', "no JSON object"),
        ('{"text": ["a"]}', "column `text` holds a list or an object"),
        ('{"text": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deep"),
        ('{"text": "' + "x" * 2**20 + '"}', "row longer than"),
    ],
)
def test_a_line_that_is_no_sound_object_is_a_fault_and_the_next_one_is_read(
    tmp_path: Path, line: str, reason: str
) -> None:
    first, second = read(tmp_path, line + '\n{"text": "next"}\n')
    assert isinstance(first, Fault) and (first.row, first.byte) == (1, 0) and first.reason.startswith(reason)
    assert isinstance(second, Row) and second.text == "next" and second.byte == len(line) + 1


def test_a_reason_never_shows_the_text(tmp_path: Path) -> None:
    (item,) = read(tmp_path, '{"text": secret 110101194912310000}\n')
    assert isinstance(item, Fault) and "secret" not in item.reason and "1949" not in item.reason


def test_bytes_that_do_not_decode_are_named(tmp_path: Path) -> None:
    first, second = read(tmp_path, '{"text": "é"}\n'.encode() + b'{"text": "\xe9"}\n')
    assert isinstance(first, Row)
    assert second == Fault(2, 25, "not utf-8 here")


def test_numbers_keep_the_digits_they_are_written_with(tmp_path: Path) -> None:
    huge = "9" * 5000
    (row,) = read(
        tmp_path,
        f'{{"text": 110101194912310000, "a": 1.10, "b": {huge}, "c": true, "d": null}}\n',
        keep_columns=("a", "b", "c", "d"),
    )
    assert isinstance(row, Row)
    assert row.fields == {"text": "110101194912310000", "a": "1.10", "b": huge, "c": "true", "d": None}


def test_line_separators_of_unicode_stay_in_the_text(tmp_path: Path) -> None:
    (row,) = read(tmp_path, '{"text": "a\u2028b\u0085c"}\n')
    assert row[2] == "a\u2028b\u0085c"


def test_a_key_may_be_missing_in_some_rows(tmp_path: Path) -> None:
    items = read(tmp_path, '{"text": "a"}\n{"label": "x"}\n{"text": "b", "label": "y"}\n', label_column="label")
    assert [(item.text, item.fields["label"]) for item in items if isinstance(item, Row)] == [
        ("a", None),
        (None, "x"),
        ("b", "y"),
    ]


def test_a_key_that_no_row_has_is_a_missing_column(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column `label`; it has `text`, `lable`; .*`--label-column`"):
        read(tmp_path, '{"text": "a", "lable": "x"}\n', label_column="label")


def test_a_missing_column_ends_a_long_file_early(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"note": "a"}\n' * 5000)
    items = jsonl.read(path, path.name, IngestOptions("text"), IngestSettings())
    with pytest.raises(InputError, match="no column `text`"):
        for item in items:
            assert item.row < 1000
