"""Why something failed is said in words of ours, and never with what was read."""

from __future__ import annotations

import errno
import tomllib
from pathlib import Path

import pytest

from appliance.reasons import reason


def caught(text: str) -> tomllib.TOMLDecodeError:
    with pytest.raises(tomllib.TOMLDecodeError) as raised:
        tomllib.loads(text)
    return raised.value


def test_a_fault_in_toml_is_told_by_its_place() -> None:
    assert reason(caught("a = 1\nb = [")) == "it is no TOML: it ends in the middle of something"
    assert reason(caught("a = 1\nname = Anna\n")).startswith("it is no TOML at line 2, column 8")
    assert "Anna" not in reason(caught("a = 1\nname = Anna\n"))


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ENOSPC])
def test_the_systems_errors_have_words_of_ours(number: int) -> None:
    assert reason(OSError(number, "English")) != "English"


def test_what_has_no_words_is_named_by_its_class_or_the_system() -> None:
    assert reason(OSError(errno.EPROTO, "Protocol error")) == "Protocol error"
    assert reason(ValueError("Anna Kovacs")) == "ValueError"


def test_a_text_in_another_encoding_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError) as raised:
        path.read_text("utf-8")
    assert reason(raised.value) == "it is no text in UTF-8"
