"""Only both key files open a token, and only as it was written."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from appliance.errors import IntegrityError, PolicyError, SettingsError
from appliance.privacy import vault
from appliance.privacy.vault import Share, Vault

SET, OTHER_SET = bytes(range(16)), bytes(16)
ANNA, BELA, CARL = Share(b"a" * 32), Share(b"b" * 32), Share(b"c" * 32)
VALUE = "Anna Kovacs"


def token(kind: str = "PERSON", value: str = VALUE, dataset: bytes = SET) -> str:
    return Vault.of((ANNA, BELA), dataset).seal(kind, value)


@settings(max_examples=50, deadline=None)
@given(value=some.text(max_size=60), kind=some.sampled_from(["PERSON", "ID_NUMBER"]))
def test_both_keys_in_any_order_give_the_value_back(value: str, kind: str) -> None:
    sealed = token(kind, value)
    assert vault.TOKEN.fullmatch(sealed)
    assert vault.open_all([sealed], (BELA, ANNA)) == {sealed: value}


@pytest.mark.parametrize("both", [(ANNA, CARL), (CARL, BELA), (ANNA, ANNA), (BELA, BELA)])
def test_any_other_pair_is_refused(both: tuple[Share, Share]) -> None:
    with pytest.raises(PolicyError, match="nothing was revealed"):
        vault.open_all([token()], both)


def test_every_changed_character_is_noticed() -> None:
    sealed = token()
    start = sealed.rindex("_") + 1
    for place in range(start, len(sealed) - 1):
        changed = sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 :]
        with pytest.raises((IntegrityError, PolicyError)):
            vault.open_all([changed], (ANNA, BELA))


def test_a_token_of_another_kind_or_set_is_refused() -> None:
    with pytest.raises(IntegrityError):
        vault.open_all([token().replace("PERSON", "PHONE")], (ANNA, BELA))
    raw = bytearray(vault.read(token())[1])
    raw[: vault.SET_BYTES] = OTHER_SET
    moved = f"<VAULT_PERSON_{base64.b32encode(bytes(raw)).decode().rstrip('=')}>"
    with pytest.raises((IntegrityError, PolicyError)):
        vault.open_all([moved], (ANNA, BELA))


def test_one_bad_token_reveals_none() -> None:
    good, bad = token(), token(value="Bela")[:-2] + ">"
    with pytest.raises((IntegrityError, PolicyError)):
        vault.open_all([good, bad], (ANNA, BELA))


def test_the_same_value_has_the_same_token_within_a_set_only() -> None:
    assert token() == token()
    assert token() != token(dataset=OTHER_SET)
    assert token() != token("ORGANIZATION")


def test_tokens_tell_the_length_only_roughly() -> None:
    assert len({len(token(value="x" * size)) for size in range(16)}) == 1


@pytest.mark.parametrize(
    "text", ["", "<VAULT_PERSON_AAAA>", "<PERSON_1>", "<VAULT_PERSON_" + "1" * 80 + ">", token() + "x"]
)
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(IntegrityError):
        vault.open_all([text], (ANNA, BELA))


def test_key_files_are_made_private_and_never_overwritten(tmp_path: Path) -> None:
    vault.key(tmp_path / "a.key")
    assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SettingsError):
        vault.key(tmp_path / "a.key")


def test_a_passphrase_is_stretched_with_the_set_as_salt(tmp_path: Path) -> None:
    vault.key(tmp_path / "a.key")
    (tmp_path / "b.key").write_text("correct horse battery staple\n")
    (tmp_path / "c.key").write_text("correct horse battery stable\n")
    both = vault.shares([tmp_path / "a.key", tmp_path / "b.key"])
    sealed = Vault.of(both, SET).seal("PERSON", VALUE)
    assert vault.open_all([sealed], both) == {sealed: VALUE}
    assert vault.dataset_of(sealed) == SET
    with pytest.raises(PolicyError):
        vault.open_all([sealed], vault.shares([tmp_path / "a.key", tmp_path / "c.key"]))


def test_two_different_people_must_come(tmp_path: Path) -> None:
    vault.key(tmp_path / "a.key")
    (tmp_path / "copy.key").write_bytes((tmp_path / "a.key").read_bytes())
    vault.key(tmp_path / "b.key")
    for files in (["a.key"], ["a.key", "a.key"], ["a.key", "copy.key"], ["a.key", "b.key", "copy.key"], []):
        with pytest.raises(PolicyError):
            vault.shares([tmp_path / name for name in files])
    with pytest.raises(PolicyError, match="outside the home"):
        vault.shares([tmp_path / "a.key", tmp_path / "b.key"], home=tmp_path)


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe\x00", b"ab" * 5])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    vault.key(tmp_path / "a.key")
    (tmp_path / "b.key").write_bytes(content)
    with pytest.raises(SettingsError):
        vault.shares([tmp_path / "a.key", tmp_path / "b.key"])
    with pytest.raises(SettingsError):
        vault.shares([tmp_path / "a.key", tmp_path / "none.key"])


def test_no_secret_shows_in_a_repr() -> None:
    assert "aaa" not in repr(ANNA)


def test_a_key_is_never_written_into_the_home_or_beside_its_keys(tmp_path: Path) -> None:
    home, keys = tmp_path / "home", tmp_path / "keys"
    for folder in (home, home / "deep", keys):
        folder.mkdir()
    (tmp_path / "way").symlink_to(home)
    for place in (home / "a.key", home / "deep" / "a.key", keys / "a.key", tmp_path / "way" / "a.key"):
        with pytest.raises(PolicyError, match="name a place that only its owner reads"):
            vault.key(place, home, keys)
        assert not place.exists()
    vault.key(tmp_path / "a.key", home, keys)
    assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o600


def test_another_persons_key_in_the_folder_is_seen(tmp_path: Path) -> None:
    vault.key(tmp_path / "a.key")
    (tmp_path / "note.txt").write_text("no key")
    assert vault.others(tmp_path / "a.key") == []
    vault.key(tmp_path / "b.key")
    assert vault.others(tmp_path / "b.key") == ["a.key"]
