"""Signatures: made here, checked by openssl; keys, fingerprints, the second signer, SM2, a change of keys."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bundle.errors import IntegrityError, MissingPartError, NotFoundError, PolicyError
from bundle.sign import check, fingerprint, is_signed, keygen, on_paper, sign
from tests.sticks import make_key


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "LIST"
    path.write_bytes(b"what is signed\n")
    return path


def test_a_private_key_is_for_its_owner_alone(key: Path) -> None:
    assert (key / "vendor.key").stat().st_mode & 0o777 == 0o600


def test_a_key_is_never_overwritten(key: Path) -> None:
    before = (key / "vendor.key").read_bytes()
    with pytest.raises(PolicyError, match="never overwritten"):
        keygen(key)
    assert (key / "vendor.key").read_bytes() == before


def test_the_fingerprint_is_the_one_that_openssl_shows(key: Path) -> None:
    command = ["openssl", "pkey", "-pubin", "-in", str(key / "vendor.pem"), "-outform", "DER"]
    der = subprocess.run(command, capture_output=True, check=True).stdout
    assert fingerprint(key / "vendor.pem") == hashlib.sha256(der).hexdigest()
    assert on_paper("0123456789ab") == "0123 4567 89ab"


@pytest.mark.parametrize("more", ["\n", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "\xe9"])
def test_a_key_file_holds_one_key_and_nothing_else(key: Path, more: str) -> None:
    """Two readers of such a file might see two keys: the one whose fingerprint is shown, and the one that checks."""
    path = key / "vendor.pem"
    path.write_text(path.read_text() + more)
    with pytest.raises(IntegrityError, match="nothing else"):
        fingerprint(path)


def test_what_was_signed_is_returned_and_the_same_input_is_the_same_signature(key: Path, file: Path) -> None:
    [signature] = sign(file, key)
    first = signature.read_bytes()
    assert check(file, key / "vendor.pem") == b"what is signed\n"
    sign(file, key)
    assert signature.read_bytes() == first


def test_a_changed_file_another_key_and_no_signature_are_refused(key: Path, file: Path, tmp_path: Path) -> None:
    sign(file, key)
    with pytest.raises(IntegrityError, match="is not signed by"):
        check(file, make_key(tmp_path / "other") / "vendor.pem")
    file.write_bytes(b"what is signed!\n")
    with pytest.raises(IntegrityError, match="is not signed by"):
        check(file, key / "vendor.pem")
    (tmp_path / "LIST.SIG").unlink()
    with pytest.raises(IntegrityError, match="is not signed by"):
        check(file, key / "vendor.pem")
    with pytest.raises(NotFoundError, match="no public key"):
        is_signed(b"", b"", tmp_path / "none.pem")


def test_every_flipped_bit_of_a_signature_is_seen(key: Path) -> None:
    """The whole of a short signature's first bytes, structure and number, and some of the rest."""
    file = key / "LIST"
    file.write_bytes(b"x")
    signature = sign(file, key)[0].read_bytes()
    for bit in [*range(48), *range(48, len(signature) * 8, 37)]:
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not is_signed(b"x", bytes(flipped), key / "vendor.pem"), bit
    assert is_signed(b"x", signature, key / "vendor.pem")


@pytest.mark.parametrize("more", [b"\n", b"\0", bytes(700)])
def test_nothing_may_follow_a_signature(key: Path, tmp_path: Path, more: bytes) -> None:
    """`openssl dgst -verify` accepts them: it stops reading where the longest signature ends."""
    keygen(tmp_path / "sm2", sm2=True)
    for number in range(6):  # signatures of several lengths
        file = tmp_path / "LIST"
        file.write_bytes(bytes([number]))
        signature, sm2 = (path.read_bytes() for path in sign(file, key, sm2=tmp_path / "sm2"))
        assert is_signed(file.read_bytes(), signature, key / "vendor.pem")
        assert not is_signed(file.read_bytes(), signature + more, key / "vendor.pem")
        assert not is_signed(file.read_bytes(), sm2 + more, tmp_path / "sm2" / "vendor.pem", "sm3")


def test_two_of_two_demands_both(key: Path, file: Path, tmp_path: Path) -> None:
    second = make_key(tmp_path / "second")
    sign(file, key)
    with pytest.raises(IntegrityError):
        check(file, key / "vendor.pem", second / "vendor.pem")
    sign(file, key, second)
    check(file, key / "vendor.pem", second / "vendor.pem")
    # The first signer cannot stand in for the second.
    (tmp_path / "LIST.SG2").write_bytes((tmp_path / "LIST.SIG").read_bytes())
    with pytest.raises(IntegrityError):
        check(file, key / "vendor.pem", second / "vendor.pem")


def test_sm2_is_checked_beside_p384(key: Path, file: Path, tmp_path: Path) -> None:
    keygen(tmp_path / "sm2", sm2=True)
    assert [path.name for path in sign(file, key, sm2=tmp_path / "sm2")] == ["LIST.SIG", "LIST.SM2"]
    check(file, key / "vendor.pem", sm2=tmp_path / "sm2" / "vendor.pem")
    keygen(tmp_path / "other", sm2=True)
    with pytest.raises(IntegrityError, match="is not signed by"):
        check(file, key / "vendor.pem", sm2=tmp_path / "other" / "vendor.pem")


def test_sm2_is_checked_by_the_carried_openssl_and_never_by_an_old_one(
    key: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host's openssl is one of 1.1.1, which knows no such signature; the carried one says that it was asked."""
    keygen(tmp_path / "sm2", sm2=True)
    sign(file, key, sm2=tmp_path / "sm2")
    real, runtime = shutil.which("openssl"), tmp_path / "runtime"
    for folder, line in ((tmp_path / "old", "echo OpenSSL 1.1.1w"), (runtime / "bin", f"touch {tmp_path}/asked")):
        folder.mkdir(parents=True)
        is_p384 = f'case "$*" in *sha384*) exec {real} "$@" ;; esac'
        ending = "exit 1" if folder.name == "old" else f'exec {real} "$@"'
        (folder / "openssl").write_text(f"#!/bin/sh\n{is_p384}\n{line}\n{ending}\n")
        (folder / "openssl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'old'}:/usr/bin:/bin")
    with pytest.raises(MissingPartError, match=r"`OpenSSL 1\.1\.1w`"):
        check(file, key / "vendor.pem", sm2=tmp_path / "sm2" / "vendor.pem")
    monkeypatch.setattr(sys, "base_prefix", str(runtime))
    (runtime / "runtime.json").write_text("{}")
    check(file, key / "vendor.pem", sm2=tmp_path / "sm2" / "vendor.pem")
    assert (tmp_path / "asked").exists()


def test_only_a_p384_key_signs(file: Path, tmp_path: Path) -> None:
    keygen(tmp_path / "sm2", sm2=True)
    with pytest.raises(PolicyError, match="P-384"):
        sign(file, tmp_path / "sm2")
    with pytest.raises(NotFoundError, match="keygen"):
        sign(file, tmp_path / "nowhere")


def test_a_next_key_is_signed_by_the_old_one(key: Path, tmp_path: Path) -> None:
    keygen(tmp_path / "next", signed_by=key)
    following, signature = ((tmp_path / "next" / name).read_bytes() for name in ("next.pem", "next.sig"))
    assert following == (tmp_path / "next" / "vendor.pem").read_bytes()
    assert is_signed(following, signature, key / "vendor.pem")
    assert not is_signed(following, signature, tmp_path / "next" / "vendor.pem")
