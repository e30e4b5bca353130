"""What typer says by itself, in the reader's language: the frame of `--help`, and what is wrong with a command."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from typer import core
from typer._click.core import Context
from typer._click.formatting import HelpFormatter

from appliance.words import _

__all__ = ["fault", "speak"]


def speak() -> None:
    """Let typer use our words from now on."""
    vars(core)["_"] = _said
    Context.formatter_class = _Formatter


def _said(message: str) -> str:
    return {
        "Options": _("Options"),
        "Arguments": _("Arguments"),
        "Commands": _("Commands"),
        "required": _("required"),
        "default: {default}": _("default: {default}", default="{default}"),  # typer fills it in
        "Show this message and exit.": _("Show this message and exit."),
    }.get(message, message)


class _Formatter(HelpFormatter):
    """A page of help in the reader's language."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the first line: how the command is written."""
        args = args.replace("[OPTIONS]", _("[OPTIONS]")).replace("COMMAND [ARGS]...", _("COMMAND [ARGS]..."))
        super().write_usage(prog, args, prefix or _("Usage: "))

    def write_dl(self, rows: Sequence[tuple[str, str]], *args: Any, **kwargs: Any) -> None:
        """Write a list of options or verbs, each with its help."""
        super().write_dl([(name, _said(told)) for name, told in rows], *args, **kwargs)


# What typer and click say of a command that they cannot read, as of typer 0.29; what stands in quotes is the command's own.
_TOLD = (
    (re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((?P<what>.*)\)"), "extra"),
    (re.compile(r"Missing command\."), "verb"),
    (re.compile(r"No such command '(?P<what>.*)'\."), "command"),
    (re.compile(r"Option '(?P<what>.*)' does not take a value\."), "flag"),
    (re.compile(r"Option '(?P<what>.*)' requires .*"), "value"),
    (re.compile(r"Input should be a valid integer.*"), "whole"),
    (re.compile(r"Input should be a valid number.*"), "number"),
    (re.compile(r"Input should be greater than or equal to (?P<what>.*)"), "least"),
    (re.compile(r"Input should be less than or equal to (?P<what>.*)"), "most"),
)


def fault(message: str) -> str:
    """Say in the reader's language what typer says of a command; of a message that is not known only that the command cannot be read."""
    for pattern, name in _TOLD:
        if found := pattern.fullmatch(message):
            what = found.groupdict().get("what", "")
            return {
                "extra": _("`{what}` is too much.", what=what),
                "verb": _("a verb is missing."),
                "command": _("there is no verb `{name}`.", name=what),
                "flag": _("`{names}` takes no value.", names=what),
                "value": _("`{names}` needs a value.", names=what),
                "whole": _("it takes a whole number."),
                "number": _("it takes a number."),
                "least": _("it takes at least {what}.", what=what),
                "most": _("it takes at most {what}.", what=what),
            }[name]
    return _("the command cannot be read.")
