"""Bring the Chinese catalogue up to date: `python docs/catalogue.py`, or `make words`.

Takes every `_("...")` of the source into `skerry.po`, drops what nobody says any more, compiles `skerry.mo` and names what still
lacks its Chinese. Babel's own commands would refuse `95 % interval` as a broken `%i` of another kind of message.
"""

from __future__ import annotations

import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "appliance" / "locale" / "zh" / "LC_MESSAGES"
SOURCES = ("appliance", "labeling", "bundle", "examples")


def said() -> Catalog:
    """Return a catalogue of every message of the source."""
    found = Catalog()
    for source in SOURCES:
        for _file, _line, message, _comments, _context in extract_from_dir(ROOT / source, keywords={"_": None}):
            found.add(message)
    return found


def main() -> None:
    """Update and compile the catalogue; exit with 1 while a translation is missing."""
    path = FOLDER / "skerry.po"
    with path.open("rb") as file:
        catalogue = read_po(file, locale="zh")
    catalogue.update(said(), no_fuzzy_matching=True, update_creation_date=False)
    with path.open("wb") as file:
        write_po(file, catalogue, width=0, sort_output=True, ignore_obsolete=True)
    with (FOLDER / "skerry.mo").open("wb") as file:
        write_mo(file, catalogue)
    missing = [one.id for one in catalogue if one.id and not one.string]
    print(f"{len(catalogue) - len(missing)} messages, {len(missing)} without Chinese")
    print("\n".join(map(repr, missing)))
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
