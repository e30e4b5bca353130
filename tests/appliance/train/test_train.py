"""`skerry train`: from a data set to a model folder with its card."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from appliance import device, engine
from appliance.engine import on_torch
from appliance.errors import HardwareError, InputError, IntegrityError, MissingPartError, SettingsError
from appliance.files import file_sha256
from appliance.schema import Dataset, Model, Record
from appliance.settings import TrainSettings
from appliance.store import Store
from appliance.train.train import total_steps, train
from tests.fakes import tiny_base, tiny_records

PROBE = TrainSettings(method="probe", base="tiny", threads=1, precision="fp32")
FULL = PROBE.model_copy(update={"method": "full", "epochs": 2, "batch_rows": 16, "learning_rate": 3e-3})


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases")
    for name in ("tiny", "minilm", "e5"):
        tiny_base(folder / name, name=name)
    return folder


@pytest.fixture
def store(tmp_path: Path, bases: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SKERRY_BASES__FOLDER", str(bases))
    return Store.open(tmp_path / "home")


def dataset(store: Store, records: Iterable[Record], name: str = "d") -> Dataset:
    with store.draft("dataset", name, meta={"stage": "curated"}) as draft:
        draft.meta["rows"] = store.write_records(draft, records)
    found: Dataset = draft.artifact
    return found


def card(model: Model) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((model.folder / "card.json").read_text())
    return content


def test_a_probe_becomes_a_model_that_answers(store: Store) -> None:
    records = tiny_records(120, languages=("en", "zh"))
    model = train(store, dataset(store, records), PROBE, "triage")
    answers = engine.load(model.folder).predict([record.text for record in records])
    assert np.mean([answer.label == record.label for answer, record in zip(answers, records, strict=True)]) > 0.9
    assert model.meta["labels"] == ["account", "card", "transfer"]
    assert model.meta["metrics"]["macro_f1"] > 0.8
    assert (model.format, model.meta["method"], model.meta["base"]) == ("torch", "probe", "tiny")


def test_the_folder_holds_what_every_format_starts_from(store: Store) -> None:
    model = train(store, dataset(store, tiny_records(60)), PROBE, "triage")
    names = {path.name for path in model.folder.iterdir()}
    assert {"model.json", "config.json", "tokenizer.json", "model.safetensors", "card.json", "card.md"} <= names
    weights = load_file(model.folder / "model.safetensors")
    assert weights["head.weight"].shape == (3, 32) and weights["head.bias"].shape == (3,)
    assert all(name.startswith(("encoder.", "head.")) for name in weights)
    assert model.meta["weights_sha256"] == file_sha256(model.folder / "model.safetensors")
    assert model.meta["parameters"] == sum(value.size for value in weights.values())


def test_the_probe_leaves_the_base_model_as_it_was(store: Store, bases: Path) -> None:
    model = train(store, dataset(store, tiny_records(60)), PROBE, "triage")
    base, trained = load_file(bases / "tiny" / "model.safetensors"), load_file(model.folder / "model.safetensors")
    assert all(np.array_equal(value, trained[f"encoder.{name}"]) for name, value in base.items())


def test_full_changes_all_weights_and_tells_its_story(store: Store, bases: Path) -> None:
    model = train(store, dataset(store, tiny_records(120)), FULL.model_copy(update={"epochs": 3}), "triage")
    training = card(model)["training"]
    base, trained = load_file(bases / "tiny" / "model.safetensors"), load_file(model.folder / "model.safetensors")
    changed = [not np.array_equal(value, trained[f"encoder.{name}"]) for name, value in base.items()]
    assert training["steps"] == 21 and [item["step"] for item in training["evaluations"]] == [7, 14, 21]
    assert any(changed) == bool(training["best_step"])
    assert model.meta["metrics"]["macro_f1"] >= card(model)["metrics"]["probe"]["macro_f1"]


def test_fine_tuning_that_harms_is_not_kept(store: Store, bases: Path) -> None:
    """One epoch at a rate far too high is worse than the probe, so the probe's weights are the model."""
    model = train(
        store, dataset(store, tiny_records(120)), FULL.model_copy(update={"learning_rate": 1.0, "epochs": 1}), "triage"
    )
    trained = load_file(model.folder / "model.safetensors")
    base = load_file(bases / "tiny" / "model.safetensors")
    assert card(model)["training"]["best_step"] == 0
    assert "the probe was kept" in (model.folder / "card.md").read_text()
    assert model.meta["metrics"]["macro_f1"] == card(model)["metrics"]["probe"]["macro_f1"]
    assert np.array_equal(
        base["embeddings.word_embeddings.weight"], trained["encoder.embeddings.word_embeddings.weight"]
    )


def test_the_weights_depend_on_rows_settings_and_seed_only(store: Store) -> None:
    records = tiny_records(60)
    renamed = [
        Record(id=f"{number:032x}", text=record.text, label=record.label, source_key=f"k{number}")
        for number, record in enumerate(records)
    ]
    settings = FULL.model_copy(update={"epochs": 1})
    first = train(store, dataset(store, records), settings, "a")
    second = train(store, dataset(store, renamed), settings, "b")
    third = train(store, dataset(store, records), settings.model_copy(update={"seed": 1}), "c")
    assert first.meta["weights_sha256"] == second.meta["weights_sha256"] != third.meta["weights_sha256"]
    assert first.id == second.id


