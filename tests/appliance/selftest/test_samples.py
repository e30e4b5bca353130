"""What the self-test works on: the planted values are there, the built-in models are real ones."""

from __future__ import annotations

from pathlib import Path

from appliance import engine
from appliance.base.add import add
from appliance.engine.onnx_file import check_self_contained
from appliance.selftest import samples


def test_every_planted_value_stands_in_the_messages(tmp_path: Path) -> None:
    assert samples.messages(tmp_path / "messages.csv") == 48
    text = (tmp_path / "messages.csv").read_text("utf-8")
    assert [value for value in samples.PLANTED if value not in text] == []
    assert len(set(text.splitlines())) == 49  # no duplicates: none gets lost on the way


def test_the_network_without_torch_tells_its_two_topics_apart(tmp_path: Path) -> None:
    built = engine.load(samples.bag_of_words(tmp_path / "model"))
    answers = built.predict(["my bank card", "银行卡密码", "the doctor and the ward", "预约医生"])
    assert [answer.label for answer in answers] == ["card", "card", "appointment", "appointment"]
    assert min(answer.score for answer in answers) > 0.6


def test_the_network_is_a_sound_onnx_file(tmp_path: Path) -> None:
    import onnx

    path = samples.bag_of_words(tmp_path / "model") / "model.onnx"
    check_self_contained(path.read_bytes(), path)
    onnx.checker.check_model(onnx.load(path), full_check=True)


def test_the_tiny_base_is_one_that_base_add_accepts(tmp_path: Path) -> None:
    tiny = samples.tiny_base(tmp_path / "tiny")
    assert add(tiny, tmp_path / "bases") == tmp_path / "bases" / "tiny"
