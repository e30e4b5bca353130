"""The step `egress`: a model, or the labels of a data set, as a package for outside, once two people have allowed exactly these bytes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance import __version__, device, engine
from appliance.approvals import Approval, approvals, approve, spend
from appliance.base.catalogue import catalogue
from appliance.base.folder import find, verify
from appliance.egress import cards, package
from appliance.egress.entries import choose, public_rows
from appliance.egress.form import form
from appliance.egress.rewrite import Kept, rewrite
from appliance.egress.seen import Seen, count, held, learned_from, records_of
from appliance.engine.plan import Plan, files_of
from appliance.engine.texts import Reader
from appliance.errors import InputError, PolicyError
from appliance.export.parity import loses, sample
from appliance.export.serve_only import ancestors, portable_of, require_scrubbed
from appliance.files import file_sha256, fsync_path, locked, write_durably
from appliance.keys import key_folder
from appliance.privacy.detect import Scrubber
from appliance.privacy.policy import load as load_policy
from appliance.schema import Artifact, Dataset, Model, Record
from appliance.settings import EgressSettings
from appliance.signature import fingerprint, listing, public_key, sign_folder
from appliance.store import Store, content_id
from appliance.upkeep import find_any
from appliance.words import _

__all__ = ["egress"]

_ACTION = "egress"
_TOLD = ("task", "base", "languages", "method")
_NAME_CHARACTERS, _SUFFIX = 64, "-egress"
# Memory: libraries, and how often the weights are held at once (measured: 3.4 GB for 480 MB).
_BASE_BYTES, _COPIES = 10**9, 5


@dataclass(frozen=True, slots=True)
class Package:
    """What lies ready in a folder: of which artifact, what it is, its labels, what was changed, and the model that it registers as."""

    source: Artifact
    kind: str
    format: str
    labels: tuple[str, ...]
    changes: dict[str, Any]
    meta: dict[str, Any]
    learned_from: Sequence[Dataset]
    model_id: str | None = None


def egress(
    store: Store, reference: str, out: Path | None = None, serve_only: bool = False, secret: str | None = None
) -> dict[str, Any]:
    """Make the package of a model, or of a data set's labels, and write it to the new file `out` when enough owners of API keys have allowed it.

    The package is made anew each time and known by the SHA-256 of its list of files: an approval (`secret`, an API key) is for exactly these bytes.
    Beside `out` its form is written in any case. An approval that is not the last one needed writes no package: `waits` tells that. `serve_only` takes
    the newest export of a trained model, which runs without torch. Raises `PolicyError` for raw or unscrubbed data, for what cannot be shown to hold no
    word of few people, for too much accuracy lost and while approvals are missing, `InputError` when `out` is there already.
    """
    if out is not None and out.exists():
        raise InputError(_("`{file}` is there already; name a new file", file=out))
    store.require_room()
    settings, artifact = store.settings.egress, find_any(store, reference)
    header = {"format": "skerry-egress", "product": f"skerry {__version__}", "name": artifact.name}
    with _scratch(store) as folder:
        made = _make(store, artifact, folder, serve_only)
        digest = hashlib.sha256(listing(folder, header)).hexdigest()
        if secret is not None:
            approve(store, _ACTION, digest, secret, settings.approvals)
        allowed = approvals(store, _ACTION, digest, settings.approvals)
        told = _told(store, made, folder, digest, allowed)
        if out is None:
            return told
        page = _write_form(made, told, folder, allowed, out)
        told |= {"form": str(page), "waits": not allowed.enough}
        if not allowed.enough and secret is None:
            raise PolicyError(_waits(told, page))
        if allowed.enough:
            sign_folder(folder, _keys(store), header)
            # Approvals are for one package: nobody else writes it now.
            with locked(store.scratch("egress").with_name(".egress.lock")):
                left = approvals(store, _ACTION, digest, settings.approvals)
                if not left.enough:
                    raise PolicyError(_waits(told | {"approvals": left.owners}, page))
                _leave(store, made, folder, digest, left, out)
            told |= {"out": str(out)}
    return told


def _make(store: Store, artifact: Artifact, folder: Path, serve_only: bool) -> Package:
    """Write what may leave of an artifact into the folder, and look at it once more."""
    settings = store.settings.egress
    if isinstance(artifact, Dataset):
        made = _labels(store, artifact, folder, settings)
    elif isinstance(artifact, Model):
        made = _model(store, portable_of(store, artifact) if serve_only else artifact, folder, settings)
    else:
        raise InputError(_("`{name}` is a report; name a model or a data set", name=artifact.reference))
    _require_clean(store, made, folder)
    return made


def _keys(store: Store) -> Path:
    return key_folder(store.home, store.settings.store.key_folder)


@contextmanager
def _scratch(store: Store) -> Iterator[Path]:
    folder = store.scratch("egress") / uuid.uuid4().hex
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _told(store: Store, made: Package, folder: Path, digest: str, allowed: Approval) -> dict[str, Any]:
    return {
        "package": digest,
        "name": made.source.name,
        "kind": made.kind,
        "format": made.format,
        "files": [path.name for path in sorted(folder.iterdir())],
        "bytes": sum(path.stat().st_size for path in folder.iterdir()),
        "labels": len(made.labels),
        **made.changes,
        "approvals": list(allowed.owners),
        "needed": store.settings.egress.approvals,
        "signer": fingerprint(public_key(_keys(store))),
    }


def _write_form(made: Package, told: dict[str, Any], folder: Path, allowed: Approval, out: Path) -> Path:
    files = [(path.name, path.stat().st_size, file_sha256(path)) for path in sorted(folder.iterdir())]
    page = out.with_name(f"{out.name}.form.html")
    page.parent.mkdir(parents=True, exist_ok=True)
    write_durably(page, form(told | {"labels": made.labels, "changes": made.changes}, files, allowed.given).encode())
    return page


def _waits(told: dict[str, Any], page: Path) -> str:
    return _(
        "package {package} waits for {needed} owners of API keys, {count} so far: read `{form}`, then each gives the same command with `--approve`",
        package=told["package"][:12],
        needed=told["needed"],
        count=len(told["approvals"]),
        form=page,
    )


def _leave(store: Store, made: Package, folder: Path, digest: str, allowed: Approval, out: Path) -> None:
    """Register what leaves, append the event, and only then let the file appear."""
    artifacts: tuple[str, ...] = (made.source.id,)
    if made.model_id is not None:
        artifacts = (_register(store, made, folder).id, made.source.id)
    named = folder.with_name(f"{made.source.name}-{digest[:12]}")
    shutil.rmtree(named, ignore_errors=True)
    folder.rename(named)
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex}.part")
    try:
        package.pack(named, part)
        store.event(_ACTION, artifacts, package=digest, owners=list(allowed.owners), kind=made.kind)
        part.rename(out)
        fsync_path(out.parent)
    finally:
        part.unlink(missing_ok=True)
        shutil.rmtree(named, ignore_errors=True)
    spend(store, _ACTION, digest)


def _register(store: Store, made: Package, folder: Path) -> Model:
    """Keep what leaves as a model of its own, `NAME-egress`: it can be measured, and found again by the id that its answers carry elsewhere."""
    name = made.source.name[: _NAME_CHARACTERS - len(_SUFFIX)] + _SUFFIX
    with store.draft("model", name, parents=(made.source.id,), meta=made.meta) as draft:
        draft.verb = "rewrite"
        for file in files_of(made.format):
            shutil.copyfile(folder / file, draft.folder / file)
    model: Model = draft.artifact
    return model


# -- a model -----------------------------------------------------------------------------------------------------------


def _model(store: Store, model: Model, folder: Path, settings: EgressSettings) -> Package:
    if model.meta.get("compressed", {}).get("verdict") == "refused":
        raise PolicyError(
            _("`{model}` was refused: it loses more than `skerry compress` was allowed to lose", model=model.reference)
        )
    require_scrubbed(store, model)
    device.require_memory(
        _BASE_BYTES + _COPIES * sum(path.stat().st_size for path in model.folder.iterdir()), _("egress")
    )
    datasets, plan = learned_from(store, model), engine.read_plan(model.folder)
    seen = count(records_of(store, datasets), settings.min_subjects)
    labels = _kept_labels(model, plan, seen, settings)
    _require_nobody([model.name, *(plan.labels[number] for number in labels)])
    kept, changes = _kept(store, model, plan, labels, datasets, settings)
    new = rewrite(model.folder, folder, kept)
    changes |= _cost(store, model, folder, datasets, new, settings)
    meta = {key: model.meta[key] for key in _TOLD if key in model.meta}
    size = sum((folder / name).stat().st_size for name in files_of(plan.format))
    meta |= {"labels": list(new.labels), "format": plan.format, "size_bytes": size, "egress": changes}
    scrubs = [item for item in ancestors(store, model) if item.meta.get("stage") == "scrubbed"]
    cards.write(
        folder,
        cards.model_card(model, new, model.name, changes),
        cards.data_card(seen, new.labels, scrubs),
    )
    identity = _identity(folder, plan.format)
    about = {"name": model.name, "id": identity, "meta": meta, "scrub": []}
    (folder / "about.json").write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return Package(model, "model", plan.format, new.labels, changes, meta, datasets, identity)


def _kept_labels(model: Model, plan: Plan, seen: Seen, settings: EgressSettings) -> tuple[int, ...]:
    kept = tuple(number for number, label in enumerate(plan.labels) if label in seen.many)
    few = len(plan.labels) - len(kept)
    if few and settings.rare == "refuse":
        raise PolicyError(
            _(
                "`{model}` stays here: {count} of its labels stand in the records of fewer than {least} people; set `egress.rare` to drop them",
                model=model.reference,
                count=few,
                least=settings.min_subjects,
            )
        )
    if len(kept) < 2:
        raise PolicyError(
            _(
                "`{model}` stays here: fewer than two of its labels stand in the records of {least} people or more",
                model=model.reference,
                least=settings.min_subjects,
            )
        )
    return kept


def _kept(
    store: Store,
    model: Model,
    plan: Plan,
    labels: tuple[int, ...],
    datasets: Sequence[Dataset],
    settings: EgressSettings,
) -> tuple[Kept, dict[str, Any]]:
    """Choose what of the model leaves, and tell the counts of what does not."""
    records = records_of(store, datasets)
    changes: dict[str, Any] = {"min_subjects": settings.min_subjects, "labels_dropped": len(plan.labels) - len(labels)}
    if plan.format == "ngrams":
        from appliance.engine import on_ngrams

        pieces = on_ngrams.load(model.folder).pieces
        rows = held(records, lambda record: pieces.read(record.text)[0].tolist(), settings.min_subjects)
        return Kept(labels, rows=frozenset(rows)), changes
    tokenizer, base = (model.folder / "tokenizer.json").read_bytes(), _base(store, plan, settings)
    reader = Reader(model.folder, plan)
    tokens = held(records, lambda record: reader.read(record.text)[0], settings.min_subjects)
    public = (base / "tokenizer.json").read_bytes() if base else None
    entries = choose(tokenizer, plan.languages, tokens, public, settings.vocabulary == "public")
    if entries.dropped and settings.rare == "refuse":
        raise PolicyError(
            _(
                "`{model}` stays here: {count} entries of its vocabulary stand in the texts of fewer than {least} people; set `egress.rare` to drop them",
                model=model.reference,
                count=entries.dropped,
                least=settings.min_subjects,
            )
        )
    rows_ = public_rows(base, list(entries.put_back.values())) if base and entries.put_back else None
    changes |= {"entries_kept": len(entries.kept), "entries_put_back": len(entries.put_back), "entries_dropped": entries.dropped}  # fmt: skip
    return Kept(labels, entries, rows_), changes


def _base(store: Store, plan: Plan, settings: EgressSettings) -> Path | None:
    """Return the folder of the model's base where that is public: a pinned one, or one that the settings call so."""
    if plan.base not in catalogue() and plan.base not in settings.public_bases:
        return None
    folder = find(store.settings.bases, store.home, plan.base)
    verify(folder)
    return folder


