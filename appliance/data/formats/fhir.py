"""FHIR NDJSON: the resources of a bulk export (HL7 FHIR Bulk Data Access IG 2.0; field names of FHIR R4 and R5)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from appliance.data.formats.html_page import page_text
from appliance.data.formats.lines import decode
from appliance.data.formats.rows import Fault, Row
from appliance.words import _

__all__ = ["COLUMNS", "row", "texts"]

COLUMNS = ("text", "resourceType", "id", "subject", "code")
# Elements that people write prose into: https://hl7.org/fhir/R4/ (each resource's own page).
_STRINGS = (
    "valueString",
    "contentString",
    "conclusion",
    "description",
    "summary",
    "text",
    "valueMarkdown",
    "contentMarkdown",
    "comment",
)
_NESTED = ("note", "payload", "component", "section", "content", "presentedForm", "contentAttachment", "attachment", "valueAttachment", "item", "answer", "finding")  # fmt: skip


def row(number: int, byte: int, resource: Mapping[str, Any]) -> Row | Fault:
    """Return the texts of one resource, joined by newlines, as a row; a resource without any is a fault (most numeric observations)."""
    try:
        text = "\n".join(texts(resource))
    except (UnicodeError, binascii.Error):
        return Fault(number, byte, _("an attachment is no base64 of UTF-8 or GB18030 text"))
    except RecursionError:
        return Fault(number, byte, _("nested too deep"))
    if not text.strip():
        return Fault(number, byte, _("the resource holds no text"))
    fields = {
        "text": text,
        "resourceType": _string(resource.get("resourceType")),
        "id": _string(resource.get("id")),
        "subject": _string(_mapping(resource.get("subject") or resource.get("patient")).get("reference")),
        "code": _code(resource.get("code") or resource.get("type") or resource.get("category")),
    }
    return Row(number, byte, text, fields)


def texts(element: Mapping[str, Any]) -> Iterator[str]:
    """Yield what people wrote in a resource, in the order of its elements; the generated narrative only where nothing else is."""
    found = False
    for text in _written(element):
        found = True
        yield text
    narrative = _mapping(element.get("text")).get("div")
    if not found and isinstance(narrative, str):
        yield page_text(narrative)


def _written(element: Mapping[str, Any]) -> Iterator[str]:
    for key, value in element.items():
        if key in _STRINGS and isinstance(value, str):
            yield value
        elif (
            key == "data"
            and isinstance(value, str)
            and str(element.get("contentType", "text/plain")).startswith("text/")
        ):
            yield _attachment(value, str(element.get("contentType", "text/plain")))
        elif key == "section":
            for section in _list(value):
                yield from texts(section)
        elif key in _NESTED:
            for child in _list(value):
                yield from _written(child)


def _attachment(data: str, kind: str) -> str:
    charset = kind.partition("charset=")[2].partition(";")[0].strip(' "') or None
    content = decode(base64.b64decode(data, validate=True), charset)
    return page_text(content) if kind.startswith("text/html") else content


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [child for child in (value if isinstance(value, list) else [value]) if isinstance(child, dict)]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _code(value: Any) -> str | None:
    concept = next(iter(_list(value)), {})
    coding = next(iter(_list(concept.get("coding"))), {})
    return _string(concept.get("text") or coding.get("display") or coding.get("code"))
