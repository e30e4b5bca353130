"""The main job, top to bottom: records with personal data in, a served small model out.

Each function is the entry point of one durable job: it takes the store and JSON arguments, finds the nouns, calls the stage and returns JSON.
`run` is the whole story.
"""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import closing, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from appliance.base import find
from appliance.errors import BusyError, HardwareError, InputError, PolicyError, SettingsError
from appliance.jobs import step
from appliance.log import log
from appliance.schema import Dataset, Model
from appliance.settings import Settings, load
from appliance.store import Store, check_name
from appliance.words import _

Overrides = dict[str, dict[str, Any]] | None
_NAME_CHARACTERS = 64


def run(store: Store, recipe: dict[str, Any]) -> dict[str, Any]:
    """Files in, live release out. Each step happens once: a run that was killed goes on behind its last finished step."""
    from appliance.privacy.scrub import require_policy

    data, model, release, overrides = recipe["data"], recipe["model"], recipe["release"], recipe["overrides"]
    for name in (data["name"], model, release["name"]):
        check_name(name)  # better now than after an hour of work
    settings = _settings(store, overrides)
    require_policy(settings.scrub)
    if settings.train.base != "auto":
        find(settings.bases, store.home, settings.train.base)
    steps: list[dict[str, Any]] = []

    def told(name: str, result: dict[str, Any]) -> dict[str, Any]:
        steps.append({"step": name} | result)
        return result

    raw = told("ingest", step("ingest", lambda: ingest(store, **data, overrides=overrides)))
    kept = overrides | {
        "scrub": overrides.get("scrub", {}) | {"purge_raw": False}
    }  # a step of its own, for a run that is killed here
    scrubbed = told("scrub", step("scrub", lambda: scrub(store, raw["dataset"], overrides=kept)))
    if settings.scrub.purge_raw:
        told("purge", step("purge", lambda: purge(store, raw["dataset"], scrubbed["held_back"])))
    curated = told("curate", step("curate", lambda: curate(store, scrubbed["dataset"], overrides=overrides)))
    trained = told("train", step("train", lambda: train(store, curated["dataset"], model, overrides=overrides)))
    portable = None
    if "compress" in overrides:
        menu = step("compress", lambda: compress(store, trained["model"], overrides=overrides))
        told("compress", {key: menu[key] for key in ("model", "chosen", "report", "path")})
        portable = next((line["model"] for line in menu["variants"] if line["verdict"] == "accepted"), None)
    if portable is None:  # nothing smaller was asked for, or nothing that was found stood the test
        exported = told("export", step("export", lambda: export(store, trained["model"], overrides=overrides)))
        portable = exported["model"]
    told("evaluate", step("evaluate", lambda: evaluate(store, portable, curated["dataset"], overrides=overrides)))
    live = told("promote", step("promote", lambda: promote(store, portable, **release)))
    return {"release": live["release"], "model": portable, "steps": steps}


def ingest(
    store: Store, files: list[str], name: str, options: dict[str, Any], overrides: Overrides = None
) -> dict[str, Any]:
    """Files into a raw, encrypted data set."""
    from appliance.data.ingest import IngestOptions
    from appliance.data.ingest import ingest as take_in

    dataset = take_in(
        store, [Path(file) for file in files], IngestOptions(**options), _settings(store, overrides).ingest, name
    )
    return _about(dataset, "read", "rows", "rejected", "languages", "labels")


def scrub(store: Store, dataset: str, report: str | None = None, overrides: Overrides = None) -> dict[str, Any]:
    """Personal data out: a child set with what the policy puts in its place."""
    from appliance.privacy.scrub import scrub as take_out

    settings, given = _settings(store, overrides).scrub, _raw_first(store, dataset)
    scrubbed = take_out(store, given, settings, report=Path(report) if report else None)
    purged = purge(store, given.reference, scrubbed.meta["held_back"]) if settings.purge_raw else {}
    told = (
        "rows",
        "held_back",
        "findings",
        "docs_per_s",
        "policy",
        "policy_digest",
        "taggers",
        "fallbacks",
        "collisions",
    )
    return _about(scrubbed, *told) | purged


