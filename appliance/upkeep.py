"""Keep a home in order: check every byte, see who uses the room, remove what nothing needs, erase for good."""

from __future__ import annotations

import csv
import json
import shutil
import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from appliance.annotations import tasks
from appliance.erase import note
from appliance.errors import IntegrityError, NotFoundError, PolicyError, SettingsError
from appliance.files import file_sha256
from appliance.jobs import progress
from appliance.release import registry
from appliance.schema import Artifact, Dataset, Record
from appliance.store import MANIFEST, Store, content_id
from appliance.words import _

__all__ = ["delete", "find_any", "fsck", "prune", "purge_expired", "purge_raw", "save", "space"]

_FORMULA_LEADS = tuple("=+-@\t\r＝＋－＠")  # Excel and WPS run a cell that starts with one of these
_DRAFT_AGE_S = 24 * 3600
_CHECKPOINT_AGE_S = 7 * 24 * 3600  # a job that was killed goes on from them
_COMMIT_S = 3600  # an artifact's folder is there a moment before its row


def fsck(store: Store, verify_data: bool = False) -> dict[str, Any]:
    """Hash every file of every artifact again, check ids, tombstones, strays and the event chain; with `verify_data` also decode every row.

    Raises `IntegrityError` naming what is damaged. Nothing is repaired: put back a backup, or erase what is lost.
    """
    artifacts = store.artifacts(erased=True)
    faults: list[str] = []
    for number, artifact in enumerate(artifacts):
        progress("fsck", number, len(artifacts))
        faults += (
            _tombstone_faults(store, artifact)
            if "erased" in artifact.meta
            else _artifact_faults(store, artifact, verify_data)
        )
    events = 0
    try:
        events = store.audit()["events"]
    except IntegrityError as error:
        faults.append(str(error))
    if faults:
        raise IntegrityError(_("{count} faults: {faults}", count=len(faults), faults="; ".join(faults)))
    return {"ok": True, "artifacts": len(artifacts), "events": events, "strays": len(list(_strays(store)))}


def _artifact_faults(store: Store, artifact: Artifact, verify_data: bool) -> Iterator[str]:
    try:
        manifest = store.manifest(artifact)
    except IntegrityError as error:
        yield str(error)
        return
    for file in manifest["files"]:
        path = artifact.folder / file["path"]
        if not path.is_file():
            yield _("`{path}` is missing", path=path)
        elif path.stat().st_size != file["bytes"] or file_sha256(path) != file["sha256"]:
            yield _("`{path}` has changed", path=path)
    if content_id(artifact.kind, manifest["files"]) != artifact.id:
        yield _("the manifest of `{reference}` does not give its id", reference=artifact.reference)
    known = {file["path"] for file in manifest["files"]} | {MANIFEST}
    for path in artifact.folder.rglob("*"):
        if path.is_file() and path.relative_to(artifact.folder).as_posix() not in known:
            yield _("`{path}` is not in the manifest", path=path)
    if verify_data and isinstance(artifact, Dataset):
        try:
            rows = sum(1 for _record in store.records(artifact))
        except IntegrityError as error:
            yield _("`{reference}`: {reason}", reference=artifact.reference, reason=error)
        else:
            if rows != artifact.rows:
                yield _(
                    "`{reference}` has {rows} rows, not {expected}",
                    reference=artifact.reference,
                    rows=rows,
                    expected=artifact.rows,
                )


def _tombstone_faults(store: Store, artifact: Artifact) -> Iterator[str]:
    alive = any(item.id == artifact.id for item in store.artifacts(artifact.kind))
    if artifact.folder.exists() and not alive:
        yield _(
            "`{reference}` is erased and its files are still there: run `skerry prune --yes`",
            reference=artifact.reference,
        )


