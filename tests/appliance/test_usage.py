"""What typer says by itself is said in our words, so that it has a translation."""

from __future__ import annotations

import sys

import pytest

from appliance import cli, usage
from appliance.words import _


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every word of ours in brackets."""
    monkeypatch.setattr(usage, "_", lambda message, **values: f"«{_(message, **values)}»")


def skerry(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["skerry", *arguments])
    monkeypatch.setattr("os._exit", sys.exit)
    with pytest.raises(SystemExit):
        cli.main()


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("arguments", [("vault", "--help"), ("vault",)])
def test_the_frame_of_help_is_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    skerry(monkeypatch, *arguments)
    told = "".join(capsys.readouterr())
    for word in (
        "«Usage: »",
        "«[OPTIONS]» «COMMAND [ARGS]...»",
        "«Options»",
        "«Commands»",
        "«Show this message and exit.»",
    ):
        assert word in told
    assert not told.startswith("skerry:")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("recall", "x", "--seeded", "many"), "the value of `--seeded` does not fit: it takes a whole number."),
        (("recall", "x", "--seeded", "0"), "the value of `--seeded` does not fit: it takes at least 1."),
        (("recall", "x", "--seeded"), "`--seeded` needs a value."),
        (("recall", "x", "y"), "`y` is too much."),
        (("kinds", "--json=yes"), "`--json` takes no value."),
        (("policy", "no-such"), "there is no verb `no-such`."),
        (("reveal",), "`items` is missing."),
        (
            ("table", "report", "a", "--roles", "b", "-k", "1.5"),
            "the value of `-k` does not fit: it takes a whole number.",
        ),
    ],
)
def test_what_is_wrong_with_a_command_is_told_in_our_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    skerry(monkeypatch, *arguments)
    assert capsys.readouterr().err.startswith(f"skerry: {told} See `")


def test_what_typer_says_anew_is_not_passed_on() -> None:
    assert usage.fault("something in English") == "the command cannot be read."
