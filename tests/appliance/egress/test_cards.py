"""Cards and form say what a checker needs, in two languages, and name nobody's rows."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from appliance.egress import cards
from appliance.egress.form import form
from appliance.egress.seen import Seen

CHANGES = {"min_subjects": 10, "labels_dropped": 1, "entries_kept": 5, "entries_put_back": 2, "entries_dropped": 3}
CHANGES |= {"rows": 40, "agreement": 0.975, "drop": 0.0}
SEEN = Seen(1234, Counter({"card": 1000, "pin": 234}), Counter({"en": 1200, "zh": 30, "": 4}), frozenset(), False)


@pytest.mark.parametrize(("number", "told"), [(0, 0), (1, "<10"), (9, "<10"), (10, 10), (14, 10), (1234, 1230)])
def test_small_counts_are_not_told(number: int, told: int | str) -> None:
    assert cards.rounded(number) == told


def test_a_data_card_rounds_and_leaves_out_dropped_labels(tmp_path: Path) -> None:
    data = cards.data_card(SEEN, ["card"], [])
    assert (data["rows"], data["labels"], data["languages"]) == (1230, {"card": 1000}, {"en": 1200, "zh": 30})
    cards.write(tmp_path, None, data)
    page = (tmp_path / "data.md").read_text("utf-8")
    assert "each row counts as another person's" in page and "每条按不同的人计" in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.json", "data.md"]


def test_what_was_changed_is_said_in_both_languages() -> None:
    said = cards.changed(CHANGES)
    assert all(any(figure in english for english, _chinese in said) for figure in (": 1.", "3 are dropped", "97.5%"))
    assert all(english.isascii() and not chinese.isascii() for english, chinese in said)


def test_the_form_escapes_and_leaves_room_for_a_second_person() -> None:
    found = {"name": "<b>triage", "kind": "model", "format": "onnx", "package": "a" * 64, "signer": "b" * 64}
    found |= {"labels": ["card & pin"], "needed": 2, "changes": CHANGES}
    page = form(found, [("model.onnx", 1234567, "c" * 64)], [("ann", "2026-11-22T10:00:00.000Z")])
    assert "&lt;b&gt;triage" in page and "card &amp; pin" in page and "1,234,567" in page
    assert page.count("<tr><td>") == 3  # a file and two people
    assert "ann" in page and "2026-11-22T10:00:00" in page and "批准人" in page


def test_a_pinned_base_tells_its_source_and_another_does_not(tmp_path: Path) -> None:
    """The source of a base that somebody added could be a path of this machine."""
    from appliance.engine.plan import Plan
    from appliance.schema import Model

    plan = Plan("onnx", "classify", ("card", "pin"), 64, "", "minilm", ("en",))
    for name, told in (("minilm", True), ("ours", False)):
        base = {"name": name, "source": "/srv/models/ours", "licence": "MIT"}
        (tmp_path / "card.json").write_text(json.dumps({"base": base, "hardware": {"processor": "x"}}))
        card = cards.model_card(Model("a" * 64, "model", "main", "t", "", tmp_path), plan, "t", CHANGES)
        assert ("source" in card["base"]) == told
        assert "hardware" not in card
