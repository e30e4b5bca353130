"""Every message of the bundle that a person reads, in English and Chinese (gettext). Works from inside `bundle.pyz`."""

from __future__ import annotations

import gettext
import io
import os
import pkgutil
import sys
from functools import cache


def language() -> str:
    """Return the reader's language, `en` or `zh`: `SKERRY_LANG`, else the locale variables (POSIX order), else `en`."""
    for variable in ("SKERRY_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable)
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


@cache
def _catalogue(which: str) -> gettext.NullTranslations:
    if which == "en":
        return gettext.NullTranslations()
    content = pkgutil.get_data("bundle", "locale/zh/LC_MESSAGES/bundle.mo")
    assert content, "the catalogue is part of the package"
    return gettext.GNUTranslations(io.BytesIO(content))


def _(message: str, **values: object) -> str:
    """Translate `message` for the reader, then fill its `{name}` places from `values`."""
    return in_language(language(), message, **values)


def tell(message: str) -> None:
    """Show a message or progress to the person at the keyboard: stderr, so that stdout holds results alone."""
    print(message, file=sys.stderr, flush=True)


def in_language(which: str, message: str, **values: object) -> str:
    """Translate into a named language, for pages that show both."""
    translated = _catalogue(which).gettext(message)
    return translated.format(**values) if values else translated
