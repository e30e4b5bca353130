"""The step `compare`: two models on the same rows, in pairs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from appliance import engine
from appliance.evaluate.answers import Answers, answer_split
from appliance.evaluate.metrics import accuracy, bootstrap_macro_f1, confusion_matrix, macro_f1, percentiles
from appliance.evaluate.pairs import difference_interval, mcnemar
from appliance.schema import Dataset, Model
from appliance.settings import EvaluateSettings
from appliance.store import Store
from appliance.words import _


def compare(store: Store, a: Model, b: Model, dataset: Dataset, settings: EvaluateSettings) -> dict[str, Any]:
    """Test `a` against `b` on the labelled rows of `settings.split`; the figures of `compare_answers` and the `report` they stand in.

    Raises `InputError` when the split has no labelled rows.
    """
    engines = [engine.load(model.folder) for model in (a, b)]
    found = {"a": a.reference, "b": b.reference, "dataset": dataset.reference, "split": settings.split}
    found |= compare_answers(answer_split(engines, store, dataset, settings.split), settings)
    meta = {key: found[key] for key in ("rows", "split", "difference", "low", "high", "p")}
    parents = dict.fromkeys((a.id, b.id, dataset.id))  # a model may be compared with itself
    with store.draft("report", a.name, parents=parents, meta=meta) as draft:
        draft.verb = "compare"
        (draft.folder / "report.json").write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")
        (draft.folder / "report.md").write_text(page(found), "utf-8")
        draft.beside.add("report.md")
    return found | {"report": draft.artifact.reference, "path": str(draft.artifact.folder)}


def compare_answers(answers: Answers, settings: EvaluateSettings) -> dict[str, Any]:
    """Compare the first two models of `answers`. `difference` = accuracy of a - accuracy of b (positive: a is better), with the ends
    of its 95 % interval (Newcombe, see `difference_interval`) and McNemar's exact `p`; macro-F1 likewise by paired bootstrap."""
    true, classes = answers.true, len(answers.labels)
    right_a, right_b = answers.predicted[0] == true, answers.predicted[1] == true
    both, only_a, only_b = (
        int((right_a & right_b).sum()),
        int((right_a & ~right_b).sum()),
        int((right_b & ~right_a).sum()),
    )
    low, high = difference_interval(both, only_a, only_b, answers.rows - both - only_a - only_b)
    confusions = [confusion_matrix(true, predicted, classes) for predicted in answers.predicted[:2]]
    drawn = bootstrap_macro_f1(true, list(answers.predicted[:2]), classes, settings.bootstrap, settings.seed)
    f1_low, f1_high = percentiles(drawn[0] - drawn[1])
    return {
        "rows": answers.rows,
        "accuracy_a": accuracy(confusions[0]),
        "accuracy_b": accuracy(confusions[1]),
        "difference": (only_a - only_b) / answers.rows,
        "low": low,
        "high": high,
        "p": mcnemar(only_a, only_b),
        "only_a": only_a,
        "only_b": only_b,
        "agreement": float((answers.predicted[0] == answers.predicted[1]).mean()),
        "macro_f1_a": macro_f1(confusions[0]),
        "macro_f1_b": macro_f1(confusions[1]),
        "macro_f1_difference": macro_f1(confusions[0]) - macro_f1(confusions[1]),
        "macro_f1_low": f1_low,
        "macro_f1_high": f1_high,
    }


def page(found: Mapping[str, Any]) -> str:
    """Write a comparison as Markdown, in the reader's language."""
    if found["p"] >= 0.05:
        verdict = _("These rows do not tell the models apart.")
    else:
        verdict = _("`{model}` is better.", model=found["a"] if found["difference"] > 0 else found["b"])
    lines = [
        _(
            "# {a} against {b} on {dataset}, split {split}",
            **{key: found[key] for key in ("a", "b", "dataset", "split")},
        ),
        "",
        verdict,
        "",
        _(
            "Accuracy {accuracy_a:.4f} and {accuracy_b:.4f} on {rows} rows: difference {difference:+.4f}, 95 % interval"
            " {low:+.4f} to {high:+.4f} (Newcombe 1998, pairs), p = {p:.4f} (McNemar, exact).",
            **found,
        ),
        _(
            "Macro-F1 {macro_f1_a:.4f} and {macro_f1_b:.4f}: difference {macro_f1_difference:+.4f}, 95 % interval"
            " {macro_f1_low:+.4f} to {macro_f1_high:+.4f} (paired bootstrap).",
            **found,
        ),
        _(
            "Only the first is right on {only_a} rows, only the second on {only_b}; they agree on {agreement:.1%}.",
            **found,
        ),
    ]
    return "\n".join(lines) + "\n"
