"""What leaves with a model: the files a server needs, its card, counts; no data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from appliance.cli import app
from appliance.errors import InputError, NotFoundError, PolicyError, SettingsError
from appliance.export.serve_only import serve_only
from appliance.schema import Model, Source
from appliance.signature import check_folder
from appliance.store import Store
from tests.fakes import tiny_records
from tests.tiny_onnx import add_model, write_model


@pytest.fixture
def store() -> Store:
    return Store.open()


def with_lineage(store: Store) -> Model:
    """A model with data sets above it: raw, scrubbed, curated."""
    above: tuple[str, ...] = ()
    counts = {"held_back": 2, "findings": {"PERSON": 5, "PHONE": 1}, "languages": {"en": 6}}
    for seed, (stage, told) in enumerate((("raw", {}), ("scrubbed", counts), ("curated", {"duplicates": 1}))):
        with store.draft("dataset", "tickets", parents=above, meta={"stage": stage} | told) as draft:
            source = Source("tickets.csv", 1) if stage == "raw" else None
            store.write_records(draft, (replace(record, source=source) for record in tiny_records(6, seed=seed)))
        above = (draft.artifact.id,)
    with store.draft("model", "triage", parents=above, meta={"format": "onnx", "labels": ["card"]}) as draft:
        write_model(draft.folder, "onnx")
        (draft.folder / "card.json").write_text('{"model": "triage"}')
        draft.beside.add("card.json")
    model: Model = draft.artifact
    return model


def test_the_folder_holds_model_card_and_counts_and_nothing_else(store: Store, tmp_path: Path) -> None:
    model = with_lineage(store)
    result = serve_only(store, model, tmp_path / "out")
    assert (result["model"], result["format"]) == (model.reference, "serve-only")
    _signer, files = check_folder(tmp_path / "out", result["signer"])
    assert sorted(files) == ["about.json", "card.json", "model.json", "model.onnx", "scrub.json", "tokenizer.json"]
    about = json.loads((tmp_path / "out" / "about.json").read_text())
    assert about["id"] == model.id
    scrubbed = next(item for item in store.artifacts("dataset") if item.stage == "scrubbed")
    assert about["scrub"] == [
        {"dataset": scrubbed.reference, "rows": 6, "held_back": 2, "findings": {"PERSON": 5, "PHONE": 1}}
    ]
    (report,) = json.loads((tmp_path / "out" / "scrub.json").read_text())["scrubbed"]
    assert report == about["scrub"][0] | {"languages": {"en": 6}, "made": scrubbed.created}


def test_a_model_of_an_unscrubbed_set_stays_here(store: Store, tmp_path: Path) -> None:
    """Also behind a curated set, an exported model, and beside a set that was scrubbed; an erased set is still unscrubbed."""
    made = []
    for stage in ("raw", "curated"):
        with store.draft("dataset", "plain", parents=tuple(made), meta={"stage": stage}) as draft:
            source = Source("plain.csv", 1) if stage == "raw" else None
            store.write_records(draft, (replace(record, source=source) for record in tiny_records(5, seed=9)))
        made = [draft.artifact.id]
    for parents in (made, [*with_lineage(store).parents, *made]):
        with store.draft("model", "first", parents=tuple(parents), meta={"format": "torch"}) as draft:
            (draft.folder / "model.safetensors").write_bytes(b"weights of " + str(len(parents)).encode())
        with store.draft("model", "first", parents=(draft.artifact.id,), meta={"format": "onnx"}) as draft:
            write_model(draft.folder, "onnx")
            (draft.folder / "model.json").write_bytes((draft.folder / "model.json").read_bytes() + b" " * len(parents))
        with pytest.raises(PolicyError, match=r"made from `plain@.*without a scrub"):
            serve_only(store, draft.artifact, tmp_path / "out")
    store.bury(next(item for item in store.artifacts("dataset") if item.name == "plain"), "erase")
    with pytest.raises(PolicyError, match="without a scrub"):
        serve_only(store, draft.artifact, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_text_of_a_record_travels(store: Store, tmp_path: Path) -> None:
    serve_only(store, with_lineage(store), tmp_path / "out")
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    assert b"about.json" in written  # the search sees what is there
    texts = [record.text for seed in range(3) for record in tiny_records(6, seed=seed)]
    assert not [text for text in texts if text.encode() in written]


def test_counts_of_an_erased_data_set_still_travel(store: Store, tmp_path: Path) -> None:
    model = with_lineage(store)
    for dataset in store.artifacts("dataset"):
        store.bury(dataset, "erase")
    assert [row["held_back"] for row in serve_only(store, model, tmp_path / "out")["scrub"]] == [2]


def test_a_trained_model_travels_as_its_newest_export(store: Store, tmp_path: Path) -> None:
    with store.draft("model", "triage", meta={"format": "torch"}) as draft:
        (draft.folder / "model.safetensors").write_bytes(b"weights")
    trained = draft.artifact
    with pytest.raises(NotFoundError, match=r"first run `skerry export .* --format onnx-int8`"):
        serve_only(store, trained, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with store.draft("model", "triage", parents=(trained.id,), meta={"format": "onnx"}) as draft:
        write_model(draft.folder, "onnx")
    assert serve_only(store, trained, tmp_path / "out")["model"] == draft.artifact.reference


def test_nothing_is_written_over_and_nothing_half_written_stays(store: Store, tmp_path: Path) -> None:
    model = add_model(store)
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="is there already"):
        serve_only(store, model, tmp_path / "out")
    (model.folder / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError):
        serve_only(store, model, tmp_path / "new" / "folder")
    assert list((tmp_path / "new").iterdir()) == []


def test_the_event_names_model_and_signer(store: Store, tmp_path: Path) -> None:
    result = serve_only(store, add_model(store), tmp_path / "out")
    event = store.events()[-1]
    assert (event.verb, event.details) == ("export", {"format": "serve-only", "signer": result["signer"]})


def test_the_verb_wants_format_and_folder_together(store: Store, tmp_path: Path) -> None:
    add_model(store)
    command = ["export", "triage", "--format", "serve-only"]
    for half in (command, ["export", "triage", "--out", str(tmp_path / "out")]):
        assert isinstance(CliRunner().invoke(app, half).exception, SettingsError)
    done = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out"), "--json"])
    assert json.loads(done.stdout)["path"] == str(tmp_path / "out")


def test_an_export_leaves_and_not_the_smaller_model_beside_it(store: Store, tmp_path: Path) -> None:
    """What `compress` made of a model answers otherwise: it leaves under its own name, with its verdict."""
    with store.draft("model", "triage", parents=with_lineage(store).parents, meta={"format": "torch"}) as draft:
        (draft.folder / "model.safetensors").write_bytes(b"weights")
    trained, made = draft.artifact, []
    for seed, (name, told) in enumerate((("triage", {}), ("triage-small", {"compressed": {"verdict": "refused"}}))):
        with store.draft("model", name, parents=(trained.id,), meta={"format": "onnx"} | told) as draft:
            write_model(draft.folder, "onnx", seed)
        made.append(draft.artifact)
    assert serve_only(store, trained, tmp_path / "whole")["model"] == made[0].reference
    serve_only(store, made[1], tmp_path / "small")
    assert json.loads((tmp_path / "small" / "about.json").read_text())["meta"]["compressed"]["verdict"] == "refused"
