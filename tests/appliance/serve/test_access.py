"""API keys: made once, kept as a hash, revoked at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.api_keys import add_key, list_keys, revoke_key
from appliance.errors import IntegrityError, NotFoundError, PolicyError, SettingsError
from appliance.serve.access import Access
from appliance.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "home")


def bearer(secret: str) -> bytes:
    return f"Bearer {secret}".encode()


def test_a_key_opens_and_its_owner_is_known(store: Store) -> None:
    key, secret = add_key(store, "ward-3")
    found = Access(store.home, "main").owner_of(bearer(secret))
    assert found == key
    assert found.owner == "ward-3"


def test_the_key_itself_is_nowhere_on_disk(store: Store) -> None:
    key, secret = add_key(store, "ward-3")
    files = [path for path in store.home.rglob("*") if path.is_file()]
    assert any(key.sha256.encode() in path.read_bytes() for path in files)
    assert not any(secret.removeprefix("skerry_").encode() in path.read_bytes() for path in files)
    assert secret not in repr(key) and key.sha256 not in repr(key)


def test_the_file_is_its_owners_only(store: Store) -> None:
    add_key(store, "ward-3")
    assert (store.home / "api_keys.json").stat().st_mode & 0o777 == 0o600


def test_keys_are_long_and_never_the_same(store: Store) -> None:
    secrets = {add_key(store, "a")[1] for _ in range(8)}
    assert len(secrets) == 8
    assert all(len(secret) >= 7 + 43 for secret in secrets)  # 256 bits in base64


@pytest.mark.parametrize(
    "header",
    [None, b"", b"Bearer", b"Bearer ", b"Bearer wrong", b"Basic dXNlcjpwdw==", b"\xff\xfe", b"Bearer " + b"x" * 9999],
)
def test_anything_but_a_key_is_nobody(store: Store, header: bytes | None) -> None:
    add_key(store, "ward-3")
    assert Access(store.home, "main").owner_of(header) is None


def test_nearly_a_key_is_nobody(store: Store) -> None:
    _key, secret = add_key(store, "ward-3")
    access = Access(store.home, "main")
    assert access.owner_of(bearer(secret[:-1])) is None
    assert access.owner_of(b"bearer  " + secret.encode()) is not None  # RFC 9110: the scheme has no case


def test_a_revoked_key_is_nobody_after_reload(store: Store) -> None:
    key, secret = add_key(store, "ward-3")
    _other, kept = add_key(store, "ward-4")
    access = Access(store.home, "main")
    assert revoke_key(store, key.id).revoked
    access.reload()
    assert access.owner_of(bearer(secret)) is None
    assert access.owner_of(bearer(kept)) is not None
    with pytest.raises(NotFoundError, match="key list"):
        revoke_key(store, key.id)


def test_a_key_of_another_project_is_nobody(store: Store) -> None:
    key, secret = add_key(store.within("ward"), "ward-3")
    assert Access(store.home, "main").owner_of(bearer(secret)) is None
    assert [item.id for item in list_keys(store.home, "ward")] == [key.id]
    with pytest.raises(NotFoundError):
        revoke_key(store, key.id)


def test_adding_and_revoking_are_events_without_the_key(store: Store) -> None:
    key, secret = add_key(store, "ward-3")
    revoke_key(store, key.id)
    events = store.events()
    assert [event.verb for event in events] == ["key add", "key revoke"]
    assert all(event.details["key"] == key.id for event in events)
    assert secret not in repr(events)


def test_no_key_is_refused_with_the_line_to_run(store: Store) -> None:
    with pytest.raises(PolicyError, match="`skerry key add NAME`"):
        Access(store.home, "main").require_keys()
    add_key(store, "ward-3")
    Access(store.home, "main").require_keys()


def test_a_bad_owner_is_refused(store: Store) -> None:
    with pytest.raises(SettingsError):
        add_key(store, "two words")


@pytest.mark.parametrize("content", ["", "[]", '{"keys": [{"id": "x"}]}', '{"keys": 3}'])
def test_a_damaged_file_is_told_and_the_keys_held_stay(store: Store, content: str) -> None:
    _key, secret = add_key(store, "ward-3")
    access = Access(store.home, "main")
    (store.home / "api_keys.json").write_text(content)
    with pytest.raises(IntegrityError, match=r"api_keys\.json"):
        access.reload()
    assert access.owner_of(bearer(secret)) is not None
    with pytest.raises(IntegrityError):
        add_key(store, "ward-4")


def test_a_missing_file_means_no_keys(store: Store) -> None:
    _key, secret = add_key(store, "ward-3")
    access = Access(store.home, "main")
    (store.home / "api_keys.json").unlink()
    access.reload()
    assert access.owner_of(bearer(secret)) is None


def test_the_file_keeps_hashes_only(store: Store) -> None:
    add_key(store, "ward-3")
    (kept,) = json.loads((store.home / "api_keys.json").read_text())["keys"]
    assert set(kept) == {"id", "owner", "project", "created", "revoked", "sha256"}
