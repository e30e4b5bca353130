"""The one place that keeps state: artifacts by hash, their lineage, the hash-chained event log, job rows.

An artifact is a folder named by the hash of its content, written under a temporary name, fsynced, renamed, its parent fsynced; only then
does one transaction register it and append its event. So after a crash there is the old state or the new, never a third.
The tables are SQLite in WAL mode with `synchronous=FULL`; every PRAGMA is read back, since SQLite ignores what it cannot do.
SQL stands in this file, in `annotations.py` and in `migrations/` only.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, OperationalError

from appliance import records as record_files
from appliance import spool
from appliance.errors import BusyError, HardwareError, IntegrityError, NotFoundError, SettingsError
from appliance.files import canonical, content_id, file_sha256, fsync_path, locked, write_durably
from appliance.keys import Keys, key_folder
from appliance.log import now
from appliance.schema import Artifact, Dataset, Event, Model, Record, Rejected, Report
from appliance.settings import Settings, home_folder, load
from appliance.words import _

__all__ = ["Draft", "Store", "check_name", "content_id", "file_sha256"]

HEAD = "0003"  # the newest migration; a test holds it against the scripts
RECORDS, REJECTED, MANIFEST, DATA_KEY = "records.parquet", "rejected.parquet", "manifest.json", "data_key"
_KINDS: dict[str, type[Artifact]] = {"dataset": Dataset, "model": Model, "report": Report}
_NAME = re.compile(r"[A-Za-z0-9_\-.\u4e00-\u9fff]{1,64}")
_BUSY_TIMEOUT_MS = 30_000
_LOCK = ".lock"

_tables = sa.MetaData()
_projects = sa.Table("projects", _tables, sa.Column("name", sa.String), sa.Column("created", sa.String))
_artifacts = sa.Table(
    "artifacts", _tables, sa.Column("number", sa.Integer, primary_key=True), sa.Column("project", sa.String), sa.Column("kind", sa.String),
    sa.Column("name", sa.String), sa.Column("id", sa.String), sa.Column("created", sa.String), sa.Column("meta", sa.JSON), sa.Column("erased", sa.String),
)  # fmt: skip
_lineage = sa.Table(
    "lineage", _tables, sa.Column("project", sa.String), sa.Column("child", sa.String), sa.Column("parent", sa.String)
)
_events = sa.Table(
    "events", _tables, sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False), sa.Column("time", sa.String), sa.Column("project", sa.String),
    sa.Column("actor", sa.String), sa.Column("verb", sa.String), sa.Column("artifacts", sa.JSON), sa.Column("details", sa.JSON),
    sa.Column("previous_hash", sa.String), sa.Column("hash", sa.String),
)  # fmt: skip
_jobs = sa.Table(
    "jobs", _tables, sa.Column("id", sa.String, primary_key=True), sa.Column("project", sa.String), sa.Column("verb", sa.String), sa.Column("fingerprint", sa.String),
    sa.Column("request", sa.String), sa.Column("state", sa.String), sa.Column("attempt", sa.Integer), sa.Column("created", sa.String), sa.Column("ended", sa.String), sa.Column("owner", sa.String),
    sa.Column("progress", sa.JSON), sa.Column("result", sa.JSON), sa.Column("error", sa.String),
)  # fmt: skip
_measurements = sa.Table(
    "measurements", _tables, sa.Column("project", sa.String), sa.Column("minute", sa.String), sa.Column("server", sa.String), sa.Column("values", sa.JSON),
)  # fmt: skip


class Draft:
    """An artifact being written. Files put into `folder` become the artifact when the `with` block ends without an error."""

    def __init__(self, store: Store, kind: str, name: str, parents: tuple[str, ...], meta: dict[str, Any]) -> None:
        self.store, self.kind, self.name, self.parents, self.meta = store, kind, name, parents, meta
        self.verb = kind
        self.beside: set[str] = {DATA_KEY}
        self.folder = store.home / "work" / "drafts" / f"{os.getpid()}-{uuid.uuid4().hex}"
        self.folder.mkdir(parents=True, mode=0o700)
        self._artifact: Artifact | None = None

    @property
    def artifact(self) -> Any:
        """The Dataset, Model or Report; there once the `with` block has ended."""
        assert self._artifact is not None, "the draft is not finished"
        return self._artifact

    def data_key(self) -> bytes:
        """Return this set's own random data key (32 bytes), made and wrapped by the key file at the first call."""
        path = self.folder / DATA_KEY
        if not path.exists():
            path.write_text(self.store.keys.seal("data key", os.urandom(32)))
        return self.store.keys.open("data key", path.read_text())

    def manifest(self) -> dict[str, Any]:
        """Hash every file. Raises `IntegrityError` for anything but regular files."""
        files = []
        for path in sorted(self.folder.rglob("*")):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise IntegrityError(_("`{path}` is no regular file; an artifact holds nothing else", path=path))
            if path.is_file():
                name = path.relative_to(self.folder).as_posix()
                files.append(
                    {
                        "path": name,
                        "sha256": file_sha256(path),
                        "bytes": path.stat().st_size,
                        "beside": name in self.beside,
                    }
                )
        return {"kind": self.kind, "id": content_id(self.kind, files), "files": files}


