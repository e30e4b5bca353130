"""What a person sees on the terminal."""

from __future__ import annotations

import json

import pytest

from appliance.show import show


def test_rows_of_one_kind_are_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    show({"models": [{"model": "a", "rows": 1000}, {"model": "b", "rows": 2}]}, as_json=False)
    title, header, first, second = capsys.readouterr().out.splitlines()
    assert (title, header.split(), first.split(), second.split()) == (
        "models:",
        ["model", "rows"],
        ["a", "1,000"],
        ["b", "2"],
    )


def test_steps_that_tell_different_things_are_told_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [{"step": "ingest", "read": 10, "rejected": 1}, {"step": "train", "metrics": {"accuracy": 0.5}}]
    show({"release": "r", "steps": steps}, as_json=False)
    lines = ["release: r", "ingest", "  read: 10", "  rejected: 1", "train", "  metrics: accuracy 0.5"]
    assert capsys.readouterr().out.splitlines() == lines


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    show({"labels": ["中"]}, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"labels": ["中"]}
