"""The store: artifacts by hash, lineage, tombstones, the chain of events, durable tables."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from appliance import store as store_module
from appliance.errors import BusyError, HardwareError, IntegrityError, NotFoundError, PolicyError, SettingsError
from appliance.schema import Record, Rejected, Source
from appliance.settings import load
from appliance.store import HEAD, Store, content_id

SECRET = "patient Jan Novak, 110105194912310021"


def raw(store: Store, name: str = "notes", rows: int = 3) -> object:
    """Write a small raw data set with one rejected row."""
    records = [
        Record(
            f"{number:032x}",
            f"{SECRET} {number}",
            "a",
            subject=f"p{number % 2}",
            source=Source("a.csv", number, f"id{number}", {"ward": "7"}),
        )
        for number in range(rows)
    ]
    with store.draft("dataset", name, meta={"stage": "raw"}) as draft:
        store.write_records(draft, records)
        store.write_rejected(draft, [Rejected("a.csv", 9, 120, "empty")])
    return draft.artifact


def test_a_record_reads_back_as_it_was_written() -> None:
    store = Store.open()
    dataset = raw(store)
    first = next(store.records(store.dataset("notes")))
    assert (first.text, first.subject, first.source) == (f"{SECRET} 0", "p0", Source("a.csv", 0, "id0", {"ward": "7"}))
    assert list(store.rejected(dataset)) == [Rejected("a.csv", 9, 120, "empty")]
    assert (dataset.rows, dataset.meta["rejected"]) == (3, 1)


def test_only_one_split_is_read_when_asked() -> None:
    store = Store.open()
    with store.draft("dataset", "sets", meta={"stage": "curated"}) as draft:
        store.write_records(draft, [Record("1", "x", split="train"), Record("2", "y", split="test")])
    assert [record.id for record in store.records(draft.artifact, "test")] == ["2"]


def test_raw_text_lies_nowhere_in_plain_bytes() -> None:
    store = Store.open()
    raw(store)
    for path in store.home.rglob("*"):
        if path.is_file():
            assert b"Novak" not in path.read_bytes(), path


def test_folders_are_private() -> None:
    store = Store.open()
    dataset = raw(store)
    assert all(path.stat().st_mode & 0o077 == 0 for path in (store.home, dataset.folder, store.home / "skerry.db"))


def test_an_id_is_the_hash_of_what_counts() -> None:
    store = Store.open()

    def write(card: str) -> str:
        with store.draft("model", "m", meta={"format": "onnx"}) as draft:
            (draft.folder / "model.onnx").write_bytes(b"weights")
            (draft.folder / "card.json").write_text(card)
            draft.beside.add("card.json")
        return draft.artifact.id

    assert write("one") == write("two")
    assert content_id("model", [{"path": "a", "sha256": "1", "beside": False}]) != content_id(
        "model", [{"path": "a", "sha256": "2", "beside": False}]
    )


def test_a_link_is_no_part_of_an_artifact(tmp_path: Path) -> None:
    store = Store.open()
    with pytest.raises(IntegrityError, match="no regular file"), store.draft("model", "m") as draft:
        (draft.folder / "link").symlink_to(tmp_path)
    assert not list((store.home / "work" / "drafts").iterdir())


def test_an_error_in_a_draft_leaves_nothing() -> None:
    store = Store.open()
    with pytest.raises(ZeroDivisionError), store.draft("model", "m") as draft:
        (draft.folder / "x").write_text("x")
        _unused = 1 / 0
    assert store.artifacts() == [] and not list((store.home / "work" / "drafts").iterdir())


def test_the_newest_of_a_name_is_found_and_any_by_its_id() -> None:
    store = Store.open()
    first, second = raw(store), raw(store)
    assert store.dataset("notes").id == second.id
    assert store.dataset(first.reference).id == first.id
    with pytest.raises(NotFoundError, match="`notes`"):
        store.dataset("other")


def test_children_name_their_parents() -> None:
    store = Store.open()
    parent = raw(store)
    with store.draft("dataset", "child", parents=(parent.id,), meta={"stage": "scrubbed"}) as draft:
        store.write_records(draft, [Record("1", "x")])
    assert draft.artifact.parents == (parent.id,)
    assert [child.name for child in store.children(parent.id)] == ["child"]


def test_an_erased_artifact_leaves_a_tombstone_and_no_key() -> None:
    store = Store.open()
    dataset = raw(store)
    store.bury(dataset, "erase")
    assert not dataset.folder.exists() and store.artifacts() == []
    assert store.artifacts(erased=True)[0].meta["erased"]
    assert store.audit()["ok"]


def test_a_set_without_its_key_cannot_be_read() -> None:
    store = Store.open()
    dataset = raw(store)
    (dataset.folder / "data_key").unlink()
    with pytest.raises(IntegrityError, match="data key"):
        next(store.records(dataset))


def test_a_wrong_key_file_is_a_clear_error() -> None:
    store = Store.open()
    dataset = raw(store)
    store.keys.path.write_text("00" * 32)
    with pytest.raises(IntegrityError, match="key file"):
        next(Store.open().records(dataset))


def test_the_key_file_of_another_home_writes_nothing() -> None:
    """Sets of two keys in one home, and subjects with two hashes, could not be told apart later."""
    store = Store.open()
    store.keys.path.write_text("11" * 32)
    other = Store.open()
    with (
        pytest.raises(IntegrityError, match="another home"),
        other.draft("dataset", "d", meta={"stage": "raw"}) as draft,
    ):
        other.write_records(draft, [Record("1", "text")])
    with pytest.raises(IntegrityError, match="another home"):
        other.hmac("subject", "p1")
    assert other.artifacts() == []


def test_a_lost_key_file_is_not_made_again() -> None:
    Store.open().keys.path.unlink()
    with pytest.raises(NotFoundError, match="no key file"):
        Store.open().keys.derive("anything")


def test_the_key_folder_may_not_lie_in_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SKERRY_STORE__KEY_FOLDER", str(tmp_path / "home" / "keys"))
    with pytest.raises(PolicyError, match="inside the home"):
        Store.open()


def test_projects_do_not_see_each_other() -> None:
    raw(Store.open(project="one"))
    assert Store.open(project="two").artifacts() == []
    assert Store.open().projects() == ["main", "one", "two"]


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "x" * 65])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(SettingsError):
        Store.open(project=name)


def test_a_chinese_name_is_fine() -> None:
    store = Store.open()
    raw(store, "病历")
    assert store.dataset("病历").rows == 3


def test_every_pragma_is_read_back() -> None:
    store = Store.open()
    with store.engine.connect() as connection:
        values = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert values == ["wal", 2, 1]


def test_first_commands_at_the_same_moment_make_one_home(tmp_path: Path) -> None:
    home = tmp_path / "new"
    code = f"from pathlib import Path; from appliance.store import Store; Store.open(Path({str(home)!r})).event('look')"
    commands = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [command.communicate()[1] for command in commands] == [""] * 4
    assert len(Store.open(home).events()) == 4


def test_the_tables_are_at_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(store_module.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD
    tables = set(sa.inspect(Store.open().engine).get_table_names())
    assert set(store_module._tables.tables) <= tables


def test_the_release_before_works_on_newer_tables() -> None:
    store = Store.open()
    with store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    Store.open().event("look")
    with store.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == "9999"


def test_a_changed_event_breaks_the_chain() -> None:
    store = Store.open()
    for number in range(5):
        store.event("test", count=number)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE events SET details = '{\"count\": 99}' WHERE sequence = 3")
    with pytest.raises(IntegrityError, match="event 3"):
        store.audit()


def test_an_event_that_is_no_json_is_a_broken_chain() -> None:
    store = Store.open()
    store.event("first")
    with store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE events SET details = '{'"))
    for read in (store.audit, store.events):
        with pytest.raises(IntegrityError, match="backup"):
            read()


def test_a_removed_event_breaks_the_chain() -> None:
    store = Store.open()
    for number in range(5):
        store.event("test", count=number)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM events WHERE sequence = 2")
    with pytest.raises(IntegrityError, match="event 2"):
        store.audit()


def test_many_writers_make_one_chain() -> None:
    """Four processes append fifty events each."""
    Store.open()
    code = "from appliance.store import Store\ns = Store.open()\nfor n in range(50): s.event('test', count=n)"
    workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4
    assert Store.open().audit()["events"] == 200


def test_a_busy_store_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open()
    monkeypatch.setattr(store_module, "_BUSY_TIMEOUT_MS", 50)
    other = Store(store.home, "main", store.settings, store.keys, store_module._engine(store.home / "skerry.db"))
    with store.writing(), pytest.raises(BusyError):
        other.event("test")


def test_events_keep_no_text() -> None:
    store = Store.open()
    raw(store)
    assert "Novak" not in json.dumps([dict(event.details) for event in store.events()])


def test_below_the_reserve_new_work_is_refused_and_events_still_write() -> None:
    settings = load(store={"reserve_bytes": 10**18})
    store = Store.open(settings=settings)
    with pytest.raises(HardwareError, match="reserve"):
        store.require_room()
    store.event("label")
    assert store.audit()["events"] == 1


def test_damaged_tables_are_named() -> None:
    home = Store.open().home
    (home / "skerry.db").write_bytes(os.urandom(8192))
    for suffix in ("-wal", "-shm"):
        Path(f"{home / 'skerry.db'}{suffix}").unlink(missing_ok=True)
    with pytest.raises(IntegrityError, match=r"skerry\.db"):
        Store.open()
