"""`INSTALL.SH`, the one command: which Python it takes, and what stops it before anything of the stick was run."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bundle import sign
from bundle.manifest import INSTALL_SCRIPT, PROGRAM, RUNTIME, VERIFY_SCRIPT
from bundle.media import put_on_stick
from bundle.pyz import PACKAGE, pyz
from tests.bundle.small import Machine, key_folder
from tests.bundle.test_install import a_python, packed
from tests.sticks import make_key

HEADER = {"product": "skerry", "version": "1.0", "serial": "1", "platform": f"linux-{os.uname().machine}"}
PROGRAMS = "cat cmp cp cut dirname env find grep gzip head id ldd mkdir mktemp od rm sed setpriv sh sha256sum sort tail tar tr uname uniq wc"


def on_stick(
    payload: Path, folder: Path, runtime: Path | None = None, sm2: Path | None = None, program: str = ""
) -> Path:
    """Put a payload on a stick with the real scripts and the real `bundle.pyz`, or `program` in its place."""
    tools = folder / "tools"
    tools.mkdir(parents=True)
    for name in (VERIFY_SCRIPT, INSTALL_SCRIPT):
        shutil.copyfile(PACKAGE / name, tools / name)
    pyz(tools / PROGRAM, 0)
    if program:
        (tools / PROGRAM).write_text(program)
    (tools / "MANIFEST.HTM").write_text("<!doctype html>")
    if runtime:
        shutil.copyfile(runtime, tools / RUNTIME)
    header = {**HEADER, "profile": "small"}
    put_on_stick(payload, tools, folder / "stick", key_folder(), header, "usb", 2, None, sm2)
    return folder / "stick"


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory, payloads: dict[str, Path]) -> Path:
    """A stick that carries a Python."""
    folder = tmp_path_factory.mktemp("carried")
    members = [("bin/python3.11", "", a_python()), ("bin/python3", "python3.11", b"")]
    return on_stick(payloads["1"], folder, packed(folder / "RUNTIME.TGZ", *members))


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder of programs as a machine without Python has them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in [*PROGRAMS.split(), "openssl"]:
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    return folder


def run(stick: Path, machine: Machine, *options: object, **environment: str) -> subprocess.CompletedProcess[str]:
    places = ["--prefix", machine.prefix, "--home", machine.home, "--keys", machine.keys, "--no-services"]
    command = ["sh", stick / INSTALL_SCRIPT, *options, *places]
    around = {"PATH": os.environ["PATH"], "HOME": str(machine.home.parent), "TMPDIR": str(machine.home.parent)}
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env={**around, **environment}, timeout=120
    )


def paper() -> str:
    return sign.on_paper(sign.fingerprint(key_folder() / "vendor.pem"))


def test_one_command_installs_with_the_python_of_the_machine(carried: Path, tmp_path: Path) -> None:
    machine, before = Machine(tmp_path), sorted(path.name for path in tmp_path.iterdir())
    done = run(carried, machine, "--fingerprint", paper())
    assert done.returncode == 0, done.stderr
    assert machine.version() == "1.0"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "home", "keys", "prefix"]), (
        "no scratch is left"
    )


def test_a_machine_without_python_takes_the_carried_one(carried: Path, bare: Path, tmp_path: Path) -> None:
    usage = run(carried, Machine(tmp_path), "--fingerprint", paper(), "--help", PATH=str(bare))
    assert usage.returncode == 0 and "--prefix" in usage.stdout, usage.stderr


def test_where_no_program_may_run_another_place_is_taken(carried: Path, bare: Path, tmp_path: Path) -> None:
    forbidden, machine = tmp_path / "forbidden", Machine(tmp_path)
    forbidden.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "noexec,size=16m", "none", forbidden]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs root and `mount`")
    try:
        around = {"PATH": str(bare), "TMPDIR": str(forbidden)}
        usage = run(carried, machine, "--fingerprint", paper(), "--help", **around)
        assert usage.returncode == 0 and "--prefix" in usage.stdout, usage.stderr
    finally:
        subprocess.run(["umount", "-l", forbidden], check=True)
    assert not list(Path("/var/tmp").glob("skerry.*"))


def test_without_any_python_it_says_so(payloads: dict[str, Path], bare: Path, tmp_path: Path) -> None:
    stick = on_stick(payloads["1"], tmp_path / "plain")
    done = run(stick, Machine(tmp_path), "--fingerprint", paper(), PATH=str(bare))
    assert done.returncode == 7 and "--runtime" in done.stderr


def test_nothing_of_a_strangers_stick_is_run(carried: Path, tmp_path: Path) -> None:
    machine, stick = Machine(tmp_path), tmp_path / "stick"
    shutil.copytree(carried, stick)
    other = make_key(tmp_path / "other")
    assert run(stick, machine, "--vendor-key", other / "vendor.pem").returncode == 6
    wrong = sign.on_paper(sign.fingerprint(other / "vendor.pem"))
    assert run(stick, machine, "--fingerprint", wrong).returncode == 5
    for name in (PROGRAM, f"COPY2/{PROGRAM}"):
        (stick / name).write_bytes(b"import pathlib; pathlib.Path('/tmp/ran').touch()")
    done = run(stick, machine, "--fingerprint", paper())
    assert done.returncode == 6 and f"`{PROGRAM}` was changed" in done.stderr
    assert run(stick, machine).returncode == 2
    assert not machine.prefix.exists()


def test_without_openssl_the_list_is_compared_with_paper(carried: Path, bare: Path, tmp_path: Path) -> None:
    (bare / "openssl").unlink()
    machine = Machine(tmp_path)
    assert run(carried, machine, "--fingerprint", paper(), PATH=str(bare)).returncode == 7
    digest = sign.on_paper(hashlib.sha256((carried / "PARTS").read_bytes()).hexdigest())
    done = run(carried, machine, "--parts-sha256", digest, "--help", PATH=str(bare))
    assert done.returncode == 0, done.stderr


def test_without_openssl_the_sticks_own_checks_once_paper_says_that_it_is_the_right_one(
    payloads: dict[str, Path], bare: Path, tmp_path: Path
) -> None:
    """It is asked for the fingerprint's key and refuses a stranger's as the machine's own would."""
    (bare / "openssl").unlink()
    own = f'#!/bin/sh\n: > {tmp_path}/asked\nexec {shutil.which("openssl")} "$@"\n'.encode()
    members = [("bin/openssl", "", own), ("bin/python3", "", a_python())]
    stick = on_stick(payloads["1"], tmp_path / "carried", packed(tmp_path / "RUNTIME.TGZ", *members))
    machine, other = Machine(tmp_path), make_key(tmp_path / "other")
    digest = ["--runtime-sha256", sign.on_paper(hashlib.sha256((stick / RUNTIME).read_bytes()).hexdigest())]
    done = run(stick, machine, "--fingerprint", paper(), *digest, "--help", PATH=str(bare))
    assert done.returncode == 0 and (tmp_path / "asked").exists(), done.stderr
    assert run(stick, machine, "--vendor-key", other / "vendor.pem", *digest, PATH=str(bare)).returncode == 6
    (tmp_path / "asked").unlink()
    for file in (stick / RUNTIME, stick / "COPY2" / RUNTIME):
        file.write_bytes(file.read_bytes() + b"x")
    done = run(stick, machine, "--fingerprint", paper(), *digest, PATH=str(bare))
    assert done.returncode == 5 and not (tmp_path / "asked").exists(), done.stderr


