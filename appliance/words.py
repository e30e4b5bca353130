"""Every message that a person reads, in English and Chinese (gettext; catalogues in `locale/`)."""

import gettext
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "zh")
_FOLDER = Path(__file__).parent / "locale"
_reader: ContextVar[str | None] = ContextVar("reader", default=None)


@contextmanager
def reading(which: str) -> Iterator[None]:
    """Speak `en` or `zh` in this context: a server answers people of both languages at once."""
    token = _reader.set(which)
    try:
        yield
    finally:
        _reader.reset(token)


def language() -> str:
    """Return the reader's language, `en` or `zh`: of `reading`, else `SKERRY_LANG`, else the locale variables (POSIX order), else `en`."""
    if chosen := _reader.get():
        return chosen
    for variable in ("SKERRY_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable)
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


@cache
def _catalogue(which: str) -> gettext.NullTranslations:
    return gettext.translation("skerry", _FOLDER, languages=[which], fallback=which == "en")


def _(message: str, /, **values: object) -> str:
    """Translate `message` for the reader, then fill its `{name}` places from `values`."""
    return translated(message).format(**values) if values else translated(message)


def both(message: str) -> tuple[str, str]:
    """Return `message` in English and in Chinese, for a page that shows both."""
    return message, _catalogue("zh").gettext(message)


def translated(message: str) -> str:
    """Return `message` in the reader's language, for text that is no literal where it is shown (the settings' descriptions)."""
    return _catalogue(language()).gettext(message) if message else ""
