"""Which model answers under which name: promote, roll back, list."""

from appliance.release.registry import Pointer, promote, read_pointers, releases, rollback, verify

__all__ = ["Pointer", "promote", "read_pointers", "releases", "rollback", "verify"]
