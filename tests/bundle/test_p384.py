"""The verifier in plain Python agrees with openssl's library on good, spoilt and crafted signatures."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from bundle import p384
from bundle.errors import IntegrityError
from bundle.sign import check, sign
from tests.sticks import make_key


def der(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.DER, form)


def library_says(key: ec.EllipticCurvePrivateKey, content: bytes, signature: bytes) -> bool:
    try:
        key.public_key().verify(signature, content, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        return False
    return True


def test_good_signatures_are_accepted_and_every_other_verdict_agrees() -> None:
    chance = random.Random(3)
    for seed in range(6):
        key = ec.derive_private_key(chance.getrandbits(380) + 1, ec.SECP384R1())
        content = chance.randbytes(seed * 30)
        signature = key.sign(content, ec.ECDSA(hashes.SHA384()))
        assert p384.is_signed(content, signature, der(key))
        assert not p384.is_signed(content + b"x", signature, der(key))
        flipped = bytearray(signature)
        flipped[chance.randrange(len(signature))] ^= 1 << chance.randrange(8)
        for spoilt in (bytes(flipped), signature[:-1], signature + b"\0", signature[:3], b""):
            assert p384.is_signed(content, spoilt, der(key)) == library_says(key, content, spoilt) is False


def test_numbers_out_of_range_are_refused() -> None:
    """r = 0 and s = 0 passed for any content in a Java release (CVE-2022-21449)."""
    key = ec.derive_private_key(7, ec.SECP384R1())
    r, s = utils.decode_dss_signature(key.sign(b"x", ec.ECDSA(hashes.SHA384())))
    assert p384.is_signed(b"x", utils.encode_dss_signature(r, s), der(key))
    for pair in [(0, 0), (r, 0), (0, s), (p384.N, s), (r, p384.N), (r + p384.N, s), (r, s + p384.N), (p384.P, p384.P)]:
        assert not p384.is_signed(b"x", utils.encode_dss_signature(*pair), der(key)), pair


def test_other_spellings_of_a_number_and_other_keys_are_refused() -> None:
    key = ec.derive_private_key(7, ec.SECP384R1())
    signature = key.sign(b"x", ec.ECDSA(hashes.SHA384()))
    padded = bytes([0x30, signature[1] + 1, 2, signature[3] + 1, 0]) + signature[4:]
    assert not p384.is_signed(b"x", padded, der(key))
    off_curve = bytearray(der(key))
    off_curve[-1] ^= 1
    for public in (bytes(off_curve), der(ec.derive_private_key(7, ec.SECP256R1())), der(key) + b"\0", b""):
        assert not p384.is_signed(b"x", signature, public)


def test_a_file_is_checked_where_there_is_no_openssl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_key(tmp_path / "key")
    file = tmp_path / "LIST"
    file.write_bytes(b"x")
    sign(file, key)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert check(file, key / "vendor.pem") == b"x"
    file.write_bytes(b"y")
    with pytest.raises(IntegrityError, match="is not signed by"):
        check(file, key / "vendor.pem")
