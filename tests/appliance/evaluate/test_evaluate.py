"""The step `evaluate`: figures that the rows confirm, floors beside them, no text in the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import f1_score

from appliance import engine
from appliance.errors import InputError
from appliance.evaluate import evaluate as step
from appliance.evaluate.evaluate import evaluate
from appliance.schema import Dataset, Model, Record, Report, Source
from appliance.settings import EvaluateSettings
from appliance.store import Store
from tests.fakes import tiny_base
from tests.tiny_onnx import LABELS

PLAIN = EvaluateSettings(floors=False, bootstrap=200)
FLOORS = EvaluateSettings(bootstrap=200)
AddDataset = Callable[..., Dataset]


def content(report: Report) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((report.folder / "report.json").read_bytes())
    return found


def add_rows(store: Store, records: list[Record]) -> Dataset:
    with store.draft("dataset", "rows", meta={"stage": "curated", "splits": {"test": len(records)}}) as draft:
        store.write_records(draft, records)
    found: Dataset = draft.artifact
    return found


def row(number: int, label: str | None, words: str = "w1 w2") -> Record:
    return Record(id=f"{number:032x}", text=words, label=label, split="test")


def test_the_report_is_a_child_of_model_and_data(store: Store, model: Model, dataset: Dataset) -> None:
    report = evaluate(store, model, dataset, PLAIN)
    assert report.kind == "report" and set(report.parents) == {model.id, dataset.id}
    assert {path.name for path in report.folder.iterdir()} >= {"report.json", "report.md", "confusion.png"}
    assert (report.folder / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert [event.verb for event in store.events()][-1] == "evaluate"


def test_the_figures_are_those_of_the_rows(store: Store, model: Model, dataset: Dataset) -> None:
    """The data set's labels are the model's answers, every fifth turned: accuracy is four fifths."""
    records = list(store.records(dataset, "test"))
    answers = [one.label for one in engine.load(model.folder).predict([record.text for record in records])]
    metrics = evaluate(store, model, dataset, PLAIN).meta["metrics"]
    assert metrics["accuracy"] == pytest.approx(0.8)
    assert 0.72 < metrics["accuracy_low"] < 0.8 < metrics["accuracy_high"] < 0.87
    assert metrics["macro_f1"] == pytest.approx(
        f1_score([record.label for record in records], answers, average="macro")
    )
    assert metrics["macro_f1_low"] < metrics["macro_f1"] < metrics["macro_f1_high"]
    assert 0 <= metrics["calibration_error"] <= 1


def test_the_same_evaluation_is_the_same_report(store: Store, model: Model, dataset: Dataset) -> None:
    assert evaluate(store, model, dataset, FLOORS).id == evaluate(store, model, dataset, FLOORS).id


def test_classes_and_slices_add_up(store: Store, model: Model, dataset: Dataset) -> None:
    found = content(evaluate(store, model, dataset, PLAIN))
    assert sum(line["support"] for line in found["classes"]) == found["rows"] == 150
    assert sum(line["predicted"] for line in found["classes"]) == 150
    assert sum(count for _true, _predicted, count in found["confusion"]) == 150
    for by, values in (("language", 2), ("group", 2), ("characters", 4)):
        lines = [line for line in found["slices"] if line["by"] == by]
        assert len(lines) == values
        assert sum(line["rows"] for line in lines) == 150
        assert sum(line["rows"] * line["accuracy"] for line in lines) == pytest.approx(120)
        assert all(line["accuracy_low"] <= line["accuracy"] <= line["accuracy_high"] for line in lines)


def test_slices_by_length_name_lengths_that_do_not_overlap(store: Store, model: Model, dataset: Dataset) -> None:
    found = content(evaluate(store, model, dataset, PLAIN))
    spans = [line["value"].split("-") for line in found["slices"] if line["by"] == "characters"]
    ends = sorted(tuple(map(int, span)) for span in spans)
    assert all(first[1] < second[0] for first, second in pairwise(ends))


def test_groups_of_a_raw_set_are_not_shown(store: Store, model: Model) -> None:
    """There a group is what the source wrote, a name perhaps; in later sets it is a keyed hash."""
    records = [
        replace(row(number, "card"), source=Source("a.csv", number), group=f"Dr Canary {number % 2}")
        for number in range(1, 9)
    ]
    with store.draft("dataset", "raw", meta={"stage": "raw"}) as draft:
        store.write_records(draft, records)
    report = evaluate(store, model, draft.artifact, PLAIN)
    assert all(b"Canary" not in path.read_bytes() for path in report.folder.iterdir())


def test_no_text_of_a_record_is_in_the_report(store: Store, model: Model) -> None:
    words = "w1 canary 4111111111111111 w2"
    dataset = add_rows(store, [row(number, LABELS[number % 3], words) for number in range(6)])
    report = evaluate(store, model, dataset, PLAIN)
    for path in report.folder.iterdir():
        assert b"canary" not in path.read_bytes() and b"4111111111111111" not in path.read_bytes()


def test_wrong_rows_are_listed_by_id_the_most_confident_first(store: Store, model: Model, dataset: Dataset) -> None:
    wrong = content(evaluate(store, model, dataset, PLAIN))["wrong"]
    records = {record.id: record for record in store.records(dataset, "test")}
    loaded = engine.load(model.folder)
    assert len(wrong) == 30
    assert [line["score"] for line in wrong] == sorted((line["score"] for line in wrong), reverse=True)
    for line in wrong:
        assert line["label"] == records[line["id"]].label != line["predicted"]
        assert line["predicted"] == loaded.predict([records[line["id"]].text])[0].label
    few = evaluate(store, model, dataset, PLAIN.model_copy(update={"wrong_rows": 3}))
    assert content(few)["wrong"] == wrong[:3]


def test_rows_without_a_label_are_counted_and_unknown_labels_are_wrong(store: Store, model: Model) -> None:
    answer = str(engine.load(model.folder).predict(["w1 w2"])[0].label)
    dataset = add_rows(store, [row(1, answer), row(2, None), row(3, "never seen"), row(4, answer), row(5, None)])
    report = evaluate(store, model, dataset, PLAIN)
    found = content(report)
    assert (found["rows"], found["without_label"]) == (3, 2)
    assert found["labels"] == [*LABELS, "never seen"]
    assert found["metrics"]["accuracy"] == pytest.approx(2 / 3)
    assert "2 rows have no label" in (report.folder / "report.md").read_text()


def test_truncated_texts_are_counted(store: Store, model: Model) -> None:
    dataset = add_rows(store, [row(1, "card", "w1 " * 500), row(2, "card")])
    report = evaluate(store, model, dataset, PLAIN)
    assert content(report)["truncated"] == 1
    assert "1 texts are longer" in (report.folder / "report.md").read_text()


def test_a_split_without_labelled_rows_is_told_with_the_splits_that_are_there(
    store: Store, model: Model, dataset: Dataset
) -> None:
    with pytest.raises(InputError, match=r"split `validation`.*`train` \(150\), `test` \(150\)"):
        evaluate(store, model, dataset, PLAIN.model_copy(update={"split": "validation"}))
    with pytest.raises(InputError, match="no labelled rows"):
        evaluate(store, model, add_rows(store, [row(1, None)]), PLAIN)


def test_the_page_shows_every_figure_beside_its_floors(store: Store, model: Model, dataset: Dataset) -> None:
    page = (evaluate(store, model, dataset, FLOORS).folder / "report.md").read_text()
    assert page.startswith(f"# {model.reference} on {dataset.reference}, split test")
    for shown in ("| this model | 0.8000 | 0.", "| majority | 0.", "TF-IDF + linear SVM", "## Slices", "Guo et al."):
        assert shown in page


# -- floors ----------------------------------------------------------------------------------------------------------


def test_floors_are_measured_on_the_same_rows(store: Store, model: Model, dataset: Dataset) -> None:
    floors = evaluate(store, model, dataset, FLOORS).meta["floors"]
    assert set(floors) == {"majority", "tfidf_svm"}
    truth = [record.label for record in store.records(dataset, "test")]
    learned = [record.label for record in store.records(dataset, "train")]
    frequent = max(sorted(set(learned)), key=learned.count)
    assert floors["majority"]["accuracy"] == pytest.approx(truth.count(frequent) / 150)
    assert floors["majority"]["train_rows"] == 150
    for floor in floors.values():
        assert floor["accuracy_low"] <= floor["accuracy"] <= floor["accuracy_high"]


def test_a_floor_that_is_left_out_says_why(store: Store, model: Model, dataset: Dataset) -> None:
    report = evaluate(store, model, dataset, FLOORS)
    assert content(report)["floors_left_out"] == {"probe": "no base"}
    assert "the base model is not installed" in (report.folder / "report.md").read_text()


def test_the_probe_is_measured_as_soon_as_its_base_is_installed(
    store: Store, model: Model, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "probe" not in evaluate(store, model, dataset, FLOORS).meta["floors"]
    monkeypatch.setenv("SKERRY_BASES__FOLDER", str(tmp_path / "bases"))
    tiny_base(tmp_path / "bases" / "tiny")
    report = evaluate(Store.open(), model, dataset, FLOORS)
    assert report.meta["floors"]["probe"]["accuracy"] > 0.3
    assert content(report)["floors_left_out"] == {}


def test_a_probe_is_no_floor_of_itself(store: Store, model: Model, dataset: Dataset) -> None:
    with store.draft("model", "probe", meta={"format": "onnx", "method": "probe", "base": "tiny"}) as draft:
        for path in model.folder.glob("*[!t].*"):
            (draft.folder / path.name).write_bytes(path.read_bytes())
        (draft.folder / "manifest.json").unlink(missing_ok=True)
    report = evaluate(store, draft.artifact, dataset, FLOORS)
    assert content(report)["floors_left_out"] == {"probe": "the model"}


def test_without_training_rows_there_are_no_floors(store: Store, model: Model) -> None:
    report = evaluate(store, model, add_rows(store, [row(1, "card"), row(2, "card")]), FLOORS)
    assert report.meta["floors"] == {}
    assert set(content(report)["floors_left_out"].values()) == {"no rows"}


def test_floors_come_from_an_earlier_report_of_the_same_rows(
    store: Store, model: Model, dataset: Dataset, add_dataset: AddDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that is the probe itself lacks no floor, so that its report is complete."""
    model = replace(model, meta={"format": "onnx", "method": "probe", "base": "tiny"})
    fitted = []
    real = step.tfidf_svm
    monkeypatch.setattr(step, "tfidf_svm", lambda *rows: fitted.append(1) or real(*rows))
    first = evaluate(store, model, dataset, FLOORS)
    again = evaluate(store, model, dataset, FLOORS)
    assert again.meta["floors"] == first.meta["floors"] and len(fitted) == 1
    evaluate(store, model, add_dataset("others", language="zh"), FLOORS)
    evaluate(store, model, dataset, FLOORS.model_copy(update={"floor_rows": 50}))
    assert len(fitted) == 3