@pytest.mark.parametrize("method", ["probe", "full"])
def test_a_refit_learns_from_the_validation_rows_too(store: Store, method: str) -> None:
    data = dataset(store, tiny_records(90))
    settings = FULL.model_copy(update={"method": method})
    plain = train(store, data, settings, "plain")
    refitted = train(store, data, settings.model_copy(update={"refit": True}), "refitted")
    assert plain.meta["metrics"] == refitted.meta["metrics"], "the figures are from before the refit"
    assert plain.meta["weights_sha256"] != refitted.meta["weights_sha256"]
    assert "Trained again on train and validation" in (refitted.folder / "card.md").read_text()


@pytest.mark.parametrize(("languages", "base"), [(("en",), "minilm"), (("en", "zh"), "e5")])
def test_auto_takes_the_base_model_of_the_rows_language(store: Store, languages: tuple[str, ...], base: str) -> None:
    model = train(
        store, dataset(store, tiny_records(60, languages=languages)), PROBE.model_copy(update={"base": "auto"}), "m"
    )
    assert model.meta["base"] == base
    assert f"`{base}`" in model.meta["base_reason"]


def test_lineage_and_card_name_the_data_and_the_base(store: Store) -> None:
    data = dataset(store, tiny_records(60))
    model = train(store, data, PROBE, "triage")
    content = card(model)
    assert model.parents == (data.id,)
    assert (content["data"]["id"], content["base"]["name"], content["base"]["licence"]) == (
        data.id,
        "tiny",
        "Apache-2.0",
    )
    assert content["rows"] | {"train": 54, "validation": 6, "validation_held_out_of_train": True} == content["rows"]
    assert content["hardware"]["cores"] >= 1 and content["hardware"]["precision"] == "fp32"
    assert content["software"]["torch"]
    assert [event.verb for event in store.events("triage")] == ["train"]


def test_neither_card_nor_meta_holds_a_text(store: Store) -> None:
    records = tiny_records(60)
    model = train(store, dataset(store, records), FULL.model_copy(update={"epochs": 1}), "triage")
    written = (
        (model.folder / "card.json").read_text() + (model.folder / "card.md").read_text() + json.dumps(dict(model.meta))
    )
    assert not [record for record in records if record.text in written]


def test_the_scratch_is_cleared_when_the_model_stands(store: Store) -> None:
    train(store, dataset(store, tiny_records(60)), FULL.model_copy(update={"epochs": 1}), "triage")
    assert list((store.home / "work" / "train").iterdir()) == []


def test_rows_without_label_and_long_texts_are_counted_on_the_card(store: Store) -> None:
    records = [*tiny_records(60), Record(id="x", text="no label"), Record(id="y", text="card " * 50, label="card")]
    model = train(store, dataset(store, records), PROBE.model_copy(update={"max_tokens": 32}), "triage")
    assert card(model)["rows"]["without_label"] == 1
    assert card(model)["rows"]["truncated"] == 1
    assert engine.read_plan(model.folder).max_tokens == 32


def test_two_rows_a_label_train_without_validation(store: Store) -> None:
    model = train(store, dataset(store, tiny_records(6)), FULL, "few")
    assert model.meta["metrics"] == {}
    assert card(model)["training"]["steps"] == total_steps(6, FULL)
    assert "labels have no validation row" in (model.folder / "card.md").read_text()


def test_what_cannot_be_trained_says_so(store: Store, tmp_path: Path, bases: Path) -> None:
    data = dataset(store, tiny_records(60))
    with pytest.raises(MissingPartError, match="skerry base"):
        train(store, data, PROBE.model_copy(update={"base": "none"}), "m")
    with pytest.raises(InputError, match="same label"):
        train(store, dataset(store, tiny_records(9, labels=("card",)), "one"), PROBE, "m")
    with pytest.raises(SettingsError, match="fp16 needs a GPU"):
        train(store, data, PROBE.model_copy(update={"precision": "fp16"}), "m")
    with pytest.raises(SettingsError, match="cannot be a name"):
        train(store, data, PROBE.model_copy(update={"base": "none"}), "my model")


def test_a_base_model_that_was_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKERRY_BASES__FOLDER", str(tmp_path / "bases"))
    tiny_base(tmp_path / "bases" / "tiny")
    store = Store.open(tmp_path / "home")
    with (tmp_path / "bases" / "tiny" / "model.safetensors").open("r+b") as file:
        file.seek(-2, 2)
        file.write(b"\x01")
    with pytest.raises(IntegrityError, match=r"model\.safetensors"):
        train(store, dataset(store, tiny_records(60)), PROBE, "m")


def test_too_little_memory_is_said_before_the_start(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "memory_bytes", lambda: (10**9, 10**6))
    with pytest.raises(HardwareError, match="--method probe"):
        train(store, dataset(store, tiny_records(60)), FULL, "m")


def test_bf16_trains_and_is_saved_as_fp32(store: Store) -> None:
    model = train(
        store, dataset(store, tiny_records(60)), FULL.model_copy(update={"precision": "bf16", "epochs": 1}), "m"
    )
    assert {value.dtype for value in load_file(model.folder / "model.safetensors").values()} == {np.dtype("float32")}
    assert card(model)["hardware"]["precision"] == "bf16"


def test_the_saved_model_answers_as_the_trained_one_did(store: Store) -> None:
    """The validation macro-F1 on the card can be measured again from the folder."""
    records = tiny_records(90, splits=("train", "train", "validation"))
    model = train(store, dataset(store, records), FULL, "m")
    held = [record for record in records if record.split == "validation"]
    answers = engine.load(model.folder).predict([record.text for record in held])
    accuracy = np.mean([answer.label == record.label for answer, record in zip(answers, held, strict=True)])
    assert accuracy == pytest.approx(model.meta["metrics"]["accuracy"])
    assert isinstance(engine.load(model.folder), on_torch.TorchEngine)
