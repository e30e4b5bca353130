"""The images, built and run for real: no registry, no network, and nothing but two volumes that can be written.

`make images` builds them; podman runs them by `images/run.sh`, the way an operator does.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.export.serve_only import serve_only
from appliance.store import Store
from tests.journeys.site import messages
from tests.tiny_onnx import LABELS, add_model, text

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[1]
ONE_THREAD = "--env OMP_NUM_THREADS=1"  # threads that spin on busy cores take many times as long
HYBRID = Path("/sys/fs/cgroup/unified")

# What a program inside finds: who it is, what it may do, where it may write.
LOOK = """
import importlib.util, json, os, socket, stat
status = dict(line.rstrip().split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
writable, risen = [], []
for folder, below, files in os.walk("/"):
    if folder == "/":
        below[:] = [name for name in below if name not in ("proc", "sys", "dev")]
    if os.access(folder, os.W_OK):
        writable.append(folder)
        below.clear()
    risen += [name for name in files if os.lstat(os.path.join(folder, name)).st_mode & (stat.S_ISUID | stat.S_ISGID)]
print(json.dumps({
    "user": os.getuid(), "rights": [status["CapEff"], status["CapBnd"]], "seccomp": status["Seccomp"], "no_new": status["NoNewPrivs"],
    "interfaces": [name for _, name in socket.if_nameindex()], "writable": writable, "risen": risen,
    "torch": importlib.util.find_spec("torch") is not None,
}))
"""

ASK = """
import json, sys, urllib.request
key, words = sys.argv[1:]
body = json.dumps({"inputs": [words]}).encode()
headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
request = urllib.request.Request("http://127.0.0.1:8080/v1/predict", body, headers)
print(urllib.request.urlopen(request, timeout=10).read().decode())
"""


class Images:
    """Builds images, and runs them by podman with storage of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.made = folder, set[str]()
        storage = folder / "storage.conf"
        storage.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{folder / "graph"}"\nrunroot = "{folder / "run"}"\n'
        )
        self.environment = os.environ | {"CONTAINERS_STORAGE_CONF": str(storage)}
        if HYBRID.is_dir():  # crun runs on version 1 or 2 of control groups, not on both: it is shown the first alone
            shim = folder / "bin" / "podman"
            shim.parent.mkdir()
            real = shutil.which("podman")
            shim.write_text(f'#!/bin/sh\nexec unshare -m sh -c \'umount {HYBRID}; exec {real} "$@"\' - "$@"\n')
            shim.chmod(0o755)
            self.environment["PATH"] = f"{shim.parent}:{self.environment['PATH']}"

    def podman(self, *words: str) -> str:
        """Run podman and return what it printed."""
        return self._output(["podman", *words])

    def make(self, profile: str) -> None:
        """Build the image of a profile and load it, once."""
        if profile not in self.made:
            options = os.environ.get("BUILD_OPTIONS", "--allow-unknown-advisories")
            self._output(["make", "images", f"PROFILE={profile}", f"BUILD_OPTIONS={options}"])
            self.podman("load", "--quiet", "--input", str(ROOT / "build" / "images" / f"{profile}.oci"))
            self.made.add(profile)

    def command(self, profile: str, *words: str) -> list[str]:
        """Return the command line that an operator types."""
        return ["sh", str(ROOT / "images" / "run.sh"), profile, *words]

    def skerry(self, profile: str, *words: str, options: str = "") -> dict[str, Any]:
        """Run a verb in an image and return its JSON."""
        found: dict[str, Any] = json.loads(self._output(self.command(profile, *words, "--json"), options))
        return found

    def look(self, profile: str) -> dict[str, Any]:
        """Return what a program inside finds."""
        found: dict[str, Any] = json.loads(
            self._output(self.command(profile, "-I", "-c", LOOK), "--entrypoint python3")
        )
        return found

    def start(self, profile: str, *words: str, name: str) -> subprocess.Popen[bytes]:
        """Start a verb that stays, in a container called `name`."""
        environment = self.environment | {"OPTIONS": f"--name {name}"}
        return subprocess.Popen(self.command(profile, *words), env=environment, cwd=ROOT)

    def _output(self, command: list[str], options: str = "") -> str:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=self.environment | {"OPTIONS": f"{ONE_THREAD} {options}"},
            cwd=ROOT,
        )
        assert done.returncode == 0, f"{command[:4]}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def images() -> Iterator[Images]:
    missing = [name for name in ("buildah", "debootstrap", "make", "podman", "unshare") if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(missing) or 'nothing else'}")
    with tempfile.TemporaryDirectory(prefix="skerry-images-") as folder:
        made = Images(Path(folder))
        yield made
        made.podman("rm", "--all", "--force")
        made.podman("rmi", "--all", "--force")


@pytest.fixture
def volumes(images: Images) -> Iterator[None]:
    """The volumes of one site, empty at first."""
    yield
    images.podman("volume", "rm", "--force", "skerry-home", "skerry-keys")


