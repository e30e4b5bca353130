"""The command line of the bundle: what the system refuses is one sentence and an exit code, never a traceback."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.errors import HardwareError, InputError, NotFoundError, of_system
from tests.sticks import make_key, make_stick

ROOT = Path(__file__).resolve().parents[2]


def bundle(*words: object, under: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [*under, sys.executable, "-m", "bundle.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs root and `mount`")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> None:
    (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free))


def test_a_full_disk_is_said_with_its_code(disk: Path, tmp_path: Path) -> None:
    stick = make_stick(tmp_path, make_key(tmp_path / "key"))
    given = [stick, "--vendor-key", tmp_path / "key" / "vendor.pem"]
    fill(disk)
    for words in (
        ["keygen", disk / "keys"],
        ["request", "--package", "numpy", "--out", disk / "wanted"],
        ["receive", *given, "--staging", disk / "staging"],
        ["copy", *given, "--to", disk / "copy"],
        ["delta", stick, stick, "--out", disk / "delta", "--key", tmp_path / "key"],
    ):
        done = bundle(*words)
        assert done.returncode == 8, (words, done.stderr)
        assert "Traceback" not in done.stderr
    (disk / "ballast").unlink()
    assert bundle("keygen", disk / "keys").returncode == 0, "a key that was not written is in nobody's way"


def test_a_read_only_disk_is_said_with_its_code(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for words in (["keygen", disk / "keys"], ["request", "--package", "numpy", "--out", disk / "wanted"]):
        done = bundle(*words)
        assert (done.returncode, done.stderr.count("\n")) == (3, 1), (words, done.stderr)
        assert "name another place" in done.stderr


def test_an_unreadable_sector_names_the_file_and_the_way_on(tmp_path: Path) -> None:
    if not shutil.which("strace"):
        pytest.skip("needs `strace`")
    stick = make_stick(tmp_path, make_key(tmp_path / "key"))
    broken = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", str(stick / "PART003.BIN")]
    broken += ["-e", "trace=read", "-e", "inject=read:error=EIO"]
    given = [stick, "--vendor-key", tmp_path / "key" / "vendor.pem"]
    done = bundle("verify", *given, under=tuple(broken))
    assert done.returncode == 8 and "`skerry-bundle receive` repairs" in done.stderr
    assert str(stick / "PART003.BIN") in done.stderr
    done = bundle("receive", *given, "--staging", tmp_path / "staging", under=tuple(broken))
    assert done.returncode == 0 and "computing `PART003.BIN`" in done.stderr


def test_a_path_that_leads_nowhere_is_not_found(tmp_path: Path) -> None:
    done = bundle("request", "--package", "numpy", "--out", tmp_path / "no" / "wanted")
    assert (done.returncode, done.stderr.count("\n")) == (4, 1), done.stderr


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, HardwareError),
        (errno.EDQUOT, HardwareError),
        (errno.EIO, HardwareError),
        (errno.EROFS, InputError),
        (errno.EACCES, InputError),
        (errno.ENOENT, NotFoundError),
        (errno.ELOOP, InputError),
    ],
)
def test_each_refusal_of_the_system_has_its_code(number: int, kind: type[Exception]) -> None:
    said = of_system(OSError(number, os.strerror(number), "/there"))
    assert type(said) is kind
    assert number in (errno.ENOSPC, errno.EDQUOT) or "/there" in str(said)


def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "bundle.cli", "preflight", "--prefix", str(tmp_path / "prefix")]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
