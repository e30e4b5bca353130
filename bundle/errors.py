"""Every error that the bundle raises on purpose; the exit codes are those of `skerry` (`appliance.errors`).

::

    BundleError           exit 1
    ├── UsageError        exit 2   an option, a profile
    ├── InputError        exit 3   a wheel, a list or a request that cannot be used
    ├── NotFoundError     exit 4   no such stick, part, key, slot
    ├── PolicyError       exit 5   refused: an older serial, another base, a name that is not ours
    ├── IntegrityError    exit 6   bytes are not what was signed
    ├── MissingPartError  exit 7   a program or a library that this step needs is not here
    ├── HardwareError     exit 8   no room, no memory, a device that does not do what it must
    └── BusyError         exit 9   another installation is running

A message says what failed, which value, and what to do next. Only `bundle.cli` catches these.
"""

from __future__ import annotations

import errno

from bundle.words import _


class BundleError(Exception):
    """The root: anything the bundle raises on purpose."""

    exit_code = 1


class UsageError(BundleError):
    """An option or a profile is wrong."""

    exit_code = 2


class InputError(BundleError):
    """A wheel, a list or a request cannot be used."""

    exit_code = 3


class NotFoundError(BundleError):
    """There is no stick, part, key or slot of that name."""

    exit_code = 4


class PolicyError(BundleError):
    """A rule refuses the action."""

    exit_code = 5


class IntegrityError(BundleError):
    """Bytes are not what was signed."""

    exit_code = 6


class MissingPartError(BundleError):
    """A program or library that this step needs is not here."""

    exit_code = 7


class HardwareError(BundleError):
    """No room, no memory, or a device that does not do what it must."""

    exit_code = 8


class BusyError(BundleError):
    """Another installation is running on this machine."""

    exit_code = 9


def of_system(error: OSError) -> BundleError:
    """Return what a refusal of the operating system is to a person: no room, a bad medium, a place that may not be used, or none."""
    path, reason = error.filename2 or error.filename or "?", error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return HardwareError(
            _("no room left on the disk; free some or name a folder on another one, then give the same command again")
        )
    if error.errno == errno.EIO:
        return HardwareError(
            _(
                "`{path}`: {reason}; `skerry-bundle receive` repairs a damaged stick, or take another disk",
                path=path,
                reason=reason,
            )
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return InputError(
            _(
                "`{path}` may not be used: {reason}; be its owner or root, or name another place",
                path=path,
                reason=reason,
            )
        )
    kind = NotFoundError if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENODEV) else InputError
    return kind(_("cannot use `{path}`: {reason}; check the path that was given", path=path, reason=reason))
