"""The report counts and never quotes."""

import json
from pathlib import Path

from appliance.privacy.report import Tally, write_report
from appliance.schema import Finding


def tally() -> Tally:
    counted = Tally()
    counted.add(
        [Finding(0, 4, "PERSON", 0.9, "spacy", "PERSON"), Finding(9, 20, "PHONE", 0.9, "cn_phone", "PHONE_NUMBER")]
    )
    counted.add([])
    counted.held_back["failed"] += 1
    counted.languages["zh"] += 2
    return counted


def test_counts_by_kind_rule_and_language() -> None:
    about = tally().as_dict()
    assert about["rows"] == 2
    assert about["touched"] == 1
    assert about["held_back"] == 1
    assert about["held_back_reasons"] == {"failed": 1}
    assert about["findings"] == {"PERSON": 1, "PHONE": 1}
    assert about["rules"] == {"spacy": 1, "cn_phone": 1}
    assert about["languages"] == {"zh": 2}


def test_the_report_is_read_in_both_languages(tmp_path: Path) -> None:
    write_report(tmp_path / "new" / "folder", tally().as_dict())
    page = (tmp_path / "new" / "folder" / "report.html").read_text("utf-8")
    assert "records held back" in page
    assert "被扣留记录" in page
    assert "<b>PHONE</b> telephone" in page
    assert json.loads((tmp_path / "new" / "folder" / "report.json").read_text())["rows"] == 2


def test_the_page_escapes_what_it_shows(tmp_path: Path) -> None:
    write_report(tmp_path, tally().as_dict() | {"findings": {"<script>": 1}})
    assert "<script>" not in (tmp_path / "report.html").read_text("utf-8")


def test_policy_hashes_operators_and_shapes_are_told(tmp_path: Path) -> None:
    more = {
        "policy": "pipl",
        "policy_digest": "d" * 64,
        "sha256_in": "a" * 64,
        "sha256_out": "b" * 64,
        "operator_of": {"PERSON": "surrogate"},
        "shapes": {"PERSON": [{"shape": "Xx <PERSON> xxx", "count": 3}]},
        "fallbacks": {"date-shift": 2},
        "collisions": 1,
    }
    write_report(tmp_path, tally().as_dict() | more)
    page = (tmp_path / "report.html").read_text("utf-8")
    for told in ("pipl", "d" * 64, "a" * 64, "b" * 64, "surrogate", "Xx &lt;PERSON&gt; xxx", "date-shift"):
        assert told in page


def test_the_page_asks_for_nothing_from_outside(tmp_path: Path) -> None:
    write_report(tmp_path, tally().as_dict())
    page = (tmp_path / "report.html").read_text("utf-8")
    assert not any(word in page for word in ("<script", "<link", "src=", "url(", "http:", "https:"))
