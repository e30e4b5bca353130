"""A full disk and a wrong key: a clear line, the right exit code, nothing lost, and the same command goes on afterwards."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.site import Site, make_site


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of its own of 3 MiB."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("needs root and the system package with `mount`")
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]).returncode:
        pytest.skip("this machine does not allow mounting a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_told_and_the_same_command_goes_on(tmp_path: Path, small_disk: Path) -> None:
    site = make_site(tmp_path, rows=60)
    site.environment.update(SKERRY_HOME=str(small_disk / "home"), SKERRY_STORE__RESERVE_BYTES="0")
    site.run("init")
    (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free - 40_000))
    failed = site.run("ingest", str(tmp_path / "messages.csv"), "--name", "notes", code=None)
    assert failed.returncode == 8, failed.stderr
    assert "skerry space" in failed.stderr or "free some room" in failed.stderr
    (small_disk / "filler").unlink()
    assert site.skerry("ingest", str(tmp_path / "messages.csv"), "--name", "notes")["rows"] == 60
    assert site.skerry("fsck", "--verify-data")["strays"] == 0


def test_below_the_reserve_a_job_is_refused_before_it_starts(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    site.environment.update(SKERRY_STORE__RESERVE_BYTES=str(10**15))
    done = site.run("ingest", str(tmp_path / "messages.csv"), "--name", "notes", code=8)
    assert "skerry prune" in done.stderr


def ingested(tmp_path: Path) -> Site:
    site = make_site(tmp_path)
    site.run("ingest", str(tmp_path / "messages.csv"), "--name", "notes")
    return site


def test_a_wrong_key_is_told(tmp_path: Path) -> None:
    site = ingested(tmp_path)
    key = next((tmp_path / "keys").glob("*.key"))
    right = key.read_text()
    key.write_text("ab" * 32)
    done = site.run("scrub", "notes", code=6)
    assert "key file" in done.stderr and "Traceback" not in done.stderr
    key.write_text(right)
    assert site.skerry("scrub", "notes")["rows"] == 60


def test_a_lost_key_is_told(tmp_path: Path) -> None:
    site = ingested(tmp_path)
    next((tmp_path / "keys").glob("*.key")).unlink()
    done = site.run("scrub", "notes", code=4)
    assert "no key file" in done.stderr and "Traceback" not in done.stderr
