"""The archive: one form, and back again; hostile ones stand in `tests/attacks/test_bundle.py`."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.archive import extract, length, write
from bundle.errors import InputError, IntegrityError
from bundle.manifest import files_below

MOMENT = 1_700_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "payload"
    deep = folder / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    (deep / "f.bin").write_bytes(os.urandom(1_500_000))
    (folder / "empty").write_bytes(b"")
    (folder / "whole-block").write_bytes(b"x" * 512)
    (folder / "run").write_bytes(b"#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    return folder


def packed(folder: Path) -> bytes:
    out = io.BytesIO()
    write(folder, out, MOMENT)
    return out.getvalue()


def test_what_goes_in_comes_out(folder: Path, tmp_path: Path) -> None:
    archive = packed(folder)
    extract(io.BytesIO(archive), tmp_path / "out", len(archive))
    assert files_below(tmp_path / "out") == files_below(folder)
    assert os.access(tmp_path / "out" / "run", os.X_OK)
    assert not os.access(tmp_path / "out" / "empty", os.X_OK)


def test_the_length_is_known_before(folder: Path) -> None:
    assert len(packed(folder)) == length(folder)


def test_the_same_files_are_the_same_bytes_whatever_their_dates_owners_and_modes(folder: Path, tmp_path: Path) -> None:
    before = packed(folder)
    other = tmp_path / "other"
    for path in sorted(files_below(folder), reverse=True):
        (other / path).parent.mkdir(parents=True, exist_ok=True)
        (other / path).write_bytes((folder / path).read_bytes())
        (other / path).chmod(0o700 if path == "run" else 0o640)
        os.utime(other / path, (1, 1))
    assert packed(other) == before


def test_other_programs_read_it(folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed(folder))) as archive:
        members = archive.getmembers()
    assert sorted(files_below(folder)) == [member.name for member in members]
    assert {(member.mtime, member.uid, member.gid, member.type) for member in members} == {(MOMENT, 0, 0, b"0")}


@pytest.mark.parametrize("name", ["a b", "ümlaut", ".hidden", "n" * 101, "back\\slash"])
def test_a_name_that_cannot_stand_in_it_stops_the_build(tmp_path: Path, name: str) -> None:
    (tmp_path / "payload").mkdir()
    (tmp_path / "payload" / name).write_bytes(b"")
    with pytest.raises(InputError, match="archive"):
        packed(tmp_path / "payload")


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/etc"), lambda path: path.symlink_to("gone")]
)
def test_a_link_or_a_pipe_stops_the_build(tmp_path: Path, make: Callable[[Path], None]) -> None:
    (tmp_path / "payload").mkdir()
    make(tmp_path / "payload" / "file")
    with pytest.raises(InputError, match="regular files only"):
        packed(tmp_path / "payload")


def test_a_target_that_exists_is_not_written_into(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(FileExistsError):
        extract(io.BytesIO(packed(folder)), tmp_path / "out", 10**9)


def test_no_more_is_read_than_the_limit(folder: Path, tmp_path: Path) -> None:
    archive = packed(folder)
    with pytest.raises(IntegrityError, match="longer than its signed list"):
        extract(io.BytesIO(archive), tmp_path / "out", len(archive) - 1)
