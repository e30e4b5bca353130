"""`skerry-bundle VERB`, and the same verbs as `python3 bundle.pyz VERB` on a bare machine (standard library, Python 3.9+).

Results on stdout (`--json` = one object), progress and messages on stderr, exit codes as `skerry` has them.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

from bundle.errors import BundleError, HardwareError, of_system
from bundle.slots import default_prefix
from bundle.words import _

Json = dict[str, Any]


def main() -> None:
    """Run one verb and exit with its code."""
    os.umask(0o077)
    options = vars(parser().parse_args())
    as_json = options.pop("json")
    module, _colon, name = options.pop("work").partition(":")
    options.pop("verb")
    try:
        result = getattr(importlib.import_module(module), name)(**options)
        print(json.dumps(result, ensure_ascii=False) if as_json else _plain(result), flush=True)
    except BundleError as error:
        _end(str(error), error.exit_code)
    except BrokenPipeError:
        # Who reads has seen enough, as `head` does; what is left goes nowhere. 141 is how a shell shows SIGPIPE.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        _end(str(of_system(error)), of_system(error).exit_code)
    except MemoryError:
        _end(_("out of memory; give this machine more, or close other programs"), HardwareError.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0 if result.get("ok", True) else 1)


def _end(message: str, code: int) -> None:
    print(f"skerry-bundle: {message}", file=sys.stderr)
    sys.exit(code)


def _plain(result: Json) -> str:
    lines = []
    for key, value in result.items():
        if isinstance(value, dict):
            lines += [f"{key}:"] + [f"  {name}: {one}" for name, one in value.items()]
        elif isinstance(value, list):
            lines += [f"{key}:"] + [
                "  " + ("  ".join(map(str, item.values())) if isinstance(item, dict) else str(item)) for item in value
            ]
        else:
            lines.append(f"{key}: {value}")
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Return the parser of every verb that this side has."""
    made = argparse.ArgumentParser(
        prog="skerry-bundle", description=_("Build, verify and install a signed bundle."), allow_abbrev=False
    )
    verbs = made.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, work: str, text: str) -> argparse.ArgumentParser:
        # `INSTALL.SH` reads options too, and knows them by their full names
        added = verbs.add_parser(name, help=text, description=text, allow_abbrev=False)
        added.set_defaults(work=work)
        added.add_argument("--json", action="store_true", help=_("print one JSON object"))
        return added

    if importlib.util.find_spec("bundle.build"):  # `bundle.pyz` has the sealed side alone
        _connected_side(verb)
    _sealed_side(verb)
    return made


