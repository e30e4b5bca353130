"""The step `evaluate`: a model on one split of a data set, beside its floors, as a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from heapq import nsmallest
from typing import TYPE_CHECKING, Any

from appliance import engine
from appliance.base import find
from appliance.engine.plan import Plan
from appliance.errors import MissingPartError
from appliance.evaluate.answers import Answers, answer_split
from appliance.evaluate.floors import majority, probe, tfidf_svm
from appliance.evaluate.metrics import confusion_matrix
from appliance.evaluate.pictures import confusion_picture
from appliance.evaluate.report import figures, page, report
from appliance.jobs import progress
from appliance.schema import Dataset, Model, Report
from appliance.settings import EvaluateSettings
from appliance.store import Store

if TYPE_CHECKING:
    from appliance.evaluate.floors import Embed


def evaluate(store: Store, model: Model, dataset: Dataset, settings: EvaluateSettings) -> Report:
    """Measure `model` on the labelled rows of `settings.split` of `dataset`; the report is a child of both.

    `meta` carries `metrics` and `floors`; the folder `report.json`, `report.md` and `confusion.png`. Raises
    `InputError` when the split has no labelled rows, `MissingPartError` without the extra `train`.
    """
    loaded = engine.load(model.folder)
    answers = answer_split([loaded], store, dataset, settings.split)
    floors, left_out = (
        floors_beside(store, model, dataset, loaded.plan, answers, settings) if settings.floors else ({}, {})
    )
    found: dict[str, Any] = {"model": model.reference, "dataset": dataset.reference, "split": settings.split}
    found |= report(answers, settings, show_groups=dataset.stage != "raw")
    found |= {"floors": floors, "floors_left_out": left_out}
    confusion = confusion_matrix(answers.true, answers.predicted[0], len(answers.labels))

    meta = {"rows": answers.rows, "split": settings.split, "model": model.id, "dataset": dataset.id}
    with store.draft("report", model.name, parents=(model.id, dataset.id), meta=meta) as draft:
        draft.verb = "evaluate"
        draft.meta |= {
            "metrics": found["metrics"],
            "floors": floors,
            "floors_key": floors_key(model, dataset, settings),
        }
        (draft.folder / "report.json").write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")
        (draft.folder / "report.md").write_text(page(found), "utf-8")
        confusion_picture(confusion, answers.labels, draft.folder / "confusion.png", store.scratch("fonts"))
        draft.beside |= {"report.md", "confusion.png"}
    written: Report = draft.artifact
    return written


def floors_beside(
    store: Store, model: Model, dataset: Dataset, plan: Plan, answers: Answers, settings: EvaluateSettings
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return each floor's figures, and for each floor that is left out why: `the model`, `no base`, `no rows`."""
    earlier = _earlier(store, floors_key(model, dataset, settings))
    if earlier:
        return earlier
    labelled = (record for record in store.records(dataset, "train") if record.label is not None)
    train = nsmallest(settings.floor_rows, labelled, key=lambda record: record.id)  # random ids: an even draw
    if not train:
        return {}, dict.fromkeys(("majority", "tfidf_svm", "probe"), "no rows")
    train_texts, labels = [record.text for record in train], [str(record.label) for record in train]
    texts = [record.text for record in store.records(dataset, settings.split) if record.label is not None]
    predicted = {"majority": majority(labels, texts)}
    progress("floors", 1, 3)
    predicted["tfidf_svm"] = tfidf_svm(train_texts, labels, texts)
    progress("floors", 2, 3)
    embed = _embed(store, model, plan)
    if not isinstance(embed, str):
        predicted["probe"] = probe(train_texts, labels, texts, embed)
    floors = {name: _floor(answers, guesses, settings) for name, guesses in predicted.items()}
    for floor in floors.values():
        floor["train_rows"] = len(train)
    return floors, {"probe": embed} if isinstance(embed, str) else {}


def _floor(answers: Answers, guesses: Sequence[str], settings: EvaluateSettings) -> dict[str, Any]:
    import numpy as np

    numbers = {label: number for number, label in enumerate(answers.labels)}
    predicted = np.array([numbers.setdefault(label, len(numbers)) for label in guesses])
    return figures(answers.true, predicted, len(numbers), settings)


def floors_key(model: Model, dataset: Dataset, settings: EvaluateSettings) -> str:
    """Return what the floors depend on: a report with the same key in its meta holds the same floors."""
    of_model = (model.meta.get("base"), model.meta.get("method"))
    of_settings = (settings.split, settings.floor_rows, settings.bootstrap, settings.seed)
    return json.dumps([dataset.id, *of_model, *of_settings])


def _earlier(store: Store, key: str) -> tuple[dict[str, Any], dict[str, str]] | None:
    """Floors depend on the data set and the base only, and take longer than the model: take them from an earlier report."""
    for past in reversed(store.artifacts("report")):
        if past.meta.get("floors_key") == key and past.meta.get("floors"):
            content = json.loads((past.folder / "report.json").read_bytes())
            if "no base" not in content["floors_left_out"].values():  # it may have come in since
                return content["floors"], content["floors_left_out"]
    return None


def _embed(store: Store, model: Model, plan: Plan) -> Embed | str:
    """Return the frozen base model of `plan` as a function from texts to embeddings, or why there is none."""
    if model.meta.get("method") == "probe":
        return "the model"
    try:
        from appliance.engine import on_torch
        from appliance.engine.texts import Reader

        base = find(store.settings.bases, store.home, plan.base)
        network = on_torch.network(on_torch.load_encoder(base), 1)
    except MissingPartError:
        return "no base"
    reader = Reader(base, plan)

    def embed(texts: Sequence[str]) -> Any:
        ids = [reader.read(text)[0] for text in texts]
        return on_torch.in_batches(on_torch.embeddings, network, ids, lambda done: progress("embed", done, len(texts)))

    return embed
