"""N-gram models: the same answer in any company, from numpy and two small files."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import unicodedata
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from appliance import engine
from appliance.engine.on_ngrams import Pieces, pack, unpack
from appliance.engine.plan import read_plan, write_plan
from appliance.errors import InputError
from tests.tiny_ngrams import LABELS, PIECES, write_ngrams

TEXTS = [
    "Why was my card declined?",
    "转账什么时候到账？很着急！！",
    "",
    "   ",
    "\x00",
    "a",
    "Ⅷ ﬁne İstanbul ß 😀 e\u0301",
    "long " * 300,
]


@pytest.fixture(scope="module", params=[4, 8])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ngrams(tmp_path_factory.mktemp("ngrams"), request.param)


def slow_rows(text: str, pieces: Pieces) -> list[int]:
    """The rows of a text, one piece after the other, in Python's own numbers."""
    words: list[str] = []
    for character in unicodedata.normalize("NFKC", text[: pieces.max_characters]).lower():
        if character.isalnum() or character == "_":
            words = [*words[:-1], words[-1] + character] if words and words[-1][-1:].isalnum() else [*words, character]
        else:
            words += [character] if not character.isspace() else [""]
    words = [word for word in words if word]
    plain = f" {' '.join(words)} "
    padded = [*map(ord, plain), *[0] * (pieces.longest - 1)]
    hashes = []
    for size in range(pieces.shortest, pieces.longest + 1):
        for start in range(len(plain)):
            found = 0
            for code in padded[start : start + size]:
                found = (found + code) * 0x9E3779B1 % 2**32
            hashes.append(found)
    sums = [crc32(word.encode()) for word in words]
    hashes += sums
    hashes += [first * 0x9E3779B1 % 2**32 ^ second for first, second in pairwise(sums)]
    return [((found ^ found >> 15) * 0x85EBCA6B % 2**32) >> (32 - pieces.rows_log2) for found in hashes]


@pytest.mark.parametrize("text", ["Why was my card declined?", "转账 什么时候到账！！", "", "ﬁne  ß😀"])
def test_pieces_are_what_their_definition_says(text: str) -> None:
    """All at once in numpy, as one by one."""
    assert PIECES.read(text)[0].tolist() == slow_rows(text, PIECES)


def test_the_rows_of_a_text_never_change() -> None:
    """A stored table is worth nothing once its pieces fall on other rows."""
    rows, cut = replace(PIECES, rows_log2=16, longest=2).read("卡 A")
    assert not cut
    assert rows.tolist() == [53296, 37633, 4159, 48509, 51248, 10399, 8541, 35999]


@given(st.text(max_size=60).filter(lambda text: text.isprintable()))
def test_every_text_falls_on_rows_that_are_there(text: str) -> None:
    rows, _cut = PIECES.read(text)
    assert len(rows) >= 1
    assert rows.max() < PIECES.rows


def test_a_text_gets_the_same_answer_alone_and_in_any_company(folder: Path) -> None:
    """Bit for bit, for each text, whatever stands before and behind it."""
    model = engine.load(folder)
    alone = np.concatenate([model.logits([one]) for one in TEXTS])
    assert np.array_equal(model.logits(TEXTS), alone)
    assert np.array_equal(model.logits(TEXTS[::-1])[::-1], alone)
    assert model.predict(TEXTS) == [model.predict([one])[0] for one in TEXTS]


def test_logits_are_what_the_stored_numbers_say(folder: Path) -> None:
    """Sum of the rows over the root of their number, times the head, in plain arithmetic."""
    tensors = load_file(folder / "model.safetensors")
    table = tensors["table"] if tensors["table"].dtype == np.int8 else unpack(tensors["table"])
    rows, _cut = PIECES.read(TEXTS[0])
    bag = table[rows].astype(np.float64).sum(0) / np.sqrt(len(rows))
    expected = (tensors["head"] * tensors["scale"][:, None].astype(np.float64)) @ bag + tensors["bias"]
    assert engine.load(folder).logits(TEXTS[:1])[0] == pytest.approx(expected, rel=1e-6)


