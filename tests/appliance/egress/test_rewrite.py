"""A model folder made anew: from known parts, to the byte the same each time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from appliance import engine
from appliance.compress.vocabulary import tokens
from appliance.egress.entries import Entries, choose
from appliance.egress.rewrite import Kept, rewrite
from appliance.engine.on_ngrams import unpack
from tests.appliance.export.conftest import TEXTS


def everything(folder: Path, labels: int = 3) -> Kept:
    """Keep all of a model."""
    entries = tuple(range(len(tokens((folder / "tokenizer.json").read_bytes()))))
    return Kept(tuple(range(labels)), Entries(entries, {}, 0))


@pytest.mark.parametrize("form", ["torch", "onnx", "onnx-int8"])
def test_what_keeps_everything_answers_to_the_bit_and_has_the_same_bytes_each_time(
    folders: dict[str, Path], tmp_path: Path, form: str
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        rewrite(folders[form], tmp_path / name, everything(folders[form]))
    before, after = (engine.load(folder).logits(TEXTS[:20]) for folder in (folders[form], tmp_path / "one"))
    assert np.array_equal(before, after)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_a_torch_model_gets_the_bases_rows_and_loses_labels(folders: dict[str, Path], tmp_path: Path) -> None:
    tokenizer = (folders["torch"] / "tokenizer.json").read_bytes()
    entries = choose(tokenizer, ("en", "zh"), set(), tokenizer)
    public = np.full((len(entries.put_back), 32), 0.25, np.float32)
    plan = rewrite(folders["torch"], tmp_path, Kept((0, 2), entries, public))
    assert plan.labels == ("card", "account")
    tensors = load_file(tmp_path / "model.safetensors")
    table = tensors["encoder.embeddings.word_embeddings.weight"]
    assert (table[sorted(entries.put_back)] == 0.25).all()
    assert tensors["head.weight"].shape == (2, 32) and tensors["head.bias"].shape == (2,)
    assert engine.load(tmp_path).labels == ("card", "account")


@pytest.mark.parametrize("bits", [4, 8])
def test_rows_of_few_people_are_zero_in_an_n_gram_model(tmp_path: Path, bits: int) -> None:
    from tests.tiny_ngrams import LABELS, write_ngrams

    source = write_ngrams(tmp_path / "source", bits)
    (tmp_path / "out").mkdir()
    plan = rewrite(source, tmp_path / "out", Kept((0, 1), rows=frozenset({3, 5})))
    before, after = (load_file(folder / "model.safetensors")["table"] for folder in (source, tmp_path / "out"))
    if bits == 4:
        before, after = unpack(before), unpack(after)
    assert np.array_equal(after[[3, 5]], before[[3, 5]])
    assert not np.delete(after, [3, 5], 0).any()
    assert plan.labels == LABELS[:2] == engine.load(tmp_path / "out").labels
    assert "账户" not in (tmp_path / "out" / "model.json").read_text("utf-8")


def test_a_config_says_only_what_a_network_is_made_of(folders: dict[str, Path], tmp_path: Path) -> None:
    rewrite(folders["torch"], tmp_path, everything(folders["torch"]))
    fields = json.loads((tmp_path / "config.json").read_bytes())
    assert "_name_or_path" not in fields and fields["model_type"] == "bert"