def _strays(store: Store) -> Iterator[Path]:
    """Folders that no project's artifact owns, drafts that no living process writes, and checkpoints and embeddings that nobody came back to."""
    owned = {artifact.folder for project in store.projects() for artifact in store.within(project).artifacts()}
    for folder in store.home.glob("artifacts/*/*"):
        if folder not in owned and _age_s(folder) > _COMMIT_S:
            yield folder
    for draft in store.home.glob("work/drafts/*"):
        alive = Path("/proc", draft.name.partition("-")[0]).exists()
        if not alive or _age_s(draft) > _DRAFT_AGE_S:
            yield draft
    for checkpoint in (
        folder for verb in ("train", "compress", "label") for folder in store.home.glob(f"work/{verb}/*")
    ):
        if _age_s(checkpoint) > _CHECKPOINT_AGE_S:
            yield checkpoint


def _age_s(folder: Path) -> float:
    try:
        return time.time() - folder.stat().st_mtime
    except FileNotFoundError:  # finished or removed meanwhile
        return 0.0


def space(store: Store) -> dict[str, Any]:
    """Tell what uses how many bytes, and how many are free."""
    uses = [
        {"kind": artifact.kind, "name": artifact.reference, "bytes": _bytes(artifact.folder)}
        for artifact in store.artifacts()
    ]
    bases = store.settings.bases.folder or store.home / "bases"
    uses += [
        {"kind": "base", "name": folder.name, "bytes": _bytes(folder)}
        for folder in sorted(bases.glob("*"))
        if folder.is_dir()
    ]
    uses += [
        {"kind": "work", "name": folder.name, "bytes": _bytes(folder)} for folder in sorted(store.home.glob("work/*"))
    ]
    uses += [
        {"kind": "store", "name": path.name, "bytes": path.stat().st_size}
        for path in sorted(store.home.glob("skerry.db*"))
    ]
    free = shutil.disk_usage(store.home).free
    return {
        "used_bytes": sum(use["bytes"] for use in uses),
        "free_bytes": free,
        "reserve_bytes": store.settings.store.reserve_bytes,
        "uses": uses,
    }


def prune(store: Store, yes: bool = False) -> dict[str, Any]:
    """List what nothing needs, or with `yes` remove it: strays, raw sets past their retention, older versions that no child and no release needs."""
    newest = {(item.kind, item.name): item.id for item in store.artifacts()}
    needed = set(newest.values()) | _released(store) | {parent for item in store.artifacts() for parent in item.parents}
    old = [item for item in store.artifacts() if item.id not in needed]
    expired = _expired(store)
    old = [item for item in old if item not in expired]
    strays = list(_strays(store))
    freed = sum(map(_bytes, strays)) + sum(_bytes(item.folder) for item in (*old, *expired))
    if yes:
        purge_raw(store, expired)
        for folder in strays:
            shutil.rmtree(folder)
        for item in old:
            store.bury(item, "prune", one_name=True)
    names = [item.reference for item in (*old, *expired)] + [path.relative_to(store.home).as_posix() for path in strays]
    return {"removed" if yes else "would_remove": names, "bytes": freed}


def purge_expired(store: Store) -> list[str]:
    """Purge, in every project, the raw sets that are past `store.raw_days`. Returns their references."""
    purged = []
    for project in store.projects():
        here = store.within(project)
        purged += purge_raw(here, _expired(here))
    return purged


def purge_raw(store: Store, datasets: Iterable[Dataset]) -> list[str]:
    """Destroy the data keys and the files of raw sets; what was made of them stays. Returns their references."""
    purged = []
    for dataset in datasets:
        note(store, datasets=[dataset.id])
        store.bury(dataset, "purge-raw")
        purged.append(dataset.reference)
    return purged


def _expired(store: Store) -> list[Dataset]:
    """List the raw sets older than `store.raw_days` days that were scrubbed: storage limitation, GDPR art. 5(1)(e), PIPL art. 19."""
    days = store.settings.store.raw_days
    limit = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - days * 24 * 3600))
    sets = store.artifacts("dataset")
    scrubbed = {parent for item in sets if item.stage == "scrubbed" for parent in item.parents}
    return [item for item in sets if days and item.stage == "raw" and _taken_in(item) < limit and item.id in scrubbed]


