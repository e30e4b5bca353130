"""Installing: whatever happens, the release before or the new one is in use, whole."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle import sign
from bundle.delta import delta
from bundle.errors import InputError
from bundle.install import _unpack_runtime, self_test
from bundle.media import put_on_stick
from bundle.slots import Prefix, Programs
from tests.bundle.small import Machine, key_folder, make_payload


def tree_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(f"{path.relative_to(folder)} {path.lstat().st_mode:o} ".encode())
        if path.is_symlink():
            digest.update(os.readlink(path).encode())
        elif path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def test_a_first_installation_gives_a_working_command(machine: Machine, payloads: dict[str, Path]) -> None:
    assert machine.version() == "1.0"
    assert (machine.home / "bases" / "tiny" / "base.json").is_file()
    assert {path.stat().st_mode & 0o777 for path in (machine.home, machine.keys)} == {0o700}
    slot = machine.prefix / "releases" / "1.0"
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in slot.rglob("*") if not path.is_symlink())
    assert list(slot.rglob("skerry_small.*.pyc"))


def test_every_step_is_told_with_its_seconds(machine: Machine, payloads: dict[str, Path]) -> None:
    done = machine.install(payloads["2"])
    seconds = json.loads(done.stdout)["seconds"]
    steps = "preflight verify files python wheels compile selftest flush drain snapshot migrate switch health"
    assert list(seconds) == steps.split()
    assert sum(" s  " in line for line in done.stderr.splitlines()) == len(seconds)


def test_an_upgrade_keeps_data_and_migrates_the_store(machine: Machine, payloads: dict[str, Path]) -> None:
    done = machine.install(payloads["2"])
    assert done.returncode == 0, done.stderr
    assert machine.version() == "2.0"
    assert machine.labels() == ["kept"]
    with sqlite3.connect(machine.home / "skerry.db") as store:
        assert store.execute("PRAGMA user_version").fetchone() == (2,)
    store.close()
    with sqlite3.connect(next((machine.home / "snapshots").glob("*.db"))) as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (1,)
        assert copy.execute("SELECT text FROM labels").fetchall() == [("kept",)]
    copy.close()


def test_pip_does_where_uv_is_not_carried(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    done = machine.install(make_payload(tmp_path / "payload", "1.0", 1, tool="pip"))
    assert done.returncode == 0, done.stderr
    assert machine.version() == "1.0"


def test_the_same_again_changes_nothing(machine: Machine, payloads: dict[str, Path]) -> None:
    before = tree_hash(machine.prefix / "releases")
    assert machine.install(payloads["1"]).returncode == 0
    assert tree_hash(machine.prefix / "releases") == before


def test_another_build_of_the_same_version_gets_a_slot_of_its_own(machine: Machine, tmp_path: Path) -> None:
    assert machine.install(make_payload(tmp_path / "again", "1.0", 5)).returncode == 0
    assert os.readlink(machine.prefix / "current") == "releases/1.0-5"
    assert machine.does("rollback")["left"] == "1.0-5"


@pytest.mark.parametrize("fault", ["import", "selftest"])
def test_a_release_that_fails_by_itself_never_touches_the_site(
    machine: Machine, payloads: dict[str, Path], fault: str
) -> None:
    home = tree_hash(machine.home)
    done = machine.install(payloads[fault])
    assert done.returncode == 3, done.stderr
    assert tree_hash(machine.home) == home
    assert not (machine.prefix / "releases" / "3.0").exists()
    assert machine.version() == "1.0"


@pytest.mark.parametrize("fault", ["health", "migrate", "contract"])
def test_a_release_that_fails_on_the_site_goes_back_by_itself(
    machine: Machine, payloads: dict[str, Path], fault: str
) -> None:
    done = machine.install(payloads[fault])
    assert done.returncode == 3, done.stderr
    assert "in use: 1.0" in done.stderr
    assert machine.version() == "1.0"
    assert machine.labels() == ["kept"]
    assert machine.does("status")["unfinished"] is None


def test_an_older_serial_is_refused_until_it_is_typed(
    machine: Machine, payloads: dict[str, Path], tmp_path: Path
) -> None:
    assert machine.install(payloads["2"]).returncode == 0
    older = make_payload(tmp_path / "older", "1.5", 1)
    done = machine.install(older)
    assert done.returncode == 5
    assert "--allow-serial 1" in done.stderr
    assert machine.install(older, "--allow-serial", "0").returncode == 5
    assert machine.version() == "2.0"
    assert machine.install(older, "--allow-serial", "1").returncode == 0
    assert machine.version() == "1.5"
    assert machine.does("status")["serial"] == 2


def test_a_rollback_does_not_forget_the_serial(machine: Machine, payloads: dict[str, Path]) -> None:
    assert machine.install(payloads["2"]).returncode == 0
    machine.does("rollback")
    assert machine.install(payloads["1"]).returncode == 5


def test_a_payload_that_was_touched_is_refused(machine: Machine, tmp_path: Path) -> None:
    payload = make_payload(tmp_path / "touched", "2.0", 2)
    (payload / "profile.json").write_text((payload / "profile.json").read_text() + " ")
    assert machine.install(payload).returncode == 6
    assert machine.version() == "1.0"


def test_the_first_time_a_vendor_key_is_demanded(tmp_path: Path, payloads: dict[str, Path]) -> None:
    machine = Machine(tmp_path)
    done = machine.run(machine.command("install", payloads["1"], "--home", machine.home, "--no-services"))
    assert done.returncode == 4
    assert "--vendor-key" in done.stderr


@pytest.mark.parametrize(
    ("option", "value"), [("--lan", "foo"), ("--port", "99999"), ("--home", "/srv/two words"), ("--keys", "/srv/$HOME")]
)
def test_a_wrong_option_is_named_before_anything_is_done(
    tmp_path: Path, payloads: dict[str, Path], option: str, value: str
) -> None:
    machine = Machine(tmp_path)
    done = machine.install(payloads["1"], option, value)
    assert done.returncode == 2 and value in done.stderr, done.stderr
    assert not machine.prefix.exists()


def test_two_installations_do_not_run_at_once(
    machine: Machine, payloads: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bundle import install, slots
    from bundle.errors import BusyError

    monkeypatch.setattr(slots, "_LOCK_WAIT_S", 0.2)
    with Prefix(machine.prefix).locked(), pytest.raises(BusyError):
        install.install(payloads["2"], machine.prefix, services=False)
    assert machine.version() == "1.0"


def test_a_running_server_is_drained(machine: Machine, payloads: dict[str, Path]) -> None:
    server = subprocess.Popen([machine.prefix / "bin" / "skerry", "serve"], env=machine.environment())
    try:
        until = time.monotonic() + 20
        while not (machine.home / "serving").exists() and time.monotonic() < until:
            time.sleep(0.05)
        done = machine.install(payloads["2"])
        assert done.returncode == 0, done.stderr
        assert "skerry serve" in done.stderr
        assert server.wait(5) == 0
        assert (machine.home / "drained").read_text() == "1.0"
    finally:
        server.kill()
        server.wait()


def test_a_base_model_of_the_site_stays(machine: Machine, payloads: dict[str, Path]) -> None:
    own = machine.home / "bases" / "ours"
    own.mkdir()
    (own / "base.json").write_text("{}")
    (machine.home / "skerry.toml").write_text("[serve]\nport = 9000\n")
    assert machine.install(payloads["2"]).returncode == 0
    machine.does("rollback")
    assert (own / "base.json").read_text() == "{}"
    assert (machine.home / "skerry.toml").read_text() == "[serve]\nport = 9000\n"


def test_only_the_release_in_use_and_the_one_before_are_kept(
    machine: Machine, payloads: dict[str, Path], tmp_path: Path
) -> None:
    assert machine.install(payloads["2"]).returncode == 0
    assert machine.install(make_payload(tmp_path / "4", "4.0", 4, schema=2)).returncode == 0
    assert [slot.name for slot in Prefix(machine.prefix).slots()] == ["2.0", "4.0"]


def test_a_program_that_is_killed_takes_its_workers_with_it(tmp_path: Path) -> None:
    """Else they would hold its pipes, and the installer would wait for ever."""
    with Prefix(tmp_path / "prefix").locked() as lock:
        programs = Programs(tmp_path, None, None, lock)
        with pytest.raises(InputError, match="it was killed"):
            programs.run(["sh", "-c", "sleep 600 & kill -KILL $$"], "it was killed")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder], check=False).returncode
    ):
        pytest.skip("needs root and `mount`")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_gpu_that_is_asked_for_and_not_used_is_an_error(machine: Machine) -> None:
    slot = machine.prefix / "releases" / "1.0"
    with Prefix(machine.prefix).locked() as lock:
        programs = Programs(machine.home, machine.keys, None, lock)
        self_test(slot, programs)
        with pytest.raises(InputError, match="nothing here computes on one"):
            self_test(slot, programs, gpu=True)


def test_a_full_disk_leaves_the_old_release_in_use(small_disk: Path, payloads: dict[str, Path]) -> None:
    """At every few blocks less room: one sentence, exit code 8 or 3, and release 1 answers; then, with room, it goes on."""
    machine = Machine(small_disk)
    assert machine.install(payloads["1"]).returncode == 0
    free = shutil.disk_usage(small_disk).free
    failed = 0
    for room in (0, 131_072):
        (small_disk / "ballast").write_bytes(bytes(free - room - 4096))
        done = machine.install(payloads["2"])
        failed += done.returncode != 0
        assert "Traceback" not in done.stderr
        (small_disk / "ballast").unlink()
        assert machine.version() == ("1.0" if done.returncode else "2.0"), done.stderr
    assert failed
    assert machine.install(payloads["2"]).returncode == 0
    assert machine.version() == "2.0"


# -- again and again ---------------------------------------------------------------------------------------------------


def cycles(machine: Machine, payloads: dict[str, Path], count: int) -> None:
    assert machine.install(payloads["2"]).returncode == 0
    machine.does("rollback")
    first = tree_hash(machine.prefix / "releases"), tree_hash(machine.home / "bases")
    for _number in range(count):
        assert machine.install(payloads["2"]).returncode == 0
        assert machine.version() == "2.0"
        machine.does("rollback")
        assert machine.version() == "1.0"
        assert (tree_hash(machine.prefix / "releases"), tree_hash(machine.home / "bases")) == first
    assert machine.labels() == ["kept"]
    assert len(list((machine.home / "snapshots").iterdir())) <= 3


def test_upgrade_and_rollback_end_where_they_began(machine: Machine, payloads: dict[str, Path]) -> None:
    cycles(machine, payloads, 5)


@pytest.mark.long
def test_a_hundred_upgrades_and_rollbacks_end_where_they_began(machine: Machine, payloads: dict[str, Path]) -> None:
    cycles(machine, payloads, 100)


def test_the_vendor_key_is_kept(machine: Machine) -> None:
    assert (machine.prefix / "vendor.pem").read_bytes() == (key_folder() / "vendor.pem").read_bytes()


def test_an_orphan_of_a_killed_installer_keeps_the_lock(tmp_path: Path, payloads: dict[str, Path]) -> None:
    """A program that outlives its installer may still write: nobody else begins before it has ended."""
    from bundle import slots

    place = Prefix(tmp_path / "prefix")
    with place.locked() as lock:
        orphan = subprocess.Popen(["sleep", "600"], pass_fds=[lock])
    try:
        with pytest.raises(slots.BusyError), pytest.MonkeyPatch.context() as patch:
            patch.setattr(slots, "_LOCK_WAIT_S", 0.2)
            with place.locked():
                pass
    finally:
        orphan.send_signal(signal.SIGKILL)
        orphan.wait()
    with place.locked():
        pass


# -- from a stick ------------------------------------------------------------------------------------------------------


def stick(payload: Path, out: Path) -> Path:
    """Put a payload on a stick, as the connected side does."""
    about = json.loads((payload / "profile.json").read_text())
    tools = out.parent / f"{out.name}-tools"
    tools.mkdir()
    for name in ("VERIFY.SH", "bundle.pyz", "MANIFEST.HTM"):
        (tools / name).write_text(name)
    header = {name: str(about[name]) for name in ("product", "version", "serial", "platform", "profile")}
    put_on_stick(payload, tools, out, key_folder(), header, "usb", 2)
    return out


def test_a_stick_is_received_verified_and_installed(tmp_path: Path, payloads: dict[str, Path]) -> None:
    machine, carried = Machine(tmp_path), stick(payloads["1"], tmp_path / "stick")
    (carried / "PART001.BIN").unlink()  # parity has it
    done = machine.install(carried)
    assert done.returncode == 0, done.stderr
    assert machine.version() == "1.0"
    assert {path.name for path in machine.prefix.iterdir()} == {
        ".lock",
        "bin",
        "current",
        "releases",
        "state.json",
        "vendor.pem",
    }


def test_a_stick_of_another_vendor_is_refused(tmp_path: Path, payloads: dict[str, Path]) -> None:
    machine, carried = Machine(tmp_path), stick(payloads["1"], tmp_path / "stick")
    sign.keygen(tmp_path / "other")
    done = machine.install(carried, "--vendor-key", tmp_path / "other" / "vendor.pem")
    assert done.returncode == 6, done.stderr
    assert machine.version() == ""


def test_a_delta_is_completed_from_the_release_in_use(
    machine: Machine, payloads: dict[str, Path], tmp_path: Path
) -> None:
    old, new = stick(payloads["1"], tmp_path / "old"), stick(payloads["2"], tmp_path / "new")
    delta(old, new, tmp_path / "delta", key_folder())
    done = machine.install(tmp_path / "delta")
    assert done.returncode == 0, done.stderr
    assert machine.version() == "2.0"
    assert machine.install(tmp_path / "delta").returncode == 0


# -- a carried Python --------------------------------------------------------------------------------------------------


def packed(path: Path, *members: tuple[str, str, bytes]) -> Path:
    """Write an archive of (name, link target or empty, content)."""
    with tarfile.open(path, "w:gz") as out:
        for name, link, content in members:
            member = tarfile.TarInfo(name)
            member.mode, member.size = 0o755, len(content)
            member.type, member.linkname = (tarfile.SYMTYPE, link) if link else (tarfile.REGTYPE, "")
            out.addfile(member, io.BytesIO(content))
    return path


def a_python() -> bytes:
    """A small program that is the Python of the tests."""
    return f'#!/bin/sh\nexec {getattr(sys, "_base_executable", sys.executable)} "$@"\n'.encode()


def test_a_carried_python_is_unpacked_and_used(tmp_path: Path, payloads: dict[str, Path]) -> None:
    machine = Machine(tmp_path)
    runtime = packed(tmp_path / "RUNTIME.TGZ", ("bin/python3.11", "", a_python()), ("bin/python3", "python3.11", b""))
    done = machine.install(payloads["1"], "--runtime", runtime)
    assert done.returncode == 0, done.stderr
    assert (machine.prefix / "current" / "runtime" / "bin" / "python3").is_file()
    assert (machine.prefix / "current" / "runtime").stat().st_mode & 0o777 == 0o755, "the services' user runs it"
    assert machine.install(payloads["2"]).returncode == 0, "a bundle that leaves the runtime out takes the one before"
    assert (machine.prefix / "current" / "runtime" / "bin" / "python3").is_file()
    assert machine.version() == "2.0"


def test_a_conda_environment_is_told_once_where_it_lies(tmp_path: Path) -> None:
    """Its own `conda-unpack` is run by its own Python, at its final place."""
    told = b"import pathlib; (pathlib.Path(__file__).parent / 'told').write_text(__file__)"
    runtime = packed(tmp_path / "RUNTIME.TGZ", ("bin/python3", "", a_python()), ("bin/conda-unpack", "", told))
    with Prefix(tmp_path / "prefix").locked() as lock:
        programs = Programs(tmp_path / "home", tmp_path / "keys", None, lock)
        python = _unpack_runtime(runtime, tmp_path / "runtime", programs)
    assert python == tmp_path / "runtime" / "bin" / "python3"
    assert (tmp_path / "runtime" / "bin" / "told").read_text() == str(tmp_path / "runtime" / "bin" / "conda-unpack")


@pytest.mark.parametrize(
    "members",
    [
        [("../outside", "", b"x")],
        [("/outside", "", b"x")],
        [("bin/../../outside", "", b"x")],
        [("link", "../outside", b"")],
        [("link", "/outside", b"")],
        [("here", ".", b""), ("there", "here/bin/../../outside", b""), ("there", "", b"x")],
        [("up", "bin", b""), ("bin/file", "", b"x"), ("up/file", "", b"x")],
    ],
)
def test_a_carried_python_writes_nowhere_else(
    tmp_path: Path, payloads: dict[str, Path], members: list[tuple[str, str, bytes]]
) -> None:
    machine = Machine(tmp_path)
    done = machine.install(payloads["1"], "--runtime", packed(tmp_path / "RUNTIME.TGZ", *members))
    assert done.returncode in (6, 8), done.stderr
    assert not list(tmp_path.rglob("outside"))
    assert machine.version() == ""
