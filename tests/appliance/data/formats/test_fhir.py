"""FHIR NDJSON: what people wrote in a resource."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from appliance.data.formats import jsonl
from appliance.data.formats.rows import Fault, IngestOptions, Row
from appliance.errors import InputError
from appliance.settings import IngestSettings


def read(folder: Path, *resources: dict[str, Any], **options: Any) -> list[Row | Fault]:
    path = folder / "a.ndjson"
    path.write_text("".join(json.dumps(resource) + "\n" for resource in resources))
    return list(jsonl.read(path, path.name, IngestOptions("note", **options), IngestSettings()))


def attachment(content: bytes, kind: str = "text/plain") -> dict[str, str]:
    return {"contentType": kind, "data": base64.b64encode(content).decode()}


NARRATIVE = {"status": "generated", "div": "<div><p>one</p><p>two</p></div>"}


@pytest.mark.parametrize(
    ("resource", "text"),
    [
        ({"resourceType": "Observation", "valueString": "left lung clear", "note": [{"text": "repeat"}, {"text": "soon"}]}, "left lung clear\nrepeat\nsoon"),
        ({"resourceType": "Observation", "component": [{"valueString": "a"}, {"valueQuantity": {"value": 1}}]}, "a"),
        ({"resourceType": "DocumentReference", "content": [{"attachment": attachment(b"discharged home")}]}, "discharged home"),
        ({"resourceType": "DocumentReference", "content": [{"attachment": attachment("出院小结".encode("gb18030"), "text/plain; charset=gbk")}]}, "出院小结"),
        ({"resourceType": "DiagnosticReport", "conclusion": "no fracture", "presentedForm": [attachment(b"<p>no</p><p>fracture</p>", "text/html")]}, "no fracture\nno\n\nfracture"),
        ({"resourceType": "Communication", "payload": [{"contentString": "call me"}, {"contentReference": {"reference": "x"}}]}, "call me"),
        ({"resourceType": "Composition", "section": [{"text": NARRATIVE, "section": [{"text": NARRATIVE}]}]}, "one\n\ntwo"),
        ({"resourceType": "Condition", "text": NARRATIVE, "note": [{"text": "written"}]}, "written"),
        ({"resourceType": "Condition", "text": NARRATIVE}, "one\n\ntwo"),
    ],
)  # fmt: skip
def test_the_texts_of_a_resource_become_one_record(tmp_path: Path, resource: dict[str, Any], text: str) -> None:
    (row,) = read(tmp_path, resource)
    assert isinstance(row, Row) and row.text == text


def test_subject_id_type_and_code_are_columns(tmp_path: Path) -> None:
    resource = {
        "resourceType": "Observation", "id": "o1", "valueString": "x", "subject": {"reference": "Patient/7"}, "code": {"coding": [{"display": "Chest X-ray"}]},
    }  # fmt: skip
    (row,) = read(
        tmp_path,
        resource,
        label_column="code",
        subject_column="subject",
        id_column="id",
        keep_columns=("resourceType",),
    )
    assert isinstance(row, Row)
    assert row.fields == {
        "text": "x",
        "resourceType": "Observation",
        "id": "o1",
        "subject": "Patient/7",
        "code": "Chest X-ray",
    }
    with pytest.raises(InputError, match="no column `ward`; it has `text`, `resourceType`, `id`, `subject`, `code`"):
        read(tmp_path, resource, label_column="ward")


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        ({"resourceType": "Observation", "valueQuantity": {"value": 7.1}}, "the resource holds no text"),
        (
            {"resourceType": "DocumentReference", "content": [{"attachment": attachment(b"%PDF", "application/pdf")}]},
            "the resource holds no text",
        ),
        (
            {"resourceType": "DocumentReference", "content": [{"attachment": {"data": "%%%"}}]},
            "an attachment is no base64",
        ),
        (
            {"resourceType": "DocumentReference", "content": [{"attachment": attachment(b"\xe9 \xff")}]},
            "an attachment is no base64",
        ),
        (
            {"resourceType": "Patient", "subject": "odd", "code": "odd", "note": "odd", "content": ["odd"]},
            "the resource holds no text",
        ),
    ],
)
def test_a_resource_without_text_is_a_fault(tmp_path: Path, resource: dict[str, Any], reason: str) -> None:
    first, second = read(tmp_path, resource, {"resourceType": "Observation", "valueString": "next"})
    assert isinstance(first, Fault) and first.reason.startswith(reason)
    assert isinstance(second, Row)
