"""Stores that earlier releases left open in this one, and what this one leaves still works one release back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from appliance import engine
from appliance.annotations import answers, tasks
from appliance.api_keys import list_keys
from appliance.errors import HardwareError
from appliance.schema import Record
from appliance.store import HEAD, Store
from appliance.upkeep import fsck
from tests.fixtures.keep_store import OWNER, ROWS

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
SCRIPTS = Path(__file__).resolve().parents[2] / "appliance" / "migrations"
KEPT = sorted(FIXTURES.glob("store_*"))

NEXT = '''"""Adds, and takes nothing away."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade() -> None:
    op.create_table("labels", sa.Column("record", sa.String), sa.Column("label", sa.String))
    op.add_column("artifacts", sa.Column("reviewed", sa.String, nullable=True))
    {more}
'''


def migrations(folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder))
    return config


def opened(kept: Path, folder: Path) -> Store:
    """Open a copy of a kept store where the tests' home and keys are, private as a home is."""
    if not (folder / "home").exists():
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        for path in (*(folder / "home").rglob("*"), *(folder / "keys").rglob("*")):
            path.chmod(0o700 if path.is_dir() else 0o600)
    return Store.open()


def migrated(store: Store, folder: Path, more: str = "") -> None:
    """Let a made-up later release migrate the store."""
    shutil.copytree(SCRIPTS, folder)
    (folder / "versions" / "r9999_next.py").write_text(NEXT.format(head=HEAD, more=more))
    config = migrations(folder)
    with store.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.execute(sa.text("INSERT INTO labels VALUES ('r1', 'newer')"))
        connection.execute(sa.text("UPDATE artifacts SET reviewed = 'newer'"))
    store.engine.dispose()


def test_every_schema_has_a_kept_store() -> None:
    """Whoever adds a migration keeps a store of it: `tests/fixtures/README.md` says how."""
    released = [script.revision for script in ScriptDirectory.from_config(migrations(SCRIPTS)).walk_revisions()]
    assert [path.name for path in KEPT] == sorted(f"store_{revision}" for revision in released)


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name)
def test_a_kept_store_is_whole_and_answers(kept: Path, tmp_path: Path) -> None:
    store = opened(kept, tmp_path)
    with store.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == HEAD
    assert fsck(store, verify_data=True)["ok"]
    assert store.audit()["ok"]
    raw, scrubbed = store.artifacts("dataset")
    assert [record.text for record in store.records(raw)] == [f"raw number {number}" for number in range(ROWS)]
    assert len(list(store.rejected(raw))) == 1
    assert scrubbed.parents == (raw.id,)
    assert [item.name for item in store.artifacts("dataset", erased=True) if "erased" in item.meta] == ["old"]
    assert len(engine.load(store.model("triage").folder).predict(["w1 w2"])) == 1
    assert [key.owner for key in list_keys(store.home, "main")] == [OWNER]
    assert [(job["verb"], job["state"], job["result"]) for job in store.jobs()] == [("curate", "done", {"rows": ROWS})]
    assert [event.verb for event in store.within("other").events()] == ["look"]
    measured = [] if kept.name == "store_0001" else [{"texts": ROWS}]
    assert [row["values"] for row in store.measurements()] == measured
    asked = [] if kept.name < "store_0003" else [("ask", [("made up", OWNER)])]
    assert [(task.name, [(one.note, one.annotator) for one in answers(store, task)]) for task in tasks(store)] == asked  # fmt: skip


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name)
def test_one_migration_ahead_this_release_works_and_keeps_what_is_newer(kept: Path, tmp_path: Path) -> None:
    """Upgrade, work there, roll back, work here: newer labels and events stay, and the next upgrade finds them."""
    store = opened(kept, tmp_path)
    store.event("before")
    migrated(store, tmp_path / "later")
    back = opened(kept, tmp_path)
    back.event("behind")
    with back.draft("dataset", "more", meta={"stage": "scrubbed"}) as draft:
        back.write_records(draft, [Record("1", "behind the rollback", "a")])
    assert fsck(back, verify_data=True)["ok"]
    assert [event.verb for event in back.events()][-3:] == ["before", "behind", "dataset"]
    with back.engine.begin() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == "9999"
        assert connection.execute(sa.text("SELECT record, label FROM labels")).all() == [("r1", "newer")]
        reviewed = connection.execute(sa.text("SELECT name, reviewed FROM artifacts ORDER BY number")).all()
    assert reviewed[-1] == ("more", None)
    assert {mark for _name, mark in reviewed[:-1]} == {"newer"}


def test_a_migration_that_takes_something_away_is_caught(tmp_path: Path) -> None:
    store = opened(KEPT[-1], tmp_path)
    migrated(store, tmp_path / "later", 'op.drop_column("events", "actor")')
    with pytest.raises(HardwareError):
        opened(KEPT[-1], tmp_path).event("behind")
