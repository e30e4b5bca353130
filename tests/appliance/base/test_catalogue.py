"""The pinned list of base models."""

from __future__ import annotations

import re

import pytest

from appliance.base.catalogue import catalogue, entry
from appliance.errors import NotFoundError


def test_the_list_holds_the_four_pinned_models() -> None:
    assert {name: item.kind for name, item in catalogue().items()} == {
        "minilm": "encoder",
        "e5": "encoder",
        "spacy-en-md": "ner",
        "smollm2": "causal-lm",
    }


@pytest.mark.parametrize("name", ["minilm", "e5", "spacy-en-md", "smollm2"])
def test_every_wheel_is_pinned_by_version_and_hash(name: str) -> None:
    item = entry(name)
    assert item.licence in {"Apache-2.0", "MIT"}
    assert item.languages and item.title
    for wheel in item.wheels:
        assert re.fullmatch("[0-9a-f]{64}", wheel.sha256)
        assert wheel.file.startswith(f"{wheel.package.replace('-', '_')}-{wheel.version}-") and wheel.file.endswith(
            ".whl"
        )
        assert wheel.take


def test_e5_wants_its_prefix_and_is_unpacked_by_us() -> None:
    assert (entry("e5").prefix, entry("e5").unpack) == ("query: ", "e5")


def test_an_unknown_name_names_the_known_ones() -> None:
    with pytest.raises(NotFoundError, match="minilm, e5, spacy-en-md, smollm2"):
        entry("bert")
