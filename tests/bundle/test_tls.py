"""The certificate: from an authority of the site's own, checked by `openssl` as any client would."""

from __future__ import annotations

import os
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

from bundle import tls
from bundle.slots import Programs


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slot whose Python sees the `cryptography` of this environment."""
    import cryptography

    folder = tmp_path_factory.mktemp("slot")
    venv.create(folder / "venv", with_pip=False)
    packages = next((folder / "venv" / "lib").glob("python*/site-packages"))
    (packages / "here.pth").write_text(f"{Path(cryptography.__file__).parents[1]}\n")
    (folder / "requirements.txt").write_text("cryptography==50.0 --hash=sha256:0\n")
    return folder


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    """Programs as the installer runs them."""
    return Programs(tmp_path / "home", None, None, os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR))


def openssl(*words: object) -> str:
    if not shutil.which("openssl"):
        pytest.skip("needs `openssl`")
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False).stdout


def test_openssl_accepts_the_server_under_its_names(slot: Path, programs: Programs, tmp_path: Path) -> None:
    made = tls.certify(slot, tmp_path / "tls", programs, ["skerry.lan", "192.168.10.5"])
    for check in (["-verify_hostname", "skerry.lan"], ["-verify_ip", "192.168.10.5"], ["-verify_ip", "127.0.0.1"]):
        said = openssl(
            "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", made / "ca.pem", *check, made / "server.pem"
        )
        assert said.endswith("OK\n"), check
    said = openssl("verify", "-CAfile", made / "ca.pem", "-verify_hostname", "else.lan", made / "server.pem")
    assert "OK" not in said


def test_the_keys_are_private(slot: Path, programs: Programs, tmp_path: Path) -> None:
    made = tls.certify(slot, tmp_path / "tls", programs)
    assert {name: (made / name).stat().st_mode & 0o777 for name in ("ca.key", "server.key", "ca.pem", "server.pem")} == {
        "ca.key": 0o600, "server.key": 0o600, "ca.pem": 0o644, "server.pem": 0o644,
    }  # fmt: skip


def test_done_again_it_changes_nothing(slot: Path, programs: Programs, tmp_path: Path) -> None:
    made = tls.certify(slot, tmp_path / "tls", programs)
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    tls.certify(slot, made, programs)
    assert {path.name: path.read_bytes() for path in made.iterdir()} == before


@pytest.mark.parametrize("lost", ["server.pem", "server.key"])
def test_what_is_lost_is_made_again_by_the_same_authority(
    slot: Path, programs: Programs, tmp_path: Path, lost: str
) -> None:
    made = tls.certify(slot, tmp_path / "tls", programs)
    authority = (made / "ca.pem").read_bytes()
    (made / lost).unlink()
    tls.certify(slot, made, programs)
    assert (made / "ca.pem").read_bytes() == authority
    assert openssl("verify", "-CAfile", made / "ca.pem", made / "server.pem").endswith("OK\n")


def test_a_new_name_makes_a_new_certificate(slot: Path, programs: Programs, tmp_path: Path) -> None:
    made = tls.certify(slot, tmp_path / "tls", programs)
    tls.certify(slot, made, programs, ["new.lan"])
    assert "DNS:new.lan" in openssl("x509", "-in", made / "server.pem", "-noout", "-ext", "subjectAltName")


def test_it_is_renewed_in_its_last_three_months(
    slot: Path, programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tls.certify(slot, tmp_path / "tls", programs)
    before = (made / "server.pem").read_bytes()
    monkeypatch.setattr(tls, "_RENEW_S", 731 * 86400)
    tls.certify(slot, made, programs)
    assert (made / "server.pem").read_bytes() != before


def test_without_cryptography_there_is_none(tmp_path: Path, slot: Path) -> None:
    assert tls.possible(slot)
    (tmp_path / "requirements.txt").write_text("skerry==1 --hash=sha256:0\n")
    assert not tls.possible(tmp_path)


def test_python_serves_with_it_and_checks_it(slot: Path, programs: Programs, tmp_path: Path) -> None:
    """One TLS handshake within this process, by memory alone."""
    import ssl

    made = tls.certify(slot, tmp_path / "tls", programs, ["skerry.lan"])
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(made / "server.pem", made / "server.key")
    client_side = ssl.create_default_context(cafile=made / "ca.pem")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    client = client_side.wrap_bio(to_client, to_server, server_hostname="skerry.lan")
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert client.version() == "TLSv1.3"
