"""A copy that loses nothing: interrupted, from a damaged stick, to a device that lies."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from bundle import receive as module
from bundle.errors import HardwareError, IntegrityError, NotFoundError, PolicyError
from bundle.manifest import files_below
from bundle.receive import receive
from tests.sticks import make_key, make_stick

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the waiting for the disk where a test is about names and bytes."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


def test_a_copy_is_the_same_and_a_second_one_copies_nothing(stick: Path, key: Path, tmp_path: Path) -> None:
    first = receive(stick, tmp_path / "staging", key / "vendor.pem")
    assert (len(first["copied"]), first["kept"], first["repaired"]) == (30, 0, [])
    assert files_below(tmp_path / "staging") == files_below(stick)
    second = receive(stick, tmp_path / "staging", key / "vendor.pem")
    assert (second["copied"], second["kept"]) == ([], 30)


def test_twenty_interruptions_lose_nothing_and_copy_nothing_twice(stick: Path, key: Path, tmp_path: Path) -> None:
    """The process dies with one more file in place each time; only what is missing is copied by the next."""
    if not shutil.which("strace"):
        pytest.skip("needs `strace`")
    rig = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=rename", "-e", "inject=rename:signal=KILL:when=2"]
    command = [*rig, sys.executable, "-m", "bundle.cli", "copy", str(stick), "--to", str(tmp_path / "to")]
    command += ["--vendor-key", str(key / "vendor.pem")]
    told: list[str] = []
    for _time in range(20):
        died = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert died.returncode in (-9, 137), died.stderr
        told += died.stderr.splitlines()
    assert 14 <= len(told) <= 20
    before = {path for path in files_below(tmp_path / "to") if path != module.UNFINISHED}
    last = receive(stick, tmp_path / "to", key / "vendor.pem")
    assert set(last["copied"]).isdisjoint(before)
    told += [f"copied `{path}`" for path in last["copied"]]
    assert len(set(told)) == len(told), "no file was copied twice"
    assert files_below(tmp_path / "to") == files_below(stick)


def test_a_bad_file_in_the_copy_is_the_only_one_copied_again(stick: Path, key: Path, tmp_path: Path) -> None:
    receive(stick, tmp_path / "staging", key / "vendor.pem")
    (tmp_path / "staging" / "PART007.BIN").write_bytes(b"x" * 2400)
    (tmp_path / "staging" / "COPY2" / "PARTS.SIG").write_bytes(b"")
    again = receive(stick, tmp_path / "staging", key / "vendor.pem")
    assert again["copied"] == ["PART007.BIN"]
    assert files_below(tmp_path / "staging") == files_below(stick)


@pytest.mark.usefixtures("_no_waiting")
def test_any_two_lost_parts_are_computed(stick: Path, key: Path, tmp_path: Path) -> None:
    whole = files_below(stick)
    names = [path.name for path in stick.glob("PAR*.BIN")]
    assert len(names) == 22
    pairs = random.Random(4).sample(list(combinations(names, 2)), 12)
    for number, pair in enumerate(pairs):
        damaged = tmp_path / f"damaged{number}"
        shutil.copytree(stick, damaged)
        (damaged / pair[0]).unlink()
        (damaged / pair[1]).write_bytes(b"\0" * 2400)
        done = receive(damaged, tmp_path / f"staging{number}", key / "vendor.pem")
        assert done["repaired"] == sorted(pair)
        assert files_below(tmp_path / f"staging{number}") == whole


@pytest.mark.usefixtures("_no_waiting")
def test_three_lost_parts_are_refused_by_name(stick: Path, key: Path, tmp_path: Path) -> None:
    for number in (4, 5, 6):
        (stick / f"PART00{number}.BIN").unlink()
    with pytest.raises(IntegrityError, match=r"3 parts are lost.*`PART004\.BIN`, `PART005\.BIN`, `PART006\.BIN`"):
        receive(stick, tmp_path / "staging", key / "vendor.pem")


@pytest.mark.usefixtures("_no_waiting")
def test_every_file_but_the_parts_has_a_second_copy(stick: Path, key: Path, tmp_path: Path) -> None:
    whole = files_below(stick)
    for number, name in enumerate(path for path in whole if not path.endswith(".BIN")):
        damaged = tmp_path / f"damaged{number}"
        shutil.copytree(stick, damaged)
        (damaged / name).write_bytes(b"scratched")
        receive(damaged, tmp_path / f"staging{number}", key / "vendor.pem")
        assert files_below(tmp_path / f"staging{number}") == whole
    (stick / "bundle.pyz").unlink()
    (stick / "COPY2" / "bundle.pyz").unlink()
    with pytest.raises(IntegrityError, match=r"every copy: `COPY2/bundle\.pyz`, `bundle\.pyz`"):
        receive(stick, tmp_path / "staging", key / "vendor.pem")


@pytest.mark.usefixtures("_no_waiting")
def test_the_list_of_one_copy_goes_with_the_signature_of_the_other(stick: Path, key: Path, tmp_path: Path) -> None:
    whole = files_below(stick)
    (stick / "PARTS").write_bytes(b"scratched")
    (stick / "COPY2" / "PARTS.SIG").unlink()
    receive(stick, tmp_path / "staging", key / "vendor.pem")
    assert files_below(tmp_path / "staging") == whole
    (stick / "COPY2" / "PARTS").unlink()
    with pytest.raises(IntegrityError, match="no copy of `PARTS`"):
        receive(stick, tmp_path / "staging2", key / "vendor.pem")


@pytest.mark.usefixtures("_no_waiting")
def test_a_list_without_end_does_not_fill_the_disk(stick: Path, key: Path, tmp_path: Path) -> None:
    whole = files_below(stick)
    os.truncate(stick / "PARTS", 2**40)
    receive(stick, tmp_path / "staging", key / "vendor.pem")
    assert files_below(tmp_path / "staging") == whole


@pytest.mark.usefixtures("_no_waiting")
def test_what_is_on_no_list_is_left_behind_and_named(stick: Path, key: Path, tmp_path: Path) -> None:
    whole = files_below(stick)
    (stick / "autorun.inf").write_bytes(b"")
    (stick / "PART004.BIN").unlink()
    os.mkfifo(stick / "PART004.BIN")
    (stick / "PART005.BIN").unlink()
    (stick / "PART005.BIN").symlink_to("/dev/zero")
    done = receive(stick, tmp_path / "staging", key / "vendor.pem")
    assert done["left_behind"] == ["autorun.inf"]
    assert done["repaired"] == ["PART004.BIN", "PART005.BIN"]
    assert files_below(tmp_path / "staging") == whole


@pytest.mark.usefixtures("_no_waiting")
def test_a_device_that_reads_back_other_bytes_is_found_out(
    stick: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted device spoils every write of a part's size; a copy without read-back would pass."""
    honest = module._copy

    def spoil(source: Path, target: Path, *most_bytes: int) -> bool:
        done = honest(source, target, *most_bytes)
        if target.name == module.UNFINISHED and target.stat().st_size == 2400:
            target.write_bytes(bytes(2400))
        return done

    monkeypatch.setattr(module, "_copy", spoil)
    with pytest.raises(IntegrityError, match="parts are lost"):
        receive(stick, tmp_path / "staging", key / "vendor.pem")


