"""The torch engine and the one network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from appliance import engine
from appliance.engine import on_torch
from appliance.errors import InputError
from tests.fakes import tiny_base, tiny_model, tiny_records

TEXTS = [record.text for record in tiny_records(20, languages=("en", "zh"))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model"))


def test_the_network_is_mean_pooling_unit_length_and_a_linear_head(folder: Path) -> None:
    """Written out by hand for one text, without padding."""
    loaded = on_torch.load(folder)
    ids = torch.tensor([loaded._reader.read(TEXTS[0])[0]])
    with torch.no_grad():
        states = loaded.network["encoder"](input_ids=ids).last_hidden_state[0]
        mean = states.mean(0)
        embedding = mean / mean.norm()
        logits = loaded.network["head"](embedding)
    assert np.allclose(loaded.embed(TEXTS[:1])[0], embedding.numpy(), atol=1e-6)
    assert np.allclose(loaded.logits(TEXTS[:1])[0], logits.numpy(), atol=1e-6)


def test_company_and_order_do_not_change_an_answer(folder: Path) -> None:
    loaded = on_torch.load(folder)
    alone = np.concatenate([loaded.logits([text]) for text in TEXTS])
    assert np.allclose(loaded.logits(TEXTS), alone, atol=1e-5)
    assert np.allclose(loaded.logits(TEXTS[::-1]), alone[::-1], atol=1e-5)


def test_forward_takes_padded_batches(folder: Path) -> None:
    loaded = on_torch.load(folder)
    ids, mask = on_torch.pad([loaded._reader.read(text)[0] for text in TEXTS])
    assert np.allclose(loaded.forward(ids, mask), loaded.logits(TEXTS), atol=1e-5)
    assert loaded.forward(ids, mask).dtype == np.float32


def test_predictions_carry_label_score_and_probabilities(folder: Path) -> None:
    loaded = engine.load(folder)
    prediction = loaded.predict(TEXTS)[0]
    assert prediction.label == max(prediction.probabilities, key=prediction.probabilities.__getitem__)
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    assert not prediction.truncated
    assert loaded.predict(["card " * 300])[0].truncated
    assert loaded.predict(TEXTS[:1], min_score=1.0)[0].label is None
    assert loaded.predict([]) == []


def test_embeddings_have_length_one(folder: Path) -> None:
    vectors = on_torch.load(folder).embed(["", *TEXTS])
    assert vectors.shape == (21, 32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_batches_are_bounded_by_rows_and_padded_tokens() -> None:
    lengths = [5, 100, 7, 100, 6, 300] * 10
    batches = on_torch.batches_of_like_length(lengths, batch_rows=8, batch_tokens=400)
    assert sorted(row for batch in batches for row in batch) == list(range(60))
    assert all(len(batch) <= 8 and len(batch) * max(lengths[row] for row in batch) <= 400 for batch in batches)


def test_a_text_longer_than_a_batch_gets_one_of_its_own() -> None:
    assert on_torch.batches_of_like_length([500, 500], batch_rows=8, batch_tokens=400) == [[0], [1]]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "model.safetensors").write_bytes(b"\x80\x04."),
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "config.json").write_text("{"),
        lambda folder: (folder / "config.json").write_text(
            json.dumps({"model_type": "bert", "hidden_size": 64, "vocab_size": 9})
        ),
        lambda folder: (folder / "model.json").write_text((folder / "model.json").read_text().replace('"card",', "")),
    ],
    ids=["pickle", "no weights", "no config", "another shape", "another number of labels"],
)
def test_a_folder_that_does_not_fit_is_refused(tmp_path: Path, spoil) -> None:
    spoil(tiny_model(tmp_path / "m"))
    with pytest.raises(InputError):
        engine.load(tmp_path / "m")


def test_base_files_with_pooler_prefix_and_old_names_are_understood(tmp_path: Path) -> None:
    """As files on the hub are: saved with a task's head, or years ago."""
    folder = tiny_base(tmp_path / "b")
    plain = load_file(folder / "model.safetensors")
    old = {
        "bert." + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in plain.items()
    }
    extra = {
        "bert.pooler.dense.weight": torch.ones(2),
        "bert.embeddings.position_ids": torch.ones(1, 3),
        "cls.bias": torch.ones(2),
    }
    save_file(old | extra, folder / "model.safetensors")
    state = on_torch.load_encoder(folder).state_dict()
    assert all(torch.equal(state[name], value) for name, value in plain.items())


def test_base_weights_that_lack_a_tensor_are_refused(tmp_path: Path) -> None:
    folder = tiny_base(tmp_path / "b")
    plain = load_file(folder / "model.safetensors")
    plain.pop("encoder.layer.1.output.dense.bias")
    save_file(plain, folder / "model.safetensors")
    with pytest.raises(InputError, match="damaged"):
        on_torch.load_encoder(folder)


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    folder = tiny_base(tmp_path / "b")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "roberta"}))
    with pytest.raises(InputError, match="only BertModel"):
        on_torch.encoder_of(folder)
