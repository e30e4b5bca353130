"""What `verify` and `unpack` accept, and what each of their checks is for; mutations stand in `tests/attacks/test_bundle.py`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle import verify as module
from bundle.errors import BundleError, IntegrityError, NotFoundError, PolicyError
from bundle.manifest import MANIFEST, files_below
from bundle.sign import fingerprint, keygen, on_paper
from bundle.verify import unpack, verify
from tests.sticks import carried, make_key, make_stick

ROOT = Path(__file__).resolve().parents[2]


def test_a_good_stick_is_accepted_and_says_what_it_is(stick: Path, key: Path) -> None:
    found = verify(stick, key / "vendor.pem")
    assert (found["product"], found["version"], found["serial"], found["files"]) == ("skerry", "0.2.0", 7, 30)
    assert found["fingerprint"] == on_paper(fingerprint(key / "vendor.pem"))


def test_unpack_gives_the_payload_back(stick: Path, key: Path, tmp_path: Path) -> None:
    payload = unpack(stick, key / "vendor.pem")
    assert payload == tmp_path / "stick-payload"
    assert files_below(payload) == files_below(tmp_path / "payload")
    assert unpack(stick, key / "vendor.pem") == payload, "it can be run again"


def test_every_fault_is_named(stick: Path, key: Path) -> None:
    (stick / "PART001.BIN").unlink()
    (stick / "PART002.BIN").write_bytes(b"other")
    (stick / "COPY2" / "PARTS.SIG").write_bytes(b"other")
    (stick / "System Volume Information").mkdir()
    (stick / "System Volume Information" / "log").write_bytes(b"")
    with pytest.raises(IntegrityError) as caught:
        verify(stick, key / "vendor.pem")
    assert str(caught.value).splitlines()[1:] == [
        "`COPY2/PARTS.SIG` was changed",
        "`PART001.BIN` is missing",
        "`PART002.BIN` was changed",
        "`System Volume Information/log` is on no list",
    ]


@pytest.mark.parametrize("name", ["PARTS", "PART003.BIN", "COPY2/bundle.pyz"])
@pytest.mark.parametrize("kind", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_or_a_link_is_refused_at_once(stick: Path, key: Path, name: str, kind: Callable[[Path], None]) -> None:
    (stick / name).unlink()
    kind(stick / name)
    with pytest.raises(IntegrityError, match="link or a special file"):
        verify(stick, key / "vendor.pem")


def test_a_name_cannot_play_tricks_on_the_terminal(stick: Path, key: Path) -> None:
    (stick / "\x1b[2J\udcff").write_bytes(b"")
    with pytest.raises(IntegrityError, match=r"`\?\[2J\?` is on no list"):
        verify(stick, key / "vendor.pem")


def test_the_command_says_it_by_its_exit_code(stick: Path, key: Path) -> None:
    command = [sys.executable, "-m", "bundle.cli", "verify", str(stick), "--vendor-key", str(key / "vendor.pem")]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, cwd=ROOT, check=True)
    assert json.loads(done.stdout)["serial"] == 7
    assert subprocess.run([*command, "--least-serial", "8"], capture_output=True, cwd=ROOT).returncode == 5
    (stick / "PART001.BIN").unlink()
    refused = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert refused.returncode == 6 and "`PART001.BIN` is missing" in refused.stderr


def test_an_older_serial_is_refused(stick: Path, key: Path) -> None:
    verify(stick, key / "vendor.pem", least_serial=7)
    with pytest.raises(PolicyError, match="serial 7 is older than 8"):
        verify(stick, key / "vendor.pem", least_serial=8)


def test_no_bundle_and_no_key_are_said(stick: Path, key: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no `PARTS`"):
        verify(key, key / "vendor.pem")
    with pytest.raises(NotFoundError, match="no public key"):
        verify(stick, tmp_path / "none.pem")


def test_a_next_key_is_trusted_because_the_old_one_signed_it(key: Path, tmp_path: Path) -> None:
    keygen(tmp_path / "next", signed_by=key)
    stick = make_stick(tmp_path / "a", tmp_path / "next")
    assert verify(stick, key / "vendor.pem")["key"] == str(stick / "NEXT.PEM")
    assert (unpack(stick, key / "vendor.pem") / MANIFEST).is_file()
    # A thief's next key, which nobody signed, and one that another key signed.
    keygen(tmp_path / "thief")
    keygen(tmp_path / "thief2", signed_by=tmp_path / "thief")
    for name in ("thief", "thief2"):
        with pytest.raises(IntegrityError, match="is not signed by"):
            verify(make_stick(tmp_path / f"of-{name}", tmp_path / name), key / "vendor.pem")


def test_a_second_signature_is_demanded_where_its_key_is_given(key: Path, tmp_path: Path) -> None:
    second = make_key(tmp_path / "second")
    stick = make_stick(tmp_path / "one", key)
    with pytest.raises(IntegrityError):
        verify(stick, key / "vendor.pem", second / "vendor.pem")
    stick = make_stick(tmp_path / "both", key, second=second)
    assert verify(stick, key / "vendor.pem")["not_checked"] == ["PARTS.SG2"]
    assert verify(stick, key / "vendor.pem", second / "vendor.pem")["not_checked"] == []
    unpack(stick, key / "vendor.pem", second=second / "vendor.pem")
    # A list with both signatures over a payload with one.
    stick = carried(tmp_path, key, second=second)
    with pytest.raises(IntegrityError, match="MANIFEST"):
        unpack(stick, key / "vendor.pem", second=second / "vendor.pem")


def test_three_signatures_are_checked_on_both_lists(key: Path, tmp_path: Path) -> None:
    second = make_key(tmp_path / "second")
    keygen(tmp_path / "sm2", sm2=True)
    stick = make_stick(tmp_path, key, second=second, sm2=tmp_path / "sm2")
    assert {path.name for path in stick.glob("PARTS.*")} == {"PARTS.SIG", "PARTS.SG2", "PARTS.SM2"}
    public = [folder / "vendor.pem" for folder in (key, second, tmp_path / "sm2")]
    assert verify(stick, public[0], public[1], public[2])["not_checked"] == []
    payload = unpack(stick, public[0], None, public[1], public[2])
    assert {path.name for path in payload.glob("MANIFEST.S*")} == {"MANIFEST.SIG", "MANIFEST.SG2", "MANIFEST.SM2"}
    keygen(tmp_path / "other", sm2=True)
    with pytest.raises(IntegrityError, match="is not signed by"):
        verify(stick, public[0], public[1], tmp_path / "other" / "vendor.pem")


@pytest.mark.parametrize(("field", "value"), [("serial", "6"), ("version", "0.1.0"), ("profile", "appliance-cpu")])
def test_a_list_and_a_payload_of_different_bundles_are_refused(
    key: Path, tmp_path: Path, field: str, value: str
) -> None:
    """Both signatures are the vendor's: an old payload in a new list is refused all the same."""
    mixed = carried(tmp_path, key, signed={field: value})
    verify(mixed, key / "vendor.pem")
    with pytest.raises(IntegrityError, match=f"different bundles: {field}"):
        unpack(mixed, key / "vendor.pem")
    assert not list(tmp_path.glob("stick-*"))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda payload: (payload / "profile.json").write_text("{}"), "`profile.json` was changed"),
        (lambda payload: (payload / "requirements.txt").unlink(), "`requirements.txt` is missing"),
        (
            lambda payload: (payload / "wheels" / "sitecustomize.py").write_text(""),
            "`wheels/sitecustomize.py` is on no list",
        ),
        (lambda payload: (payload / "MANIFEST.SIG").write_bytes(b"x"), "not signed"),
        (lambda payload: (payload / "MANIFEST.SIG").unlink(), "not signed"),
    ],
)
def test_the_payload_is_checked_against_its_own_list(
    key: Path, tmp_path: Path, change: Callable[[Path], object], fault: str
) -> None:
    stick = carried(tmp_path, key, change)
    verify(stick, key / "vendor.pem")
    with pytest.raises(IntegrityError, match=fault):
        unpack(stick, key / "vendor.pem")
    assert not list(tmp_path.glob("stick-*")), "nothing of it stays"


def test_a_signed_list_of_another_kind_is_no_list_of_parts(stick: Path, key: Path, tmp_path: Path) -> None:
    """The vendor signed MANIFEST too; it must not pass for PARTS."""
    for suffix in ("", ".SIG"):
        for folder in (stick, stick / "COPY2"):
            shutil.copyfile(tmp_path / "payload" / (MANIFEST + suffix), folder / ("PARTS" + suffix))
    with pytest.raises(IntegrityError, match="another kind"):
        verify(stick, key / "vendor.pem")


@pytest.mark.parametrize(
    ("name", "planted"),
    [("differences", lambda _wanted, _found: []), ("SAME_IN_BOTH", ("product", "version", "serial", "platform"))],
)
def test_the_tests_would_see_a_check_that_is_gone(
    key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, planted: object
) -> None:
    other = {"profile": "other"}
    if name == "differences":
        stick = carried(
            tmp_path, key, lambda payload: (payload / "requirements.txt").write_text("x"), signed=other, told=other
        )
    else:
        stick = carried(tmp_path, key, signed=other)
    with pytest.raises(BundleError):
        unpack(stick, key / "vendor.pem")
    monkeypatch.setattr(module, name, planted)
    unpack(stick, key / "vendor.pem")