def _cost(
    store: Store, model: Model, folder: Path, datasets: Sequence[Dataset], new: Plan, settings: EgressSettings
) -> dict[str, Any]:
    """Hold what leaves against what was there, on validation rows. Raises `PolicyError` when it is right on fewer by more than `egress.max_drop`."""
    rows: list[Record] = []
    for split in ("validation", "train", None):
        for dataset in datasets:
            fitting = (
                item for item in store.records(dataset, split) if item.split == split and item.label in new.labels
            )
            rows += sample(fitting, settings.rows - len(rows))
    before, after = (_answers(engine.load(place), rows) for place in (model.folder, folder))
    right = [sum(answer == row.label for answer, row in zip(found, rows, strict=True)) for found in (before, after)]
    same = sum(one == other for one, other in zip(before, after, strict=True))
    drop = (right[0] - right[1]) / max(1, len(rows))
    if loses(right[0] - right[1], len(rows), settings.max_drop):
        raise PolicyError(
            _(
                "`{model}` stays here: without what too few people's records hold it loses {drop:.4f} of accuracy on {rows} rows, allowed are {limit} "
                "(`egress.max_drop`); `skerry compress` makes a model with a smaller vocabulary",
                model=model.reference,
                drop=drop,
                rows=len(rows),
                limit=settings.max_drop,
            )
        )
    return {"rows": len(rows), "agreement": round(same / max(1, len(rows)), 4), "drop": round(drop, 4)}


