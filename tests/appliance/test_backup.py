"""Backup and restore: the same home comes back, a damaged copy never does, and whoever was erased stays erased."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from appliance.backup import LIST, backup, restore
from appliance.erase import erase, erase_subjects
from appliance.errors import BusyError, InputError, IntegrityError, NotFoundError, PolicyError
from appliance.files import file_sha256
from appliance.store import Store
from appliance.upkeep import fsck, purge_raw
from tests.appliance.test_erase import line, model, raw_set, subjects_left


@pytest.fixture
def store() -> Store:
    opened = Store.open()
    _raw, child = line(opened)
    model(opened, (child.id,))
    return opened


def test_a_home_comes_back_whole(store: Store, tmp_path: Path) -> None:
    made = backup(store, tmp_path / "copy")
    assert made["files"] == len(json.loads((tmp_path / "copy" / LIST).read_text())["files"]) > 5
    shutil.rmtree(store.home)
    found = restore(tmp_path / "copy", store.home)
    assert (found["known"], found["erased"], found["erased_sets"]) == (0, {}, [])
    again = Store.open()
    assert [item.id for item in again.artifacts()] == [item.id for item in store.artifacts()]
    assert fsck(again, verify_data=True)["ok"] and again.events()[-1].verb == "restore"


def test_keys_and_personal_data_do_not_travel_in_the_clear(store: Store, tmp_path: Path) -> None:
    backup(store, tmp_path / "copy")
    content = b"".join(path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file())
    assert b"Jan Novak" not in content and store.keys.path.read_bytes().strip() not in content


def test_a_second_backup_copies_what_is_new_and_drops_what_is_gone(store: Store, tmp_path: Path) -> None:
    first = backup(store, tmp_path / "copy")
    raw_set(store, "letters")
    second = backup(store, tmp_path / "copy")
    assert first["copied"] == first["files"] and second["copied"] < 6
    erase_subjects(store, ["p1"], yes=True)
    backup(store, tmp_path / "copy")
    shutil.rmtree(store.home)
    restore(tmp_path / "copy", store.home)
    again = Store.open()
    folders = {path.name for path in (tmp_path / "copy").glob("artifacts/*/*")}
    assert folders == {item.id for item in again.artifacts()} and fsck(again)["ok"]


def test_whoever_was_erased_since_is_erased_again(store: Store, tmp_path: Path) -> None:
    backup(store, tmp_path / "copy")
    erase_subjects(store, ["p1"], yes=True)
    shutil.rmtree(store.home)
    assert restore(tmp_path / "copy", store.home)["erased"] == {"main": 6}
    assert subjects_left(Store.open()) == {"p0", store.hmac("subject", "p0")}


@pytest.mark.parametrize("fault", ["flip", "cut", "missing", "link", "path"])
def test_a_damaged_backup_is_refused_and_nothing_is_put_back(store: Store, tmp_path: Path, fault: str) -> None:
    backup(store, tmp_path / "copy")
    listed = json.loads((tmp_path / "copy" / LIST).read_text())
    path = tmp_path / "copy" / listed["files"][0]["path"]
    if fault == "flip":
        path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    elif fault == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif fault == "missing":
        path.unlink()
    elif fault == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    else:
        listed["files"][0]["path"] = "../escaped"
        (tmp_path / "copy" / LIST).write_text(json.dumps(listed))
    shutil.rmtree(store.home)
    with pytest.raises(IntegrityError, match="changed"):
        restore(tmp_path / "copy", store.home)
    assert not store.home.exists()


def test_a_backup_that_was_cut_short_is_no_backup(store: Store, tmp_path: Path) -> None:
    backup(store, tmp_path / "copy")
    (tmp_path / "copy" / LIST).unlink()
    with pytest.raises(NotFoundError, match="no whole backup"):
        restore(tmp_path / "copy", tmp_path / "elsewhere")


def test_a_home_is_never_overwritten_and_a_strange_folder_never_used(store: Store, tmp_path: Path) -> None:
    backup(store, tmp_path / "copy")
    with pytest.raises(PolicyError, match="there is a home"):
        restore(tmp_path / "copy", store.home)
    with pytest.raises(PolicyError, match="inside the home"):
        backup(store, store.home / "copy")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.doc").write_text("keep me")
    with pytest.raises(InputError, match="something else"):
        backup(store, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.doc").exists()


def test_another_home_is_never_taken_for_a_backup(store: Store, tmp_path: Path) -> None:
    other = tmp_path / "other"
    Store.open(other)
    before = sorted(other.rglob("*"))
    with pytest.raises(InputError, match="something else"):
        backup(store, other)
    assert sorted(other.rglob("*")) == before


def test_a_backup_that_was_cut_short_is_continued(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("appliance.backup._remove_others", cut)
        with pytest.raises(KeyboardInterrupt):
            backup(store, tmp_path / "copy")
    assert backup(store, tmp_path / "copy")["copied"] < 4


def test_a_restore_that_was_cut_short_shows_no_home(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody sees a home in which an erased person is back."""
    backup(store, tmp_path / "copy")
    erase_subjects(store, ["p1"], yes=True)
    shutil.rmtree(store.home)

    def cut(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("appliance.backup.erase_again", cut)
        with pytest.raises(KeyboardInterrupt):
            restore(tmp_path / "copy", store.home)
    assert not store.home.exists()
    assert restore(tmp_path / "copy", store.home)["erased"] == {"main": 6}


def test_the_key_folder_that_the_settings_in_the_backup_name_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SKERRY_STORE__KEY_FOLDER")
    home = tmp_path / "site"
    home.mkdir(mode=0o700)
    (home / "skerry.toml").write_text(f'[store]\nkey_folder = "{tmp_path / "safe"}"\n')
    store = Store.open(home)
    line(store)
    backup(store, tmp_path / "copy")
    erase_subjects(store, ["p1"], yes=True)
    shutil.rmtree(home)
    assert restore(tmp_path / "copy", home)["erased"] == {"main": 6}


def test_what_goes_while_the_tables_are_copied_is_noticed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the copy would name a data set that it does not hold."""
    plain = Store.copy_tables

    def copy(self: Store, target: Path) -> None:
        plain(self, target)
        erase(self, "notes@" + next(item.id for item in self.artifacts("dataset") if item.stage == "raw"))

    with monkeypatch.context() as patch:
        patch.setattr(Store, "copy_tables", copy)
        with pytest.raises(BusyError):
            backup(store, tmp_path / "copy")
    backup(store, tmp_path / "copy")


def test_a_data_set_that_was_erased_whole_or_purged_stays_gone(store: Store, tmp_path: Path) -> None:
    letters = raw_set(store, "letters")
    backup(store, tmp_path / "copy")
    erase(store, "letters")
    purge_raw(store, [next(item for item in store.artifacts("dataset") if item.stage == "raw")])
    shutil.rmtree(store.home)
    found = restore(tmp_path / "copy", store.home)
    assert letters.reference in found["erased_sets"] and len(found["erased_sets"]) == 2
    assert {item.stage for item in Store.open().artifacts("dataset")} == {"scrubbed"}


def test_each_file_is_read_once_to_be_hashed(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file that was copied already both sides are read, of a new one neither again; the list names the bytes that are there."""
    backup(store, tmp_path / "copy")
    hashed: list[Path] = []

    def counted(path: Path) -> str:
        hashed.append(path)
        return file_sha256(path)

    monkeypatch.setattr("appliance.backup.file_sha256", counted)
    raw_set(store, "letters")
    backup(store, tmp_path / "copy")
    names = [path for path in hashed if path.name != "home.json"]
    assert len(names) == len(set(names))
    for file in json.loads((tmp_path / "copy" / LIST).read_text())["files"]:
        assert file_sha256(tmp_path / "copy" / file["path"]) == file["sha256"]
