"""What `put_on_stick` writes: the same bytes for the same inputs, parts that fit, everything twice that must be."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle import media
from bundle.errors import InputError, NotFoundError, PolicyError, UsageError
from bundle.manifest import Listing, files_below, parse
from bundle.receive import receive
from bundle.verify import unpack, verify
from tests.sticks import HEADER, make_payload, make_stick, make_tools


def list_of(stick: Path) -> Listing:
    return parse((stick / "PARTS").read_text(), "PARTS")


def test_two_builds_at_two_paths_are_the_same_bytes(key: Path, tmp_path: Path) -> None:
    first, second = make_stick(tmp_path / "a", key), make_stick(tmp_path / "b" / "elsewhere", key)
    assert files_below(first) == files_below(second)
    assert len(files_below(first)) == 34


def test_the_list_says_what_the_parts_are(key: Path, tmp_path: Path) -> None:
    stick = make_stick(tmp_path, key)
    listing = list_of(stick)
    parts = sorted(stick.glob("PART0*.BIN"))
    assert list(listing.header)[:7] == ["format", "product", "version", "serial", "platform", "profile", "medium"]
    assert int(listing.header["payload-bytes"]) == sum(path.stat().st_size for path in parts)
    assert int(listing.header["data-parts"]) == len(parts) == 20
    assert listing.header["signatures"] == ".SIG"


def test_names_fit_the_oldest_file_systems(key: Path, tmp_path: Path) -> None:
    for path in files_below(make_stick(tmp_path, key)):
        for name in path.split("/"):
            base, _dot, extension = name.partition(".")
            assert 1 <= len(base) <= 8 and len(extension) <= 3, path


def test_a_payload_is_cut_into_about_twenty_parts_below_the_limit(
    key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "_LEAST_PART_BYTES", 1)
    stick = make_stick(tmp_path / "a", key, part_bytes=None)
    assert len(list(stick.glob("PART0*.BIN"))) == 20
    monkeypatch.setitem(media._MOST_PART_BYTES, "usb", 1000)
    stick = make_stick(tmp_path / "b", key, part_bytes=None)
    assert max(path.stat().st_size for path in stick.glob("PART*.BIN")) == 1000
    assert media._MOST_PART_BYTES["dvd"] < 2**32


def test_too_many_parts_are_refused(key: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="more than 255"):
        make_stick(tmp_path, key, part_bytes=100)


def test_volumes_hold_no_more_than_a_disc_and_join_again(
    key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = 2 * sum(path.stat().st_size for path in make_tools(tmp_path / "tools").iterdir())
    monkeypatch.setitem(media._VOLUME_BYTES, "cd", tools + 27_000)
    discs = make_stick(tmp_path, key, medium="cd")
    assert sorted(path.name for path in discs.iterdir()) == ["VOLUME1", "VOLUME2", "VOLUME3"]
    for volume in discs.iterdir():
        assert sum(path.stat().st_size for path in volume.rglob("*") if path.is_file()) <= tools + 27_000
        assert (volume / "VERIFY.SH").exists() and (volume / "COPY2" / "PARTS.SIG").exists()
    assert verify(discs, key / "vendor.pem")["ok"]
    # One drive: disc after disc, the same command again.
    for number in (1, 2):
        with pytest.raises(NotFoundError, match="next volume"):
            receive(discs / f"VOLUME{number}", tmp_path / "staging", key / "vendor.pem")
    receive(discs / "VOLUME3", tmp_path / "staging", key / "vendor.pem")
    assert files_below(unpack(tmp_path / "staging", key / "vendor.pem")) == files_below(tmp_path / "payload")


def test_a_missing_tool_an_odd_medium_and_a_used_folder_are_refused(key: Path, tmp_path: Path) -> None:
    payload, tools = make_payload(tmp_path / "payload", key), make_tools(tmp_path / "tools")
    with pytest.raises(UsageError, match="no medium `tape`"):
        media.put_on_stick(payload, tools, tmp_path / "out", key, HEADER, "tape", 2)
    (tools / "bundle.pyz").unlink()
    with pytest.raises(NotFoundError, match=r"bundle\.pyz"):
        media.put_on_stick(payload, tools, tmp_path / "out", key, HEADER, "usb", 2)
    (tmp_path / "out").mkdir()
    with pytest.raises(PolicyError, match="new folder"):
        media.put_on_stick(payload, tools, tmp_path / "out", key, HEADER, "usb", 2)


def test_the_carried_python_lies_there_twice(key: Path, tmp_path: Path) -> None:
    make_tools(tmp_path / "tools")
    (tmp_path / "tools" / "RUNTIME.TGZ").write_bytes(b"runtime")
    stick = make_stick(tmp_path, key)
    assert (stick / "RUNTIME.TGZ").read_bytes() == (stick / "COPY2" / "RUNTIME.TGZ").read_bytes() == b"runtime"
