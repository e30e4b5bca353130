"""The page before the installation: each check with the fault that it is for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bundle import preflight as page
from bundle.errors import IntegrityError, NotFoundError
from bundle.manifest import Listing
from bundle.profile import for_target, load
from tests.bundle.small import Machine, make_payload

ABOUT = {
    "python": "3.11",
    "glibc": "2.28",
    "platform": f"linux-{os.uname().machine}",
    "extras": [],
    "services": ["serve"],
}


def wanted(
    tmp_path: Path, gpu: bool = False, runtime: bool = False, home: Path | None = None, **about: Any
) -> page.Wanted:
    return page.Wanted(ABOUT | about, tmp_path / "prefix", home or tmp_path / "home", 8080, gpu, runtime)


def level(check: Any, what: page.Wanted, name: str = "") -> str:
    """Return the level of a check's row."""
    rows = [row for row in check(what) if not name or row["name"] == name]
    assert rows
    return str(rows[0]["level"])


def test_a_machine_that_can_take_it_passes(tmp_path: Path) -> None:
    said = page.preflight(make_payload(tmp_path / "payload", "1.0", 1), tmp_path / "prefix", tmp_path / "home")
    assert said["ok"], said
    assert {row["level"] for row in said["checks"]} <= {"PASS", "WARN"}
    names = "python glibc platform memory room home prefix clock umask openssl selinux fapolicyd services"
    assert set(names.split()) <= {row["name"] for row in said["checks"]}


def test_nothing_is_written(tmp_path: Path) -> None:
    """Under strace: no file is opened for writing, made, renamed or removed, and no socket is made."""
    if not shutil.which("strace"):
        pytest.skip("needs `strace`")
    payload, trace = make_payload(tmp_path / "payload", "1.0", 1), tmp_path / "trace"
    machine = Machine(tmp_path)
    calls = "trace=openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,link,symlink,chmod,socket"
    done = machine.run(
        machine.command("preflight", payload, "--home", machine.home),
        "strace",
        "-f",
        "-qq",
        "-o",
        str(trace),
        "-e",
        calls,
    )
    assert done.returncode == 0, done.stderr
    wrote = [
        line
        for line in trace.read_text().splitlines()
        if ("openat" not in line or "O_WRONLY" in line or "O_RDWR" in line)
    ]
    wrote = [
        line
        for line in wrote
        if "/dev/null" not in line and "/dev/tty" not in line and "+++" not in line and "---" not in line
    ]
    assert wrote == []
    assert not machine.prefix.exists() and not machine.home.exists()


def test_a_stick_is_told_by_its_list_of_parts(tmp_path: Path) -> None:
    (tmp_path / "PARTS").write_text(
        Listing({"format": "skerry-parts-1", "platform": "linux-riscv64", "payload-bytes": "1000"}, {}).text()
    )
    said = page.preflight(tmp_path, tmp_path / "prefix", tmp_path / "home")
    assert not said["ok"]
    assert [row["name"] for row in said["checks"] if row["level"] == "FAIL"] == ["platform"]


def test_a_scratched_list_has_a_second_copy(stick: Path) -> None:
    """A stick that can be repaired must not be refused before."""
    whole = page.about(stick)
    (stick / "PARTS").write_bytes(b"\xff scratched")
    assert page.about(stick) == whole
    (stick / "COPY2" / "PARTS").write_bytes(b"scratched")
    with pytest.raises(IntegrityError, match="says of itself"):
        page.about(stick)


def test_a_payload_that_says_nothing_sensible_is_refused(tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text("{")
    with pytest.raises(IntegrityError, match="says of itself"):
        page.preflight(tmp_path)


def test_what_is_no_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no stick"):
        page.preflight(tmp_path)


def test_an_older_c_library_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "confstr", lambda _name: "glibc 2.27")
    assert level(page._libc, wanted(tmp_path)) == "FAIL"
    monkeypatch.setattr(os, "confstr", lambda _name: "glibc 2.28")
    assert level(page._libc, wanted(tmp_path)) == "PASS"
    monkeypatch.setattr(os, "confstr", lambda _name: None)  # musl
    assert level(page._libc, wanted(tmp_path)) == "FAIL"


def test_a_version_is_compared_by_numbers() -> None:
    assert page._numbers("2.9") < page._numbers("2.28")


@pytest.mark.parametrize(("lacking", "said"), [({"avx2"}, "WARN"), ({"sse4_2"}, "FAIL"), (set(), "PASS")])
def test_a_processor_is_judged_by_its_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: set[str], said: str
) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("flags of x86_64")
    monkeypatch.setattr(page, "_flags", lambda: (page._V2 | page._V3) - lacking)
    assert level(page._processor, wanted(tmp_path), "processor") == said


def test_a_missing_python_fails_unless_one_is_carried(tmp_path: Path) -> None:
    assert level(page._python, wanted(tmp_path, python="3.99")) == "FAIL"
    assert level(page._python, wanted(tmp_path, python="3.99", runtime=True)) == "PASS"


def test_a_small_disk_fails(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert level(page._room, wanted(tmp_path, installed_bytes=int(free / 2.1)), "room") == "FAIL"
    assert level(page._room, wanted(tmp_path, installed_bytes=int(free / 2.5)), "room") == "PASS"


def test_training_wants_more_memory_than_serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "_TRAIN_BYTES", 1 << 60)
    assert level(page._memory, wanted(tmp_path, extras=["train"])) == "FAIL"
    assert level(page._memory, wanted(tmp_path)) == "PASS"


