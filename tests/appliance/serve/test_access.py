"""The keys as the server holds them: a header opens, a revoked key does not, a damaged file changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.api_keys import add_key, list_keys, revoke_key
from appliance.errors import IntegrityError, NotFoundError, PolicyError
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


def test_no_key_is_refused_with_the_line_to_run(store: Store) -> None:
    with pytest.raises(PolicyError, match="`skerry key add NAME`"):
        Access(store.home, "main").require_keys()
    add_key(store, "ward-3")
    Access(store.home, "main").require_keys()


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
