"""Frames that were written come back; what was changed, swapped or cut is noticed or left out."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from appliance import sealed
from appliance.errors import IntegrityError, NotFoundError
from appliance.keys import open_keys
from appliance.store import Store

KEY = bytes(range(32))
FRAMES = [b"first", b"", "第三".encode() * 1000]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for number, content in enumerate(FRAMES):
        sealed.append(tmp_path / "frames", KEY, "test", number, content)
    return tmp_path / "frames"


def test_frames_come_back_in_order_and_are_not_readable_on_disk(path: Path) -> None:
    assert list(sealed.read(path, KEY, "test")) == FRAMES
    assert list(sealed.read(path, KEY, "test", 2)) == FRAMES[2:]
    assert b"first" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(sealed.read(path.with_name("none"), KEY, "test")) == []


@pytest.mark.parametrize("lost", [1, 3, 20, 2000])
def test_what_a_crash_cut_off_is_no_frame(path: Path, lost: int) -> None:
    os.truncate(path, path.stat().st_size - lost)
    assert list(sealed.read(path, KEY, "test")) == FRAMES[:2]
    assert sealed.repair(path) == 2
    sealed.append(path, KEY, "test", 2, b"again")
    assert list(sealed.read(path, KEY, "test")) == [*FRAMES[:2], b"again"]


def test_a_frame_that_finds_no_room_leaves_no_half_of_itself(path: Path) -> None:
    size, limits = path.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, limits[1]))
    try:
        with pytest.raises(OSError, match="large"):
            sealed.append(path, KEY, "test", 3, bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    sealed.append(path, KEY, "test", 3, b"again")
    assert list(sealed.read(path, KEY, "test")) == [*FRAMES, b"again"]


def test_a_changed_byte_another_key_and_another_purpose_are_refused(path: Path) -> None:
    for key, purpose in ((bytes(32), "test"), (KEY, "other")):
        with pytest.raises(IntegrityError):
            list(sealed.read(path, key, purpose))
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="frames"):
        list(sealed.read(path, KEY, "test"))


def test_frames_cannot_change_places(path: Path) -> None:
    frames = list(sealed._frames(path))
    path.write_bytes(b"".join(len(frame).to_bytes(4, "big") + frame for frame in (frames[1], frames[0])))
    with pytest.raises(IntegrityError):
        list(sealed.read(path, KEY, "test"))


def test_the_keys_of_a_home_open_without_its_tables(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "home")
    assert open_keys(store.home, store.settings.store.key_folder).derive("x") == store.keys.derive("x")
    with pytest.raises(NotFoundError, match="skerry init"):
        open_keys(tmp_path / "none", None)
