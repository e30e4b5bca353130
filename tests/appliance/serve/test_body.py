"""Request bodies: what is taken, what is refused, and that a refusal never repeats what was sent."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from appliance.serve import describe
from appliance.serve.body import parse_predict, read_body
from appliance.serve.problems import Problem
from appliance.serve.tensors import parse_infer

SECRET = "110101194912310021"


def test_predict_reads_every_field() -> None:
    question = parse_predict(b'{"inputs": ["a", "\\u4f60"], "model": "triage", "probabilities": true}', {}, 10)
    assert (question.texts, question.model, question.probabilities) == (["a", "你"], "triage", True)
    assert SECRET not in repr(parse_predict(json.dumps({"inputs": [SECRET]}).encode(), {}, 10))


def test_predict_needs_inputs_only() -> None:
    question = parse_predict(b'{"inputs": [""]}', {}, 10)
    assert (question.texts, question.model, question.probabilities) == ([""], None, False)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ("", 400, None),
        ("{", 400, None),
        ('{"inputs": ["a"]} x', 400, None),
        ('{"inputs": [NaN]}', 400, None),
        ('{"inputs": [Infinity]}', 400, None),
        ('\ufeff{"inputs": ["a"]}', 400, None),
        ("[" * 100_000, 400, None),
        ('{"n": ' + "9" * 5000 + "}", 400, None),
        ("[]", 422, None),
        ('"text"', 422, None),
        ("{}", 422, "inputs"),
        ('{"inputs": null}', 422, "inputs"),
        ('{"inputs": "one text"}', 422, "inputs"),
        ('{"inputs": []}', 422, "inputs"),
        ('{"inputs": ["a", 1]}', 422, "inputs[1]"),
        ('{"inputs": [["a"]]}', 422, "inputs[0]"),
        ('{"inputs": ["a"], "model": 3}', 422, "model"),
        ('{"inputs": ["a"], "probabilities": 1}', 422, "probabilities"),
        ('{"inputs": ["a"], "inputs": ["b"]}', 422, "inputs"),
        ('{"inputs": ["a"], "extra": 1}', 422, None),
        ('{"inputs": ["a"], "' + SECRET + '": 1, "' + SECRET + '": 2}', 422, None),
        ('{"inputs": ["a", "b", "c", "d"]}', 413, "inputs"),
        ('{"inputs": ["a", "b"], "explain": true}', 422, "inputs"),
    ],
)
def test_predict_refuses(body: str, status: int, field: str | None) -> None:
    with pytest.raises(Problem) as caught:
        parse_predict(body.encode(), {}, 3)
    assert (caught.value.status, caught.value.field) == (status, field)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "gb18030"])
def test_json_in_another_encoding_is_malformed(encoding: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_predict('{"inputs": ["你好"]}'.encode(encoding), {}, 3)
    assert caught.value.status == 400


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.just(SECRET) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["inputs", "model", "name", SECRET]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_whatever_comes_is_read_or_a_problem_that_repeats_nothing(value: Any) -> None:
    for parse in (parse_predict, parse_infer):
        try:
            parse(json.dumps(value).encode(), {}, 3)
        except Problem as problem:
            assert 400 <= problem.status < 500
            assert SECRET.encode() not in problem.body("-") + problem.protocol_body()


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_a_problem(body: bytes) -> None:
    for parse in (parse_predict, parse_infer):
        try:
            parse(body, {}, 3)
        except Problem as problem:
            assert 400 <= problem.status < 500


predict_bodies = st.fixed_dictionaries(
    {},
    optional={
        "inputs": st.lists(st.text(max_size=4) | st.integers(), max_size=3) | st.text(max_size=3) | st.none(),
        "model": st.text(max_size=3) | st.integers() | st.none(),
        "probabilities": st.booleans() | st.integers() | st.none(),
        "explain": st.just(False) | st.integers() | st.none(),
        "other": st.none(),
    },
)


@given(predict_bodies)
def test_the_description_and_the_parser_agree(value: dict[str, Any]) -> None:
    """The published schema is not what parses, so both must say the same."""
    assert parses(parse_predict, value) == fits(describe.PredictRequest, value)


tensors = st.fixed_dictionaries(
    {"name": st.sampled_from(["text", "other"]), "shape": st.just([1]), "datatype": st.sampled_from(["BYTES", "INT8"])},
    optional={
        "data": st.sampled_from([["a"], [["a"]], [1], "a", [["a", "b"]]]),
        "parameters": st.sampled_from([{}, None, 3]),
        "x": st.none(),
    },
)


@given(
    st.lists(tensors, max_size=2),
    st.sampled_from([None, [], [{"name": "score"}], [{"name": "x"}], [{"name": "label", "parameters": 1}], 3]),
)
def test_the_description_of_infer_agrees_too(inputs: list[Any], outputs: Any) -> None:
    value = {"inputs": inputs, "outputs": outputs}
    assert parses(parse_infer, value) == fits(describe.InferRequest, value)


def parses(parse: Any, value: Any) -> bool:
    try:
        parse(json.dumps(value).encode(), {}, 3)
    except Problem:
        return False
    return True


def fits(model: Any, value: Any) -> bool:
    try:
        TypeAdapter(model).validate_json(json.dumps(value), strict=True)
    except ValidationError:
        return False
    return True


def test_the_examples_of_the_description_parse() -> None:
    schemas = describe.describe(FastAPI(version="1"), describe.INFERENCE)["components"]["schemas"]
    for name, parse in (("PredictRequest", parse_predict), ("InferRequest", parse_infer)):
        (example,) = schemas[name]["examples"]
        assert parse(json.dumps(example).encode(), {}, 10).texts


def received(parts: list[bytes], limit: int, declared: bytes | None = None, gone: bool = False) -> tuple[bytes, int]:
    """Read a body that arrives in parts; returns it and how many parts were taken."""
    waiting = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if waiting and not gone:
        waiting[-1]["more_body"] = False
    waiting.append({"type": "http.disconnect"})
    taken = 0

    async def receive() -> Any:
        nonlocal taken
        taken += 1
        return waiting[taken - 1]

    headers = {b"content-length": declared} if declared else {}
    try:
        return asyncio.run(read_body(headers, receive, limit)), taken
    except Problem as problem:
        problem.add_note(str(taken))
        raise


def test_a_body_comes_together_from_its_parts() -> None:
    assert received([b"ab", b"", b"c"], 3) == (b"abc", 3)
    assert received([b"abc"], 3) == (b"abc", 1)


def test_a_declared_length_beyond_the_limit_is_refused_unread() -> None:
    with pytest.raises(Problem) as caught:
        received([b"x"], 3, declared=b"4")
    assert (caught.value.status, caught.value.__notes__) == (413, ["0"])


def test_a_body_beyond_the_limit_is_refused_while_it_arrives() -> None:
    with pytest.raises(Problem) as caught:
        received([b"xx"] * 100, 3)
    assert (caught.value.status, caught.value.__notes__) == (413, ["2"])


def test_a_client_that_goes_away_in_between_is_no_request() -> None:
    with pytest.raises(Problem) as caught:
        received([b"x"], 3, gone=True)
    assert caught.value.kind == "client-gone"
