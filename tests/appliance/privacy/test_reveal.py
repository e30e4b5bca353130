"""Values come back for two people with a reason, all or none, and an event tells of it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from appliance.errors import ApplianceError, InputError, IntegrityError, PolicyError, SettingsError
from appliance.privacy import vault
from appliance.privacy.reveal import reveal
from appliance.privacy.vault import Vault
from appliance.store import Store

NAME, CARD = 'Anna "Ann" Kovacs, MD', "4111 1111 1111 1111"
WHY = "court order of the 3rd chamber"


@pytest.fixture
def keys(tmp_path: Path) -> list[Path]:
    files = [tmp_path / "a.key", tmp_path / "b.key", tmp_path / "c.key"]
    for file in files:
        vault.key(file)
    return files


@pytest.fixture
def tokens(keys: list[Path]) -> list[str]:
    sealed = Vault.of(vault.shares(keys[:2]), bytes(16))
    return [sealed.seal("PERSON", NAME), sealed.seal("BANK_CARD", CARD)]


def events(store: Store) -> list[tuple[str, dict[str, object]]]:
    return [(event.verb, dict(event.details)) for event in store.events()]


def test_tokens_are_turned_back_and_an_event_tells_who_and_why(keys: list[Path], tokens: list[str]) -> None:
    store = Store.open()
    found = reveal(store, tokens, f"  {WHY}\n", keys[:2])
    assert [each["value"] for each in found["values"]] == [NAME, CARD]
    assert events(store) == [("reveal", {"reason": WHY, "tokens": 2, "kinds": {"PERSON": 1, "BANK_CARD": 1}})]
    assert store.audit()["ok"]


def test_a_wrong_key_reveals_nothing_and_is_told(keys: list[Path], tokens: list[str]) -> None:
    store = Store.open()
    with pytest.raises(PolicyError):
        reveal(store, tokens, WHY, [keys[0], keys[2]])
    assert events(store) == [("reveal refused", {"tokens": 2, "why": "tokens do not open"})]


def test_one_persons_key_is_refused_and_told(keys: list[Path], tokens: list[str]) -> None:
    store = Store.open()
    for given in ([keys[0]], [keys[0], keys[0]], [keys[0], store.keys.path.parent / "none"]):
        with pytest.raises((PolicyError, SettingsError)):
            reveal(store, tokens, WHY, given)
    assert events(store) == [("reveal refused", {"tokens": 2, "why": "key files"})] * 3
    assert store.audit()["ok"]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "txt"])
def test_a_file_comes_back_in_its_own_format(tmp_path: Path, keys: list[Path], tokens: list[str], suffix: str) -> None:
    path, out = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    text = f"paid by {tokens[0]} with {tokens[1]}; {tokens[0]}"
    if suffix == "jsonl":
        path.write_text(json.dumps({"id": 1, "text": text}) + "\n")
    elif suffix == "txt":
        path.write_text(text)
    else:
        path.write_text("id\ttext\n1\t" + text + "\n" if suffix == "tsv" else f"id,text\n1,{text}\n")
    assert reveal(Store.open(), [str(path)], WHY, keys[:2], out)["revealed"] == 2
    wanted = f"paid by {NAME} with {CARD}; {NAME}"
    if suffix == "jsonl":
        assert json.loads(out.read_text()) == {"id": 1, "text": wanted}
    elif suffix == "txt":
        assert out.read_text() == wanted
    else:
        with out.open(newline="") as file:
            assert list(csv.reader(file, delimiter="\t" if suffix == "tsv" else ","))[1] == ["1", wanted]
    assert out.stat().st_mode & 0o777 == 0o600


def test_a_changed_token_keeps_the_whole_file_closed(tmp_path: Path, keys: list[Path], tokens: list[str]) -> None:
    path, out = tmp_path / "in.txt", tmp_path / "out.txt"
    changed = tokens[1][:-3] + ("AA>" if tokens[1][-3:-1] != "AA" else "BA>")
    path.write_text(f"{tokens[0]} {changed}")
    with pytest.raises((IntegrityError, PolicyError)):
        reveal(Store.open(), [str(path)], WHY, keys[:2], out)
    assert not out.exists()
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.parametrize(
    ("reason", "error"),
    [("", SettingsError), ("x" * 201, SettingsError), ("about Anna \"Ann\" Kovacs, MD", PolicyError), ("call 212-555-0187", PolicyError)],
)  # fmt: skip
def test_the_reason_is_short_and_holds_no_values(
    keys: list[Path], tokens: list[str], reason: str, error: type[ApplianceError]
) -> None:
    store = Store.open()
    with pytest.raises(error) as raised:
        reveal(store, tokens, reason, keys[:2])
    assert "Kovacs" not in str(raised.value)
    assert [verb for verb, _details in events(store)] == ["reveal refused"]
    assert "Kovacs" not in str(events(store)) and "0187" not in str(events(store))


@pytest.mark.parametrize(
    ("value", "reason", "told"),
    [
        ("王芳", "应王芳本人请求", True),
        ("王", "应王的请求", False),
        ("Wu", "asked for by wu, in writing", True),
        ("Wu", "wunderkind case", False),
        ("7", "page 7 of the file", True),
        ("--", "court order", False),
    ],
)
def test_short_values_stay_out_of_the_reason(keys: list[Path], value: str, reason: str, told: bool) -> None:
    store = Store.open()
    token = Vault.of(vault.shares(keys[:2]), bytes(16)).seal("PERSON", value)
    if told:
        with pytest.raises(PolicyError, match="holds one of the values"):
            reveal(store, [token], reason, keys[:2])
        assert events(store) == [("reveal refused", {"tokens": 1, "why": "value in the reason"})]
    else:
        assert reveal(store, [token], reason, keys[:2])["revealed"] == 1


def test_files_and_tokens_do_not_mix(tmp_path: Path, keys: list[Path], tokens: list[str]) -> None:
    path = tmp_path / "in.txt"
    path.write_text("nothing sealed")
    store = Store.open()
    for items, out in (
        ([str(path), tokens[0]], tmp_path / "o"),
        ([str(path)], None),
        (tokens, tmp_path / "o"),
        ([str(path)], path),
    ):
        with pytest.raises(SettingsError):
            reveal(store, items, WHY, keys[:2], out)
    with pytest.raises(InputError, match="no vault tokens"):
        reveal(store, [str(path)], WHY, keys[:2], tmp_path / "o")
    with pytest.raises(InputError):
        reveal(store, [str(tmp_path / "none.txt")], WHY, keys[:2], tmp_path / "o")
    assert {verb for verb, _details in events(store)} == {"reveal refused"}