@pytest.mark.usefixtures("_no_waiting")
def test_a_folder_with_another_bundle_or_a_link_is_not_written_into(stick: Path, key: Path, tmp_path: Path) -> None:
    other = make_stick(tmp_path / "other", key, serial="8")
    receive(stick, tmp_path / "staging", key / "vendor.pem")
    before = files_below(tmp_path / "staging")
    with pytest.raises(PolicyError, match=r"holds another bundle.*`--discard`"):
        receive(other, tmp_path / "staging", key / "vendor.pem")
    assert files_below(tmp_path / "staging") == before
    (tmp_path / "linked").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "linked" / "COPY2").symlink_to(tmp_path / "outside")
    with pytest.raises(IntegrityError, match="is a link"):
        receive(stick, tmp_path / "linked", key / "vendor.pem")
    assert not list((tmp_path / "outside").iterdir())


def test_no_stick_and_no_room_are_said(stick: Path, key: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no bundle"):
        receive(tmp_path / "key", tmp_path / "staging", key / "vendor.pem")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(HardwareError, match="cannot write"):
        receive(stick, tmp_path / "file" / "staging", key / "vendor.pem")


@pytest.mark.usefixtures("_no_waiting")
def test_another_bundle_is_thrown_away_when_that_is_asked_for(stick: Path, key: Path, tmp_path: Path) -> None:
    """Half a copy of another bundle goes; a file that no bundle has stays, and is named."""
    staging = tmp_path / "staging"
    other = make_stick(tmp_path / "other", key, serial="8", files={"profile.json": bytes(90_000)})
    receive(other, staging, key / "vendor.pem")
    (staging / "PART007.BIN").unlink()
    receive(stick, staging, key / "vendor.pem", discard=True)
    assert files_below(staging) == files_below(stick)
    (staging / "letter.txt").write_text("ours")
    with pytest.raises(IntegrityError, match=r"`letter\.txt` is on no list"):
        receive(other, staging, key / "vendor.pem", discard=True)
    assert (staging / "letter.txt").read_text() == "ours"


@pytest.mark.usefixtures("_no_waiting")
def test_a_bundle_of_somebody_else_throws_nothing_away(stick: Path, key: Path, tmp_path: Path) -> None:
    receive(stick, tmp_path / "staging", key / "vendor.pem")
    forged = make_stick(tmp_path / "forged", make_key(tmp_path / "thief"))
    with pytest.raises(IntegrityError, match="is signed by"):
        receive(forged, tmp_path / "staging", key / "vendor.pem", discard=True)
    assert files_below(tmp_path / "staging") == files_below(stick)