def test_threads_share_one_model_and_get_the_same_answers(folder: Path) -> None:
    model = engine.load(folder)
    alone = model.predict(TEXTS)
    answers: list[object] = []
    threads = [threading.Thread(target=lambda: answers.append(model.predict(TEXTS))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [alone] * 4


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_has_an_answer(folder: Path, text: str) -> None:
    [prediction] = engine.load(folder).predict([text])
    assert prediction.label in LABELS
    assert sum(prediction.probabilities.values()) == pytest.approx(1.0)
    assert prediction.truncated is (len(text) > 200)


def test_no_texts_give_no_answers(folder: Path) -> None:
    model = engine.load(folder)
    assert model.predict([]) == []
    assert model.logits([]).shape == (0, len(LABELS))


def test_half_a_character_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="half a character"):
        engine.load(folder).predict(["card \ud83d"])


@given(st.lists(st.lists(st.integers(-8, 7), min_size=6, max_size=6), min_size=1, max_size=9))
def test_two_small_numbers_fit_into_a_byte(rows: list[list[int]]) -> None:
    table = np.array(rows, np.int8)
    assert pack(table).nbytes * 2 == table.nbytes
    assert np.array_equal(unpack(pack(table)), table)


def test_a_model_that_reads_no_tokens_is_no_network(folder: Path) -> None:
    assert not isinstance(engine.load(folder), engine.Network)


def test_serving_needs_numpy_alone(folder: Path) -> None:
    """No torch, ONNX Runtime, tokenizers or safetensors library comes in."""
    heavy = ("torch", "onnxruntime", "tokenizers", "safetensors", "scipy", "sklearn")
    code = (
        "import sys; from appliance import engine; engine.load(sys.argv[1]).predict(['a card']);"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("file", ["model.json", "config.json", "model.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff" * 40])
def test_a_missing_or_damaged_file_is_named(tmp_path: Path, file: str, content: bytes | None) -> None:
    path = write_ngrams(tmp_path) / file
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(InputError, match=file):
        engine.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"rows_log2": 9},
        {"rows_log2": 40},
        {"shortest": 5},
        {"longest": 1e9},
        {"odd": 1},
        {"rows_log2": 10.0},
        {"words": True},
    ],
)
def test_a_config_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, float]) -> None:
    write_ngrams(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(asdict(PIECES) | change), "utf-8")
    with pytest.raises(InputError):
        engine.load(tmp_path)


@pytest.mark.parametrize(
    "name, tensor",
    [
        ("table", np.zeros((1024, 3), np.uint8)),
        ("table", np.zeros((1024, 8), np.int16)),
        ("head", np.zeros((2, 8), np.int16)),
        ("head", np.zeros(8, np.int16)),
        ("head", np.zeros((), np.int16)),
        ("scale", np.zeros(3, np.int16)),
        ("bias", np.zeros((3, 1), np.float32)),
        ("bias", np.zeros(3, np.float64)),
        ("extra", np.zeros(3, np.float32)),
    ],
)
def test_weights_that_do_not_fit_the_plan_are_refused(tmp_path: Path, name: str, tensor: np.ndarray) -> None:
    path = write_ngrams(tmp_path) / "model.safetensors"
    save_file(load_file(path) | {name: tensor}, path)
    with pytest.raises(InputError, match=r"model\.safetensors"):
        engine.load(tmp_path)


def test_metadata_of_the_weights_is_not_read(tmp_path: Path) -> None:
    path = write_ngrams(tmp_path) / "model.safetensors"
    before = engine.load(tmp_path).logits(["a card"])
    save_file(load_file(path), path, {"dtype": "F32"})
    assert np.array_equal(engine.load(tmp_path).logits(["a card"]), before)


def test_labels_that_do_not_fit_the_weights_are_refused(tmp_path: Path) -> None:
    write_ngrams(tmp_path)
    write_plan(tmp_path, replace(read_plan(tmp_path), labels=("one", "two")))
    with pytest.raises(InputError, match=r"model\.safetensors"):
        engine.load(tmp_path)
