"""`model.json` is read strictly and written the same way each time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.engine.plan import Plan, read_plan, write_plan
from appliance.errors import InputError

PLAN = Plan("onnx-int8", "classify", ("账户", "card"), 256, "query: ", "e5", ("en", "zh"), reduce_range=True)


@pytest.mark.parametrize("form", ["torch", "onnx", "onnx-int8"])
def test_a_plan_comes_back_as_written(tmp_path: Path, form: str) -> None:
    plan = Plan(form, "classify", ("账户", "card"), 256, "query: ", "e5", ("en", "zh"), form == "onnx-int8")
    write_plan(tmp_path, plan)
    first = (tmp_path / "model.json").read_bytes()
    assert read_plan(tmp_path) == plan
    write_plan(tmp_path, read_plan(tmp_path))
    assert (tmp_path / "model.json").read_bytes() == first


def test_only_int8_tells_about_the_range_of_its_weights(tmp_path: Path) -> None:
    write_plan(tmp_path, Plan("torch", "classify", ("a",), 16, "", "tiny", ("en",)))
    assert "reduce_range" not in json.loads((tmp_path / "model.json").read_bytes())


@pytest.mark.parametrize(
    "change",
    [
        {"format": "pickle"},
        {"labels": []},
        {"labels": ["card", "card"]},
        {"labels": 3},
        {"max_tokens": 1},
        {"max_tokens": "many"},
        {"prefix": None, "base": None, "languages": None},
    ],
)
def test_a_plan_that_says_something_else_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    write_plan(tmp_path, PLAN)
    content = json.loads((tmp_path / "model.json").read_bytes()) | change
    (tmp_path / "model.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"model\.json"):
        read_plan(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"null"])
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(InputError, match="name the folder of a Skerry model"):
        read_plan(tmp_path)


def test_a_folder_without_a_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="FileNotFoundError"):
        read_plan(tmp_path)
