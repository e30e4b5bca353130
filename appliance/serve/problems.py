"""What the server answers when it does not answer the question: RFC 9457 problem details, or the V2 protocol's own body.

A problem names the field at fault, never what stood in it.
"""

from __future__ import annotations

import json

from appliance.errors import ApplianceError

# kind -> (HTTP status of RFC 9110 and RFC 6585, title). 499 is never sent: its client has gone. A client's own deadline is no
# fault of the server, so it is 408 and not a gateway's 504.
KINDS = {
    "malformed": (400, "The request is malformed"),
    "unauthorized": (401, "An API key is needed"),
    "not-found": (404, "There is no such thing"),
    "method-not-allowed": (405, "This path does not answer that method"),
    "request-timeout": (408, "The request did not arrive in time"),
    "deadline-passed": (408, "The deadline has passed"),
    "conflict": (409, "Its state does not allow that"),
    "content-too-large": (413, "The request is too large"),
    "misdirected": (421, "The request was meant for another host"),
    "invalid": (422, "A field is wrong"),
    "queue-full": (429, "The queue is full"),
    "head-too-large": (431, "The request's head is too large"),
    "client-gone": (499, "The client has gone"),
    "internal": (500, "The server failed"),
    "part-missing": (501, "A part of Skerry is not installed"),
    "busy": (503, "The server has too many connections"),
    "not-ready": (503, "The server is loading its models"),
    "engine-lost": (503, "The engine process has ended"),
    "no-keys": (503, "The server cannot encrypt"),
    "draining": (503, "The server is shutting down"),
    "no-room": (507, "There is no room left"),
}


class Problem(ApplianceError):
    """An HTTP answer that tells why there is no other. `kind` is a key of `KINDS`, `field` a place such as `inputs[3]`."""

    def __init__(self, kind: str, detail: str, *, field: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.field, self.retry_after_s = kind, detail, field, retry_after_s

    @property
    def status(self) -> int:
        """The HTTP status."""
        return KINDS[self.kind][0]

    def body(self, request_id: str) -> bytes:
        """Return RFC 9457 members: `type`, `title`, `status`, `detail`, and as extensions `request_id` and `field`."""
        content = {
            "type": f"urn:skerry:problem:{self.kind}",
            "title": KINDS[self.kind][1],
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
        }
        return json.dumps(content | ({"field": self.field} if self.field else {}), ensure_ascii=False).encode()

    def protocol_body(self) -> bytes:
        """Return the Open Inference Protocol's error object, `{"error": string}`."""
        return json.dumps({"error": self.detail}, ensure_ascii=False).encode()

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that belong to the status: `Retry-After` (RFC 9110, 10.2.3), `WWW-Authenticate` (11.6.1)."""
        found = [(b"retry-after", str(self.retry_after_s).encode())] if self.retry_after_s is not None else []
        return found + ([(b"www-authenticate", b'Bearer realm="skerry"')] if self.status == 401 else [])
