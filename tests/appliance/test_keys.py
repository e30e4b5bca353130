"""Keys: HKDF by purpose, sealing, the key file."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.errors import IntegrityError
from appliance.keys import Keys, seal, unseal


@given(st.binary(max_size=200), st.text(max_size=20))
def test_what_was_sealed_opens_again(secret: bytes, purpose: str) -> None:
    key = bytes(range(32))
    purpose = purpose.encode("utf-8", "ignore").decode()
    assert unseal(key, seal(key, secret, purpose), purpose) == secret


def test_another_key_purpose_or_byte_opens_nothing() -> None:
    key, sealed = bytes(32), seal(bytes(32), b"secret", "a")
    flipped = ("A" if sealed[20] != "A" else "B").join((sealed[:20], sealed[21:]))
    for wrong_key, text, purpose in (
        (bytes([1] * 32), sealed, "a"),
        (key, sealed, "b"),
        (key, flipped, "a"),
        (key, "no base64!", "a"),
        (key, "", "a"),
    ):
        with pytest.raises(IntegrityError):
            unseal(wrong_key, text, purpose)


def test_purposes_have_keys_of_their_own(tmp_path) -> None:
    keys = Keys.create(tmp_path / "keys" / "a.key")
    assert keys.derive("one") != keys.derive("two")
    assert keys.derive("one") == Keys(keys.path).derive("one")
    assert keys.hmac("subject", "p1") != keys.hmac("group", "p1")


def test_a_key_file_is_private_and_never_replaced(tmp_path) -> None:
    keys = Keys.create(tmp_path / "a.key")
    before = keys.path.read_text()
    assert keys.path.stat().st_mode & 0o777 == 0o600
    Keys.create(keys.path)
    assert keys.path.read_text() == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.text(st.characters(codec="ascii"), max_size=80).filter(lambda text: len(text.strip()) != 64))
def test_a_file_that_is_no_key_is_refused(tmp_path, content: str) -> None:
    path = tmp_path / "bad.key"
    path.write_text(content)
    with pytest.raises(IntegrityError, match="no key file"):
        Keys(path).derive("x")
