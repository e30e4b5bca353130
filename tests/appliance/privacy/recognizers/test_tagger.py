"""A token-classification model from disk becomes a recognizer: its offsets are exact, its windows agree, a damaged one is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

from appliance.errors import InputError
from appliance.privacy import Scrubber, policy
from appliance.privacy.recognizers import tagger
from appliance.settings import ScrubSettings

LABELS = ["O", "B-person", "I-person", "S-code", "B-movie"]
WORDS = ["[UNK]", "[CLS]", "[SEP]", "ann", "lee", "bob", "zed", "q", "7", "film", "of", "the", "王", "小", "明"]
TAGS = {"ann": 1, "lee": 2, "bob": 1, "王": 1, "小": 2, "明": 2, "zed": 3, "film": 4}


def write_tagger(folder: Path, window: int = 16, **about: object) -> Path:
    """Write a two-layer tagger that knows the words of `TAGS`: an embedding of 8 numbers, tanh, a head. Returns `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[a-z]+|\s|[^a-z\s]"), "isolated")
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    tokenizer.save(str(folder / "tokenizer.json"))
    classes = np.eye(8, dtype=np.float32)[[TAGS.get(word, 0) for word in WORDS]] * 3  # (words, hidden)
    weights = {"words": classes, "layer": np.eye(8) * 2, "head": np.eye(8)[:, : len(LABELS)] * 4}
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["embedded"]),  # (batch, tokens, hidden)
        helper.make_node("MatMul", ["embedded", "layer"], ["mixed"]),
        helper.make_node("Tanh", ["mixed"], ["states"]),
        helper.make_node("MatMul", ["states", "head"], ["logits"]),  # (batch, tokens, labels)
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "tokens", len(LABELS)])]
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "tagger", inputs, outputs, constants)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), folder / "model.onnx"
    )
    description = {
        "labels": LABELS,
        "max_tokens": window,
        "kinds": {"person": "PERSON", "code": "REFERENCE", "movie": ""},
    }
    (folder / "model.json").write_text(json.dumps(description | about), "utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tagger(tmp_path_factory.mktemp("taggers") / "ward-7")


def values(folder: Path, text: str) -> list[tuple[str, str]]:
    return [(text[hit.start : hit.end], hit.kind) for hit in tagger.load(folder).find_all([text])[0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("of the", []),
        ("annlee", []),
        ("of ann,lee", [("ann", "PERSON"), ("lee", "PERSON")]),
        ("annbob", []),
        ("\U0001f600王小明的", [("王小明", "PERSON")]),
        ("王王小", [("王", "PERSON"), ("王小", "PERSON")]),
        ("小明", [("小明", "PERSON")]),
        ("zed王", [("zed", "REFERENCE"), ("王", "PERSON")]),
        ("film", []),
        ("the film ann", [("ann", "PERSON")]),
    ],
)
def test_tags_become_spans(folder: Path, text: str, expected: list[tuple[str, str]]) -> None:
    """Begin, inside and single tags are read; inside without a begin counts; a label mapped to nothing is nobody's."""
    assert values(folder, text) == expected


def test_a_span_takes_the_whole_word(folder: Path) -> None:
    assert values(folder, "zed7q of") == [("zed7q", "REFERENCE")]


@given(
    st.lists(st.sampled_from(["王小明", "的", "ann", " ", "of", "\U0001f600", "zed", "\ud83d", "é", "\n"]), max_size=60)
)
def test_windows_find_what_one_look_finds(folder: Path, pieces: list[str]) -> None:
    """A text longer than a window is read in windows that overlap; every place where a name stands is found, to the character."""
    text = "".join(pieces)
    wide = (
        tagger.load(write_tagger(folder.parent / "wide", window=500)) if not (folder.parent / "wide").exists() else None
    )
    wide = wide or tagger.load(folder.parent / "wide")
    assert tagger.load(folder).find_all([text]) == wide.find_all([text])


def test_the_company_changes_nothing(folder: Path) -> None:
    texts = ["王小明" * 30, "ann", "", "of zed", "王小明"]
    one = tagger.load(folder)
    assert one.find_all(texts) == [one.find_all([text])[0] for text in texts]


def test_lean_trades_precision_for_recall(folder: Path, tmp_path: Path) -> None:
    assert values(write_tagger(tmp_path / "eager", lean=1e9), "of") != []
    assert values(write_tagger(tmp_path / "shy", lean=1e-9), "ann") == []


def test_a_tagger_is_a_recognizer_of_the_scrubber(folder: Path) -> None:
    settings = ScrubSettings(taggers=(folder,))
    taught = Scrubber.from_settings("en", settings)
    text = "signed by zed in bob"
    found = {(text[each.start : each.end], each.kind, each.rule) for each in taught.find([text])[0]}
    assert {("zed", "REFERENCE", "tagger:ward-7"), ("bob", "PERSON", "tagger:ward-7")} <= found
    assert taught.models() == [{"tagger": "ward-7", "sha256": tagger.load(folder).sha256}]
    structured = Scrubber.from_settings("en", settings, policy=replace(policy.load("balanced"), mode="structured-only"))
    assert structured.find([text]) == [[]]
    assert structured.models() == []


def test_the_hash_covers_every_file(folder: Path, tmp_path: Path) -> None:
    same, other = write_tagger(tmp_path / "same"), write_tagger(tmp_path / "other", window=17)
    assert tagger.load(same).sha256 == tagger.load(folder).sha256 != tagger.load(other).sha256


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("model.json", b"{", "description of a tagger"),
        ("model.json", b'{"labels": ["O"], "max_tokens": "many"}', "description of a tagger"),
        ("model.json", b'{"labels": ["O", "B-dragon"], "max_tokens": 16}', "dragon"),
        ("model.json", b'{"labels": ["O", "B-PER"], "max_tokens": 16}', "2 labels"),
        ("model.onnx", b"\x08", "no ONNX file|ONNX Runtime"),
        ("tokenizer.json", b"{}", "tokenizer"),
    ],
)
def test_what_is_damaged_is_refused(file: str, content: bytes, message: str, tmp_path: Path) -> None:
    (write_tagger(tmp_path / "damaged") / file).write_bytes(content)
    with pytest.raises(InputError, match=message):
        tagger.load(tmp_path / "damaged")


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.json"):
        Scrubber.from_settings("en", ScrubSettings(taggers=(tmp_path / "none",)))
