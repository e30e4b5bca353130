"""Pages: what comes from outside is text, what cannot be seen is shown, files of others are the pinned ones."""

from __future__ import annotations

import hashlib
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.web import pages
from appliance.web.pages import HERE, coded, hidden_name, visible

STATIC = HERE / "static"


@pytest.mark.parametrize(
    "character, name",
    [("\u200b", "U+200B"), ("\u202e", "U+202E"), ("\u2066", "U+2066"), ("\ufeff", "U+FEFF"), ("\u00ad", "U+00AD"), ("\u00a0", "U+00A0"), ("\r", "U+000D"),
     ("\0", "U+0000"), ("\u2028", "U+2028"), ("\u3164", "U+3164"), ("\U000e0041", "U+E0041"), ("\x85", "U+0085"), ("\ue000", "U+E000")],
)  # fmt: skip
def test_what_cannot_be_seen_has_a_name(character: str, name: str) -> None:
    assert hidden_name(character) == name
    [before, piece, after] = visible(f"a{character}b")
    assert (before.text, piece.name, after.text) == ("a", name, "b") and len(piece.text) == 1


@pytest.mark.parametrize("character", [*"aZ09 .\n\t\u3000é中あא", "\U0001f600", "\U00020bb7"])
def test_what_can_be_seen_has_none(character: str) -> None:
    assert hidden_name(character) == ""


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_no_code_point_is_lost_or_added(text: str) -> None:
    pieces = visible(text)
    shown = "".join(piece.text for piece in pieces)
    assert len(shown) == len(text)
    assert shown == re.sub("[\r\0]", "\ufffd", text)
    hidden = [hidden_name(character) for character in text]
    assert [piece.name for piece in pieces if piece.name] == [name for name in hidden if name]


def test_every_format_character_of_unicode_is_shown() -> None:
    """Bidirectional controls, tags, joiners: the whole category Cf, whatever version of Unicode Python knows."""
    unseen = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Cf"]
    assert len(unseen) > 150 and all(map(hidden_name, unseen))


def test_a_message_becomes_html_with_everything_escaped() -> None:
    assert coded("run `a <b>` & go") == "run <code>a &lt;b&gt;</code> &amp; go"


def test_the_files_of_others_are_the_pinned_ones() -> None:
    listed = dict(reversed(line.split()) for line in (STATIC / "SHA256SUMS").read_text().splitlines() if line[0] != "#")
    assert set(listed) == {"htmx.min.js", "inter-latin.woff2", "LICENSE.htmx", "LICENSE.inter"}
    assert {path.name for path in STATIC.iterdir()} == set(listed) | {"SHA256SUMS", "skerry.css", "skerry.svg"}
    for name, digest in listed.items():
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest, name


def test_the_licences_stand_beside_them() -> None:
    assert "Zero-Clause BSD" in (STATIC / "LICENSE.htmx").read_text()
    assert "SIL Open Font License" in (STATIC / "LICENSE.inter").read_text()


def test_our_own_files_name_no_other_host() -> None:
    for path in (STATIC / "skerry.css", *pages.HERE.glob("templates/*.html")):
        assert not re.findall(r"(?:https?:)?//\w", path.read_text("utf-8")), path.name


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb` (WCAG 2.2, "relative luminance")."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.2, "contrast ratio")."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_colours_keep_their_contrast(dark: bool) -> None:
    css = (STATIC / "skerry.css").read_text()
    light, night = css.split("prefers-color-scheme: dark")
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", night if dark else light))
    grounds = ("paper", "card")
    for ink in ("ink", "soft", "accent", "warn", "fault", "good"):
        assert all(contrast(colours[ink], colours[ground]) >= 4.5 for ground in grounds), ink
    assert all(contrast(colours["edge"], colours[ground]) >= 3 for ground in grounds)
    for ink, ground in (
        ("accent-ink", "accent"),
        ("warn", "warn-soft"),
        ("fault", "fault-soft"),
        ("accent", "accent-soft"),
    ):
        assert contrast(colours[ink], colours[ground]) >= 4.5, ink