class Store:
    """One home folder seen from one project."""

    def __init__(self, home: Path, project: str, settings: Settings, keys: Keys, engine: sa.Engine) -> None:
        self.home, self.project, self.settings, self.keys, self.engine = home, project, settings, keys, engine

    # -- opening -----------------------------------------------------------------------------------------------------

    @classmethod
    def open(cls, home: Path | None = None, project: str = "main", settings: Settings | None = None) -> Store:
        """Open the home (default `SKERRY_HOME`, else `~/.skerry`), making what is missing. Idempotent.

        Raises `SettingsError` for a bad project name, `HardwareError` when the tables cannot be written, `IntegrityError` when they are damaged.
        """
        os.umask(0o077)
        home = home or home_folder()
        settings = settings or load(home)
        check_name(project)
        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            with locked(home / _LOCK):  # two first commands make one home
                identity = home / "home.json"
                if not identity.exists():
                    write_durably(identity, canonical({"id": uuid.uuid4().hex}))
                about = json.loads(identity.read_text())
                folder = key_folder(home, settings.store.key_folder)
                keys = Keys(folder / f"{about['id']}.key", about.get("key_check"))
                if not (home / "skerry.db").exists():  # a home that has tables must never get a new key
                    Keys.create(keys.path)
                    write_durably(identity, canonical(about | {"key_check": keys.check()}))
                store = cls(home, project, settings, keys, _engine(home / "skerry.db"))
                store._migrate()
                store.finish_burials(raw_only=True)
                store.take_in_spool()
        except (OSError, OperationalError) as error:
            raise HardwareError(
                _(
                    "cannot write to the home `{home}`: {error}; free some room or check its owner",
                    home=home,
                    error=_cause(error),
                )
            ) from error
        except DatabaseError as error:
            raise IntegrityError(
                _("`{path}` is damaged; put back a backup, then run `skerry fsck`", path=home / "skerry.db")
            ) from error
        return store

    def alone(self) -> AbstractContextManager[None]:
        """Keep other processes from opening this home, while tables are made."""
        return locked(self.home / _LOCK)

    def _migrate(self) -> None:
        with self.reading() as connection:
            known = sa.inspect(connection).has_table("alembic_version")
            head = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() if known else None
        if head is None or head < HEAD:  # a newer one only added: a release that was turned back to works on it
            from alembic import command
            from alembic.config import Config

            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            with self.engine.begin() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        with self.reading() as connection:
            there = connection.execute(sa.select(_projects.c.name).where(_projects.c.name == self.project)).scalar()
        if there is None:
            with self.writing() as connection:
                if (
                    connection.execute(sa.select(_projects.c.name).where(_projects.c.name == self.project)).scalar()
                    is None
                ):
                    connection.execute(_projects.insert().values(name=self.project, created=now()))

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Yield a connection that reads; for this file and `annotations`, the two that speak SQL."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Yield a connection whose changes are one transaction: all durable at the end of the block, or none.

        Raises `BusyError` when another process holds the tables for too long, `HardwareError` without room.
        """
        try:
            with self.engine.begin() as connection:
                # the lock is taken at once, so that the chain of events cannot fork between read and write
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
        except OperationalError as error:
            if "locked" in str(error.orig):
                raise BusyError(_("the store is busy; try again")) from error
            raise HardwareError(
                _(
                    "cannot write to the home `{home}`: {error}; free some room or check its owner",
                    home=self.home,
                    error=_cause(error),
                )
            ) from error

    def within(self, project: str) -> Store:
        """Return the same home seen from another project."""
        return Store(self.home, project, self.settings, self.keys, self.engine)

    def projects(self) -> list[str]:
        """List the home's projects."""
        with self.reading() as connection:
            return list(connection.execute(sa.select(_projects.c.name).order_by(_projects.c.name)).scalars())

    @staticmethod
    def now() -> str:
        """Return the time as ISO 8601 UTC, to the millisecond."""
        return now()

    # -- artifacts ---------------------------------------------------------------------------------------------------

    @contextmanager
    def draft(
        self, kind: str, name: str, parents: Iterable[str] = (), meta: dict[str, Any] | None = None
    ) -> Iterator[Draft]:
        """Write an artifact: yield a `Draft`; on leaving, hash, fsync, rename, register and append its event (verb `draft.verb`)."""
        check_name(name)
        draft = Draft(self, kind, name, tuple(parents), dict(meta or {}))
        try:
            yield draft
            draft._artifact = self._commit(draft)
        except OSError as error:
            raise HardwareError(
                _(
                    "cannot write to the home `{home}`: {error}; free some room or check its owner",
                    home=self.home,
                    error=_cause(error),
                )
            ) from error
        finally:
            shutil.rmtree(draft.folder, ignore_errors=True)

    def _commit(self, draft: Draft) -> Artifact:
        manifest = draft.manifest()
        (draft.folder / MANIFEST).write_bytes(canonical(manifest))
        for path in (*draft.folder.rglob("*"), draft.folder):
            fsync_path(path)
        final = self.folder(draft.kind, manifest["id"])
        final.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if final.exists() and not self._is_alive(manifest["id"]):
            shutil.rmtree(final)  # the rest of one that was erased, or of a commit that a crash cut short
        if not final.exists():
            draft.folder.rename(final)
            fsync_path(final.parent)
        row = {"project": self.project, "kind": draft.kind, "name": draft.name, "id": manifest["id"]}
        with self.writing() as connection:
            # the same content under the same name again becomes the newest once more
            connection.execute(_artifacts.delete().where(*(_artifacts.c[key] == value for key, value in row.items())))
            connection.execute(_artifacts.insert().values(**row, created=now(), meta=draft.meta))
            for parent in draft.parents:
                link = {"project": self.project, "child": manifest["id"], "parent": parent}
                if (
                    connection.execute(
                        sa.select(_lineage).where(*(_lineage.c[key] == value for key, value in link.items()))
                    ).first()
                    is None
                ):
                    connection.execute(_lineage.insert().values(**link))
            self._append(connection, draft.verb, (manifest["id"], *draft.parents), _counts(draft.meta))
        found: Artifact = self.artifact(draft.kind, f"{draft.name}@{manifest['id']}")
        return found

    def _is_alive(self, identity: str) -> bool:
        query = sa.select(_artifacts.c.number).where(_artifacts.c.id == identity, _artifacts.c.erased.is_(None))
        with self.reading() as connection:
            return connection.execute(query).first() is not None

    def folder(self, kind: str, identity: str) -> Path:
        """Return where the artifact of this kind and id lies."""
        return self.home / "artifacts" / kind / identity

    def artifacts(self, kind: str | None = None, erased: bool = False) -> list[Any]:
        """List this project's artifacts, oldest first; the erased ones (tombstones) only when asked."""
        query = sa.select(_artifacts).where(_artifacts.c.project == self.project).order_by(_artifacts.c.number)
        if kind:
            query = query.where(_artifacts.c.kind == kind)
        if not erased:
            query = query.where(_artifacts.c.erased.is_(None))
        with self.reading() as connection:
            rows = connection.execute(query).mappings().all()
            links = connection.execute(sa.select(_lineage).where(_lineage.c.project == self.project)).all()
        parents: dict[str, list[str]] = {}
        for _project, child, parent in links:
            parents.setdefault(child, []).append(parent)
        return [self._load(dict(row), tuple(parents.get(row["id"], ()))) for row in rows]

    def _load(self, row: dict[str, Any], parents: tuple[str, ...]) -> Artifact:
        meta = dict(row["meta"]) | ({"erased": row["erased"]} if row["erased"] else {})
        return _KINDS[row["kind"]](
            id=row["id"], kind=row["kind"], project=row["project"], name=row["name"], created=row["created"],
            folder=self.folder(row["kind"], row["id"]), meta=meta, parents=parents,
        )  # fmt: skip

    def artifact(self, kind: str, reference: str) -> Any:
        """Find `NAME` (its newest) or `NAME@ID`. Raises `NotFoundError` naming what is there."""
        name, _at, identity = reference.partition("@")
        known = self.artifacts(kind)
        found = [item for item in known if item.name == name and item.id.startswith(identity)]
        if found:
            return found[-1]
        names = ", ".join(f"`{item}`" for item in sorted({item.name for item in known})) or _("none yet")
        raise NotFoundError(
            _(
                "no {kind} `{reference}` in project `{project}`; there are: {names}",
                kind=kind,
                reference=reference,
                project=self.project,
                names=names,
            )
        )

    def dataset(self, reference: str) -> Dataset:
        """Find a data set by `NAME` or `NAME@ID`."""
        found: Dataset = self.artifact("dataset", reference)
        return found

    def model(self, reference: str) -> Model:
        """Find a model by `NAME` or `NAME@ID`."""
        found: Model = self.artifact("model", reference)
        return found

    def children(self, identity: str) -> list[Any]:
        """List the artifacts, not erased, that name this id as a parent."""
        return [item for item in self.artifacts() if identity in item.parents]

    def manifest(self, artifact: Artifact) -> dict[str, Any]:
        """Read an artifact's manifest. Raises `IntegrityError` when it is gone or no JSON."""
        try:
            content: dict[str, Any] = json.loads((artifact.folder / MANIFEST).read_bytes())
        except (OSError, ValueError) as error:
            raise IntegrityError(
                _("`{reference}` has no readable manifest; see `skerry fsck`", reference=artifact.reference)
            ) from error
        return content

    def bury(self, artifact: Artifact, verb: str, one_name: bool = False, **details: Any) -> None:
        """Erase an artifact: key and files go, a tombstone stays for lineage, `fsck` and the event chain.

        The same content can have several names; with `one_name` only this one goes, and the files with the last of them.
        """
        keys = ("project", "kind", "id", *(("name",) if one_name else ()))
        with self.writing() as connection:
            connection.execute(
                _artifacts.update()
                .where(*(_artifacts.c[key] == getattr(artifact, key) for key in keys), _artifacts.c.erased.is_(None))
                .values(erased=now())
            )
            self._append(connection, verb, (artifact.id,), details)
            shared = connection.execute(
                sa.select(_artifacts.c.number).where(_artifacts.c.id == artifact.id, _artifacts.c.erased.is_(None))
            ).first()
        if shared is None:
            self._remove(artifact.kind, artifact.id)

    def _remove(self, kind: str, identity: str) -> None:
        folder = self.folder(kind, identity)
        if folder.exists():
            (folder / DATA_KEY).unlink(missing_ok=True)  # first the key, so that a crash leaves nothing readable
            shutil.rmtree(folder)
            (self.home / "reviews" / f"{identity}.jsonl").unlink(missing_ok=True)  # unreadable without the key

    def finish_burials(self, raw_only: bool = False) -> None:
        """Remove what tombstones of any project still have on disk: a crash may have stopped `bury` behind the tombstone.

        A raw set never comes back under its id, so that its rest can go at any time; another artifact's only while no job writes.
        """
        query = sa.select(_artifacts.c.kind, _artifacts.c.id, _artifacts.c.meta).where(_artifacts.c.erased.is_not(None))
        with self.reading() as connection:
            tombstones = connection.execute(query).all()
        for kind, identity, meta in tombstones:
            wanted = not raw_only or meta.get("stage") == "raw"
            if wanted and self.folder(kind, identity).exists() and not self._is_alive(identity):
                self._remove(kind, identity)

    # -- records -----------------------------------------------------------------------------------------------------

    def write_records(self, draft: Draft, records: Iterable[Record]) -> int:
        """Stream records into the draft; encrypted when its stage is `raw`. Returns and notes the rows."""
        key = draft.data_key() if draft.meta.get("stage") == "raw" else None
        rows = record_files.write_records(draft.folder / RECORDS, records, self.settings.store.rows_per_group, key)
        draft.meta["rows"] = rows
        return rows

    def write_rejected(self, draft: Draft, rejected: Iterable[Rejected]) -> int:
        """Stream rejected rows into the draft, encrypted. Returns and notes how many."""
        count = record_files.write_rejected(
            draft.folder / REJECTED, rejected, self.settings.store.rows_per_group, draft.data_key()
        )
        draft.meta["rejected"] = count
        return count

    def records(self, dataset: Dataset, split: str | None = None) -> Iterator[Record]:
        """Stream a data set's records, only those of `split` when given."""
        return record_files.read_records(dataset.folder / RECORDS, self._data_key(dataset), split)

    def rejected(self, dataset: Dataset) -> Iterator[Rejected]:
        """Stream the rows that ingest rejected."""
        path, key = dataset.folder / REJECTED, self._data_key(dataset)
        return record_files.read_rejected(path, key) if key and path.exists() else iter(())

    def _data_key(self, dataset: Dataset) -> bytes | None:
        path = dataset.folder / DATA_KEY
        if dataset.stage != "raw":
            return None
        if not path.exists():
            raise IntegrityError(
                _("`{reference}` has lost its data key; put back a backup, or erase it", reference=dataset.reference)
            )
        return self.keys.open("data key", path.read_text())

    def dataset_key(self, dataset: Dataset, purpose: str) -> bytes:
        """Return a key (32 bytes) made from a raw set's own data key by HMAC-SHA-256 (RFC 2104): what it seals dies with the set."""
        key = self._data_key(dataset)
        if key is None:
            raise NotFoundError(_("`{reference}` is no raw data set: it has no key", reference=dataset.reference))
        return hmac.new(key, f"skerry {purpose}".encode(), "sha256").digest()

    def hmac(self, purpose: str, value: str) -> str:
        """Return the keyed hash that stands for a personal value in children, 64 hex digits."""
        return self.keys.hmac(purpose, value)

    def copy_tables(self, target: Path) -> None:
        """Write a consistent copy of the tables to the file `target`, beside whoever writes meanwhile."""
        target.unlink(missing_ok=True)
        with self.reading() as connection:
            connection.exec_driver_sql("VACUUM INTO ?", (str(target),))
        fsync_path(target)

    # -- scratch and room --------------------------------------------------------------------------------------------

    def scratch(self, *parts: str) -> Path:
        """Return a folder under `work/` that survives a kill, made when missing."""
        folder = self.home.joinpath("work", *parts)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def clear_scratch(self, *parts: str) -> None:
        """Remove a scratch folder."""
        shutil.rmtree(self.home.joinpath("work", *parts), ignore_errors=True)

    def require_room(self) -> None:
        """Raise `HardwareError` when less than `store.reserve_bytes` are free."""
        free = shutil.disk_usage(self.home).free
        if free < self.settings.store.reserve_bytes:
            raise HardwareError(
                _(
                    "only {free} bytes are free in `{home}`, the reserve is {reserve}; see `skerry space`, then `skerry prune`, or lower `store.reserve_bytes`",
                    free=free,
                    home=self.home,
                    reserve=self.settings.store.reserve_bytes,
                )
            )

    # -- events ------------------------------------------------------------------------------------------------------

    def event(self, verb: str, artifacts: Iterable[str] = (), **details: Any) -> None:
        """Append one event: ids, counts and names of ours, never record text."""
        with self.writing() as connection:
            self._append(connection, verb, tuple(artifacts), details)

    def take_in_spool(self) -> None:
        """Append the events that a process without the store has left in the home (see `spool`), each once."""
        for path, content in spool.waiting(self.home):
            there = self.within(content["project"])
            known = _events.c.details["spool"].as_string() == content["details"]["spool"]
            with there.writing() as connection:
                if connection.execute(sa.select(_events.c.sequence).where(known)).first() is None:
                    there._append(
                        connection, content["verb"], tuple(content["artifacts"]), content["details"], content["actor"]
                    )
            path.unlink(missing_ok=True)

    def _append(
        self,
        connection: sa.Connection,
        verb: str,
        artifacts: tuple[str, ...],
        details: Mapping[str, Any],
        actor: str | None = None,
    ) -> None:
        last = connection.execute(
            sa.select(_events.c.sequence, _events.c.hash).order_by(_events.c.sequence.desc()).limit(1)
        ).first()
        sequence, previous = (last[0] + 1, last[1]) if last else (1, "")
        body = {
            "sequence": sequence, "time": now(), "project": self.project, "actor": actor or f"uid:{os.getuid()}", "verb": verb,
            "artifacts": list(artifacts), "details": dict(details), "previous_hash": previous,
        }  # fmt: skip
        connection.execute(_events.insert().values(**body, hash=hashlib.sha256(canonical(body)).hexdigest()))

    def events(self, name: str | None = None) -> list[Event]:
        """List this project's events, oldest first; only those about the artifacts called `name` when given."""
        rows = self._event_rows(sa.select(_events).where(_events.c.project == self.project))
        ids = {item.id for item in self.artifacts(erased=True) if item.name == name}
        chosen = [
            row for row in rows if name is None or ids & set(row["artifacts"]) or row["details"].get("release") == name
        ]
        return [Event(**{**row, "artifacts": tuple(row["artifacts"])}) for row in chosen]

    def audit(self) -> dict[str, Any]:
        """Walk the whole chain (all projects). Raises `IntegrityError` naming the first event that was changed, removed or inserted."""
        rows = self._event_rows(sa.select(_events))
        previous = ""
        for number, row in enumerate(rows, start=1):
            body = {key: value for key, value in row.items() if key != "hash"}
            intact = hashlib.sha256(canonical(body)).hexdigest() == row["hash"]
            if not intact or row["sequence"] != number or row["previous_hash"] != previous:
                raise IntegrityError(
                    _("the event chain breaks at event {number}; compare it with a backup", number=number)
                )
            previous = row["hash"]
        return {"ok": True, "events": len(rows), "head": previous}

    def _event_rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        with self.reading() as connection:
            try:
                return [dict(row) for row in connection.execute(query.order_by(_events.c.sequence)).mappings()]
            except ValueError as error:  # a column that is JSON no more
                raise IntegrityError(
                    _("an event cannot be read: the chain was changed; compare it with a backup")
                ) from error

    # -- jobs --------------------------------------------------------------------------------------------------------

    def add_job(self, identity: str, verb: str, fingerprint: str, request: str, state: str) -> None:
        """Write a job's row. `request` is sealed by the key file."""
        row = {
            "id": identity, "project": self.project, "verb": verb, "fingerprint": fingerprint, "request": request, "state": state,
            "attempt": 1, "created": now(), "progress": {},
        }  # fmt: skip
        with self.writing() as connection:
            connection.execute(_jobs.insert().values(**row))

    def update_job(self, identity: str, **values: Any) -> None:
        """Change columns of a job's row."""
        with self.writing() as connection:
            connection.execute(_jobs.update().where(_jobs.c.id == identity).values(**values))

    def claim_job(self, identity: str, previous_owner: str | None, owner: str, attempt: int) -> bool:
        """Make `owner` the job's owner if nobody else was faster."""
        free = (_jobs.c.id == identity, _jobs.c.owner.is_not_distinct_from(previous_owner), _jobs.c.state != "done")
        with self.writing() as connection:
            claimed = connection.execute(
                _jobs.update()
                .where(*free)
                .values(owner=owner, state="running", attempt=attempt, ended=None, error=None)
            )
            return claimed.rowcount == 1

    def jobs(self, all_projects: bool = False) -> list[dict[str, Any]]:
        """List job rows, oldest first."""
        query = sa.select(_jobs).order_by(_jobs.c.created)
        if not all_projects:
            query = query.where(_jobs.c.project == self.project)
        with self.reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def job(self, identity: str) -> dict[str, Any]:
        """Find a job by id or the first digits of it. Raises `NotFoundError`."""
        found = [row for row in self.jobs(all_projects=True) if row["id"].startswith(identity)]
        if len(found) != 1:
            raise NotFoundError(_("no single job `{identity}`; see `skerry jobs list`", identity=identity))
        return found[0]

    # -- measurements ------------------------------------------------------------------------------------------------

    def add_measurements(self, rows: Iterable[Mapping[str, Any]], keep_minutes: int) -> None:
        """Add rows of `minute`, `server` and `values` (numbers), leave those that are there, and drop all but the newest `keep_minutes` minutes."""
        table = _measurements.c
        with self.writing() as connection:
            for row in rows:
                values = {"project": self.project} | {name: row[name] for name in ("minute", "server", "values")}
                connection.execute(_measurements.insert().prefix_with("OR IGNORE").values(**values))
            minutes = sa.select(table.minute).where(table.project == self.project).distinct()
            oldest = connection.execute(minutes.order_by(table.minute.desc()).offset(keep_minutes).limit(1)).scalar()
            if oldest is not None:
                connection.execute(_measurements.delete().where(table.project == self.project, table.minute <= oldest))

    def measurements(self, since: str = "", limit: int = 1_000_000) -> list[dict[str, Any]]:
        """List this project's newest `limit` measurements from the minute `since` on, oldest first."""
        table = _measurements.c
        query = sa.select(table.minute, table.server, table["values"]).where(
            table.project == self.project, table.minute >= since
        )
        with self.reading() as connection:
            rows = connection.execute(query.order_by(table.minute.desc(), table.server.desc()).limit(limit)).mappings()
            return [dict(row) for row in rows][::-1]