def _taken_in(dataset: Dataset) -> str:
    return str(
        dataset.meta.get("taken_in", dataset.created)
    )  # a version without an erased person is as old as the first


def _released(store: Store) -> set[str]:
    releases = [release for project in store.projects() for release in registry.releases(store.home, project)]
    return {version for release in releases for version in release.versions}


def delete(store: Store, reference: str) -> dict[str, Any]:
    """Erase one data set, model or report that nothing needs. Raises `PolicyError` while a release or a child needs it."""
    artifact = find_any(store, reference)
    if artifact.id in _released(store):
        raise PolicyError(
            _(
                "a release serves `{reference}`; roll it back or promote another model first",
                reference=artifact.reference,
            )
        )
    children = [child for child in store.children(artifact.id) if child.kind != "report"]
    if children:
        names = ", ".join(f"`{child.reference}`" for child in children)
        raise PolicyError(
            _(
                "`{reference}` has children: {names}; delete them first, or `skerry erase` it",
                reference=artifact.reference,
                names=names,
            )
        )
    names_left = [item for item in store.artifacts() if item.id == artifact.id and item.name != artifact.name]
    asked = [task.name for task in tasks(store) if task.dataset == artifact.id]
    if asked and not names_left:
        raise PolicyError(
            _("labeling task `{task}` is about `{reference}`; keep it, or `skerry erase` it with all answers", task=asked[0], reference=artifact.reference)
        )  # fmt: skip
    freed = _bytes(artifact.folder)
    store.bury(artifact, "delete", one_name=True)
    return {"deleted": artifact.reference, "bytes": freed}


def save(store: Store, reference: str, out: Path) -> dict[str, Any]:
    """Write a scrubbed or curated data set as JSONL or CSV, or a model as a ZIP, to `out`. Raises `PolicyError` for a raw set."""
    artifact = find_any(store, reference)
    if isinstance(artifact, Dataset):
        if artifact.stage == "raw":
            raise PolicyError(
                _(
                    "`{reference}` is raw and stays inside; `skerry scrub` it and save the result",
                    reference=artifact.reference,
                )
            )
        rows = (_row(record) for record in store.records(artifact))
        count = _write_csv(out, rows) if out.suffix == ".csv" else _write_jsonl(out, rows)
    else:
        files = [artifact.folder / file["path"] for file in store.manifest(artifact)["files"]]
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                archive.write(path, path.relative_to(artifact.folder))
        count = len(files)
    store.event("save", (artifact.id,), count=count)
    return {"saved": artifact.reference, "path": str(out), "count": count}


def _row(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "text": record.text,
        "label": record.label,
        "split": record.split,
        "language": record.language,
    }


def _write_jsonl(out: Path, rows: Iterator[dict[str, Any]]) -> int:
    count = 0
    with out.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def _write_csv(out: Path, rows: Iterator[dict[str, Any]]) -> int:
    count = 0
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["id", "text", "label", "split", "language"])
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {
                    key: "'" + value if value and value.startswith(_FORMULA_LEADS) else value
                    for key, value in row.items()
                }
            )
            count += 1
    return count


def find_any(store: Store, reference: str) -> Artifact:
    """Find a data set, model or report by `NAME` or `NAME@ID`; a report only when nothing else has the name.

    Raises `NotFoundError`, and `SettingsError` when a data set and a model share the name.
    """
    found: list[Artifact] = []
    for kind in ("dataset", "model", "report"):
        try:
            found.append(store.artifact(kind, reference))
        except NotFoundError:
            continue
    if not found:
        raise NotFoundError(
            _(
                "nothing is called `{reference}` in project `{project}`; see `skerry list`",
                reference=reference,
                project=store.project,
            )
        )
    if len(found) > 1 and found[1].kind == "model":
        raise SettingsError(
            _(
                "`{name}` is a data set and a model; say which: `{dataset}` or `{model}`",
                name=reference,
                dataset=found[0].reference,
                model=found[1].reference,
            )
        )
    return found[0]


def _bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(item.stat().st_size for item in path.rglob("*") if item.is_file())
