"""`VERIFY.SH` under every POSIX shell that is here: it accepts and refuses what `bundle.verify` does, and names the same files."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.errors import BundleError
from bundle.manifest import files_below
from bundle.sign import fingerprint, keygen, on_paper
from bundle.verify import verify
from tests.sticks import make_key, make_stick

SHELLS = [
    shell
    for shell in (["sh"], ["dash"], ["bash", "--posix"], ["busybox", "sh"])
    if shell == ["sh"] or shutil.which(shell[0])
]


def run(
    stick: Path, *options: str, shell: list[str] = SHELLS[0], **environment: str
) -> subprocess.CompletedProcess[str]:
    copies = stick.parent / "copies"
    copies.mkdir(exist_ok=True)
    command = [*shell, str(stick / "VERIFY.SH"), "--copy-to", str(copies), *options, str(stick)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=60)


def by_key(stick: Path, key: Path) -> list[str]:
    return ["--vendor-key", str(key / "vendor.pem")]


def named(text: str) -> set[str]:
    """Return the files that a refusal names."""
    return set(re.findall(r"^`([^`\n]+)` (?:is missing|was changed|is on no list)$", text, re.MULTILINE))


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_good_stick_is_accepted_and_its_copy_stays(stick: Path, key: Path, shell: list[str]) -> None:
    before = files_below(stick)
    done = run(stick, *by_key(stick, key), shell=shell)
    assert done.returncode == 0, done.stderr
    copy = Path(done.stdout.rstrip("\n"))
    assert files_below(copy) == before == files_below(stick)
    assert list(copy.parent.iterdir()) == [copy]
    assert "serial: 7" in done.stderr


FAULTS: dict[str, Callable[[Path], object]] = {
    "flip": lambda stick: (stick / "PART004.BIN").write_bytes(b"\1" + (stick / "PART004.BIN").read_bytes()[1:]),
    "cut": lambda stick: os.truncate(stick / "PARITY01.BIN", 100),
    "append": lambda stick: (stick / "MANIFEST.HTM").write_bytes((stick / "MANIFEST.HTM").read_bytes() + b"\n"),
    "swap": lambda stick: (
        (stick / "PART001.BIN").rename(stick / "x"),
        (stick / "PART002.BIN").rename(stick / "PART001.BIN"),
        (stick / "x").rename(stick / "PART002.BIN"),
    ),
    "rename": lambda stick: (stick / "PART005.BIN").rename(stick / "PART005.bin"),
    "missing": lambda stick: (stick / "COPY2" / "VERIFY.SH").unlink(),
    "extra": lambda stick: (stick / ".have").write_bytes(b""),
    "extra below": lambda stick: ((stick / "a b").mkdir(), (stick / "a b" / "c d").write_bytes(b"")),
    "no list": lambda stick: (stick / "PARTS").unlink(),
    "longer signature": lambda stick: [
        path.write_bytes(path.read_bytes() + bytes(700))
        for path in (stick / "PARTS.SIG", stick / "COPY2" / "PARTS.SIG")
    ],
    "no signature": lambda stick: (stick / "PARTS.SIG").unlink(),
    "second list": lambda stick: (stick / "COPY2" / "PARTS").write_bytes(b"x"),
    "edited list": lambda stick: (stick / "PARTS").write_text((stick / "PARTS").read_text().replace(": 7", ": 9")),
    "link": lambda stick: ((stick / "PART006.BIN").unlink(), (stick / "PART006.BIN").symlink_to("PART007.BIN")),
    "linked folder": lambda stick: (stick / "COPY3").symlink_to("COPY2"),
    "pipe": lambda stick: os.mkfifo(stick / "pipe"),
    "line end": lambda stick: (
        (stick / "PARTS\n.").mkdir(),
        (stick / "PARTS\n." / "PARTS.SIG").write_bytes(b"found as `./PARTS` and `./PARTS.SIG`"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_refused_and_named_as_the_other_verifier_does(stick: Path, key: Path, fault: str) -> None:
    FAULTS[fault](stick)
    with pytest.raises(BundleError) as caught:
        verify(stick, key / "vendor.pem")
    done = run(stick, *by_key(stick, key))
    assert done.returncode == 6, done.stderr
    assert done.stdout == ""
    if fault != "line end":  # which a list of lines cannot name
        assert named(done.stderr) == named(str(caught.value))
    assert bool(named(done.stderr)) == (
        fault in {"flip", "cut", "append", "swap", "rename", "missing", "extra", "extra below", "second list"}
    )
    assert not list((stick.parent / "copies").iterdir()), "a refused copy is removed"


def test_the_key_on_the_stick_proves_nothing_without_paper(stick: Path, key: Path) -> None:
    paper = on_paper(fingerprint(key / "vendor.pem"))
    asked = run(stick)
    assert asked.returncode == 2 and paper in asked.stderr
    assert run(stick, "--fingerprint", paper).returncode == 0
    assert run(stick, "--fingerprint", paper.upper().replace(" ", ":")).returncode == 0
    wrong = ("0" if paper[0] != "0" else "1") + paper[1:]
    assert run(stick, "--fingerprint", wrong).returncode == 5
    assert run(stick, "--fingerprint", paper[:-1]).returncode == 2
    assert run(stick, "--fingerprint", wrong, *by_key(stick, key)).returncode == 5


def test_another_vendor_is_refused(key: Path, tmp_path: Path) -> None:
    stick = make_stick(tmp_path / "thief", make_key(tmp_path / "thief-key"))
    assert run(stick, *by_key(stick, key)).returncode == 6


def test_a_next_key_and_a_second_signature(key: Path, tmp_path: Path) -> None:
    keygen(tmp_path / "next", signed_by=key)
    stick = make_stick(tmp_path / "a", tmp_path / "next")
    done = run(stick, *by_key(stick, key))
    assert done.returncode == 0 and fingerprint(tmp_path / "next" / "vendor.pem") in done.stderr
    second = make_key(tmp_path / "second")
    stick = make_stick(tmp_path / "b", key, second=second)
    both = [*by_key(stick, key), "--second", str(second / "vendor.pem")]
    assert run(stick, *both).returncode == 0
    for folder in (stick, stick / "COPY2"):
        shutil.copyfile(folder / "PARTS.SIG", folder / "PARTS.SG2")
    assert run(stick, *both).returncode == 6


def test_without_openssl_the_list_is_compared_with_paper(stick: Path, key: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in [
        "cat",
        "cmp",
        "cp",
        "cut",
        "dirname",
        "find",
        "grep",
        "mkdir",
        "mktemp",
        "od",
        "rm",
        "sed",
        "sh",
        "sha256sum",
        "sort",
        "tail",
        "tr",
        "uniq",
        "wc",
    ]:
        found = shutil.which(name)
        assert found, name
        (programs / name).symlink_to(found)
    refused = run(stick, *by_key(stick, key), PATH=str(programs))
    assert refused.returncode == 7 and "--parts-sha256" in refused.stderr
    digest = hashlib.sha256((stick / "PARTS").read_bytes()).hexdigest()
    assert run(stick, "--parts-sha256", on_paper(digest), PATH=str(programs)).returncode == 0
    (stick / "PART001.BIN").write_bytes(b"")
    assert run(stick, "--parts-sha256", digest, PATH=str(programs)).returncode == 6
    assert run(stick, "--parts-sha256", "0" * 64, PATH=str(programs)).returncode == 6


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_the_tools_come_from_whichever_copy_is_right(stick: Path, key: Path, shell: list[str]) -> None:
    """A damaged stick on a machine without Python: the carried one is taken from here, and repairs the rest."""
    whole = files_below(stick)
    for name in ("PART001.BIN", "bundle.pyz", "COPY2/VERIFY.SH", "PARTS"):
        (stick / name).write_bytes(b"scratched" if name != "COPY2/VERIFY.SH" else b"")
    (stick / "autorun.inf").write_bytes(b"left behind")
    assert run(stick, *by_key(stick, key), shell=shell).returncode == 6
    done = run(stick, "--tools", *by_key(stick, key), shell=shell)
    assert done.returncode == 0, done.stderr
    copy = Path(done.stdout.rstrip("\n"))
    assert files_below(copy) == {name: digest for name, digest in whole.items() if not name.endswith(".BIN")}


def test_tools_of_which_both_copies_are_spoilt_are_refused(stick: Path, key: Path, tmp_path: Path) -> None:
    (stick / "bundle.pyz").write_bytes(b"evil")
    (stick / "COPY2" / "bundle.pyz").write_bytes(b"evil")
    done = run(stick, "--tools", *by_key(stick, key))
    assert done.returncode == 6 and named(done.stderr) == {"bundle.pyz", "COPY2/bundle.pyz"}
    thief = make_stick(tmp_path / "thief", make_key(tmp_path / "thief-key"))
    assert run(thief, "--tools", *by_key(thief, key)).returncode == 6


def test_it_speaks_chinese(stick: Path, key: Path) -> None:
    (stick / "PART001.BIN").unlink()
    assert "缺少 `PART001.BIN`" in run(stick, *by_key(stick, key), SKERRY_LANG="zh").stderr


def test_a_name_cannot_play_tricks_on_the_terminal(stick: Path, key: Path) -> None:
    (stick / "\x1b[2Jgone").write_bytes(b"")
    done = run(stick, *by_key(stick, key))
    assert done.returncode == 6 and "\x1b" not in done.stderr
