"""Embeddings of a data set: made once, right, and gone on with after a kill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from appliance.engine import on_torch
from appliance.errors import IntegrityError, MissingPartError, PolicyError, SettingsError
from appliance.schema import Dataset
from appliance.settings import TrainSettings
from appliance.store import Store
from appliance.train.train import train
from labeling import embed as module
from labeling.embed import embed, embed_texts
from tests.fakes import tiny_base, tiny_records
from tests.tiny_onnx import write_model


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases")
    for name in ("minilm", "e5"):
        tiny_base(folder / name, name=name)
    return folder


@pytest.fixture
def store(tmp_path: Path, bases: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SKERRY_BASES__FOLDER", str(bases))
    monkeypatch.setenv("SKERRY_TRAIN__THREADS", "1")
    return Store.open(tmp_path / "home")


def dataset(store: Store, languages: tuple[str, ...] = ("en",), rows: int = 60, stage: str = "curated") -> Dataset:
    with store.draft("dataset", "d", meta={"stage": stage}) as draft:
        draft.meta["rows"] = store.write_records(draft, tiny_records(rows, languages=languages))
    found: Dataset = draft.artifact
    return found


def test_embeddings_are_unit_vectors_in_the_order_of_the_records(store: Store) -> None:
    """Half floats mapped into memory, the same that the texts give alone."""
    data = dataset(store)
    kept = embed(store, data)
    texts = [record.text for record in store.records(data)]
    assert isinstance(kept, np.memmap) and kept.dtype == np.float16 and kept.shape == (60, 32)
    assert np.allclose(np.linalg.norm(kept.astype(np.float32), axis=1), 1, atol=1e-2)
    assert np.allclose(kept[[3, 50]], embed_texts(store, data, [texts[3], texts[50]]), atol=2e-3)


def test_embeddings_are_made_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset(store)
    first = np.array(embed(store, data))
    monkeypatch.setattr(on_torch, "embeddings", None)
    assert np.array_equal(embed(store, data), first)


def test_a_killed_run_goes_on_and_gives_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the third chunk of 20, with half a chunk behind what is durable: the first 40 rows are not embedded again."""
    data = dataset(store)
    monkeypatch.setattr(module, "_CHUNK_ROWS", 20)
    whole = np.array(embed(store, data))
    store.clear_scratch(module.CACHE)
    real, seen = on_torch.in_batches, []

    def dies(*arguments: object) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        seen.append(len(arguments[2]))  # type: ignore[arg-type]
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(on_torch, "in_batches", dies)
    with pytest.raises(KeyboardInterrupt):
        embed(store, data)
    (path,) = store.scratch(module.CACHE).glob("*/embeddings.npy")
    with path.open("ab") as file:
        file.write(b"half a row")
    assert np.array_equal(embed(store, data), whole)
    assert seen == [20, 20, 20, 20]


def test_chinese_texts_get_the_encoder_that_reads_them(store: Store) -> None:
    """The base models of the two sets differ, so that nothing is shared between their caches; another setting is another cache."""
    embed(store, dataset(store))
    embed(store, dataset(store, languages=("zh",)))
    assert len(list(store.scratch(module.CACHE).glob("*/embeddings.npy"))) == 2
    with pytest.raises(MissingPartError, match="nowhere"):
        named = store.settings.model_copy(update={"train": TrainSettings(base="nowhere")})
        store.settings = named
        embed(store, dataset(store))


def test_a_trained_model_gives_its_own_embeddings(store: Store) -> None:
    """A model's folder has weights of its own: other weights, other embeddings, in another cache."""
    data = dataset(store)
    model = train(store, data, TrainSettings(method="probe", base="minilm", threads=1, precision="fp32"), "m")
    other = store.scratch("other")
    for path in model.folder.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    weights = load_file(other / "model.safetensors")
    name = next(name for name in weights if name.endswith("word_embeddings.weight"))
    save_file(weights | {name: weights[name][::-1].copy()}, other / "model.safetensors", {"format": "pt"})
    base, probe, turned = embed(store, data), embed(store, data, model.folder), embed(store, data, other)
    assert np.array_equal(base, probe)
    assert base.shape == turned.shape and not np.allclose(base, turned, atol=0.05)


def test_a_model_without_an_encoder_is_refused(store: Store) -> None:
    with pytest.raises(SettingsError, match="come from torch models"):
        embed(store, dataset(store), write_model(store.scratch("onnx")))


def test_raw_records_are_not_embedded(store: Store) -> None:
    with pytest.raises(PolicyError, match="first run `skerry scrub"):
        embed(store, Dataset("0" * 64, "dataset", "main", "d", "", store.home, {"stage": "raw", "rows": 1}))


def test_a_base_model_that_was_changed_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_base(tmp_path / "bases" / "minilm", name="minilm")
    (tmp_path / "bases" / "minilm" / "tokenizer.json").write_text("{}")
    monkeypatch.setenv("SKERRY_BASES__FOLDER", str(tmp_path / "bases"))
    other = Store.open(tmp_path / "home")
    with pytest.raises(IntegrityError, match=r"tokenizer\.json"):
        embed(other, dataset(other))
