"""Nothing leaves: the whole recipe and the server under strace in a hostile environment, and once more without any network."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.egress import HOSTILE, sealed, watch
from tests.journeys.site import ROOT, Site, make_site

for program in ("strace", "unshare", "ip"):
    if not shutil.which(program):
        pytest.skip(
            f"needs the system package with `{program}` (strace, util-linux, iproute2)", allow_module_level=True
        )

# A server that answers one request and is then told to stop, in one process tree that strace can follow.
SERVE_ONCE = """
import json, re, signal, subprocess, sys, urllib.request
server = subprocess.Popen([sys.executable, "-m", "appliance.cli", "serve", "--no-auth", "--port", "0"], stderr=subprocess.PIPE, text=True)
address = next(found[0] for line in server.stderr if (found := re.search(r"http://[0-9.]+:[0-9]+", line)))
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for attempt in range(200):
    try:
        opener.open(address + "/v2/health/ready"); break
    except OSError:
        import time; time.sleep(0.1)
body = json.dumps({"inputs": ["my card"], "model": "triage"}).encode()
answer = opener.open(urllib.request.Request(address + "/v1/predict", body, {"Content-Type": "application/json"}))
print(answer.read().decode())
server.send_signal(signal.SIGTERM); sys.exit(server.wait(timeout=60))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make_site(tmp_path_factory.mktemp("site"))


def test_the_recipe_tries_to_reach_nobody(site: Site) -> None:
    done, attempts = watch(
        site.command("run", str(site.folder / "triage.toml"), "--json"),
        environment=site.environment | HOSTILE,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert attempts == []


def test_the_server_tries_to_reach_nobody(site: Site) -> None:
    site.run("run", str(site.folder / "triage.toml"))
    done, attempts = watch([sys.executable, "-c", SERVE_ONCE], environment=site.environment | HOSTILE, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["predictions"][0]["label"]
    assert attempts == []


def test_the_privacy_verbs_try_to_reach_nobody(site: Site) -> None:
    """Every recognizer and operator reads the planted addresses of mail and web; then recall, erasure, a table and a backup."""
    made = str(site.folder / "messages.csv")
    who = site.folder / "who.txt"
    who.write_text("PAT-0003-QZ\n")
    verbs = [
        ["scrub", made, "--out", str(site.folder / "a.csv"), "--policy", "pipl", "--text-column", "text"],
        ["scrub", made, "--out", str(site.folder / "b.csv"), "--policy", "hipaa-safe-harbor", "--report", str(site.folder / "r")],
        ["recall", made, "--seeded", "1"],
        ["ingest", made, "--name", "forget", "--subject-column", "patient"],
        ["erase", "--subject-file", str(who), "--yes"],
        ["table", "roles", made, "--out", str(site.folder / "roles.toml")],
        ["backup", str(site.folder / "copy")],
    ]  # fmt: skip
    for verb in verbs:
        done, attempts = watch(site.command(*verb), environment=site.environment | HOSTILE, cwd=ROOT)
        assert done.returncode == 0, (verb, done.stderr[-3000:])
        assert attempts == [], verb


def test_the_recipe_and_the_server_work_without_a_network(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    for command in (site.command("run", str(tmp_path / "triage.toml")), [sys.executable, "-c", SERVE_ONCE]):
        done = subprocess.run(
            sealed(command), env=site.environment, cwd=ROOT, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr[-3000:]


def test_a_planted_request_is_caught(site: Site) -> None:
    """The same watch over the same command with one `requests.get` in it must fail."""
    planted = "import requests, sys\ntry: requests.get('http://192.0.2.9/', timeout=1)\nexcept Exception: pass\nfrom appliance.cli import main\nsys.argv = ['skerry', 'list']\nmain()"
    _done, attempts = watch([sys.executable, "-c", planted], environment=site.environment, cwd=ROOT)
    assert any("192.0.2.9" in attempt for attempt in attempts)