def _raw_first(store: Store, reference: str) -> Dataset:
    """A bare name means its newest raw set where there is one: another scrub starts from the records as they came."""
    found = store.dataset(reference)
    raw = [item for item in store.artifacts("dataset") if item.stage == "raw" and item.name == reference]
    return raw[-1] if raw else found


def recall(
    store: Store, dataset: str, number: int, seed: int, report: str | None = None, overrides: Overrides = None
) -> dict[str, Any]:
    """How much the scrub finds of synthetic identities planted into copies of a data set's own records."""
    from appliance.privacy.recall import recall as measure
    from appliance.privacy.recall_report import write_recall_report
    from appliance.privacy.review import raw_of

    chosen = store.dataset(dataset)
    with suppress(InputError):  # raw records that were purged: the scrubbed ones will do
        chosen = raw_of(store, chosen)
    found = measure(store, chosen, _settings(store, overrides).scrub, number, seed)
    if report:
        write_recall_report(Path(report), found)
    return found


def recall_file(
    file: Path, number: int, seed: int, text_column: str, report: Path | None = None, overrides: Overrides = None
) -> dict[str, Any]:
    """The same on the rows of a file; needs no home."""
    from appliance.data.ingest import IngestOptions, read_files
    from appliance.privacy.detect import Scrubber
    from appliance.privacy.policy import load as load_policy
    from appliance.privacy.recall import seeded
    from appliance.privacy.recall_report import write_recall_report
    from appliance.schema import Record

    settings = load(None, **(overrides or {}))
    policy = load_policy(settings.scrub.policy)
    scrubber = Scrubber.from_settings("auto", settings.scrub, policy=policy)
    rows = read_files([file], IngestOptions(text_column=text_column), settings.ingest)
    found = {"dataset": file.name} | seeded(
        (row for row in rows if isinstance(row, Record)), scrubber, policy, number, seed, settings.scrub.batch_rows
    )
    if report:
        write_recall_report(report, found)
    return found


def review(
    store: Store, dataset: str, number: int, seed: int, ask: Any, tell: Any, overrides: Overrides = None
) -> dict[str, Any]:
    """A person reads raw records and marks what the scrub missed."""
    from appliance.privacy import site_rules
    from appliance.privacy.detect import Scrubber
    from appliance.privacy.policy import load as load_policy
    from appliance.privacy.review import raw_of
    from appliance.privacy.review import review as look

    settings = _settings(store, overrides)
    policy = load_policy(settings.scrub.policy)
    rules = site_rules.load(store)
    scrubber = Scrubber.from_settings("auto", settings.scrub, policy=policy, rules=rules)
    return look(store, raw_of(store, store.dataset(dataset)), scrubber, number, seed, ask, tell)


def scrub_file(
    file: Path,
    out: Path,
    text_columns: list[str] | None = None,
    keep_columns: list[str] | None = None,
    subject_column: str | None = None,
    language: Literal["en", "zh", "auto"] = "auto",
    report: Path | None = None,
    overrides: Overrides = None,
) -> dict[str, Any]:
    """Personal data out of one file; needs no home."""
    from appliance.privacy.scrub_file import scrub_file as take_out

    settings = load(None, **(overrides or {})).scrub
    columns = (text_columns or (), keep_columns or ())
    return take_out(file, out, settings, *columns, language, report, subject_column=subject_column)


def purge(store: Store, dataset: str, held_back: int) -> dict[str, Any]:
    """The raw set (`NAME@ID`) and its key destroyed; what was made of it stays. One that is gone already is no error; one with records that were
    held back is kept, since they are nowhere else.
    """
    from appliance.upkeep import purge_raw

    raw = [item for item in store.artifacts("dataset") if item.stage == "raw" and item.reference == dataset]
    return {"purged": purge_raw(store, raw) if not held_back else []}


