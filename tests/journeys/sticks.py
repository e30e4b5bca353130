"""What the journeys of the stick start from: Debian roots, two sticks of the appliance, and a folder of messages.

Given by the environment, or made here, which needs the network: `SKERRY_ROOTS` (a folder of debootstrap trees by name),
`SKERRY_STICKS_APPLIANCE_CPU` and `SKERRY_STICKS_SERVE_CPU` (two sticks each, the older one first, a colon between),
`SKERRY_RUNTIME` (a carried Python), `SKERRY_BUNDLE_CACHE` (downloads at hand).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECIPE = """[data]
files = ["messages_en.csv"]
label = "label"
subject = "patient"
[train]
base = "minilm"
method = "probe"
[release]
name = "triage"
"""
# Skerry's own Python asks its server: the sealed machine has no other program that could. Words: port, key, authority,
# number of texts. It says when it has asked.
ASK = """
import http.client, json, ssl, sys
port, key, authority, texts = sys.argv[1:]
trusted = ssl.create_default_context(cafile=authority) if authority else None
over = {"timeout": 120} | ({"context": trusted} if trusted else {})
connection = (http.client.HTTPSConnection if trusted else http.client.HTTPConnection)("127.0.0.1", int(port), **over)
headers = {"Content-Type": "application/json"} | ({"Authorization": "Bearer " + key} if key else {})
body = json.dumps({"inputs": ["I have lost my debit card. " * 20] * int(texts)})
connection.request("POST", "/v1/predict", body, headers)
print("asked", file=sys.stderr, flush=True)
answer = connection.getresponse()
if answer.status != 200:
    sys.exit(str(answer.status))
print(answer.read().decode())
"""


def debian(name: str, release: str, *packages: str) -> Path:
    """Return a debootstrap minbase tree of a Debian release, with `packages` in it and no others."""
    given = Path(os.environ.get("SKERRY_ROOTS", ROOT / ".cache" / "roots"))
    tree = given / name
    if tree.is_dir():
        return tree
    if not shutil.which("debootstrap") or os.geteuid() != 0:
        pytest.skip(f"needs root and `debootstrap`, or `{tree}`")
    unfinished = tree.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    included = [f"--include={','.join(packages)}"] if packages else []
    made = run(["debootstrap", "--variant=minbase", *included, release, unfinished])
    if made.returncode:
        pytest.skip(f"debootstrap of {release} needs a Debian mirror")
    unfinished.rename(tree)
    return tree


def sticks(folder: Path, profile: str) -> list[Path]:
    """Return two sticks of a profile, the older one first."""
    given = os.environ.get("SKERRY_STICKS_" + profile.upper().replace("-", "_"))
    if given:
        return [Path(path) for path in given.split(":")]
    runtime = Path(os.environ.get("SKERRY_RUNTIME", folder / "RUNTIME.TGZ"))
    if not runtime.exists():
        _bundle("runtime", "--out", runtime)
    _bundle("keygen", folder / "key")
    made = [folder / "stick1", folder / "stick2"]
    for serial, stick in enumerate(made, start=1):
        options: list[object] = ["--profile", profile, "--runtime", runtime, "--allow-unknown-advisories"]
        options += ["--key", folder / "key", "--serial", serial]
        if "SKERRY_BUNDLE_CACHE" in os.environ:
            options += ["--cache", os.environ["SKERRY_BUNDLE_CACHE"]]
        _bundle("build", *options, "--out", stick)
    return made


def _bundle(*words: object) -> None:
    done = run([sys.executable, "-m", "bundle.cli", *words])
    if done.returncode:
        pytest.skip(f"`skerry-bundle {words[0]}` needs a network, or sticks at hand: {done.stderr[-300:]}")


def run(command: list[object]) -> subprocess.CompletedProcess[str]:
    """Run a program of this machine."""
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd=ROOT)


def site(folder: Path) -> Path:
    """Write SYNTHETIC messages, a recipe for them and the program that asks into `folder`, readable by everybody."""
    made = run([sys.executable, ROOT / "examples" / "make_messages.py", "--rows", 600, "--out", folder])
    assert made.returncode == 0, made.stderr
    (folder / "triage.toml").write_text(RECIPE, "utf-8")
    (folder / "ask.py").write_text(ASK, "utf-8")
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)
    return folder


def proof(stick: Path, openssl: bool) -> list[str]:
    """Return what an operator reads from paper: the key's fingerprint, or, without openssl, the digest of the list."""
    if not openssl:
        return ["--parts-sha256", _first_word(["sha256sum", stick / "PARTS"])]
    told = run(["sh", "-c", f"openssl pkey -pubin -in '{stick}/VENDOR.PEM' -outform DER | sha256sum"]).stdout
    return ["--fingerprint", told.split()[0]]


def _first_word(command: list[object]) -> str:
    return run(command).stdout.split()[0]