def _connected_side(verb: Any) -> None:
    """Verbs for the machine with a network."""
    added = verb(
        "keygen", "bundle.sign:keygen", _("Make a vendor key pair; its fingerprint goes to the other side on paper.")
    )
    added.add_argument("folder", type=Path, help=_("the new key folder"))
    added.add_argument("--signed-by", type=Path, metavar="KEYDIR", help=_("the key folder that the new one follows"))
    added.add_argument("--sm2", action="store_true", help=_("on the SM2 curve, for the extra signature"))
    added = verb("build", "bundle.build:build", _("Build a signed bundle for a sealed machine."))
    added.add_argument("--profile", required=True, help=_("a shipped profile's name, or a profile file"))
    added.add_argument("--key", type=Path, required=True, metavar="KEYDIR", help=_("the vendor's key folder"))
    added.add_argument("--out", type=Path, required=True, metavar="DIR", help=_("the new folder"))
    added.add_argument("--serial", type=int, required=True, metavar="N", help=_("counts upwards from bundle to bundle"))
    added.add_argument("--platform", default="", metavar="NAME", help=_("linux-x86_64 or linux-aarch64"))
    added.add_argument("--variant", default="", metavar="NAME", help=_("another build of the GPU libraries, as cu126"))
    added.add_argument("--medium", choices=("usb", "dvd", "cd"), default="usb", help=_("what carries it"))
    added.add_argument("--parity", type=int, default=2, metavar="N", help=_("parts that may be lost (2)"))
    added.add_argument("--runtime", type=Path, metavar="FILE", help=_("a carried Python, for machines without one"))
    added.add_argument("--add", type=Path, metavar="DIR", help=_("wheels that the package index does not serve"))
    added.add_argument("--request", type=Path, metavar="FILE", help=_("a request file from a sealed machine"))
    _advisories(added)
    added.add_argument("--second", type=Path, metavar="KEYDIR", help=_("a second key folder that signs too"))
    added.add_argument("--sm2", type=Path, metavar="KEYDIR", help=_("an SM2 key folder that signs too"))
    added.add_argument("--cache", type=Path, metavar="DIR", help=_("where downloads are kept"))
    added.add_argument("--payload", type=Path, metavar="DIR", help=_("keep the payload here, before it is cut"))
    added = verb("runtime", "bundle.runtime:carry", _("Compile the carried Python, for machines that have none."))
    added.add_argument("--out", type=Path, required=True, metavar="FILE", help=_("the archive, RUNTIME.TGZ"))
    added.add_argument("--conda-env", type=Path, metavar="PREFIX", help=_("pack this conda environment in its place"))
    added.add_argument("--sources", type=Path, metavar="DIR", help=_("Debian source packages, for want of apt"))
    added.add_argument("--cache", type=Path, metavar="DIR", help=_("where the compiled parts are kept"))
    added = verb(
        "copy", "bundle.receive:receive", _("Copy a bundle to a stick, with read-back; goes on where it stopped.")
    )
    added.add_argument("stick", type=Path, nargs="+", metavar="bundle", help=_("the bundle's folder"))
    added.add_argument("--to", type=Path, required=True, dest="staging", metavar="STICK", help=_("the stick's folder"))
    _keys(added, kept=False)
    _discard(added)
    added = verb("delta", "bundle.delta:delta", _("Write a stick with the files alone that a new bundle changes."))
    added.add_argument("base", type=Path, help=_("the bundle that the other side has"))
    added.add_argument("new", type=Path, help=_("the bundle that it shall have"))
    added.add_argument("--out", type=Path, required=True, metavar="DIR", help=_("the new folder"))
    added.add_argument("--key", type=Path, required=True, metavar="KEYDIR", help=_("the vendor's key folder"))
    added.add_argument("--parity", type=int, default=2, metavar="N", help=_("parts that may be lost (2)"))
    added.add_argument("--second", type=Path, metavar="KEYDIR", help=_("a second key folder that signs too"))
    added.add_argument("--sm2", type=Path, metavar="KEYDIR", help=_("an SM2 key folder that signs too"))
    added = verb("advisories", "bundle.advisories:advisories", _("Write a small stick with newer advisories alone."))
    added.add_argument("bundle", type=Path, help=_("the bundle that the other side has"))
    added.add_argument("--out", type=Path, required=True, metavar="DIR", help=_("the new folder"))
    added.add_argument("--key", type=Path, required=True, metavar="KEYDIR", help=_("the vendor's key folder"))
    _advisories(added)
    added.add_argument("--second", type=Path, metavar="KEYDIR", help=_("a second key folder that signs too"))
    added.add_argument("--sm2", type=Path, metavar="KEYDIR", help=_("an SM2 key folder that signs too"))
    added = verb(
        "convert", "bundle.convert:convert", _("Turn a pytorch_model.bin with vocab.txt into a safetensors base model.")
    )
    added.add_argument("folder", type=Path, help=_("the model's folder"))
    added.add_argument("--out", type=Path, required=True, metavar="DIR", help=_("the new folder"))
    added.add_argument("--no-sandbox", action="store_true", help=_("read the pickle without a network namespace"))


