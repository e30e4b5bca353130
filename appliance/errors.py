"""Every error that Skerry raises on purpose.

::

    ApplianceError            exit 1   HTTP 500   a bug when it is raised bare
    ├── SettingsError         exit 2   HTTP 400   a setting, an option, a recipe
    ├── InputError            exit 3   HTTP 422   bad data from outside
    ├── NotFoundError         exit 4   HTTP 404   no such data set, model, release, job
    ├── PolicyError           exit 5   HTTP 403   refused: a rule says no
    ├── IntegrityError        exit 6   HTTP 500   bytes are not what their hash says
    ├── MissingPartError      exit 7   HTTP 501   a part (extra, base model) is not installed
    ├── HardwareError         exit 8   HTTP 507   no space, no memory
    ├── BusyError             exit 9   HTTP 429   somebody else holds it, or the queue is full
    └── Interrupted           exit 130 HTTP 503   cancelled or Ctrl-C

A message says what failed, which value, and what to do next. It never carries record text.
Only `cli.py` and the HTTP layers catch these.
"""

from typing import ClassVar

__all__ = [
    "ApplianceError",
    "BusyError",
    "HardwareError",
    "InputError",
    "IntegrityError",
    "Interrupted",
    "MissingPartError",
    "NotFoundError",
    "PolicyError",
    "SettingsError",
]


class ApplianceError(Exception):
    """The root: anything Skerry raises on purpose."""

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500


class SettingsError(ApplianceError):
    """A setting, a command-line option or a recipe key is wrong."""

    exit_code = 2
    http_status = 400


class InputError(ApplianceError):
    """Data from outside cannot be used."""

    exit_code = 3
    http_status = 422


class NotFoundError(ApplianceError):
    """There is no data set, model, release, job or file of that name."""

    exit_code = 4
    http_status = 404


class PolicyError(ApplianceError):
    """A rule refuses the action."""

    exit_code = 5
    http_status = 403


class IntegrityError(ApplianceError):
    """Bytes on disk are not what their recorded hash says."""

    exit_code = 6
    http_status = 500


class MissingPartError(ApplianceError):
    """A part of Skerry (an extra, a base model) is not in this installation."""

    exit_code = 7
    http_status = 501


class HardwareError(ApplianceError):
    """The machine lacks room or memory."""

    exit_code = 8
    http_status = 507


class BusyError(ApplianceError):
    """Somebody else holds it, or a queue is full: try again later."""

    exit_code = 9
    http_status = 429


class Interrupted(ApplianceError):
    """The person at the keyboard, or `skerry jobs cancel`, stopped the work."""

    exit_code = 130
    http_status = 503
