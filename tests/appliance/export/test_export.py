"""The step `export`: a child of the trained model that answers like it, or nothing at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from appliance import device, engine
from appliance.engine.plan import read_plan
from appliance.errors import HardwareError, NotFoundError, PolicyError
from appliance.export import export as step
from appliance.export.export import export, export_folder, size_bytes
from appliance.schema import Dataset, Model
from appliance.settings import ExportSettings
from appliance.store import Store
from tests.fakes import tiny_records

pytestmark = pytest.mark.usefixtures("ready")

# In a network this small 8 bits are much noise.
SETTINGS = ExportSettings(parity_rows=60, min_agreement=0.8)


@pytest.fixture
def store() -> Store:
    return Store.open()


@pytest.fixture
def dataset(store: Store) -> Dataset:
    records = tiny_records(90, splits=("train", "validation", "test"), seed=3)
    with store.draft("dataset", "tickets", meta={"stage": "curated"}) as draft:
        store.write_records(draft, records)
    found: Dataset = draft.artifact
    return found


@pytest.fixture
def model(store: Store, dataset: Dataset, learned: Path) -> Model:
    meta = {"format": "torch", "task": "classify", "labels": ["card", "transfer", "account"], "base": "tiny"}
    with store.draft("model", "triage", parents=(dataset.id,), meta=meta) as draft:
        shutil.copytree(learned, draft.folder, dirs_exist_ok=True)
        (draft.folder / "card.json").write_text('{"model": "triage"}')
        (draft.folder / "card.md").write_text("# triage\n")
        draft.beside |= {"card.json", "card.md"}
    found: Model = draft.artifact
    return found


@pytest.fixture
def ready(exported: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand out the file that the exporter made of this very network: it takes seconds, and the bytes are the same."""
    made = exported["onnx"] / "model.onnx"
    monkeypatch.setattr(step, "to_onnx", lambda _network, path, _opset: shutil.copyfile(made, path))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_export_is_a_child_of_the_same_name_that_serves_alone(store: Store, model: Model) -> None:
    exported = export(store, model, SETTINGS)
    assert (exported.name, exported.format, exported.parents) == ("triage", "onnx-int8", (model.id,))
    assert store.model("triage").id == exported.id
    files = ["card.json", "card.md", "manifest.json", "model.json", "model.onnx", "parity.json", "tokenizer.json"]
    assert names(exported.folder) == files
    assert exported.meta["labels"] == ["card", "transfer", "account"]
    assert exported.meta["size_bytes"] == size_bytes(exported.folder) < 300_000
    assert [event.verb for event in store.events("triage")][-1] == "export"


def test_its_answers_are_those_of_its_source(store: Store, model: Model, dataset: Dataset) -> None:
    exported = export(store, model, SETTINGS)
    texts = [record.text for record in store.records(dataset)]
    labels = [prediction.label for prediction in engine.load(exported.folder).predict(texts)]
    same = [
        label == prediction.label
        for label, prediction in zip(labels, engine.load(model.folder).predict(texts), strict=True)
    ]
    assert sum(same) / len(same) >= SETTINGS.min_agreement


def test_exporting_again_gives_the_same_id_also_from_the_export_itself(store: Store, model: Model) -> None:
    """After an export the name means the export: the next one still starts from the trained model."""
    first = export(store, model, SETTINGS)
    again = export(store, store.model("triage"), SETTINGS)
    assert again.id == first.id
    plain = export(store, store.model("triage"), ExportSettings(format="onnx", parity_rows=60))
    assert (plain.format, plain.parents) == ("onnx", (model.id,))
    assert plain.meta["parity"]["max_logit_difference"] < 1e-4


def test_the_cards_tell_about_source_and_parity(store: Store, model: Model) -> None:
    exported = export(store, model, SETTINGS)
    card = json.loads((exported.folder / "card.json").read_bytes())
    parity = json.loads((exported.folder / "parity.json").read_bytes())
    assert card["model"] == "triage"
    assert card["export"]["source"] == model.reference
    assert card["export"]["parity"] == exported.meta["parity"] == parity
    page = (exported.folder / "card.md").read_text()
    assert page.startswith("# triage\n") and "of 60 real rows" in page


def test_cards_do_not_change_the_id(store: Store, model: Model) -> None:
    counted = {file["path"] for file in store.manifest(export(store, model, SETTINGS))["files"] if not file["beside"]}
    assert counted == {"model.json", "tokenizer.json", "model.onnx"}


def test_an_export_that_answers_otherwise_is_refused_and_leaves_nothing(
    store: Store, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real quantiser, with the weights of one layer spoiled behind it."""

    def spoil(source: Path, target: Path, *_asked: object, **_named: object) -> None:
        import onnx
        from onnx import numpy_helper

        broken = onnx.load(source)
        for item in broken.graph.initializer:
            if item.name == "network.head.weight":
                item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item)[::-1].copy(), item.name))
        onnx.save(broken, target)

    monkeypatch.setattr(step, "to_int8", spoil)
    with pytest.raises(PolicyError, match="the same label on"):
        export(store, model, SETTINGS)
    assert [item.id for item in store.artifacts("model")] == [model.id]
    assert list((store.home / "work" / "drafts").iterdir()) == []


def test_too_little_memory_is_told_before_the_work(
    learned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "memory_bytes", lambda: (8 * 10**9, 10**8))
    with pytest.raises(HardwareError, match="export needs about 1"):
        export_folder(learned, tmp_path, SETTINGS, ["my card"])
    assert list(tmp_path.iterdir()) == []


def test_an_fp32_export_over_the_limit_is_refused(learned: Path, tmp_path: Path) -> None:
    settings = ExportSettings(format="onnx", max_logit_difference=1e-30)
    with pytest.raises(PolicyError, match="max_logit_difference"):
        export_folder(learned, tmp_path, settings, ["my card does not work , what about the pin ?"])


@pytest.mark.parametrize(("setting", "told"), [("on", True), ("off", False)])
def test_the_plan_tells_the_range_of_the_weights(learned: Path, tmp_path: Path, setting: str, told: bool) -> None:
    settings = SETTINGS.model_copy(update={"reduce_range": setting})
    export_folder(learned, tmp_path, settings, [record.text for record in tiny_records(40)])
    assert read_plan(tmp_path).reduce_range is told


def test_without_its_data_set_an_export_cannot_be_checked(store: Store, model: Model, dataset: Dataset) -> None:
    store.bury(dataset, "erase")
    with pytest.raises(NotFoundError, match="the data set of `triage@"):
        export(store, model, SETTINGS)


def test_other_rows_can_be_named(store: Store, model: Model, dataset: Dataset) -> None:
    with store.draft("dataset", "unsplit", meta={"stage": "curated"}) as draft:
        store.write_records(draft, tiny_records(50, seed=8))
    store.bury(dataset, "erase")
    assert export(store, model, SETTINGS, draft.artifact).meta["parity"]["rows"] == 50


def test_an_empty_data_set_checks_nothing(store: Store, model: Model) -> None:
    with store.draft("dataset", "empty", meta={"stage": "curated"}) as draft:
        store.write_records(draft, [])
    with pytest.raises(NotFoundError, match="no rows"):
        export(store, model, SETTINGS, draft.artifact)


def test_a_model_whose_trained_ancestor_is_gone_is_told(store: Store, model: Model) -> None:
    exported = export(store, model, SETTINGS)
    store.bury(model, "erase")
    with pytest.raises(NotFoundError, match="train again"):
        export(store, exported, SETTINGS)