def live(store: Store, release: str, overrides: Overrides = None) -> dict[str, Any]:
    """Uncertain texts of a release, sealed by the server, into the scrubbed data set `live-RELEASE`, behind those of before, for labeling.

    The raw set that they become on the way is purged, whatever was held back: nobody gave these texts to be kept.
    """
    from appliance.privacy.scrub import scrub as take_out
    from appliance.upkeep import purge_raw

    check_name(release)
    name = f"live-{release}"[:_NAME_CHARACTERS]
    raw = step("take", lambda: _taken(store, release, name))
    if raw is None:
        return {"dataset": None, "rows": 0, "new": 0, "held_back": 0}
    scrubbed = step("scrub", lambda: take_out(store, store.dataset(raw), _settings(store, overrides).scrub).reference)
    step("purge", lambda: purge_raw(store, _raws(store, name)))
    new = store.dataset(scrubbed)
    joined = _joined(store, new)
    return {"dataset": joined.reference, "rows": joined.rows, "new": new.rows, "held_back": new.meta["held_back"]}


def _taken(store: Store, release: str, name: str) -> str | None:
    # A crash may have left a raw set of texts that are out of the outbox already: they go on, with those that came since.
    from appliance.data.ingest import language_of
    from appliance.monitor.outbox import taken

    with taken(store, release) as records:
        if records:
            found = [record for left in _raws(store, name) for record in store.records(left)]
            found += [replace(record, language=language_of(record.text)) for record in records]
            with store.draft("dataset", name, meta={"stage": "raw"}) as draft:
                draft.verb = "outbox"
                store.write_records(draft, {record.id: record for record in found}.values())
    raws = _raws(store, name)
    return raws[-1].reference if raws else None


def _raws(store: Store, name: str) -> list[Dataset]:
    return [item for item in store.artifacts("dataset") if item.name == name and item.stage == "raw"]


def _joined(store: Store, new: Dataset) -> Dataset:
    # The records of the newest set of the same name, then those of `new`, each once.
    from appliance.privacy.scrub import HOW

    known = [item for item in store.artifacts("dataset") if item.name == new.name and item.stage == "scrubbed"]
    before = [item for item in known if item.id != new.id][-1:]
    if not before:
        return new
    parents = (*before, new)
    counts = {key: dict(Counter(before[0].meta[key]) + Counter(new.meta[key])) for key in ("languages", "findings")}
    with store.draft("dataset", new.name, [item.id for item in parents], {**new.meta, **counts}) as draft:
        draft.verb = "outbox"
        shutil.copyfile(new.folder / HOW, draft.folder / HOW)
        store.write_records(draft, {record.id: record for item in parents for record in store.records(item)}.values())
    joined: Dataset = draft.artifact
    return joined


def chores(store: Store) -> None:
    """What a worker does between jobs, in every project: raw sets past their days, servers' minutes, texts that wait in an outbox."""
    from appliance.jobs import run as queue
    from appliance.monitor import outbox, ring
    from appliance.upkeep import purge_expired

    purge_expired(store)
    for project in store.projects():
        here = store.within(project)
        ring.take_in(here)
        outbox.destroy_old(here)
        for release in outbox.waiting(here.home, project):
            try:
                queue(here, "live", "appliance.pipeline:live", {"release": release}, background=True)
            except (BusyError, HardwareError) as error:  # another worker is at it, or there is no room now
                log("job not queued", verb="live", release=release, error=type(error).__name__)


def curate(store: Store, dataset: str, overrides: Overrides = None) -> dict[str, Any]:
    """Clean, drop duplicates, split without leaks."""
    from appliance.data.curate import curate as put_in_order

    settings = _settings(store, overrides)
    curated = put_in_order(store, store.dataset(dataset), settings.clean, settings.curate)
    return _about(curated, "rows", "duplicates", "splits", "labels")


def train(store: Store, dataset: str, name: str, overrides: Overrides = None) -> dict[str, Any]:
    """A model from a data set."""
    from appliance.train.train import train as learn

    found = store.dataset(dataset)
    if found.meta.get("label_kind", "single") != "single":
        raise PolicyError(
            _("`{dataset}` holds {kind}: this Skerry trains on one label a record", dataset=found.reference, kind=found.meta["label_kind"])
        )  # fmt: skip
    model = learn(store, found, _settings(store, overrides).train, name)
    return _about(model, "weights_sha256", "metrics", "seconds", "base", "method")


def export(store: Store, model: str, overrides: Overrides = None) -> dict[str, Any]:
    """A portable model, checked against its source on real rows."""
    from appliance.export.export import export as make_portable

    exported = make_portable(store, store.model(model), _settings(store, overrides).export)
    return _about(
        exported, "format", "parity", "size_bytes", "float_bytes", "size_ratio", "latency_ratio", "latency_ms"
    ) | {"path": str(exported.folder)}


