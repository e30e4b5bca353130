"""A file of lines that is appended to and taken over."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.monitor import lines


def test_lines_are_given_once_and_wait_until_then(tmp_path: Path) -> None:
    path = tmp_path / "made" / "a.jsonl"
    for line in (b"1", b"2"):
        lines.append(path, line, 100)
    assert lines.waiting(path) == [b"1", b"2"]
    with lines.taken(path) as given:
        assert given == [b"1", b"2"]
        lines.append(path, b"3", 100)
    assert lines.waiting(path) == [b"3"]
    with lines.taken(path) as given:
        assert given == [b"3"]


def test_an_error_gives_them_again_before_what_came_since(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines.append(path, b"1", 100)
    with pytest.raises(ZeroDivisionError), lines.taken(path):
        raise ZeroDivisionError
    assert lines.files(tmp_path, ".jsonl") == [path]
    lines.append(path, b"2", 100)
    with lines.taken(path) as given:
        assert given == [b"1", b"2"]
    assert lines.files(tmp_path, ".jsonl") == []


def test_beyond_its_size_the_older_half_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for number in range(100):
        lines.append(path, b"%03d" % number, 100)
    kept = lines.waiting(path)
    assert path.stat().st_size <= 100
    assert kept[-1] == b"099"
    assert kept == sorted(kept)
    assert len(kept) > 10


def test_where_nothing_was_ever_appended_nothing_is_given(tmp_path: Path) -> None:
    with lines.taken(tmp_path / "none" / "a.jsonl") as given:
        assert given == []


def test_a_torn_line_takes_no_other_one_along(tmp_path: Path) -> None:
    """A power cut may leave half a line, here or in what was half taken: the lines behind it are whole."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1\ntor")
    lines.append(path, b"2", 100)
    (tmp_path / ".a.jsonl.taking").write_bytes(b"0\nhal")
    with lines.taken(path) as given:
        assert given == [b"0", b"hal", b"1", b"tor", b"2"]
