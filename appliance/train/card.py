"""A model's card: where it comes from, how good it is, what it ran on. Counts and names of ours only, never record text."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import __version__, device
from appliance.schema import Dataset
from appliance.settings import TrainSettings
from appliance.words import _

if TYPE_CHECKING:
    from appliance.train.classify import Lesson
    from appliance.train.train import Trained

__all__ = ["write_card"]

_LIBRARIES = ("torch", "transformers", "tokenizers", "scikit-learn", "numpy")
_BASE_FIELDS = ("name", "title", "source", "licence", "languages", "parameters", "sha256")


def write_card(
    folder: Path,
    name: str,
    meta: Mapping[str, Any],
    dataset: Dataset,
    lesson: Lesson,
    trained: Trained,
    settings: TrainSettings,
    base: Mapping[str, Any],
) -> tuple[str, ...]:
    """Write `card.json` and `card.md` into `folder` and return their names."""
    card = {
        "model": name,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **{
            key: meta[key]
            for key in ("task", "method", "labels", "languages", "parameters", "weights_sha256", "seconds")
        },
        "base": {key: base.get(key) for key in _BASE_FIELDS},
        "data": {
            "dataset": dataset.reference,
            "id": dataset.id,
            "parents": list(dataset.parents),
            "about": dict(dataset.meta),
        },
        "rows": {
            "train": len(lesson.train),
            "validation": len(lesson.validation),
            "validation_held_out_of_train": lesson.held_out,
            "without_label": lesson.without_label,
            "unknown_label": lesson.unknown_label,
            "labels_without_validation_rows": lesson.unvalidated_labels,
            "truncated": trained.truncated_rows,
        },
        "metrics": {"validation": trained.metrics, "probe": trained.probe.metrics},
        "training": _training(trained, settings),
        "hardware": device.describe() | {"threads": device.threads(settings.threads), "precision": trained.precision},
        "software": {"skerry": __version__, "python": platform.python_version()}
        | {item: _version(item) for item in _LIBRARIES},
    }
    (folder / "card.json").write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n", "utf-8")
    (folder / "card.md").write_text(_markdown(card, settings), "utf-8")
    return "card.json", "card.md"


def _training(trained: Trained, settings: TrainSettings) -> dict[str, Any]:
    tuned = trained.tuned
    about: dict[str, Any] = {"settings": settings.model_dump(mode="json"), "probe_strength": trained.probe.strength}
    if tuned:
        about |= {
            "best_step": tuned.best_step,
            "steps": tuned.steps,
            "resumed_step": tuned.resumed_step,
            "evaluations": list(tuned.evaluations),
        }
    return about


def _markdown(card: Mapping[str, Any], settings: TrainSettings) -> str:
    rows, base, scores = card["rows"], card["base"], card["metrics"]["validation"]
    lines = [
        f"# {card['model']}",
        "",
        _(
            "Text classification, {count} labels, languages: {languages}.",
            count=len(card["labels"]),
            languages=", ".join(card["languages"]),
        ),
        _(
            "Base model: {name} ({source}), licence {licence}.",
            name=base["name"],
            source=base["source"],
            licence=base["licence"],
        ),
        _(
            "Data set: {dataset}; {train} rows to learn from, {validation} to validate.",
            dataset=card["data"]["dataset"],
            train=rows["train"],
            validation=rows["validation"],
        ),
        _(
            "Method: {method}, seed {seed}, {precision}, {seconds} s.",
            method=card["method"],
            seed=settings.seed,
            precision=card["hardware"]["precision"],
            seconds=card["seconds"],
        ),
    ]
    if scores:
        lines.append(
            _(
                "On the validation rows: accuracy {accuracy:.4f}, macro-F1 {macro_f1:.4f}. They chose when to stop, so a test set will give a little less.",
                accuracy=scores["accuracy"],
                macro_f1=scores["macro_f1"],
            )
        )
    if settings.method == "full" and not card["training"]["best_step"]:
        lines.append(_("Fine-tuning was nowhere better than the probe, so the probe was kept."))
    if settings.refit:
        lines.append(_("Trained again on train and validation rows together; the figures above are from before."))
    if rows["validation_held_out_of_train"]:
        lines.append(_("The data set has no validation split: a tenth of the train rows was held out."))
    if rows["labels_without_validation_rows"]:
        lines.append(
            _(
                "{count} labels have no validation row; nothing is known about how well they are told.",
                count=rows["labels_without_validation_rows"],
            )
        )
    if rows["truncated"]:
        lines.append(
            _(
                "{count} texts are longer than {tokens} tokens; the model does not see their ends.",
                count=rows["truncated"],
                tokens=settings.max_tokens,
            )
        )
    lines += [
        "",
        _("Weights: SHA-256 {digest}", digest=card["weights_sha256"]),
        "",
        _("Everything else is in `card.json` beside this file."),
    ]
    return "\n".join(lines) + "\n"


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
