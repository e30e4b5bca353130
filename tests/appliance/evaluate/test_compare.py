"""The step `compare`: the same rows, in pairs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from appliance import engine
from appliance.errors import InputError
from appliance.evaluate.compare import compare
from appliance.schema import Dataset, Model
from appliance.settings import EvaluateSettings
from appliance.store import Store
from tests.tiny_onnx import add_model

SETTINGS = EvaluateSettings(bootstrap=200)


def test_the_figures_are_those_of_the_rows_in_pairs(store: Store, model: Model, dataset: Dataset) -> None:
    other = add_model(store, "other", form="onnx", seed=1)
    records = list(store.records(dataset, "test"))
    right = np.array(
        [
            [answer.label == record.label for answer, record in zip(answers, records, strict=True)]
            for answers in (
                engine.load(one.folder).predict([record.text for record in records]) for one in (model, other)
            )
        ]
    )
    found = compare(store, model, other, dataset, SETTINGS)
    only_a, only_b = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    assert (found["rows"], found["only_a"], found["only_b"]) == (150, only_a, only_b)
    assert found["difference"] == pytest.approx(right[0].mean() - right[1].mean())
    assert found["accuracy_a"] == pytest.approx(0.8)
    assert found["low"] < found["difference"] < found["high"]
    assert found["p"] == pytest.approx(binomtest(only_a, only_a + only_b).pvalue)
    assert found["macro_f1_low"] < found["macro_f1_difference"] < found["macro_f1_high"]


def test_the_models_change_places_with_the_sign(store: Store, model: Model, dataset: Dataset) -> None:
    other = add_model(store, "other", form="onnx", seed=1)
    there, back = (compare(store, *pair, dataset, SETTINGS) for pair in ((model, other), (other, model)))
    assert there["difference"] == -back["difference"] > 0
    assert (there["low"], there["high"]) == pytest.approx((-back["high"], -back["low"]))
    assert there["p"] == back["p"] < 0.05
    assert f"`{model.reference}` is better" in (Path(back["path"]) / "report.md").read_text()


def test_a_model_is_no_better_than_itself(store: Store, model: Model, dataset: Dataset) -> None:
    found = compare(store, model, model, dataset, SETTINGS)
    assert (found["difference"], found["p"], found["agreement"]) == (0.0, 1.0, 1.0)
    assert found["macro_f1_low"] == found["macro_f1_high"] == 0.0
    assert "do not tell the models apart" in (Path(found["path"]) / "report.md").read_text()


def test_models_with_other_labels_can_be_compared(store: Store, model: Model, dataset: Dataset) -> None:
    from tests.tiny_onnx import write_model

    with store.draft("model", "wide", meta={"format": "onnx"}) as draft:
        write_model(draft.folder, "onnx", seed=2, labels=("refund", "transfer", "card", "account"))
    found = compare(store, model, draft.artifact, dataset, SETTINGS)
    assert found["accuracy_a"] == pytest.approx(0.8)
    assert 0 < found["accuracy_b"] < 0.8


def test_the_comparison_is_kept_as_a_report(store: Store, model: Model, dataset: Dataset) -> None:
    other = add_model(store, "other", form="onnx", seed=1)
    found = compare(store, model, other, dataset, SETTINGS)
    report = store.artifact("report", found["report"])
    assert set(report.parents) == {model.id, other.id, dataset.id}
    assert report.meta["difference"] == found["difference"]
    written = json.loads((report.folder / "report.json").read_bytes())
    assert written == {key: value for key, value in found.items() if key not in ("report", "path")}
    assert [event.verb for event in store.events()][-1] == "compare"


def test_a_split_without_rows_is_told(store: Store, model: Model, dataset: Dataset) -> None:
    with pytest.raises(InputError, match="no labelled rows"):
        compare(store, model, model, dataset, SETTINGS.model_copy(update={"split": "validation"}))
