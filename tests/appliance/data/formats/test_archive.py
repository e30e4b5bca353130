"""What is refused before anything is unpacked."""

from __future__ import annotations

import random
import time
import zipfile
from pathlib import Path

import pytest

from appliance.data.formats.archive import check_archive
from appliance.errors import InputError
from appliance.settings import IngestSettings

SETTINGS = IngestSettings()


def packed(folder: Path, members: dict[str, bytes], **attributes: int) -> Path:
    path = folder / "a.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            for key, value in attributes.items():
                setattr(member, key, value)
            archive.writestr(member, content)
    return path


def test_an_ordinary_archive_passes(tmp_path: Path) -> None:
    check_archive(packed(tmp_path, {"xl/a.xml": b"<a/>" * 100, "b..xml": b"\x00" * 100_000}), "a.xlsx", SETTINGS)


def test_a_bomb_is_refused_in_milliseconds(tmp_path: Path) -> None:
    path = packed(tmp_path, {"a.xml": b"0" * 50 * 1024**2})
    began = time.perf_counter()
    with pytest.raises(InputError, match=r"`ingest.max_zip_ratio`"):
        check_archive(path, "a.xlsx", SETTINGS)
    assert time.perf_counter() - began < 0.1


def test_a_bomb_of_many_members_is_refused_by_its_sum(tmp_path: Path) -> None:
    members = {f"{number}.xml": bytes(range(256)) * 4096 for number in range(40)}
    with pytest.raises(InputError, match=r"`ingest.max_unpacked_bytes`"):
        check_archive(packed(tmp_path, members), "a.xlsx", IngestSettings(max_unpacked_bytes=32 * 1024**2))


@pytest.mark.parametrize("name", ["../a.xml", "/etc/passwd", "xl\\..\\..\\a.xml"])
def test_a_member_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="irregular"):
        check_archive(packed(tmp_path, {name: b"x"}), "a.xlsx", SETTINGS)


def test_a_link_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="irregular"):
        check_archive(packed(tmp_path, {"a": b"/etc/passwd"}, external_attr=0o120777 << 16), "a.xlsx", SETTINGS)


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, {"a.xml": b"x"})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.xml", b"y")
    with pytest.raises(InputError, match="repeated"):
        check_archive(path, "a.xlsx", SETTINGS)


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    """Fifield's bomb: many directory entries name the same packed bytes."""
    content = packed(tmp_path, {"a.xml": random.Random(0).randbytes(5000)}).read_bytes()
    directory = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    entry = content[directory:end]
    entries = b"".join(entry.replace(b"a.xml", f"{number:05d}".encode()) for number in range(20))
    tail = bytearray(content[end:])
    tail[8:12] = (20).to_bytes(2, "little") * 2
    tail[12:16] = len(entries).to_bytes(4, "little")
    # the file stays short, since the packed bytes stand there once
    path = tmp_path / "b.xlsx"
    path.write_bytes(content[:directory] + entries + bytes(tail))
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == 20
    with pytest.raises(InputError, match="overlapping"):
        check_archive(path, "b.xlsx", SETTINGS)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, {"a.xml": b"x"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="encrypted"):
        check_archive(path, "a.xlsx", SETTINGS)


@pytest.mark.parametrize("content", [b"", b"plain text", b"PK\x03\x04" + b"\x00" * 100])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"`a.xlsx`: it is no sound XLSX file"):
        check_archive(path, "a.xlsx", SETTINGS)
