"""The appliance's own signature: openssl agrees with it, and each change is seen."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from appliance import signature
from appliance.doctor import checks
from appliance.errors import IntegrityError, SettingsError

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="`openssl` is not installed")


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """A signed folder of two files."""
    folder = tmp_path / "signed"
    folder.mkdir()
    (folder / "a.json").write_text("{}")
    (folder / "b.onnx").write_bytes(b"weights")
    signature.sign_folder(folder, tmp_path / "keys", {"format": "test"})
    return folder


def signer(tmp_path: Path) -> str:
    return signature.known_fingerprint(tmp_path / "keys") or ""


@needs_openssl
def test_openssl_verifies_what_is_signed_and_refuses_a_changed_byte(tmp_path: Path) -> None:
    for name, content in (
        ("text", b"evidence"),
        ("sig", signature.sign(b"evidence", tmp_path / "keys")),
        ("pem", signature.public_key(tmp_path / "keys")),
    ):
        (tmp_path / name).write_bytes(content)
    verify = ["openssl", "dgst", "-sha384", "-verify", "pem", "-signature", "sig", "text"]
    assert subprocess.run(verify, cwd=tmp_path, capture_output=True).stdout == b"Verified OK\n"
    (tmp_path / "text").write_bytes(b"evidencf")
    assert subprocess.run(verify, cwd=tmp_path, capture_output=True).returncode == 1


@needs_openssl
def test_the_fingerprint_is_that_of_the_public_key_in_der(tmp_path: Path) -> None:
    command = ["openssl", "pkey", "-pubin", "-outform", "DER"]
    der = subprocess.run(command, input=signature.public_key(tmp_path), capture_output=True, check=True).stdout
    assert signature.known_fingerprint(tmp_path) == hashlib.sha256(der).hexdigest()


def test_the_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _number: signature.public_key(tmp_path / "keys"), range(8)))
    assert len(made) == 1
    assert [(path.name, path.stat().st_mode & 0o777) for path in (tmp_path / "keys").iterdir()] == [
        (signature.KEY, 0o600)
    ]


def test_doctor_shows_the_fingerprint_and_makes_no_key(tmp_path: Path) -> None:
    def shown() -> str:
        return next(check["found"] for check in checks() if check["name"] == "signer")

    assert shown() == "made at the first use"
    assert not (tmp_path / "keys" / signature.KEY).exists()
    pem = signature.public_key(tmp_path / "keys")
    assert shown() == signature.fingerprint(pem)


def test_a_damaged_key_and_a_key_of_another_kind_are_refused(tmp_path: Path) -> None:
    other = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    pems = [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for key in other]
    for content in (b"nonsense", *pems):
        (tmp_path / signature.KEY).write_bytes(content)
        with pytest.raises(IntegrityError, match="no private key on P-384"):
            signature.sign(b"x", tmp_path)
    for key in other:
        with pytest.raises(IntegrityError, match="no public key on P-384"):
            signature.fingerprint(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def test_a_sound_folder_is_accepted_by_its_typed_fingerprint(signed: Path, tmp_path: Path) -> None:
    known = signer(tmp_path)
    typed = " ".join(known[start : start + 4] for start in range(0, 64, 4)).upper()
    found, files = signature.check_folder(signed, typed)
    assert (found, sorted(files)) == (known, ["a.json", "b.onnx"])
    done = subprocess.run(["sha256sum", "-c", "--strict", "MANIFEST"], cwd=signed, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "a.json: OK\nb.onnx: OK\n")


def flip_list(folder: Path) -> None:
    path = folder / "MANIFEST"
    path.write_bytes(path.read_bytes().replace(b"b.onnx", b"c.onnx"))
    (folder / "b.onnx").rename(folder / "c.onnx")


def flip_signature(folder: Path) -> None:
    content = bytearray((folder / "MANIFEST.SIG").read_bytes())
    content[-1] ^= 1
    (folder / "MANIFEST.SIG").write_bytes(content)


def link(folder: Path) -> None:
    (folder / "b.onnx").rename(folder.parent / "b.onnx")
    (folder / "b.onnx").symlink_to(folder.parent / "b.onnx")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (flip_list, "is not what was signed"),
        (flip_signature, "is not what was signed"),
        (link, "no regular file"),
        (lambda folder: (folder / "b.onnx").unlink(), "on the list but not there"),
        (lambda folder: (folder / "c.onnx").write_bytes(b"x"), "on no list"),
        (lambda folder: (folder / ".hidden").write_bytes(b"x"), "on no list"),
        (lambda folder: (folder / "sub").mkdir(), "on no list"),
        (lambda folder: (folder / "MANIFEST.SIG").unlink(), "missing or no regular file"),
        (lambda folder: (folder / "MANIFEST").write_bytes(b"x" * 70_000), "too large"),
        (lambda folder: (folder / "SIGNER.PEM").write_bytes(b"x"), "no public key on P-384"),
    ],
)
def test_a_damaged_folder_is_refused(signed: Path, tmp_path: Path, damage: object, said: str) -> None:
    damage(signed)  # type: ignore[operator]
    with pytest.raises(IntegrityError, match=said):
        signature.check_folder(signed, signer(tmp_path))


def test_another_signer_is_refused_though_his_signature_is_right(signed: Path, tmp_path: Path) -> None:
    other = signature.fingerprint(signature.public_key(tmp_path / "other"))
    with pytest.raises(IntegrityError, match="was signed by"):
        signature.check_folder(signed, other)
    with pytest.raises(SettingsError, match="is no fingerprint"):
        signature.check_folder(signed, other[:40])


def test_a_signed_list_with_an_odd_line_is_refused(signed: Path, tmp_path: Path) -> None:
    """Paths that leave the folder, and a name that stands there twice, even when their signature is right."""
    line = (signed / "MANIFEST").read_text().split("\n")[1]
    for odd in (line.replace("a.json", "../a.json"), line.replace("a.json", "/a.json"), f"{line}\n{line}", "# late: x"):
        (signed / "MANIFEST").write_text(f"# format: test\n{line}\n{odd}\n" if odd.startswith("#") else f"{odd}\n")
        (signed / "MANIFEST.SIG").write_bytes(signature.sign((signed / "MANIFEST").read_bytes(), tmp_path / "keys"))
        with pytest.raises(IntegrityError, match="no line of a signed list"):
            signature.check_folder(signed, signer(tmp_path))
