"""Which texts share a run, and that sharing changes no bit of an answer."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import engine
from appliance.engine.on_onnx import OnnxEngine
from appliance.schema import Prediction
from appliance.serve import frames
from appliance.serve.batcher import MOST_WASTE, Asked, answer, groups
from appliance.serve.engine_child import prepare
from appliance.serve.frames import Item
from tests.tiny_onnx import text, write_model

TEXTS = [text(1 + number * 7 % 60, number) for number in range(60)]


def probabilities(items: list[Item]) -> list[bytes]:
    assert {item.content for item in items} == {frames.SCORES}
    return [item.payload for item in items]


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 600))
def test_batches_hold_every_row_once_within_their_limits(lengths: list[int], most: int) -> None:
    found = groups(lengths, most)
    assert sorted(row for group in found for row in group) == list(range(len(lengths)))
    for group in found:
        padded = len(group) * max(lengths[row] for row in group)
        assert len(group) == 1 or padded <= most
        assert padded - sum(lengths[row] for row in group) <= MOST_WASTE * padded


def test_rows_of_one_length_fill_a_batch() -> None:
    assert [len(group) for group in groups([16] * 40, 512)] == [32, 8]


@pytest.mark.parametrize("seed", range(3))
def test_a_text_has_the_same_bits_alone_and_in_any_company(tmp_path: Path, seed: int) -> None:
    """Where the engine process has found that company does not matter, and where it has found that it does."""
    source = random.Random(seed)
    for form in ("onnx", "onnx-int8"):
        asked = prepare(engine.load(write_model(tmp_path / form, form)), 256, "truncate")
        assert asked.together is (form == "onnx")
        alone = {one: probabilities(answer(asked, "predict", [one])[0])[0] for one in TEXTS}
        for _company in range(10):
            some = source.sample(TEXTS, source.randint(2, 40))
            assert probabilities(answer(asked, "predict", some)[0]) == [alone[one] for one in some]


def test_a_model_whose_bits_depend_on_company_is_found_out(tmp_path: Path) -> None:
    """A dynamic int8 network that claims to be fp32: the trial at loading shows it, and its texts run alone."""
    folder = write_model(tmp_path, "onnx-int8")
    plan = (folder / "model.json").read_text().replace('"onnx-int8"', '"onnx"')
    (folder / "model.json").write_text(plan)
    loaded = engine.load(folder)
    assert engine.batches(loaded.plan)
    assert prepare(loaded, 256, "truncate").together is False


def test_an_item_tells_its_tokens_company_and_padding(tmp_path: Path) -> None:
    model = engine.load(write_model(tmp_path, "onnx"))
    items, took_s = answer(Asked(model, True, 64, "truncate"), "predict", [text(8), text(9), text(40)])
    assert [(item.tokens, item.company, item.padding) for item in items] == [(10, 2, 1), (11, 2, 1), (42, 1, 0)]
    assert took_s > 0


class Brittle(OnnxEngine):
    """A model that fails on a long text, and with it on the whole run."""

    def run(self, rows: Any, kind: str = "predict") -> list[Any]:
        if any(len(row) == 12 for row in rows):
            raise MemoryError("110101194912310021")
        return super().run(rows, kind)


def test_one_text_that_fails_does_not_fail_its_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model: Any = engine.load(write_model(tmp_path, "onnx"))
    model.__class__ = Brittle
    items, _took_s = answer(Asked(model, True, 512, "truncate"), "predict", [text(11), text(10), text(11, 1), "\ud800"])
    assert [item.content for item in items] == [frames.SCORES, frames.FAILED, frames.SCORES, frames.REFUSED]
    assert "110101194912310021" not in capsys.readouterr().err


@pytest.mark.parametrize("policy", ["truncate", "chunk", "refuse"])
def test_a_long_text_is_cut_and_flagged_or_read_whole_or_refused(tmp_path: Path, policy: Any) -> None:
    model = engine.load(write_model(tmp_path, "onnx"))
    [short, long], _took_s = answer(Asked(model, False, 128, policy), "predict", [text(20), text(300)])
    assert (short.content, short.truncated) == (frames.SCORES, False)
    if policy == "refuse":
        assert (long.content, long.payload) == (frames.REFUSED, long.payload)
        assert b"64 tokens" in long.payload
    else:
        assert (long.content, long.truncated) == (frames.SCORES, policy == "truncate")
        assert (long.tokens > 300) is (policy == "chunk")
        [expected] = model.predict([text(300)], long_texts=policy)  # type: ignore[call-arg]
        assert np.frombuffer(long.payload).tolist() == list(expected.probabilities.values())


def test_frames_bring_texts_and_items_over_unchanged() -> None:
    texts = ["", "card", "我的卡 🏦", "half \ud800", "x" * 100_000]
    sent = frames.request("embed", 7, texts)
    length, kind, count, number = frames.REQUEST.unpack_from(sent)
    assert (frames.KINDS[kind], count, number, len(sent)) == ("embed", 5, 7, frames.REQUEST.size + length)
    assert frames.texts_of(sent[frames.REQUEST.size :], count) == texts
    items = [Item(frames.SCORES, True, 12, 0.5, 3, 2, b"\0" * 16), Item(frames.REFUSED, False, 0, 0.0, 1, 0, b"")]
    back = frames.reply(items, 0.25)
    length, count, took_s = frames.REPLY.unpack_from(back)
    assert (count, took_s) == (2, 0.25)
    assert list(frames.items_of(back[frames.REPLY.size :], count)) == items


def test_text_is_in_no_repr() -> None:
    assert "secret" not in repr(Item(frames.REFUSED, False, 0, 0.0, 1, 0, b"secret"))
    assert Prediction("a", 1.0).spans == ()
