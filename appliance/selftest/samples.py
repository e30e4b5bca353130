"""What the self-test works on: made-up messages with planted personal data, a two-layer base model, a network that needs no torch.

Every number has the right check digits and belongs to nobody; the network's addresses are for documentation (RFC 2606, RFC 5737).
"""

from __future__ import annotations

import csv
import json
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from appliance.engine.plan import Plan, write_plan

__all__ = ["LABELS", "PLANTED", "bag_of_words", "messages", "tiny_base"]

PLANTED = (
    "Jonathan Rosenthal",
    "j.rosenthal@mail-example.org",
    "4111111111111111",
    "DE89370400440532013000",
    "203.0.113.77",
    "欧阳建国",
    "13912345678",
    "11010519491231002X",
)
_SENTENCES = (
    ("I am Mr {0}, write to {1}.", "My card {2} and account {3} belong together.", "It happened from {4}."),
    ("我是患者{5}，电话{6}。", "身份证号{7}。"),
)
_TOPICS = {
    "card": ("my bank card and its pin do not work at the terminal", "银行卡密码不对，芯片刷卡不行"),
    "appointment": ("please move my appointment with the doctor to the ward", "请把医生的预约改到病房护士那里"),
}
LABELS = tuple(sorted(_TOPICS))
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def messages(path: Path, rows: int = 48) -> int:
    """Write a CSV (`text`, `label`) of English and Chinese messages, each with one planted value; returns the rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        for number in range(rows):
            label, language = list(_TOPICS)[number % 2], number // 2 % 2
            sentences = _SENTENCES[language]
            sentence = sentences[number // 4 % len(sentences)].format(*PLANTED)
            writer.writerow((f"{_TOPICS[label][language]} {number}. {sentence}", label))
    return rows


def _characters() -> list[str]:
    said = "".join(text for pair in _TOPICS.values() for text in pair)
    return sorted(set(said.replace(" ", "")) | set("abcdefghijklmnopqrstuvwxyz0123456789.,，。"))


def tiny_base(folder: Path) -> Path:
    """Write a BertModel of 2 layers and 32 dimensions with random weights from a fixed seed, for machines without a base model. Returns `folder`."""
    from appliance.base.folder import write_base_json
    from appliance.engine import on_torch

    on_torch.import_torch()
    import torch
    from safetensors.torch import save_file
    from transformers import BertConfig

    folder.mkdir(parents=True)
    pieces = [*_SPECIAL, *_characters(), *(f"##{character}" for character in _characters())]
    _word_pieces(folder / "tokenizer.json", pieces)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    (folder / "config.json").write_text(json.dumps(config.to_dict(), sort_keys=True), "utf-8")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = on_torch.encoder_of(folder)
    save_file(encoder.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    about = {"name": folder.name, "kind": "encoder", "prefix": "", "licence": "Apache-2.0", "languages": ["en", "zh"]}
    parameters = sum(value.numel() for value in encoder.parameters())
    write_base_json(folder, about | {"parameters": parameters, "source": "self-test"})
    return folder


def _word_pieces(path: Path, pieces: list[str]) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a piece of the vocabulary
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    tokenizer.save(str(path))


# -- a network without torch and onnx ----------------------------------------------------------------------------------


def bag_of_words(folder: Path) -> Path:
    """Write an ONNX model folder that adds up one weight a character and label: a serving box has neither torch nor `onnx` to make one. Returns `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = [*_SPECIAL, *_characters()]
    split = [*pieces, *(f"##{piece}" for piece in _characters())]
    _word_pieces(folder / "tokenizer.json", split)
    weights = [_weight(piece.removeprefix("##"), label) for piece in split for label in LABELS]
    (folder / "model.onnx").write_bytes(_graph(weights, len(split), len(LABELS)))
    write_plan(folder, Plan("onnx", "classify", LABELS, 128, "", "self-test", ("en", "zh")))
    return folder


def _weight(piece: str, label: str) -> float:
    """How much more often a character stands in a label's texts than in the others'."""
    shares = {name: "".join(texts).count(piece) / len("".join(texts)) for name, texts in _TOPICS.items()}
    return 20 * (shares[label] - sum(shares.values()) / len(shares))


def _graph(weights: list[float], words: int, labels: int) -> bytes:
    """Return the bytes of an ONNX file: logits (batch, labels) = sum over tokens of table[input_ids] (onnx/onnx, `onnx.proto`, IR 10)."""
    table = _message((1, words), (1, labels), (2, 1), (8, b"table"), (9, struct.pack(f"<{len(weights)}f", *weights)))
    axis = _message((1, 1), (2, 7), (8, b"axis"), (9, struct.pack("<q", 1)))
    gather = _message((1, b"table"), (1, b"input_ids"), (2, b"rows"), (4, b"Gather"))
    keep = _message((1, b"keepdims"), (3, 0), (20, 2))
    total = _message((1, b"rows"), (1, b"axis"), (2, b"logits"), (4, b"ReduceSum"), (5, keep))
    inputs = [(11, _value(name, 7, (b"batch", b"tokens"))) for name in (b"input_ids", b"attention_mask")]
    outputs = [(12, _value(b"logits", 1, (b"batch", labels)))]
    graph = _message((1, gather), (1, total), (2, b"bag of words"), (5, table), (5, axis), *inputs, *outputs)
    return _message((1, 10), (7, graph), (8, _message((2, 20))))


def _value(name: bytes, kind: int, shape: Iterable[bytes | int]) -> bytes:
    sizes = [(1, _message((2, size) if isinstance(size, bytes) else (1, size))) for size in shape]
    return _message((1, name), (2, _message((1, _message((1, kind), (2, _message(*sizes)))))))


def _message(*fields: tuple[int, bytes | int]) -> bytes:
    """Encode protobuf fields: numbers as varints, bytes with their length (protobuf.dev/programming-guides/encoding)."""
    return b"".join(bytes(_encoded(number, value)) for number, value in fields)


def _encoded(number: int, value: bytes | int) -> Iterator[int]:
    if isinstance(value, int):
        yield from (*_varint(number << 3), *_varint(value))
    else:
        yield from (*_varint(number << 3 | 2), *_varint(len(value)), *value)


def _varint(value: int) -> Iterator[int]:
    while value > 127:
        yield value & 127 | 128
        value >>= 7
    yield value