def check_name(name: str) -> None:
    """Raise `SettingsError` unless `name` can be the name of an artifact or project: letters, digits, Han, `_-.`, at most 64, not starting with a dot."""
    if not _NAME.fullmatch(name) or name.startswith("."):
        raise SettingsError(
            _("`{name}` cannot be a name: use letters, digits, Han characters, `_`, `-` and `.`, at most 64", name=name)
        )


def _engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(
        f"sqlite:///{path}", connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000, "check_same_thread": False}
    )

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": _BUSY_TIMEOUT_MS}
        for pragma, value in wanted.items():
            connection.execute(f"PRAGMA {pragma}={value}").fetchall()
            if connection.execute(f"PRAGMA {pragma}").fetchone() != (value,):
                raise HardwareError(
                    _(
                        "SQLite did not take `PRAGMA {pragma}={value}`; the home must lie on a local file system",
                        pragma=pragma,
                        value=value,
                    )
                )

    return engine


def _counts(meta: Mapping[str, Any]) -> dict[str, Any]:
    # An event tells what and how many; label names and cards stay with the artifact.
    return {
        key: value
        for key, value in meta.items()
        if isinstance(value, int | float | bool) or key in ("stage", "format", "signer", "policy", "policy_digest")
    }


def _cause(error: Exception) -> str:
    # SQLAlchemy's own text would show the statement with its parameters.
    return str(getattr(error, "orig", None) or getattr(error, "strerror", None) or type(error).__name__)