@pytest.mark.parametrize("kept", [False, True])
def test_where_two_keys_must_have_signed_nothing_signed_by_one_is_run(
    payloads: dict[str, Path], tmp_path: Path, kept: bool
) -> None:
    """The thief has the vendor's key, and brings a program of his own."""
    machine, ran = Machine(tmp_path), tmp_path / "ran"
    second = make_key(tmp_path / "second")
    stick = on_stick(payloads["1"], tmp_path / "thief", program=f"import pathlib; pathlib.Path({str(ran)!r}).touch()")
    machine.prefix.mkdir()
    option = [] if kept else ["--second", second / "vendor.pem"]
    if kept:
        shutil.copyfile(second / "vendor.pem", machine.prefix / "second.pem")
    done = run(stick, machine, "--fingerprint", paper(), *option)
    assert done.returncode == 6 and not ran.exists(), done.stderr
    (machine.prefix / "second.pem").unlink(missing_ok=True)
    run(stick, machine, "--fingerprint", paper())
    assert ran.exists(), "the program would have run"


def test_with_sm2_the_carried_python_is_taken(payloads: dict[str, Path], tmp_path: Path) -> None:
    """It says so by its name, and ends there."""
    sign.keygen(tmp_path / "sm2", sm2=True)
    loud = b"#!/bin/sh\necho carried >&2\nexit 0\n"
    runtime = packed(tmp_path / "RUNTIME.TGZ", ("bin/python3", "", loud))
    stick = on_stick(payloads["1"], tmp_path / "twice", runtime, sm2=tmp_path / "sm2")
    done = run(stick, Machine(tmp_path), "--fingerprint", paper(), "--sm2", tmp_path / "sm2" / "vendor.pem")
    assert done.stderr.splitlines()[-1] == "carried"
    assert run(stick, Machine(tmp_path), "--fingerprint", paper(), "--help").stderr.splitlines()[-1] != "carried"
