"""`skerry-bundle VERB`, and the same verbs as `python3 bundle.pyz VERB` on a bare machine (standard library, Python 3.9+).

Results on stdout (`--json` = one object), progress and messages on stderr, exit codes as `skerry` has them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from typing import Any

from bundle.errors import BundleError
from bundle.words import _

Json = dict[str, Any]


def main() -> None:
    """Run one verb and exit with its code."""
    os.umask(0o077)
    parser = _parser()
    options = vars(parser.parse_args())
    as_json = options.pop("json")
    module, _colon, name = options.pop("work").partition(":")
    options.pop("verb")
    try:
        result = getattr(importlib.import_module(module), name)(**options)
    except BundleError as error:
        print(f"skerry-bundle: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(result, ensure_ascii=False) if as_json else _plain(result))
    sys.exit(0 if result.get("ok", True) else 1)


def _plain(result: Json) -> str:
    lines = []
    for key, value in result.items():
        if isinstance(value, list):
            lines += [f"{key}:"] + [
                "  " + ("  ".join(map(str, item.values())) if isinstance(item, dict) else str(item)) for item in value
            ]
        else:
            lines.append(f"{key}: {value}")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="skerry-bundle", description=_("Build, verify and install a signed bundle."))
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, work: str, text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(work=work)
        added.add_argument("--json", action="store_true", help=_("print one JSON object"))
        return added

    for add in (_connected_side, _sealed_side):
        add(verb)
    return parser


def _connected_side(verb: Any) -> None:
    """Verbs for the machine with a network."""


def _sealed_side(verb: Any) -> None:
    """Verbs for the sealed machine."""


if __name__ == "__main__":
    main()