def ask(images: Images, name: str, key: str, words: str) -> dict[str, Any]:
    """Ask the server from within its container, which alone reaches it; waits until it is ready."""
    until = time.monotonic() + 60
    while True:
        try:
            answer: dict[str, Any] = json.loads(images.podman("exec", name, "python3", "-I", "-c", ASK, key, words))
            return answer
        except AssertionError:
            if time.monotonic() > until:
                raise
            time.sleep(1)


def serve_and_ask(images: Images, words: str) -> dict[str, Any]:
    """Serve what is live, ask once, refuse a stranger, stop; returns the answer."""
    key = images.skerry("serve-cpu", "key", "add", "reader")["key"]
    server = images.start("serve-cpu", "serve", "--host", "0.0.0.0", name="serving")
    try:
        answer = ask(images, "serving", key, words)
        with pytest.raises(AssertionError, match="401"):
            images.podman("exec", "serving", "python3", "-I", "-c", ASK, "skerry_stranger", words)
    finally:
        images.podman("kill", "--signal", "TERM", "serving")
    assert server.wait(60) == 0
    return answer


@pytest.mark.parametrize("profile", ["serve-cpu", "appliance-cpu"])
def test_a_program_inside_has_no_rights_no_network_and_two_places_to_write(
    images: Images, volumes: None, profile: str
) -> None:
    images.make(profile)
    found = images.look(profile)
    writable = set(found.pop("writable"))
    assert found == {
        "user": 65532,
        "rights": ["0000000000000000"] * 2,
        "seccomp": "2",
        "no_new": "1",
        "interfaces": ["lo"],
        "risen": [],
        "torch": profile != "serve-cpu",
    }
    in_memory = {"/run", "/tmp", "/var/tmp"}  # podman's, gone with the container
    assert writable - in_memory == {"/etc/skerry", "/var/lib/skerry"}


@pytest.mark.parametrize(
    ("profile", "stages"),
    [
        ("serve-cpu", {"install-check", "serve"}),
        ("appliance-cpu", {"install-check", "ingest", "scrub", "train", "export", "serve"}),
    ],
)
def test_every_stage_of_the_image_passes_its_self_test(
    images: Images, volumes: None, profile: str, stages: set[str]
) -> None:
    images.make(profile)
    found = images.skerry(profile, "selftest")
    assert found["ok"]
    assert {row["stage"] for row in found["stages"] if row["state"] == "passed"} == stages


def test_a_signed_model_on_a_read_only_mount_is_served(images: Images, volumes: None, tmp_path: Path) -> None:
    images.make("serve-cpu")
    store = Store.open()
    sent = serve_only(store, add_model(store), tmp_path / "triage")
    for path in (tmp_path / "triage", *(tmp_path / "triage").iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    carried = f"--volume {tmp_path / 'triage'}:/in:ro"
    taken = images.skerry("serve-cpu", "load", "/in", "--signer", sent["signer"], options=carried)
    assert taken["model"] == sent["model"]
    images.skerry("serve-cpu", "promote", "triage")
    answer = serve_and_ask(images, text(7))
    assert answer["version"] == sent["model"].partition("@")[2]
    assert answer["predictions"][0]["label"] in LABELS


def test_a_model_made_in_one_image_is_served_by_the_other(images: Images, volumes: None, tmp_path: Path) -> None:
    """The appliance ingests, scrubs, trains and exports in its image; the model goes to a site that only serves."""
    images.make("appliance-cpu")
    images.make("serve-cpu")
    tmp_path.chmod(0o755)
    messages(tmp_path / "messages.csv").chmod(0o644)
    recipe = tmp_path / "triage.toml"
    recipe.write_text(
        '[data]\nfiles = ["/in/messages.csv"]\n[curate]\nsplit = "0.6/0.2/0.2"\n'
        '[train]\nbase = "minilm"\nmethod = "probe"\nname = "triage"\n[export]\nmin_agreement = 0.5\nmax_drop = 0.5\n',
        "utf-8",
    )
    recipe.chmod(0o644)
    out = tmp_path / "out"
    out.mkdir()
    shutil.chown(out, 65532, 65532)
    places = f"--volume {tmp_path}:/in:ro --volume {out}:/out"
    story = images.skerry("appliance-cpu", "run", "/in/triage.toml", options=places)
    assert {step["step"] for step in story["steps"]} >= {"ingest", "scrub", "train", "export"}
    export = ["export", "triage", "--format", "serve-only", "--out", "/out/triage"]
    sent = images.skerry("appliance-cpu", *export, options=places)
    images.podman("volume", "rm", "--force", "skerry-home", "skerry-keys")  # the site that serves has its own
    images.skerry(
        "serve-cpu",
        "load",
        "/in",
        "--signer",
        sent["signer"],
        options=f"--volume {out / 'triage'}:/in:ro",
    )
    images.skerry("serve-cpu", "promote", "triage")
    assert serve_and_ask(images, "my card was charged twice")["version"] == sent["model"].partition("@")[2]
