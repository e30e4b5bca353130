"""What an evaluation found, as plain data and as a page: figures, labels and random ids, never record text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from appliance.evaluate.answers import Answers
from appliance.evaluate.metrics import (
    abstain_curve,
    accuracy,
    calibration,
    confusion_matrix,
    macro_f1,
    macro_f1_interval,
    precision_recall_f1,
)
from appliance.intervals import wilson
from appliance.settings import EvaluateSettings
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_GROUPS = 20  # with more groups, a group is too small to tell anything


def report(answers: Answers, settings: EvaluateSettings, show_groups: bool) -> dict[str, Any]:
    """Measure one model's answers: metrics with 95 % intervals, classes, slices, calibration, abstain curve, wrong rows.

    `show_groups` slices by group; only for data sets whose groups are keyed hashes.
    """
    true, predicted, scores = answers.true, answers.predicted[0], answers.scores[0]
    confusion = confusion_matrix(true, predicted, len(answers.labels))
    error, table = calibration(scores, predicted == true)
    return {
        "rows": answers.rows,
        "without_label": answers.without_label,
        "truncated": answers.truncated,
        "metrics": figures(true, predicted, len(answers.labels), settings) | {"calibration_error": error},
        "classes": _classes(confusion, answers.labels),
        "slices": _slices(answers, show_groups),
        "calibration": table,
        "abstain": abstain_curve(scores, predicted == true),
        "labels": list(answers.labels),
        "confusion": [
            [int(row), int(column), int(confusion[row, column])]
            for row, column in zip(*confusion.nonzero(), strict=True)
        ],
        "wrong": _wrong(answers, settings.wrong_rows),
    }


def figures(true: Array, predicted: Array, classes: int, settings: EvaluateSettings) -> dict[str, float]:
    """Return accuracy (Wilson) and macro-F1 (percentile bootstrap), each with the ends of its 95 % interval."""
    confusion = confusion_matrix(true, predicted, classes)
    accuracy_low, accuracy_high = wilson(int(confusion.trace()), len(true))
    low, high = macro_f1_interval(true, predicted, classes, settings.bootstrap, settings.seed)
    return {
        "accuracy": accuracy(confusion),
        "accuracy_low": accuracy_low,
        "accuracy_high": accuracy_high,
        "macro_f1": macro_f1(confusion),
        "macro_f1_low": low,
        "macro_f1_high": high,
    }


def _classes(confusion: Array, labels: Sequence[str]) -> list[dict[str, Any]]:
    precision, recall, f1 = precision_recall_f1(confusion)
    support, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    return [
        {
            "label": label,
            "precision": float(precision[number]),
            "recall": float(recall[number]),
            "f1": float(f1[number]),
            "support": int(support[number]),
            "predicted": int(predicted[number]),
        }
        for number, label in enumerate(labels)
    ]


def _slices(answers: Answers, show_groups: bool) -> list[dict[str, Any]]:
    import numpy as np

    edges = np.unique(np.quantile(answers.characters, [0.25, 0.5, 0.75]))
    quarter = np.searchsorted(edges, answers.characters)
    named = {
        "language": np.array([language or "-" for language in answers.languages]),
        "characters": np.array([_span(answers.characters[quarter == number]) for number in range(len(edges) + 1)])[
            quarter
        ],
    }
    groups = {group for group in answers.groups if group is not None}
    if show_groups and 1 < len(groups) <= _GROUPS:
        named["group"] = np.array([(group or "-")[:12] for group in answers.groups])
    slices = []
    for by, values in named.items():
        for value in sorted(
            set(values.tolist()), key=lambda value: (len(value), value) if by == "characters" else value
        ):
            slices.append({"by": by, "value": value} | _slice(answers, values == value))
    return slices


def _slice(answers: Answers, inside: Array) -> dict[str, Any]:
    confusion = confusion_matrix(answers.true[inside], answers.predicted[0][inside], len(answers.labels))
    low, high = wilson(int(confusion.trace()), int(inside.sum()))
    line = {"rows": int(inside.sum()), "accuracy": accuracy(confusion), "accuracy_low": low, "accuracy_high": high}
    return line | {"macro_f1": macro_f1(confusion)}


def _span(lengths: Array) -> str:
    return f"{lengths.min()}-{lengths.max()}" if len(lengths) else ""


def _wrong(answers: Answers, rows: int) -> list[dict[str, Any]]:
    # the most confident first: there the label or the model is most clearly at fault
    scores = answers.scores[0]
    wrong = (answers.predicted[0] != answers.true).nonzero()[0]
    chosen = sorted(wrong.tolist(), key=lambda row: (-scores[row], answers.ids[row]))[:rows]
    return [
        {
            "id": answers.ids[row],
            "label": answers.labels[answers.true[row]],
            "predicted": answers.labels[answers.predicted[0][row]],
            "score": float(scores[row]),
        }
        for row in chosen
    ]


def page(report: Mapping[str, Any]) -> str:
    """Write a report as Markdown, in the reader's language."""
    metrics = report["metrics"]
    lines = [
        _("# {model} on {dataset}, split {split}", **{key: report[key] for key in ("model", "dataset", "split")}),
        "",
        _("{rows} rows; intervals hold the true value in 95 of 100 cases.", rows=report["rows"]),
        "",
        *_table(
            (_("model"), _("accuracy"), _("95 %"), _("macro-F1"), _("95 %")),
            [
                _line(_("this model"), metrics),
                *(_line(_floor(name), floor) for name, floor in report["floors"].items()),
            ],
        ),
        *(f"\n{_floor(name)}: {_left_out(reason)}" for name, reason in report["floors_left_out"].items()),
    ]
    notes = {
        _("{rows} rows have no label and were left out.", rows=report["without_label"]): report["without_label"],
        _("{rows} texts are longer than the model reads.", rows=report["truncated"]): report["truncated"],
    }
    lines += ["", *(note for note, there in notes.items() if there)]
    lines += _heading(_("Classes"), ("label", "precision", "recall", "f1", "support", "predicted"), report["classes"])
    lines += _heading(
        _("Slices"), ("by", "value", "rows", "accuracy", "accuracy_low", "accuracy_high", "macro_f1"), report["slices"]
    )
    lines += _heading(_("When the model may abstain"), ("min_score", "coverage", "accuracy"), report["abstain"])
    lines += _heading(_("Calibration"), ("above", "up_to", "rows", "confidence", "accuracy"), report["calibration"])
    error = _("Expected calibration error: {error:.4f} (15 bins, Guo et al. 2017).", error=metrics["calibration_error"])
    lines += ["", error, "", "![confusion matrix](confusion.png)", ""]
    lines += [f"{number} = {label}" for number, label in enumerate(report["labels"])]
    return "\n".join(lines) + "\n"


def _floor(name: str) -> str:
    return {"majority": _("majority"), "tfidf_svm": _("TF-IDF + linear SVM"), "probe": _("probe on frozen base")}[name]


def _left_out(reason: str) -> str:
    return {
        "the model": _("the model is one itself."),
        "no base": _("the base model is not installed; see `skerry base list`."),
        "no rows": _("the data set has no training rows."),
    }[reason]


def _line(name: str, metrics: Mapping[str, float]) -> tuple[str, ...]:
    spans = [f"{metrics[f'{key}_low']:.4f}-{metrics[f'{key}_high']:.4f}" for key in ("accuracy", "macro_f1")]
    return name, f"{metrics['accuracy']:.4f}", spans[0], f"{metrics['macro_f1']:.4f}", spans[1]


def _heading(title: str, keys: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return ["", f"## {title}", "", *_table(keys, [tuple(_cell(row[key]) for key in keys) for row in rows])]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *rows)]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return "-" if value is None else str(value).replace("|", "\\|").replace("\n", " ")
