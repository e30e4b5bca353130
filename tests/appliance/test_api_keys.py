"""API keys: made once, kept as a hash, revoked at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.api_keys import add_key, keys_in_force, owner_of, revoke_key
from appliance.errors import SettingsError
from appliance.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "home")


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


def test_adding_and_revoking_are_events_without_the_key(store: Store) -> None:
    key, secret = add_key(store, "ward-3")
    revoke_key(store, key.id)
    events = store.events()
    assert [event.verb for event in events] == ["key add", "key revoke"]
    assert all(event.details["key"] == key.id for event in events)
    assert secret not in repr(events)


def test_a_bad_owner_is_refused(store: Store) -> None:
    with pytest.raises(SettingsError):
        add_key(store, "two words")


def test_the_file_keeps_hashes_only(store: Store) -> None:
    add_key(store, "ward-3")
    (kept,) = json.loads((store.home / "api_keys.json").read_text())["keys"]
    assert set(kept) == {"id", "owner", "project", "created", "revoked", "sha256"}


def test_a_secret_finds_its_key_while_it_is_in_force(store: Store) -> None:
    key, secret = add_key(store, "ward-3")
    assert owner_of(keys_in_force(store.home, "main"), secret.encode()) == key
    assert owner_of(keys_in_force(store.home, "main"), secret[:-1].encode()) is None
    revoke_key(store, key.id)
    assert keys_in_force(store.home, "main") == {}