def compress(store: Store, model: str, overrides: Overrides = None) -> dict[str, Any]:
    """Smaller models of a trained one, each measured, the chosen one tested."""
    from appliance.compress.compress import compress as make_smaller

    settings = _settings(store, overrides)
    return make_smaller(store, store.model(model), settings.compress, settings.evaluate)


def evaluate(store: Store, model: str, dataset: str, overrides: Overrides = None) -> dict[str, Any]:
    """Metrics with intervals, beside their floors."""
    from appliance.evaluate.evaluate import evaluate as measure

    report = measure(store, store.model(model), store.dataset(dataset), _settings(store, overrides).evaluate)
    return _about(report, "metrics", "floors") | {"path": str(report.folder)}


def promote(
    store: Store,
    model: str,
    name: str | None = None,
    to: str = "live",
    min_score: float = 0.0,
    min_scores: dict[str, float] | None = None,
    key: str | None = None,
) -> dict[str, Any]:
    """Make a model the live version of a release, its canary or its shadow; with an API key approve first that it goes live."""
    from appliance.approvals import approve
    from appliance.release.registry import FIRST_PERCENT, approval_of
    from appliance.release.registry import promote as turn_to

    found, settings = store.model(model), store.settings.release
    name = name or found.name
    if key is not None:
        if to != "live":
            raise SettingsError(
                _("`--approve` lets a model go live; `--to {stage}` needs no approval, leave it out", stage=to)
            )
        given = approve(store, approval_of(name, min_score, min_scores), found.id, key, settings.approvals)
        if not given.enough:
            return {"release": name, "stage": "waiting", "version": found.id[:12]} | {
                "approved_by": list(given.owners),
                "needed": settings.approvals,
            }
    percent = min((percent for percent in settings.canary_percents if percent < 100), default=FIRST_PERCENT)
    turn_to(store, found, name, to, min_score, min_scores, percent, settings.approvals)
    return {"release": name, "stage": to, "version": found.id[:12]}


def compare(store: Store, a: str, b: str, dataset: str, overrides: Overrides = None) -> dict[str, Any]:
    """Two models on the same rows, in pairs."""
    from appliance.evaluate.compare import compare as test_in_pairs

    return dict(
        test_in_pairs(
            store, store.model(a), store.model(b), store.dataset(dataset), _settings(store, overrides).evaluate
        )
    )


def predict(
    store: Store, model: str, file: str, out: str, text_column: str, time_limit_s: float | None = None
) -> dict[str, Any]:
    """A model's answers to the rows of a file; a run that was stopped goes on behind its last answer."""
    from appliance import engine
    from appliance.data.ingest import IngestOptions, read_files
    from appliance.engine.predict import predict_rows

    found, source = store.model(model), Path(file)
    seen = (source.stat().st_size, source.stat().st_mtime_ns) if source.exists() else ()
    work = store.hmac("predict", f"{found.id} {file} {seen} {text_column}")[:12]
    with closing(read_files([source], IngestOptions(text_column), store.settings.ingest)) as rows:
        answered = predict_rows(engine.load(found.folder), rows, Path(out), work=work, time_limit_s=time_limit_s)
    return {"model": found.reference} | answered


def explain(store: Store, model: str, text: str) -> dict[str, Any]:
    """Which words of a text moved a model's answer to it."""
    from appliance import engine
    from appliance.engine.explain import explain as leave_out

    found = store.model(model)
    whole, pieces = leave_out(engine.load(found.folder), text, store.settings.serve.explain_words)
    return {
        "model": found.reference,
        "label": whole.label,
        "score": whole.score,
        "truncated": whole.truncated,
        "words": [asdict(piece) for piece in pieces],
    }


def label_next(store: Store, task: str, count: int | None = None, model: str | None = None) -> dict[str, Any]:
    """The records that people are asked about next, chosen and put into the queue of a labeling task."""
    from labeling.loop import next_batch

    return next_batch(store, task, store.settings.label, count, store.model(model) if model else None)