def _answers(model: engine.Engine, rows: Sequence[Record]) -> list[str]:
    return [model.labels[best] for best in model.logits([row.text for row in rows]).argmax(axis=1)] if rows else []


def _identity(folder: Path, form: str) -> str:
    """Return the id that the model has in any store that takes it in."""
    files = [{"path": name, "sha256": file_sha256(folder / name), "beside": False} for name in files_of(form)]
    return content_id("model", files)


# -- labels ------------------------------------------------------------------------------------------------------------


def _labels(store: Store, dataset: Dataset, folder: Path, settings: EgressSettings) -> Package:
    """Write the names of a data set's labels with rounded counts: what somebody outside needs to prepare a label screen or a model."""
    if dataset.stage == "raw":
        raise PolicyError(
            _(
                "`{reference}` is raw and stays inside; `skerry scrub` it and take the result",
                reference=dataset.reference,
            )
        )
    require_scrubbed(store, dataset)
    seen = count(store.records(dataset), settings.min_subjects)
    labels, few = tuple(sorted(seen.many)), len(seen.labels) - len(seen.many)
    if not labels or (few and settings.rare == "refuse"):
        raise PolicyError(
            _(
                "`{reference}` stays here: {count} of its labels stand in the records of fewer than {least} people",
                reference=dataset.reference,
                count=few,
                least=settings.min_subjects,
            )
        )
    _require_nobody([dataset.name, *labels])
    (folder / "labels.json").write_text(json.dumps({"labels": labels}, ensure_ascii=False, indent=1) + "\n", "utf-8")
    scrubs = [item for item in (dataset, *ancestors(store, dataset)) if item.meta.get("stage") == "scrubbed"]
    cards.write(folder, None, cards.data_card(seen, labels, scrubs))
    changes = {"min_subjects": settings.min_subjects, "labels_dropped": few, "rows": 0}
    return Package(dataset, "labels", "json", labels, changes, {}, [dataset])


# -- the second look ---------------------------------------------------------------------------------------------------


def _require_nobody(names: Sequence[str]) -> None:
    """Raise `PolicyError` when a name or label holds personal data that a rule knows: a number, an address of mail, a name after a title."""
    found = Scrubber.from_settings(policy=load_policy("structured-only")).find(list(names))
    count = sum(map(bool, found))
    if count:
        raise PolicyError(
            _("{count} of its names and labels hold personal data; rename them and train again", count=count)
        )


def _require_clean(store: Store, made: Package, folder: Path) -> None:
    names = {
        _("the path of the home"): str(store.home),
        _("the path of the keys"): str(_keys(store)),
        _("the name of this machine"): os.uname().nodename,
    }

    def ids() -> Iterator[str]:
        yield from (item.id for item in store.artifacts(erased=True))
        for dataset in made.learned_from:
            for record in store.records(dataset):
                yield from filter(None, (record.id, record.subject, record.group, record.source_key))

    package.require_clean(folder, names, ids(), [made.model_id] if made.model_id else [])
