"""Put into a text what the policy wants in place of each finding.

Fail closed: an operator that cannot do its work on a value (a date that cannot be read, a script without a list of names), or whose result would
still hold the value, gives way to the placeholder; the report counts how often.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from appliance.privacy import policy as policies
from appliance.privacy.operators import date_shift, generalise, keep, keyed_hash, mask, suppress, surrogate, vault_token
from appliance.privacy.operators.placeholder import Placeholders
from appliance.privacy.operators.value import Keyed, Scope, Value, normal
from appliance.privacy.shapes import Shapes
from appliance.schema import Finding

if TYPE_CHECKING:
    from appliance.privacy.policy import Policy
    from appliance.privacy.vault import Vault

__all__ = ["OPERATORS", "Run", "Writer", "Written"]

Operator = Callable[[Value, Scope], str | None]

OPERATORS: dict[str, Operator] = {
    "surrogate": surrogate.replace,
    "mask": mask.replace,
    "hmac": keyed_hash.replace,
    "date-shift": date_shift.replace,
    "generalise": generalise.replace,
    "suppress": suppress.replace,
    "keep": keep.replace,
    "vault": vault_token.replace,
}
_MAY_HOLD_THE_VALUE = frozenset(
    ("keep", "generalise", "hmac", "vault")
)  # 2019 generalised is 2019; a token holds "A" by chance
_SHORT = 5  # letters and digits below which one value is part of another by chance: Ann, Joanna
_COUNTED = 200_000  # different values whose surrogates are compared: bounds memory


@dataclass(frozen=True)
class Written:
    """A text after the operators. `shown` is the same with a placeholder wherever one wrote: what the second look reads."""

    text: str = field(repr=False)
    shown: str = field(repr=False)


class Run:
    """What one scrub shares: policy, key, vault; and what it counts."""

    def __init__(self, policy: Policy, key: bytes, vault: Vault | None = None, today: date | None = None) -> None:
        """Take the policy, the secret `key` (32 bytes) that surrogates, hashes and shifts hang on, and the vault for reversible tokens."""
        self.policy = policy
        self._scope = Scope(Keyed(key), today or date.today(), vault)
        self._scopes = {
            name: replace(self._scope, options=policy.operator(name).options) for name in sorted(policy.kinds)
        }
        self._surrogates: dict[tuple[str, int], int] = {}
        self.shapes = Shapes()
        self.operators: Counter[str] = Counter()
        self.fallbacks: Counter[str] = Counter()
        self._shared: set[tuple[str, int, int]] = set()

    @classmethod
    def alone(cls) -> Run:
        """Return a run of the shipped policy `balanced` under a random key."""
        return cls(policies.load("balanced"), secrets.token_bytes(32))

    def put(self, value: Value, placeholders: Placeholders) -> str:
        """Return what stands in place of `value`, and count it."""
        operator = self.policy.operator(value.kind).operator
        written = None
        if operator != "placeholder":
            written = OPERATORS[operator](value, self._scopes.get(value.kind, self._scope))
            if written is None or (operator not in _MAY_HOLD_THE_VALUE and _holds(written, value)):
                self.fallbacks[operator] += 1
                operator, written = "placeholder", None
        self.operators[operator] += 1
        if operator == "surrogate" and written is not None:
            self._count_collision(value, written)
        return placeholders.replace(value) if written is None else written

    def _count_collision(self, value: Value, written: str) -> None:
        key = (value.kind, _short(self._scope.keyed, normal(written)))
        mine = _short(self._scope.keyed, value.normal)
        if len(self._surrogates) < _COUNTED or key in self._surrogates:
            first = self._surrogates.setdefault(key, mine)
            if first != mine and len(self._shared) < _COUNTED:
                self._shared.add((*key, mine))

    def as_dict(self) -> dict[str, Any]:
        """Return what the report tells: the policy, how often each operator wrote, how often it gave way, values whose surrogate another one has."""
        return {
            "policy": self.policy.name,
            "policy_digest": self.policy.digest,
            "operators": dict(self.operators.most_common()),
            "fallbacks": dict(self.fallbacks.most_common()),
            "collisions": len(self._shared),
        }

    def for_report(self) -> dict[str, Any]:
        """Return what only the report tells: the operator of each kind, and the shapes around findings."""
        operators = {name: self.policy.operator(name).operator for name in sorted(self.policy.kinds)}
        return {"operator_of": operators, "shapes": self.shapes.as_dict()}


class Writer:
    """Writes the cells of one record: numbers its placeholders, knows its subject."""

    def __init__(self, run: Run, subject: str = "") -> None:
        """Take the run and whom the record is about: the subject's key, else anything that is the record's own."""
        self.run, self._subject = run, subject
        self._placeholders = Placeholders()

    def leave_room(self, texts: Iterable[str]) -> None:
        """Number behind the placeholders that stand in `texts`: for cells that are written one after the other, all at once ahead."""
        for text in texts:
            self._placeholders.leave_room(text)

    def write(self, text: str, findings: Iterable[Finding]) -> Written:
        """Return `text` with each finding (in order, without overlaps) replaced."""
        self.leave_room([text])
        pieces: list[str] = []
        shown: list[str] = []
        position = 0
        for finding in findings:
            between = text[position : finding.start]
            value = Value(text[finding.start : finding.end], finding.kind, self._subject)
            pieces += [between, self.run.put(value, self._placeholders)]
            shown += [between, f"<{finding.kind}_0>"]
            position = finding.end
        rest = text[position:]
        return Written("".join([*pieces, rest]), "".join([*shown, rest]))


def _short(keyed: Keyed, text: str) -> int:
    return int.from_bytes(keyed.digest("collision", text)[:8], "big")


def _holds(written: str, value: Value) -> bool:
    old, new = (re.sub(r"[\W_]", "", text) for text in (value.normal, normal(written)))
    return old == new or (len(old) >= _SHORT and old in new)
