"""A small real payload: a wheel of a few lines that is a working `skerry` for the installer, signed with a real key.

Its store is SQLite as the real one's is. `fault` plants what an installation must catch: `import`, `selftest`, `health`,
`migrate`, or `contract` (a migration that the release before cannot live with).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

from bundle import sign
from bundle.manifest import Listing, files_below

ROOT = Path(__file__).resolve().parents[2]
# Before a command: who kills it kills whatever it started, in whatever session (pid_namespaces(7)).
TOGETHER = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")

PROGRAM = """
import json, os, pathlib, signal, sqlite3, sys, time

VERSION, SCHEMA, FAULT = {version!r}, {schema}, {fault!r}

def store():
    home = pathlib.Path(os.environ["SKERRY_HOME"])
    home.mkdir(mode=0o700, exist_ok=True)
    database = sqlite3.connect(home / "skerry.db", isolation_level=None)
    database.execute("CREATE TABLE IF NOT EXISTS labels (text TEXT)")
    found = database.execute("PRAGMA user_version").fetchone()[0]
    if found < SCHEMA:
        if FAULT == "migrate" and (home / "site").exists():
            database.execute("DROP TABLE labels")
            sys.exit("the migration fails half way")
        if FAULT == "contract":
            database.execute("ALTER TABLE labels RENAME TO renamed")
        for number in range(found + 1, SCHEMA + 1):
            database.execute(f"CREATE TABLE added_{{number}} (value TEXT)")
        database.execute(f"PRAGMA user_version = {{SCHEMA}}")
    return home, database

def doctor():
    home, database = store()
    tables = {{name for name, in database.execute("SELECT name FROM sqlite_master")}}
    ok = "renamed" not in tables or FAULT == "contract"
    if FAULT == "selftest" or FAULT in ("health", "contract") and (home / "site").exists():
        ok = False
    print(json.dumps({{"ok": ok, "checks": [{{"name": "store", "ok": ok, "needed": True, "found": VERSION, "next": "mend it"}}]}}))

def serve():
    home, database = store()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit((home / "drained").write_text(VERSION) and 0))
    (home / "serving").write_text(VERSION)
    time.sleep(600)

def label():
    home, database = store()
    database.execute("INSERT INTO labels VALUES (?)", (sys.argv[2],))

def main():
    {{"init": store, "doctor": doctor, "serve": serve, "label": label}}[sys.argv[1]]()
"""


def make_payload(
    folder: Path,
    version: str,
    serial: int,
    schema: int = 1,
    fault: str = "",
    tool: str = "uv",
    services: tuple[str, ...] = (),
) -> Path:
    """Write and sign a payload folder. Returns it."""
    wheels, models = folder / "wheels", folder / "models" / "tiny"
    wheels.mkdir(parents=True)
    models.mkdir(parents=True)
    (models / "base.json").write_text('{"name": "tiny"}\n')
    wheel = _wheel(wheels, version, schema, fault)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "requirements.txt").write_text(f"skerry=={version} --hash=sha256:{digest}\n")
    about = {
        "product": "skerry", "profile": "small", "version": version, "serial": serial, "python": "3.11",
        "platform": f"linux-{os.uname().machine}", "glibc": "2.17", "extras": [], "own": True, "models": ["tiny"],
        "installed_bytes": 1_000_000, "services": list(services), "tools": _tool(wheels, tool),
    }  # fmt: skip
    (folder / "profile.json").write_text(json.dumps(about))
    header = {"format": "skerry-manifest-1"} | {
        key: str(about[key]) for key in ("product", "version", "serial", "platform", "profile", "python")
    }
    header |= {"built": "2026-01-02T03:04:05Z", "signatures": ".SIG"}
    (folder / "MANIFEST").write_text(Listing(header, files_below(folder)).text(), "ascii")
    sign.sign(folder / "MANIFEST", key_folder())
    return folder


@cache
def key_folder() -> Path:
    """Return one vendor's key folder for all tests."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="skerry-key-"))
    sign.keygen(folder / "key")
    return folder / "key"


def _wheel(folder: Path, version: str, schema: int, fault: str) -> Path:
    files = {
        "skerry_small.py": PROGRAM.format(version=version, schema=schema, fault=fault),
        f"skerry-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: skerry\nVersion: {version}\n",
        f"skerry-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: small\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"skerry-{version}.dist-info/entry_points.txt": "[console_scripts]\nskerry = skerry_small:main\n",
    }
    if fault == "import":  # what a wheel for another machine looks like
        files["broken.so"] = "this is no shared object"
    return _zip(folder / f"skerry-{version}-py3-none-any.whl", files, f"skerry-{version}.dist-info/RECORD")


def _tool(wheels: Path, tool: str) -> dict[str, str]:
    if tool == "uv":  # the real uv, reached from a small wheel
        import uv

        script = {"uv-1.data/scripts/uv": f'#!/bin/sh\nexec {uv.find_uv_bin()} "$@"\n'}
        return {"uv": "wheels/" + _zip(wheels / "uv-1-py3-none-any.whl", script, "uv-1.dist-info/RECORD").name}
    import ensurepip

    bundled = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    (wheels / bundled.name).write_bytes(bundled.read_bytes())
    return {"pip": f"wheels/{bundled.name}"}


def _zip(path: Path, files: dict[str, str], record: str) -> Path:
    digests = {
        name: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        for name, text in files.items()
    }
    lines = [f"{name},sha256={digests[name]},{len(text.encode())}" for name, text in files.items()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, record: "\n".join([*lines, f"{record},,"]) + "\n"}.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return path


class Machine:
    """One sealed machine: a prefix, a home and keys of its own, driven by the command line."""

    def __init__(self, folder: Path) -> None:
        self.prefix, self.home, self.keys = folder / "prefix", folder / "home", folder / "keys"

    def command(self, *words: object) -> list[str]:
        """Return the command line of a verb of `skerry-bundle`."""
        return [sys.executable, "-m", "bundle.cli", *map(str, words), "--prefix", str(self.prefix), "--json"]

    def install_command(self, payload: Path, *words: object) -> list[str]:
        """Return the command line that installs a payload."""
        places = [
            "--home",
            self.home,
            "--keys",
            self.keys,
            "--vendor-key",
            key_folder() / "vendor.pem",
            "--no-services",
        ]
        return self.command("install", payload, *places, *words)

    def environment(self) -> dict[str, str]:
        """Return what a command of this machine finds in its environment."""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(self.home.parent),
        }

    def run(self, command: list[str], *before: str) -> subprocess.CompletedProcess[str]:
        """Run a command line, perhaps under another program."""
        return subprocess.run([*before, *command], capture_output=True, text=True, check=False, env=self.environment())

    def install(self, payload: Path, *words: object) -> subprocess.CompletedProcess[str]:
        """Install a payload."""
        return self.run(self.install_command(payload, *words))

    def does(self, *words: object) -> dict[str, object]:
        """Run a verb that must succeed and return its JSON."""
        done = self.run(self.command(*words))
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def skerry(self, *words: str) -> str:
        """Run the installed command."""
        done = self.run([str(self.prefix / "bin" / "skerry"), *words])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def version(self) -> str:
        """Return the version that answers, by asking it; empty when nothing is installed."""
        if not (self.prefix / "current").is_symlink():
            return ""
        found: str = json.loads(self.skerry("doctor", "--json"))["checks"][0]["found"]
        return found

    def labels(self) -> list[str]:
        """Return what people have labelled, as the store has it."""
        store = sqlite3.connect(self.home / "skerry.db")
        rows = [text for (text,) in store.execute("SELECT text FROM labels")]
        store.close()
        return rows