def test_a_home_on_a_network_file_system_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "_mount", lambda _path: ("nfs4", set()))
    assert level(page._places, wanted(tmp_path), "home") == "FAIL"


def mounted(folder: Path, *options: str) -> bool:
    folder.mkdir()
    return (
        os.geteuid() == 0
        and subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "none", folder], check=False).returncode
        == 0
    )


def test_a_prefix_that_forbids_programs_fails(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    if not mounted(folder, "noexec", "size=1m"):
        pytest.skip("needs root and `mount`")
    try:
        assert page._mount(folder / "deep" / "er")[0] == "tmpfs"
        forbidden = page.Wanted(ABOUT, folder / "skerry", tmp_path / "home", 8080, False, False)
        assert level(page._places, forbidden, "prefix") == "FAIL"
        assert level(page._places, wanted(tmp_path), "prefix") == "PASS"
        file = tmp_path / "file"
        file.touch()
        below = page.Wanted(ABOUT, file / "skerry", tmp_path / "home", 8080, False, False)
        assert level(page._places, below, "prefix") == "FAIL"
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_port_in_use_fails(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        taken = page.Wanted(ABOUT, tmp_path, tmp_path / "home", port, False, False)
        assert level(page._port, taken) == "FAIL"
        (tmp_path / "current").mkdir()  # the release in use has it: an upgrade may go on
        assert level(page._port, taken) == "PASS"
    (tmp_path / "current").rmdir()
    assert level(page._port, taken) == "PASS"


@pytest.mark.parametrize(
    ("built", "said"),
    [("2026-01-02T00:00:00Z", "PASS"), ("2999-01-01T00:00:00Z", "WARN"), ("1990-01-01T00:00:00Z", "WARN")],
)
def test_a_clock_before_the_bundle_is_warned_of(tmp_path: Path, built: str, said: str) -> None:
    assert level(page._clock, wanted(tmp_path, built=built)) == said


def test_a_process_without_a_parent_has_a_page_too() -> None:
    """As the first one of a container has none."""
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-m", "bundle.cli", "preflight", "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
    )
    if "unshare" in done.stderr:
        pytest.skip("needs root and `unshare`")
    assert '"umask"' in done.stdout, done.stderr


def test_a_loose_umask_is_warned_of(tmp_path: Path) -> None:
    program = "from bundle.preflight import preflight; print([row['level'] for row in preflight()['checks'] if row['name'] == 'umask'])"
    for mask, said in (("000", "WARN"), ("022", "PASS"), ("077", "PASS")):
        line = f'umask {mask}; "$0" -c "$1"; true'
        done = subprocess.run(
            ["sh", "-c", line, sys.executable, program],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
        )
        assert said in done.stdout


def test_a_machine_without_openssl_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert level(page._openssl, wanted(tmp_path)) == "WARN"


def test_selinux_and_fapolicyd_bring_the_rules_to_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    switch = tmp_path / "enforce"
    switch.write_text("1")
    monkeypatch.setattr(page, "_SELINUX", switch)
    row = next(page._selinux(wanted(tmp_path)))
    assert row["level"] == "WARN"
    assert f"semanage fcontext -a -t bin_t '{tmp_path}/prefix" in row["text"]
    monkeypatch.setattr(page, "_running", lambda: {"fapolicyd"})
    row = next(page._fapolicyd(wanted(tmp_path)))
    assert row["level"] == "WARN" and f"--file add {tmp_path}/prefix/" in row["text"]


def test_running_programs_are_seen() -> None:
    assert Path(f"/proc/{os.getpid()}/comm").read_text().strip() in page._running()


@pytest.mark.parametrize(
    ("device", "variant", "said"),
    [
        ("NVIDIA H100, 580.95.05, 9.0, 81559", "", "PASS"),
        ("NVIDIA T4, 575.10, 7.5, 15360", "", "FAIL"),
        ("NVIDIA V100, 580.95.05, 7.0, 16384", "", "FAIL"),
        ("NVIDIA V100, 560.35.03, 7.0, 16384", "cu126", "PASS"),
        ("NVIDIA H100, 580.95.05, 9.0, 81559", "cu126", "FAIL"),
        ("NVIDIA K80, 470.10, 3.7, 11441", "cu126", "FAIL"),
    ],
)
def test_a_gpu_is_judged_by_driver_and_capability(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, variant: str, said: str
) -> None:
    """By the shipped profile, with an `nvidia-smi` that prints what the real one prints."""
    accelerator = for_target(load("appliance-cuda"), variant=variant).accelerator
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho '{device}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert level(page._gpu, wanted(tmp_path, gpu=True, accelerator=accelerator)) == said
    assert level(page._gpu, wanted(tmp_path, gpu=True, accelerator={})) == "FAIL", "a bundle that uses none"
    assert level(page._gpu, wanted(tmp_path, gpu=True)) == "PASS", "a stick, which does not say yet"


def test_a_gpu_that_was_asked_for_and_is_not_used_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert level(page._gpu, wanted(tmp_path, gpu=True)) == "FAIL"
    assert list(page._gpu(wanted(tmp_path))) == []
