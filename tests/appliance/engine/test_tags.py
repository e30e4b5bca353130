"""Tokens with labels become stretches of the text, in code points, whole across windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from appliance import engine
from appliance.engine.plan import Plan
from appliance.engine.tags import kinds_of, spans_of
from appliance.engine.texts import Reader, Reading
from appliance.schema import Span
from tests.fakes import tiny_tokenizer
from tests.tiny_onnx import write_tagger

LABELS = ("O", "B-CARD", "I-CARD", "B-WARD", "I-WARD")


def reading(words: int, *rest: tuple[int, int, int, int | None]) -> Reading:
    return Reading([[0] * words], [[(index, index * 3, index * 3 + 2, index) for index in range(words)]], False)


def certain(*labels: str, score: float = 0.9) -> np.ndarray:
    rows = np.full((len(labels), len(LABELS)), (1 - score) / (len(LABELS) - 1))
    rows[range(len(labels)), [LABELS.index(label) for label in labels]] = score
    return rows


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (["O", "O", "O"], []),
        (["B-CARD", "O", "B-WARD"], [(0, 2, "CARD"), (6, 8, "WARD")]),
        (["B-CARD", "I-CARD", "I-CARD"], [(0, 8, "CARD")]),
        (["B-CARD", "B-CARD", "I-CARD"], [(0, 2, "CARD"), (3, 8, "CARD")]),
        (["I-CARD", "I-WARD", "O"], [(0, 2, "CARD"), (3, 5, "WARD")]),
        (["B-CARD", "I-WARD", "I-WARD"], [(0, 2, "CARD"), (3, 8, "WARD")]),
    ],
)
def test_labels_of_words_are_joined(labels: list[str], found: list[tuple[int, int, str]]) -> None:
    spans = spans_of(reading(3), [certain(*labels)], LABELS)
    assert [(span.start, span.end, span.label) for span in spans] == found
    assert all(span.score == pytest.approx(0.9) for span in spans)


def test_a_word_has_the_label_of_its_first_piece_and_all_its_pieces() -> None:
    pieces = Reading([[0] * 3], [[(0, 0, 4, 0), (1, 4, 7, 0), (2, 8, 11, 1)]], False)
    spans = spans_of(pieces, [certain("B-CARD", "B-WARD", "O")], LABELS)
    assert [(span.start, span.end, span.label) for span in spans] == [(0, 7, "CARD")]


def test_where_windows_overlap_the_one_with_more_around_the_word_is_believed() -> None:
    places = [[(index, 3 * word, 3 * word + 2, word) for index, word in enumerate(range(at, at + 5))] for at in (0, 3)]
    windows = [certain("O", "O", "O", "B-CARD", "B-WARD"), certain("O", "I-CARD", "I-CARD", "O", "O")]
    spans = spans_of(Reading([[0] * 5] * 2, places, False), windows, LABELS)
    # word 3 stands one from the end of the first window and at the edge of the second; word 4 the other way round
    assert [(span.start, span.end, span.label) for span in spans] == [(9, 17, "CARD")]


def test_kinds_are_listed_once_in_their_order() -> None:
    assert kinds_of(LABELS) == ("CARD", "WARD")


# -- windows of a long text ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "card pin "])
@pytest.mark.parametrize("words", [1, 14, 15, 16, 40, 300])
def test_windows_hold_every_token_in_the_order_of_the_text(tmp_path: Path, prefix: str, words: int) -> None:
    tiny_tokenizer(tmp_path / "tokenizer.json")
    reader = Reader(tmp_path, Plan("onnx", "classify", ("a",), 16, prefix, "tiny", ("en",)))
    text = " ".join(("card", "doctor", "pin")[number % 3] for number in range(words))
    found = reader.read_places(text, chunk=True)
    alone, _truncated = reader.read("")
    starts = set()
    for window, places in zip(found.windows, found.places, strict=True):
        assert len(window) <= 16
        assert window[: len(alone) - 1] == alone[:-1]  # the special token and the prefix
        assert window[-1] == alone[-1]
        starts |= {start for _index, start, _end, _word in places}
        assert [window[index] for index, start, end, _word in places] == [
            token
            for start_at, end_at in ((p[1], p[2]) for p in places)
            for token in pieces(reader, text[start_at:end_at])
        ]
    assert found.truncated is False
    assert min(starts) == 0
    assert max(starts) == (text.rindex(" ") + 1 if words > 1 else 0)
    if words <= 12 and not prefix:
        assert found.windows == [reader.read(text)[0]]


def pieces(reader: Reader, piece: str) -> list[int]:
    plain = Reader.__new__(Reader)
    plain.__dict__ |= reader.__dict__ | {"_prefix": ""}
    ids = plain.read(piece)[0][1:-1]
    return ids if len(ids) == 1 else ids[:1]


def test_a_text_beyond_all_windows_is_flagged(tmp_path: Path) -> None:
    tiny_tokenizer(tmp_path / "tokenizer.json")
    reader = Reader(tmp_path, Plan("onnx", "classify", ("a",), 16, "", "tiny", ("en",)))
    found = reader.read_places("card " * 20_000, chunk=True)
    assert (len(found.windows), found.truncated) == (64, True)


# -- a network that marks --------------------------------------------------------------------------------------------------


def test_a_tagger_marks_words_in_code_points(tmp_path: Path) -> None:
    model = engine.load(write_tagger(tmp_path))
    [prediction] = model.predict(["🏦 w1 w2 我 w5 w3"])
    assert [(span.start, span.end, span.label) for span in prediction.spans] == [(2, 7, "CARD"), (13, 15, "CARD")]
    assert prediction.label is None
    assert prediction.score == min(span.score for span in prediction.spans) > 0.9
    assert model.predict(["w9"])[0].spans == ()


def test_a_long_text_is_marked_to_its_end_where_it_is_read_in_parts(tmp_path: Path) -> None:
    model = engine.load(write_tagger(tmp_path))
    long = "w9 " * 200 + "w1 w2"
    assert model.predict([long])[0].spans == ()
    assert model.predict([long])[0].truncated
    [prediction] = model.predict([long], long_texts="chunk")  # type: ignore[call-arg]
    assert [(span.start, span.end) for span in prediction.spans] == [(600, 605)]
    assert isinstance(prediction.spans[0], Span)
    assert not prediction.truncated
