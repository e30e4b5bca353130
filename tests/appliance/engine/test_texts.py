"""What every engine does alike: read a text into tokens, turn logits into answers."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from appliance.engine.plan import Plan
from appliance.engine.texts import Reader, answers
from appliance.errors import InputError
from tests.fakes import tiny_tokenizer

PLAN = Plan("onnx", "classify", ("a", "b"), 16, "", "tiny", ("en",))


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    tiny_tokenizer(tmp_path / "tokenizer.json")
    return Reader(tmp_path, PLAN)


def vocabulary(folder: Path) -> dict[str, int]:
    from tokenizers import Tokenizer

    words: dict[str, int] = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    return words


def test_special_tokens_surround_even_an_empty_text(tmp_path: Path, reader: Reader) -> None:
    words = vocabulary(tmp_path)
    for text in ("", " ", "\n\t", "\u3000"):
        assert reader.read(text) == ([words["[CLS]"], words["[SEP]"]], False)


@pytest.mark.parametrize(("length", "truncated"), [(13, False), (14, False), (15, True), (2000, True)])
def test_a_long_text_is_cut_flagged_and_still_ends_in_its_special_token(
    tmp_path: Path, reader: Reader, length: int, truncated: bool
) -> None:
    words = vocabulary(tmp_path)
    ids, flag = reader.read(" ".join(["card"] * length))
    assert flag is truncated
    assert len(ids) == min(length, 14) + 2
    assert (ids[0], ids[-1]) == (words["[CLS]"], words["[SEP]"])


def test_cutting_characters_changes_nothing_that_the_model_sees(reader: Reader) -> None:
    sentence = "please check the card and the doctor today , "
    assert reader.read(sentence * 2)[0] == reader.read(sentence * 100_000)[0]


def test_what_lies_behind_the_cut_is_flagged_even_when_it_has_few_tokens(reader: Reader) -> None:
    assert reader.read("card" + " " * 10_000 + "pin")[1] is True
    assert reader.read("card" + " " * 10_000)[1] is False


def test_megabytes_cost_no_more_than_a_letter(reader: Reader) -> None:
    begun = time.perf_counter()
    reader.read("card pin " * 2_000_000)
    assert time.perf_counter() - begun < 0.5


def test_half_a_character_is_refused_without_showing_the_text(reader: Reader) -> None:
    with pytest.raises(InputError, match="position 7") as raised:
        reader.read("my name\ud800 is Anna")
    assert "Anna" not in str(raised.value)


@pytest.mark.parametrize("text", ["\x00card", "\ufffe", "🏦" * 40, "e\u0301" * 30, "\u202ecard", "a" * 5000])
def test_strange_texts_are_read(reader: Reader, text: str) -> None:
    ids, _truncated = reader.read(text)
    assert 2 <= len(ids) <= PLAN.max_tokens


def test_the_prefix_is_put_before_each_text(tmp_path: Path) -> None:
    tiny_tokenizer(tmp_path / "tokenizer.json")
    prefixed = Reader(tmp_path, Plan("onnx", "classify", ("a",), 16, "card pin", "tiny", ("en",)))
    words = vocabulary(tmp_path)
    assert prefixed.read("")[0] == [words[word] for word in ("[CLS]", "card", "pin", "[SEP]")]


def test_the_tokenizer_file_may_bring_padding_and_truncation_of_its_own(tmp_path: Path, reader: Reader) -> None:
    from tokenizers import Tokenizer

    own = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    own.enable_padding(length=128)
    own.enable_truncation(4)
    own.save(str(tmp_path / "tokenizer.json"))
    assert Reader(tmp_path, PLAN).read("card pin chip terminal") == reader.read("card pin chip terminal")


def test_a_tokenizer_without_special_tokens_is_refused(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models

    Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]")).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(InputError, match="adds no special tokens"):
        Reader(tmp_path, PLAN)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"not json"])
def test_a_missing_or_broken_tokenizer_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(InputError, match="cannot read"):
        Reader(tmp_path, PLAN)


def test_threads_read_the_same_as_one(reader: Reader) -> None:
    texts = [f"card {'pin ' * (number % 20)}" for number in range(200)]
    alone = [reader.read(text) for text in texts]
    together: list[list[tuple[list[int], bool]]] = []
    threads = [
        threading.Thread(target=lambda: together.append([reader.read(text) for text in texts])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == [alone] * 4


def test_probabilities_are_those_of_scipy_and_their_best_is_the_score() -> None:
    logits = np.random.default_rng(0).normal(scale=10, size=(50, 7)).astype(np.float32)
    labels = tuple("abcdefg")
    predictions = answers(logits, [False] * 50, labels, 0.0)
    for prediction, row in zip(predictions, softmax(logits.astype(np.float64), axis=1), strict=True):
        assert list(prediction.probabilities.values()) == pytest.approx(row, rel=1e-12)
        assert prediction.label == labels[row.argmax()]
        assert prediction.score == max(prediction.probabilities.values())


def test_extreme_logits_give_no_nan() -> None:
    [prediction] = answers(np.array([[3e38, -3e38]], np.float32), [True], ("a", "b"), 0.0)
    assert (prediction.label, prediction.score, prediction.truncated) == ("a", 1.0, True)


def test_the_model_abstains_below_the_score_asked_for() -> None:
    logits = np.log(np.array([[0.6, 0.4], [0.9, 0.1]], np.float32))
    unsure, sure = answers(logits, [False, False], ("a", "b"), 0.8)
    assert unsure.label is None
    assert unsure.score == pytest.approx(0.6)
    assert sure.label == "a"


def test_no_texts_give_no_answers() -> None:
    assert answers(np.empty((0, 2), np.float32), [], ("a", "b"), 0.0) == []