def label_seed(store: Store, task: str, **wanted: Any) -> dict[str, Any]:
    """Records that may have a rare label, put in front of the queue."""
    from labeling.seed import seed

    return seed(store, task, store.settings.label, **wanted)


def label_loop(
    store: Store,
    task: str,
    count: int | None = None,
    budget: int | None = None,
    follow: bool = True,
    model: str | None = None,
    name: str | None = None,
    overrides: Overrides = None,
) -> dict[str, Any]:
    """Ask, wait for people, learn, and again, until the advice is to stop, the budget is spent or nothing is left; then train a model called `name`."""
    from labeling.loop import next_batch, wait

    settings, trained = store.settings.label, store.model(model) if model else None
    rounds: list[dict[str, Any]] = []
    while not rounds or not rounds[-1]["ended"]:
        number = len(rounds) + 1
        rounds.append(step(f"ask {number}", lambda: next_batch(store, task, settings, count, trained, budget, follow)))
        asked = rounds[-1]
        leave = int((1 - settings.refill_share) * asked["waiting"]) if asked["enough"] else 0
        if not asked["ended"]:
            step(f"wait {number}", lambda leave=leave: wait(store, task, leave, settings.poll_s))  # type: ignore[misc]
    told = {key: value for key, value in rounds[-1].items() if key not in ("batch", "queued", "enough", "reasons")}
    told["fell_back"] = next((each["fell_back"] for each in reversed(rounds) if each["fell_back"]), "")
    if name is None:
        return told | {"rounds": rounds}
    applied = step("apply", lambda: label_apply(store, task))
    learned: dict[str, Any] = step("train", lambda: train(store, applied["dataset"], name, overrides))
    return told | {"rounds": rounds} | learned


def label_apply(store: Store, task: str, name: str | None = None, test: bool = True) -> dict[str, Any]:
    """People's answers in a labelled child of the task's data set, for `train`."""
    from appliance.annotations import task as find
    from labeling.apply import apply

    return _about(apply(store, find(store, task), name, test), "rows", "label_kind", "labels", "splits", "answers")


def label_suspects(store: Store, task: str, count: int, enqueued: bool, seed: int) -> dict[str, Any]:
    """Records whose label is most likely wrong, and near duplicates with different ones; with `enqueued` they wait for a reviewer."""
    from appliance.annotations import task as find
    from labeling.suspects import suspects

    return suspects(store, find(store, task), count, enqueued, seed)


def label_simulate(
    store: Store,
    dataset: str,
    strategy: str = "cluster-margin",
    count: int | None = None,
    seeds: int = 10,
    noise: float = 0.0,
    out: str | None = None,
) -> dict[str, Any]:
    """What choosing would have saved on a data set whose labels are known, with its curves in the folder `out`."""
    from labeling.simulate import Plan, known_of, simulate, write_simulation

    found = store.dataset(dataset)
    known = known_of(store, found)
    plan = Plan(strategy, count or max(20, known.labels), seeds, noise)
    result = {"dataset": found.reference} | simulate(known, plan, step)
    if out:
        result["files"] = write_simulation(result, Path(out), store.scratch("fonts"))
    return result


def label_train(store: Store, task: str, name: str, answers: str, overrides: Overrides = None) -> dict[str, Any]:
    """A model called `name` of what people answered, in Label Studio too; what it suggests goes to where they label. `answers` names what it learns from."""
    from labeling import studio
    from labeling.link import find_link
    from labeling.loop import Work, suggest

    elsewhere = find_link(store, task) is not None
    if elsewhere:
        step("pull", lambda: studio.pull(store, task))
    applied = step("apply", lambda: label_apply(store, task))
    trained: dict[str, Any] = step("train", lambda: train(store, applied["dataset"], name, overrides))
    suggested = step("suggest", lambda: suggest(Work(store, task, store.model(name))))
    if elsewhere:
        step("push", lambda: studio.push(store, task))
    return trained | {"suggestions": suggested, "answers": answers}


def _settings(store: Store, overrides: Overrides) -> Settings:
    return load(store.home, **(overrides or {}))


def _about(artifact: Dataset | Model | Any, *keys: str) -> dict[str, Any]:
    return {artifact.kind: artifact.reference} | {key: artifact.meta[key] for key in keys if key in artifact.meta}
