"""Privacy: find personal data in English and Chinese text, replace it, and report without values."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from appliance.privacy.detect import Scrubber

__all__ = ["Scrubber"]


def __getattr__(name: str) -> Any:
    """Import `Scrubber` at first use, so that `import appliance.privacy` stays light (PEP 562)."""
    if name == "Scrubber":
        from appliance.privacy.detect import Scrubber

        return Scrubber
    raise AttributeError(name)
