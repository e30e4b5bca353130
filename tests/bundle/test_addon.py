"""An add-on: a program beside the appliance, in a prefix of its own, under settings that ask nobody."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bundle import sign
from bundle.manifest import MANIFEST, PROFILE, Listing, files_below, parse
from bundle.profile import load
from tests.bundle.small import Machine, key_folder, make_payload

ROOT = Path(__file__).resolve().parents[2]
PORT = 8097

# In the sealed namespace: make the first account, start, wait for an answer, use the account, say what was seen.
SERVE = f"""
import json, os, signal, subprocess, sys, time, urllib.request
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
command, home = sys.argv[1:]
account = ["--username", "admin@site.example", "--password", "only-for-this-test", "--user-token", "0123456789" * 4]
subprocess.run([command, "init", *account, "--enable-legacy-api-token"], check=True, stdout=subprocess.DEVNULL)
words = ["start", "--no-browser", "--internal-host", "127.0.0.1", "--port", "{PORT}"]
watch = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", home + "/../seen", "-e", "trace=connect,sendto,sendmsg"]
server = subprocess.Popen([*watch, command, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
def ask(path, **headers):
    request = urllib.request.Request("http://127.0.0.1:{PORT}" + path, headers=headers)
    return urllib.request.urlopen(request, timeout=20).read().decode()
begin = time.monotonic()
while True:
    try:
        health = ask("/health")
        break
    except OSError:
        assert server.poll() is None, "it ended"
        assert time.monotonic() < begin + 500, "it does not answer"
        time.sleep(1)
projects = ask("/api/projects", Authorization="Token " + "0123456789" * 4)
page = ask("/user/login/")
os.kill(-1, signal.SIGTERM)  # all in this namespace but this process, its first: strace hands no signal on
server.wait(60)
print(json.dumps({{"health": health, "projects": json.loads(projects)["count"], "form": "password" in page}}))
"""


def addon(folder: Path, **about: Any) -> Path:
    """A small payload that says of itself what an add-on's does."""
    payload = make_payload(folder, "1.0", 1)
    told = (
        json.loads((payload / PROFILE).read_text()) | {"own": False, "profile": "labels", "command": "labels"} | about
    )
    (payload / PROFILE).write_text(json.dumps(told))
    header = parse((payload / MANIFEST).read_text(), MANIFEST).header
    for name in (MANIFEST, "MANIFEST.SIG"):
        (payload / name).unlink()
    (payload / MANIFEST).write_text(Listing(header, files_below(payload)).text(), "ascii")
    sign.sign(payload / MANIFEST, key_folder())
    return payload


def test_an_addon_and_the_appliance_do_not_share_a_prefix(machine: Machine, tmp_path: Path) -> None:
    done = machine.install(addon(tmp_path / "addon"))
    assert done.returncode == 5
    assert "give `labels` folders of its own, as `--prefix /opt/labels --home /var/lib/labels`" in done.stderr
    assert machine.version() == "1.0"


def test_the_appliance_does_not_take_the_prefix_of_an_addon(tmp_path: Path, payloads: dict[str, Path]) -> None:
    other = Machine(tmp_path)
    assert other.install(addon(tmp_path / "addon")).returncode == 0
    assert other.install(payloads["2"]).returncode == 5


def test_the_command_of_an_addon_bears_its_name_and_carries_its_settings(tmp_path: Path) -> None:
    other = Machine(tmp_path)
    done = other.install(addon(tmp_path / "addon", environment={"LABELS_FOLDER": "{home}/labels", "LABELS_REPORT": ""}))
    assert done.returncode == 0, done.stderr
    command = other.prefix / "bin" / "labels"
    assert json.loads(done.stdout)["command"] == other.does("status")["command"] == str(command)
    assert not (other.prefix / "bin" / "skerry").exists()
    program = other.prefix / "current" / "venv" / "bin" / "labels"
    program.write_text('#!/bin/sh\nprintf "%s;%s;%s" "$LABELS_FOLDER" "${LABELS_REPORT-none}" "$1"\n')
    program.chmod(0o755)
    said = subprocess.run([command, "here"], capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert said.stdout == f"{other.home}/labels;;here"
    own = subprocess.run([command], capture_output=True, text=True, env={**os.environ, "LABELS_FOLDER": "/srv"})
    assert own.stdout.startswith("/srv;")  # the operator's word counts more


def test_a_running_addon_is_stopped_before_it_is_replaced(tmp_path: Path) -> None:
    from bundle import units
    from bundle.slots import Prefix

    place = Prefix(tmp_path / "prefix")
    script = place.releases / "1.0" / "venv" / "bin" / "label-studio"
    script.parent.mkdir(parents=True)
    script.write_text("import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    with subprocess.Popen([sys.executable, str(script), "start"], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None and running.stdout.readline() == b"up\n"
        assert units.stop(place, {}) == ["label-studio start"]
        assert running.wait() == -signal.SIGTERM


def test_the_shipped_addon_asks_nobody_and_lets_nobody_sign_up() -> None:
    found = load("label-studio")
    assert (found.command, found.own) == ("label-studio", False)
    switched_off = {"COLLECT_ANALYTICS": "false", "SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": ""}
    switched_off |= {"LATEST_VERSION_CHECK": "false", "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true"}
    assert switched_off.items() <= found.environment.items()


@pytest.mark.long
def test_label_studio_serves_from_an_installed_slot_without_network(tmp_path: Path) -> None:
    """From a stick that is built here; SKERRY_BUNDLE_CACHE names a folder of kept downloads, RUNTIME a Python to carry."""
    missing = [name for name in ("ip", "strace", "unshare") if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(missing) or 'nothing else'}")
    key, stick = tmp_path / "key", tmp_path / "stick"
    sign.keygen(key)
    program = [sys.executable, "-m", "bundle.cli"]
    cache = ["--cache", os.environ["SKERRY_BUNDLE_CACHE"]] if "SKERRY_BUNDLE_CACHE" in os.environ else []
    carried = ["--runtime", os.environ["RUNTIME"]] if "RUNTIME" in os.environ else []
    options = ["--key", str(key), "--serial", "1", "--out", str(stick), "--allow-unknown-advisories", *cache, *carried]
    subprocess.run([*program, "build", "--profile", "label-studio", *options], check=True, cwd=ROOT)
    other = Machine(tmp_path)
    where = ["--home", other.home, "--prefix", other.prefix, "--keys", other.keys, "--no-services"]
    trust = ["--vendor-key", key / "vendor.pem"]
    install = ["unshare", "--net", *program, "install", stick, *where, *trust, "--json"]
    done = subprocess.run([str(word) for word in install], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    command = json.loads(done.stdout)["command"]
    sealed = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    served = subprocess.run(
        [*sealed, sys.executable, "-c", SERVE, command, str(other.home)],
        capture_output=True,
        text=True,
    )
    assert served.returncode == 0, served.stderr[-3000:]
    assert json.loads(served.stdout) == {"health": '{"status": "UP"}', "projects": 0, "form": True}
    seen = (tmp_path / "seen").read_text()
    assert "127.0.0.1" in seen  # the watch sees what is there
    outside = [
        line for line in seen.splitlines() if ("sin_addr" in line and "127.0.0.1" not in line) or "sin6_" in line
    ]
    assert outside == []
    assert (other.home / "label_studio.sqlite3").is_file()
