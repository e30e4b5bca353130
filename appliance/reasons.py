"""Why something could not be read or written, in the reader's language: the system and the libraries speak English only."""

from __future__ import annotations

import csv
import errno
import json
import re
import tomllib

from appliance.words import _

__all__ = ["reason"]

_PLACE = re.compile(r"at line (\d+), column (\d+)")


def reason(error: Exception) -> str:
    """Say why: of an `OSError`, a text that is no UTF-8, TOML, JSON or CSV that is none; the name of any other error's class. Never what was read."""
    if isinstance(error, UnicodeDecodeError):
        return _("it is no text in UTF-8")
    if isinstance(error, tomllib.TOMLDecodeError):
        place = _PLACE.search(str(error))
        if place is None:
            return _("it is no TOML: it ends in the middle of something")
        return _(
            "it is no TOML at line {line}, column {column}; text stands in quotes, a list in brackets",
            line=place[1],
            column=place[2],
        )
    if isinstance(error, json.JSONDecodeError):
        return _("it is no JSON from character {column} of the line", column=error.pos + 1)
    if isinstance(error, csv.Error):
        return _("it is no row of a table: is a quote not closed?")
    if isinstance(error, OSError) and error.errno:
        return _of_the_system(error.errno) or error.strerror or type(error).__name__
    return type(error).__name__


def _of_the_system(number: int) -> str | None:
    """The usual errors of POSIX (IEEE Std 1003.1, errno.h)."""
    return {
        errno.ENOENT: _("there is no such file or folder"),
        errno.EACCES: _("this user may not"),
        errno.EPERM: _("this user may not"),
        errno.EISDIR: _("it is a folder"),
        errno.ENOTDIR: _("a part of its path is no folder"),
        errno.EEXIST: _("it is there already"),
        errno.ENOSPC: _("no room is left on the disk"),
        errno.EDQUOT: _("no room is left on the disk"),
        errno.EROFS: _("the disk is read-only"),
        errno.ENAMETOOLONG: _("its name is too long"),
        errno.ELOOP: _("its links lead in a circle"),
        errno.EIO: _("the disk fails"),
        errno.EBUSY: _("somebody else uses it"),
        errno.ETXTBSY: _("somebody else uses it"),
        errno.EXDEV: _("it lies on another disk"),
        errno.EADDRINUSE: _("somebody else listens there"),
        errno.EADDRNOTAVAIL: _("this machine has no such address"),
        errno.EMFILE: _("too many files are open"),
    }.get(number)
