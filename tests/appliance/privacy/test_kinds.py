"""The flat list of kinds and the recognizers agree."""

import importlib
import re
from pathlib import Path

import pytest

from appliance.privacy.kinds import KINDS, kind
from appliance.privacy.recognizers import PATTERNS

FOLDER = Path(importlib.import_module("appliance.privacy.recognizers").__file__).parent  # type: ignore[arg-type]
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("__init__", "recognizer"))


def test_every_kind_names_its_source_in_both_languages() -> None:
    for each in KINDS:
        assert each.presidio and each.source and each.validation and each.en
        assert re.search("[\u4e00-\u9fff]", each.zh)
        assert kind(each.name) is each


def test_no_kind_is_listed_twice() -> None:
    assert len({each.name for each in KINDS}) == len(KINDS)


def test_rules_have_names_of_their_own() -> None:
    assert len({recognizer.rule for recognizer in PATTERNS}) == len(PATTERNS)


@pytest.mark.parametrize("name", MODULES)
def test_every_recognizer_says_what_it_follows(name: str) -> None:
    """One recognizer, one file: a docstring, and kinds that stand in the list."""
    module = importlib.import_module(f"appliance.privacy.recognizers.{name}")
    assert module.__doc__
    source = (FOLDER / f"{name}.py").read_text("utf-8")
    used = set(re.findall(r'"([A-Z]{2,}(?:_[A-Z]+)*)"', source)) & {each.name for each in KINDS}
    assert used
    assert hasattr(module, "find") or hasattr(module, "find_all")


@pytest.mark.parametrize("recognizer", PATTERNS, ids=lambda recognizer: recognizer.rule)
def test_recognizers_keep_their_offsets_inside_the_text(recognizer) -> None:
    """Hostile and empty texts: spans stay inside, scores in [0, 1], kinds are known, and it ends soon."""
    for text in (
        "",
        " ",
        "1" * 5_000,
        "a1 " * 2_000,
        "1 " * 3_000,
        "(" * 2_000,
        "<PERSON_1> <PHONE_2>",
        "路1号" * 500,
        "A" * 5_000 + "@",
        "Mr " * 1_000,
        "1." * 2_000,
    ):
        for hit in recognizer.find(text):
            assert 0 <= hit.start < hit.end <= len(text)
            assert 0 <= hit.score <= 1
            assert kind(hit.kind)
