"""Bring the Chinese catalogue up to date: `python docs/catalogue.py`, or `make words`.

Takes every `_("...")` of the source, and what the settings say of themselves, into the catalogue of its package (the bundle stands alone, so it has its own), drops what nobody
says any more, compiles, and names what still lacks its Chinese. Babel's own commands would refuse `95 % interval` as a broken `%i` of another kind of message.
"""

from __future__ import annotations

import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from appliance.settings import descriptions

ROOT = Path(__file__).resolve().parents[1]
LOCALE = "locale/zh/LC_MESSAGES"
# what holds messages, and who extracts them
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
# catalogue, without its suffix: the folders whose messages it holds
CATALOGUES = {
    ROOT / "appliance" / LOCALE / "skerry": ("appliance", "labeling", "examples"),
    ROOT / "bundle" / LOCALE / "bundle": ("bundle",),
}


def said(sources: tuple[str, ...]) -> Catalog:
    """Return a catalogue of every message of the source folders."""
    found = Catalog()
    for source in sources:
        for _file, _line, message, _comments, _context in extract_from_dir(
            ROOT / source, method_map=METHODS, keywords={"_": None, "both": None}
        ):
            found.add(message)
    if "appliance" in sources:
        for description in descriptions():
            found.add(description)
    return found


def bring_up_to_date(path: Path, sources: tuple[str, ...]) -> list[str]:
    """Update and compile one catalogue; return the messages without Chinese."""
    with path.with_suffix(".po").open("rb") as file:
        catalogue = read_po(file, locale="zh")
    catalogue.update(said(sources), no_fuzzy_matching=True, update_creation_date=False)
    with path.with_suffix(".po").open("wb") as file:
        write_po(file, catalogue, width=0, sort_output=True, ignore_obsolete=True)
    with path.with_suffix(".mo").open("wb") as file:
        write_mo(file, catalogue)
    missing = [str(one.id) for one in catalogue if one.id and not one.string]
    print(f"{path.name}: {len(catalogue) - len(missing)} messages, {len(missing)} without Chinese")
    print("\n".join(map(repr, missing)))
    return missing


def main() -> None:
    """Update and compile every catalogue; exit with 1 while a translation is missing."""
    sys.exit(1 if max(len(bring_up_to_date(path, sources)) for path, sources in CATALOGUES.items()) else 0)


if __name__ == "__main__":
    main()
