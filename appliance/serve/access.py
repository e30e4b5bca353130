"""The API keys as the server holds them (see `appliance.api_keys`)."""

from __future__ import annotations

from pathlib import Path

from appliance.api_keys import ApiKey, keys_in_force, owner_of
from appliance.errors import PolicyError
from appliance.words import _


class Access:
    """The keys in force, as the server holds them."""

    def __init__(self, home: Path, project: str) -> None:
        self._home, self._project = home, project
        self._keys: dict[str, ApiKey] = {}
        self.reload()

    def reload(self) -> None:
        """Read the file again. Raises `IntegrityError` when it cannot be read; the keys held before stay."""
        self._keys = keys_in_force(self._home, self._project)

    def require_keys(self) -> None:
        """Raise `PolicyError`, with the line to run, when there is no key to ask the server with."""
        if not self._keys:
            raise PolicyError(
                _(
                    "project `{project}` has no API key yet, so nobody could ask the server; "
                    "run `skerry key add NAME` first, or serve with `--no-auth` on loopback",
                    project=self._project,
                )
            )

    def owner_of(self, authorization: bytes | None) -> ApiKey | None:
        """Return the key that an `Authorization: Bearer KEY` header (RFC 6750) carries, or None."""
        scheme, _space, secret = (authorization or b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        return owner_of(self._keys, secret.strip())
