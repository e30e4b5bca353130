"""What an operator is handed: the value with what is known about it, and the key of the run."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from appliance.privacy.normalise import normalise

if TYPE_CHECKING:
    from appliance.privacy.vault import Vault

__all__ = ["Keyed", "Scope", "Value", "normal"]

# Kinds in which a separator tells one value from another: 1.11.1.1 and 11.1.1.1, 1/11 and 11/1.
_BY_SEPARATORS = frozenset(("DATE", "BIRTH_DATE", "EMAIL", "URL", "IP", "GPS", "HANDLE"))
_FILLER = re.compile(r"[\s.,;:·•()\-_/]+")
T = TypeVar("T")


def normal(text: str) -> str:
    """Return the form in which two values are the same: plain width, no separators, no case."""
    return _FILLER.sub("", normalise(text).text).casefold()


@dataclass(frozen=True)
class Value:
    """A found value; `subject` is whom the record is about, never empty. What stands around it does not count: one value has one surrogate."""

    text: str = field(repr=False)
    kind: str
    subject: str = field(repr=False)

    @cached_property
    def normal(self) -> str:
        """The form that is the same for the same value, whatever its case and width, and its separators where they mean nothing."""
        if self.kind in _BY_SEPARATORS:
            return re.sub(r"\s+", " ", normalise(self.text).text).strip().casefold()
        return normal(self.text)

    @cached_property
    def han(self) -> bool:
        """Whether it is written in Chinese characters."""
        return re.search(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002ebef]", self.text) is not None


class Keyed:
    """Choices that look random and are the same for the same key and words: HMAC-SHA-256 (RFC 2104, FIPS 198-1)."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.sha256(b"skerry operators\0" + key).digest()

    def digest(self, *words: str) -> bytes:
        """Return 32 bytes that depend on the key and every word, boundaries included."""
        message = b"".join(
            len(each).to_bytes(4, "big") + each for each in (word.encode("utf-8", "surrogatepass") for word in words)
        )
        return hmac.new(self._key, message, "sha256").digest()

    def below(self, limit: int, *words: str) -> int:
        """Return a number in [0, limit); the remainder of 256 bits, so its bias is nothing for limits below 2^128."""
        return int.from_bytes(self.digest(*words), "big") % limit

    def pick(self, choices: Sequence[T], *words: str, but: T | None = None) -> T:
        """Return one of `choices`, never `but` unless it is the only one."""
        index = self.below(len(choices), *words)
        return choices[(index + 1) % len(choices)] if choices[index] == but else choices[index]

    def digits(self, count: int, *words: str) -> str:
        """Return `count` decimal digits."""
        blocks = [
            str(int.from_bytes(self.digest(*words, str(block)), "big"))[-50:].zfill(50)
            for block in range(-(-count // 50))
        ]
        return "".join(blocks)[:count]


@dataclass(frozen=True)
class Scope:
    """What all values of a run share: its key, the vault if there is one, the day it is; `options` are those of the operator at work."""

    keyed: Keyed
    today: date
    vault: Vault | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
