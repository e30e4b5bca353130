"""The 4-bit file of multilingual-e5-small becomes a plain BertModel."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from appliance.base.unpack_e5 import read_packed, unpack_e5
from appliance.engine import on_torch
from appliance.errors import InputError

HIDDEN, LAYERS, HEADS, FEED_FORWARD, VOCABULARY, POSITIONS, TYPES = 32, 1, 2, 64, 8, 6, 2
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "卡", "▁card"]


def plain_tensors() -> dict[str, np.ndarray]:
    """Every tensor of a tiny model, with values that 4-bit blocks can hold exactly."""
    source = np.random.default_rng(0)
    shapes = {"emb.word": (VOCABULARY, HIDDEN), "emb.pos": (POSITIONS, HIDDEN), "emb.type": (TYPES, HIDDEN)}
    shapes |= {"emb.ln.w": (HIDDEN,), "emb.ln.b": (HIDDEN,)}
    for short in ("q", "k", "v", "ao", "fi", "fo"):
        rows = FEED_FORWARD if short == "fi" else HIDDEN
        shapes[f"l0.{short}.w"] = (rows, FEED_FORWARD if short == "fo" else HIDDEN)
        shapes[f"l0.{short}.b"] = (rows,)
    for short in ("aln", "oln"):
        shapes |= {f"l0.{short}.w": (HIDDEN,), f"l0.{short}.b": (HIDDEN,)}
    return {name: (source.integers(-8, 8, shape) * 0.25).astype(np.float32) for name, shape in shapes.items()}


def four_bits(values: np.ndarray) -> bytes:
    """Pack as Q4_0 with scale 0.25: low nibbles hold weights 0 to 15 of a block, high ones 16 to 31."""
    blocks = np.round(values.reshape(-1, 32) / 0.25 + 8).astype(np.uint8)
    scale = np.full((len(blocks), 1), 0.25, "<f2").view(np.uint8)
    return np.concatenate([scale, blocks[:, :16] | (blocks[:, 16:] << 4)], axis=1).tobytes()


def pack(tensors: dict[str, np.ndarray], pieces: list[str] = PIECES, heads: int = HEADS) -> bytes:
    sizes = (HIDDEN, LAYERS, heads, FEED_FORWARD, VOCABULARY, POSITIONS, TYPES)
    header = b"E5S1" + struct.pack("<I7ifi", 1, *sizes, 1e-12, 32) + struct.pack("<5i", len(pieces), 0, 2, 1, 3)
    texts = [piece.encode() for piece in pieces]
    offsets = np.cumsum([0, *map(len, texts)]).astype("<u4").tobytes()
    header += struct.pack("<Q", sum(map(len, texts))) + offsets + b"\0" * 4 * len(pieces) + b"".join(texts)
    header += struct.pack("<iI", 1, 9) + b"\0" * 9
    bodies = {
        name: four_bits(value) if name == "emb.word" or (name.endswith(".w") and "ln" not in name) else value.tobytes()
        for name, value in tensors.items()
    }
    directory_size = 4 + sum(2 + len(name) + 21 for name in bodies)
    offset = len(header) + directory_size
    directory = struct.pack("<i", len(bodies))
    for name, body in bodies.items():
        directory += (
            struct.pack("<H", len(name))
            + name.encode()
            + struct.pack("<BIQQ", 0, tensors[name].size, offset, len(body))
        )
        offset += len(body)
    return header + directory + b"".join(bodies.values())


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({"model": {"vocab": [[piece, -1.0] for piece in PIECES]}}))
    return path


def write(folder: Path, content: bytes) -> Path:
    path = folder / "packed.bin"
    path.write_bytes(content)
    return path


def test_every_weight_arrives_where_it_belongs(tmp_path: Path, tokenizer: Path) -> None:
    tensors = plain_tensors()
    unpack_e5(write(tmp_path, pack(tensors)), tokenizer, tmp_path)
    state = {name: value.numpy() for name, value in on_torch.load_encoder(tmp_path).state_dict().items()}
    assert np.array_equal(state["embeddings.word_embeddings.weight"], tensors["emb.word"])
    assert np.array_equal(state["embeddings.position_embeddings.weight"], tensors["emb.pos"])
    assert np.array_equal(state["encoder.layer.0.attention.self.key.weight"], tensors["l0.k.w"])
    assert np.array_equal(state["encoder.layer.0.attention.output.dense.bias"], tensors["l0.ao.b"])
    assert np.array_equal(state["encoder.layer.0.intermediate.dense.weight"], tensors["l0.fi.w"])
    assert np.array_equal(state["encoder.layer.0.output.dense.weight"], tensors["l0.fo.w"])
    assert np.array_equal(state["encoder.layer.0.output.LayerNorm.weight"], tensors["l0.oln.w"])
    assert len(state) == len(tensors)


def test_the_config_describes_the_file(tmp_path: Path, tokenizer: Path) -> None:
    unpack_e5(write(tmp_path, pack(plain_tensors())), tokenizer, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["model_type"], config["vocab_size"], config["pad_token_id"]) == ("bert", VOCABULARY, 1)


def test_the_vocabulary_is_read_in_order() -> None:
    assert list(read_packed(pack(plain_tensors())).pieces) == PIECES


def test_every_cut_is_refused_and_writes_nothing(tmp_path: Path, tokenizer: Path) -> None:
    whole = pack(plain_tensors())
    for size in [*range(0, 900, 7), *range(900, len(whole), 997), len(whole) - 1]:
        with pytest.raises(InputError, match="no whole E5S1 file"):
            unpack_e5(write(tmp_path, whole[:size]), tokenizer, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: b"GGUF" + content[4:], "no E5S1"),
        (lambda content: content[:8] + struct.pack("<i", -1) + content[12:], "impossible sizes"),
        (lambda content: content[:8] + struct.pack("<i", 33) + content[12:], "impossible sizes"),
        (lambda content: content[:40] + struct.pack("<i", 16) + content[44:], "impossible sizes"),
        (lambda content: content[:44] + struct.pack("<i", VOCABULARY + 1) + content[48:], "vocabulary"),
        (lambda content: content[:48] + struct.pack("<i", 99) + content[52:], "vocabulary"),
        (lambda content: content[:72] + struct.pack("<I", 2**31) + content[76:], "do not rise"),
    ],
)
def test_impossible_headers_are_refused(tmp_path: Path, tokenizer: Path, change, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        unpack_e5(write(tmp_path, change(pack(plain_tensors()))), tokenizer, tmp_path)


def test_a_tensor_of_another_size_is_refused(tmp_path: Path, tokenizer: Path) -> None:
    tensors = plain_tensors()
    tensors["l0.q.b"] = tensors["l0.q.b"][:-1]
    with pytest.raises(InputError, match=r"l0.q.b holds 124 bytes, not 128"):
        unpack_e5(write(tmp_path, pack(tensors)), tokenizer, tmp_path)


def test_a_missing_tensor_is_refused(tmp_path: Path, tokenizer: Path) -> None:
    tensors = plain_tensors()
    del tensors["l0.v.w"]
    with pytest.raises(InputError, match=r"l0.v.w"):
        unpack_e5(write(tmp_path, pack(tensors)), tokenizer, tmp_path)


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, tokenizer: Path) -> None:
    tensors = plain_tensors()
    tensors["emb.pos"][0, 0] = np.nan
    with pytest.raises(InputError, match="not finite"):
        unpack_e5(write(tmp_path, pack(tensors)), tokenizer, tmp_path)


def test_a_tokenizer_with_other_ids_is_refused(tmp_path: Path, tokenizer: Path) -> None:
    swapped = [*PIECES[:4], PIECES[5], PIECES[4]]
    tokenizer.write_text(json.dumps({"model": {"vocab": [[piece, 0.0] for piece in swapped]}}))
    with pytest.raises(InputError, match="2 of 6 pieces"):
        unpack_e5(write(tmp_path, pack(plain_tensors())), tokenizer, tmp_path)


@pytest.mark.parametrize("content", ["", "{}", '{"model": {"vocab": {"a": 1}}}'])
def test_a_tokenizer_of_another_kind_is_refused(tmp_path: Path, tokenizer: Path, content: str) -> None:
    tokenizer.write_text(content)
    with pytest.raises(InputError, match="no Unigram tokenizer"):
        unpack_e5(write(tmp_path, pack(plain_tensors())), tokenizer, tmp_path)
