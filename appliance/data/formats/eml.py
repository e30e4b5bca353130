"""E-mail (RFC 5322, MIME): the subject and the body."""

from __future__ import annotations

import email
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from pathlib import Path

from appliance.data.formats.html_page import page_text
from appliance.data.formats.lines import decode
from appliance.data.formats.rows import Fault, IngestOptions, Row
from appliance.settings import IngestSettings
from appliance.words import _

__all__ = ["COLUMNS", "read"]

COLUMNS = ("text", "folder", "subject", "from", "to", "date")


def read(path: Path, _name: str, _options: IngestOptions, settings: IngestSettings) -> Iterator[Row | Fault]:
    """Read a message as one record: subject, empty line, body (plain text where there is one, else HTML). Attachments are not read."""
    if path.stat().st_size > settings.max_row_bytes:
        yield Fault(1, None, _("file longer than `ingest.max_row_bytes` ({limit})", limit=settings.max_row_bytes))
        return
    with path.open("rb") as file:
        message = email.message_from_binary_file(file, policy=policy.default)
    assert isinstance(message, EmailMessage)
    headers = {name: str(message.get(name, "")) for name in ("subject", "from", "to", "date")}
    try:
        text = "\n\n".join(piece for piece in (headers["subject"], _body(message)) if piece)
    except UnicodeDecodeError:
        yield Fault(1, None, _("the body is in no known encoding"))
        return
    yield Row(1, None, text, {"text": text, "folder": path.parent.name, **headers})


def _body(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    payload = part.get_payload(decode=True)
    text = decode(payload if isinstance(payload, bytes) else b"", part.get_content_charset())
    return page_text(text) if part.get_content_subtype() == "html" else text.replace("\r\n", "\n")
