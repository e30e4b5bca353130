"""What the server and its engine process say to each other: small binary frames, little-endian, texts as UTF-8.

No pickle: what comes back from a process that runs foreign models is numbers and text, never code. A request asks one
loaded model for some texts; its reply holds one item a text, in their order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

KINDS = ("predict", "embed")
# what an item holds: float64 probabilities, a float32 embedding, marked spans, or why there is no answer
SCORES, EMBEDDING, SPANS, REFUSED, FAILED = range(5)

REQUEST = struct.Struct("<IBHI")  # bytes after this, kind, texts, number of the model
REPLY = struct.Struct("<IHd")  # bytes after this, items, seconds of tokenizing
ITEM = struct.Struct(
    "<B?IfHIQ"
)  # content, truncated, tokens, seconds, texts in its run, padding in its run, payload bytes
SPAN = struct.Struct("<IIId")  # start, end (code points), number of the label, score
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Item:
    """What came of one text: `payload` is what `content` says. `seconds` is its part of the run that it shared with `company` - 1 others; `padding` counts that
    run's padded tokens."""

    content: int
    truncated: bool
    tokens: int
    seconds: float
    company: int
    padding: int
    payload: bytes = field(repr=False)


def request(kind: str, number: int, texts: Sequence[str]) -> bytes:
    """Write a request. Lone surrogates pass, so that the model's own refusal answers them."""
    body = written(texts)
    return REQUEST.pack(len(body), KINDS.index(kind), len(texts), number) + body


def written(texts: Iterable[str]) -> bytes:
    """Write texts, each behind its length."""
    parts = []
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        parts += [_LENGTH.pack(len(content)), content]
    return b"".join(parts)


def texts_of(body: bytes, count: int) -> list[str]:
    """Read so many texts as `written` writes them."""
    texts, position = [], 0
    for _text in range(count):
        start = position + _LENGTH.size
        position = start + _LENGTH.unpack_from(body, position)[0]
        texts.append(body[start:position].decode("utf-8", "surrogatepass"))
    return texts


def reply(items: Sequence[Item], tokenize_s: float) -> bytes:
    """Write a reply."""
    parts = []
    for item in items:
        numbers = (item.content, item.truncated, item.tokens, item.seconds, item.company, item.padding)
        parts += [ITEM.pack(*numbers, len(item.payload)), item.payload]
    body = b"".join(parts)
    return REPLY.pack(len(body), len(items), tokenize_s) + body


def items_of(body: bytes, count: int) -> Iterator[Item]:
    """Read the items of a reply's body."""
    position = 0
    for _item in range(count):
        content, truncated, tokens, seconds, company, padding, length = ITEM.unpack_from(body, position)
        start = position + ITEM.size
        position = start + length
        yield Item(content, truncated, tokens, seconds, company, padding, body[start:position])
