"""What a home holds: data sets, models, releases, jobs, base models, keys, kinds and events, as plain rows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from appliance.jobs import error_of
from appliance.schema import Artifact
from appliance.store import Store
from appliance.upkeep import find_any
from appliance.words import language

__all__ = ["bases", "describe", "events", "inventory", "keys", "kinds", "rejected"]


def inventory(store: Store, what: str) -> dict[str, Any]:
    """Return the rows of one sort (`datasets`, `models`, `releases`, `jobs`, `bases`) or of `all`."""
    sorts = {
        "datasets": lambda: [_dataset(item) for item in store.artifacts("dataset")],
        "models": lambda: [_model(item) for item in store.artifacts("model")],
        "releases": lambda: _releases(store),
        "jobs": lambda: [_job(row) | {"error": error_of(store, row)} for row in store.jobs()],
        "bases": bases,
    }
    return {name: rows() for name, rows in sorts.items() if what in (name, "all")}


def _dataset(item: Artifact) -> dict[str, Any]:
    meta = item.meta
    return {
        "dataset": item.reference,
        "stage": meta["stage"],
        "rows": meta["rows"],
        "languages": meta.get("languages"),
        "created": item.created[:19],
    }


def _model(item: Artifact) -> dict[str, Any]:
    meta = item.meta
    return {
        "model": item.reference,
        "format": meta["format"],
        "base": meta.get("base"),
        "method": meta.get("method"),
        "created": item.created[:19],
    }


def _releases(store: Store) -> list[dict[str, Any]]:
    from appliance.release.registry import releases

    return [
        {
            "release": item.name,
            "stage": item.stage,
            "version": item.version[:12],
            "canary": item.canary and f"{item.canary[:12]} {item.percent} %",
            "shadow": item.shadow and item.shadow[:12],
            "previous": len(item.previous),
            "changed": item.changed[:19],
        }
        for item in releases(store.home, store.project)
    ]


def _job(row: dict[str, Any]) -> dict[str, Any]:
    shown = ("id", "verb", "state", "attempt", "created", "ended", "progress")
    return {key: row[key][:19] if key in ("created", "ended") and row[key] else row[key] for key in shown}


def bases() -> list[dict[str, Any]]:
    """Return the pinned base models and whether each is here."""
    from appliance.base.folder import bases as there
    from appliance.base.folder import bases_folder
    from appliance.settings import home_folder, load

    return there(bases_folder(load().bases, home_folder()))


def keys(store: Store) -> list[dict[str, Any]]:
    """Return the project's API keys, without the keys themselves."""
    from appliance.api_keys import list_keys

    return [
        {"id": key.id, "owner": key.owner, "created": key.created, "revoked": key.revoked}
        for key in list_keys(store.home, store.project)
    ]


def kinds() -> list[dict[str, Any]]:
    """Return the kinds of personal data that the scrub knows, then the numbers they take in (with `parent`), described in the reader's language."""
    from appliance.privacy.kinds import FORMS, KINDS
    from appliance.privacy.kinds_zh import CHECKS

    chinese = language() == "zh"
    return [
        {
            "kind": kind.name,
            "parent": kind.parent,
            "description": kind.zh if chinese else kind.en,
            "presidio": kind.presidio,
            "source": kind.source,
            "validation": CHECKS[kind.validation] if chinese else kind.validation,
            "languages": kind.languages,
            "on": kind.on,
        }
        for kind in (*KINDS, *FORMS)
    ]


def events(store: Store, name: str | None) -> list[dict[str, Any]]:
    """Return the project's events, oldest first."""
    return [
        {
            "sequence": item.sequence,
            "time": item.time,
            "actor": item.actor,
            "verb": item.verb,
            "artifacts": [identity[:12] for identity in item.artifacts],
            "details": dict(item.details),
        }
        for item in store.events(name)
    ]


def rejected(store: Store, reference: str) -> dict[str, Any]:
    """Return the rows that ingest rejected, for the person at the machine: the raw set keeps them encrypted, file names included."""
    dataset = store.dataset(reference)
    return {"dataset": dataset.reference, "rejected": [asdict(row) for row in store.rejected(dataset)]}


def describe(store: Store, reference: str) -> dict[str, Any]:
    """Return one artifact: its meta, its files, its parents and children."""
    item = find_any(store, reference)
    known = {other.id: other.reference for other in store.artifacts(erased=True)}
    return {
        item.kind: item.reference,
        "id": item.id,
        "created": item.created[:19],
        "path": str(item.folder),
        **item.meta,
        "parents": [known.get(parent, parent[:12]) for parent in item.parents],
        "children": [child.reference for child in store.children(item.id)],
        "files": [
            {"path": file["path"], "bytes": file["bytes"], "sha256": file["sha256"][:12]}
            for file in store.manifest(item)["files"]
        ],
    }