def _advisories(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--advisories", type=Path, metavar="FILE", help=_("an earlier advisory report, not a new one"))
    verb.add_argument(
        "--allow-unknown-advisories", action="store_true", help=_("go on where no advisory service answered")
    )


def _keys(verb: argparse.ArgumentParser, kept: bool = True) -> None:
    """Add the options for the trusted keys; `kept`: those of the installation here are demanded too."""
    if kept:
        verb.add_argument(
            "--prefix",
            type=Path,
            default=default_prefix(),
            metavar="DIR",
            help=_("the installation whose trusted keys are demanded too (/opt/skerry)"),
        )
    verb.add_argument(
        "--vendor-key",
        type=Path,
        required=not kept,
        metavar="FILE",
        help=_("the public key that you trust; needed the first time") if kept else _("the public key that you trust"),
    )
    _more_keys(verb)
    verb.add_argument("--least-serial", type=int, default=0, metavar="N", help=_("refuse a serial below this one"))


def _more_keys(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--second", type=Path, metavar="FILE", help=_("a second public key that must have signed too"))
    verb.add_argument("--sm2", type=Path, metavar="FILE", help=_("an SM2 public key that must have signed too"))


def _sealed_side(verb: Any) -> None:
    """Verbs for the sealed machine."""
    added = verb("request", "bundle.request:request", _("Write a file that asks for packages or models, names alone."))
    added.add_argument("--package", action="append", metavar="NAME==VERSION", help=_("a package; can be given again"))
    added.add_argument("--model", action="append", metavar="NAME", help=_("a model; can be given again"))
    added.add_argument("--out", type=Path, required=True, metavar="FILE", help=_("the new file"))
    added = verb("verify", "bundle.verify:verify", _("Check a stick, or its copy, against the vendor's public key."))
    added.add_argument("stick", type=Path, help=_("the stick's folder, or the one that holds its volumes"))
    _keys(added)
    added = verb(
        "receive", "bundle.receive:receive", _("Copy a stick or its volumes, go on where it stopped, repair, verify.")
    )
    added.add_argument("stick", type=Path, nargs="+", help=_("the stick's folder, or each volume's"))
    added.add_argument("--staging", type=Path, required=True, metavar="DIR", help=_("the copy; give it again to go on"))
    _keys(added)
    _discard(added)
    _installation(verb)


def _discard(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--discard", action="store_true", help=_("throw away another bundle that lies there"))


def _installation(verb: Any) -> None:
    added = verb(
        "preflight", "bundle.preflight:preflight", _("Say whether this machine can take the bundle; write nothing.")
    )
    added.add_argument("source", type=Path, nargs="?", help=_("the stick, its copy, or the unpacked payload"))
    _places(added)
    added.add_argument("--gpu", action="store_true", help=_("a GPU is wanted"))
    added = verb(
        "install",
        "bundle.install:install",
        _("Check, verify and install a bundle, and turn to it; goes on after a cut."),
    )
    added.add_argument("source", type=Path, help=_("the stick, its copy, or the unpacked payload"))
    _places(added)
    added.add_argument(
        "--vendor-key", type=Path, metavar="FILE", help=_("the public key that you trust; needed the first time")
    )
    _more_keys(added)
    added.add_argument("--keys", type=Path, metavar="DIR", help=_("folder of the key files, outside the home"))
    added.add_argument("--user", metavar="NAME", help=_("who the services run as (`skerry`)"))
    added.add_argument(
        "--lan",
        action="append",
        default=[],
        metavar="NETWORK",
        help=_("a network that may ask the server, as 192.168.10.0/24; can be given again"),
    )
    added.add_argument(
        "--name",
        action="append",
        default=[],
        dest="names",
        metavar="HOST",
        help=_("a name or address for the server's certificate; can be given again"),
    )
    added.add_argument("--gpu", action="store_true", default=None, help=_("a GPU is wanted"))
    added.add_argument(
        "--no-services", dest="services", action="store_false", default=None, help=_("make no systemd services")
    )
    added.add_argument("--allow-serial", type=int, metavar="N", help=_("take this serial although it is an older one"))
    for name, text in (
        ("status", _("Say which release is in use, which one before, and what was left unfinished.")),
        ("rollback", _("Turn back to the release before; data, models and settings stay.")),
        ("uninstall", _("Remove the releases and services; the home stays unless it is named.")),
    ):
        added = verb(name, f"bundle.rollback:{name}", text)
        added.add_argument("--prefix", type=Path, metavar="DIR", help=_("where the releases lie (/opt/skerry)"))
    added.add_argument(
        "--remove-home", type=Path, metavar="HOME", help=_("type the home's path: it is removed with all data")
    )


def _places(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--prefix", type=Path, metavar="DIR", help=_("where the releases lie (/opt/skerry)"))
    verb.add_argument("--home", type=Path, metavar="DIR", help=_("where data and models lie (/var/lib/skerry)"))
    verb.add_argument("--port", type=int, metavar="N", help=_("port of the server (8080)"))
    verb.add_argument(
        "--runtime", type=Path, metavar="FILE", help=_("a carried Python to use with an unpacked payload")
    )


if __name__ == "__main__":
    main()
