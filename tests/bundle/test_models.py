"""Models come by pinned name or by a hub's commit, data files only; the hub is a small real server on loopback."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bundle.errors import UsageError
from bundle.manifest import files_below
from bundle.models import models
from tests.fakes import tiny_base

COMMIT = "a1" * 20
CALL = (
    "import json, sys; from pathlib import Path; from bundle.errors import BundleError; from bundle.models import models\n"
    "try:\n"
    "    found = models([sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[3]))\n"
    "except BundleError as error:\n"
    "    sys.exit(f'{type(error).__name__}: {error}')\n"
    "print(json.dumps([[one.name, one.about['licence'], one.source] for one in found]))\n"
)


class Hub(http.server.BaseHTTPRequestHandler):
    """Speaks what huggingface_hub asks of a hub: model info, HEAD and GET of a file at a commit."""

    folder: Path
    commit: str
    asked: list[str]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/api/models/owner/tiny/revision/"):
            names = [{"rfilename": one.name} for one in sorted(self.folder.iterdir())]
            about = {
                "_id": "1",
                "id": "owner/tiny",
                "sha": self.commit,
                "siblings": names,
                "cardData": {"license": "mit"},
            }
            self._answer(json.dumps(about).encode(), "application/json")
        elif (self.folder / self.path.rpartition("/")[2]).is_file():
            self._answer((self.folder / self.path.rpartition("/")[2]).read_bytes(), "application/octet-stream")
        else:
            self.send_error(404)

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"1"')
        self.send_header("X-Repo-Commit", self.commit)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def hub(folder: Path, commit: str = COMMIT) -> Iterator[tuple[str, list[str]]]:
    """Serve `folder` as the model `owner/tiny` and yield (address, what was asked)."""
    handler = type("Served", (Hub,), {"folder": folder, "commit": commit, "asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.asked  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def bring(name: str, address: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Bring one model in a process of its own: huggingface_hub reads its settings when it is imported."""
    (folder / "models").mkdir(exist_ok=True)
    environment = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", CALL, name, str(folder / "models"), str(folder / "cache")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository as they are: a good model beside a pickle and code, which nobody asked for."""
    folder = tiny_base(tmp_path_factory.mktemp("hub") / "tiny")
    (folder / "base.json").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n.")
    (folder / "modeling_tiny.py").write_text("raise SystemExit\n")
    return folder


def test_a_model_comes_from_a_hub_by_its_commit_and_as_data_alone(published: Path, tmp_path: Path) -> None:
    with hub(published) as (address, asked):
        done = bring(f"hub:owner/tiny@{COMMIT}", address, tmp_path)
    assert done.returncode == 0, done.stderr
    ((name, licence, source),) = json.loads(done.stdout)
    assert (licence, source) == ("mit", f"hub:owner/tiny@{COMMIT}")
    assert set(files_below(tmp_path / "models" / name)) == {
        "base.json",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }
    assert (tmp_path / "models" / name / "model.safetensors").read_bytes() == (
        published / "model.safetensors"
    ).read_bytes()
    assert not any(path.endswith((".bin", ".py")) for path in asked)


def test_a_hub_that_answers_with_another_commit_is_not_believed(published: Path, tmp_path: Path) -> None:
    with hub(published, commit="b2" * 20) as (address, _asked):
        done = bring(f"hub:owner/tiny@{COMMIT}", address, tmp_path)
    assert "IntegrityError" in done.stderr and "b2b2" in done.stderr


def test_a_hub_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = bring(f"hub:owner/tiny@{COMMIT}", "http://127.0.0.1:9", tmp_path)
    assert done.stderr.strip().splitlines()[-1].startswith("MissingPartError"), done.stderr
    assert "owner/tiny" in done.stderr


@pytest.mark.parametrize(
    "name", ["hub:owner/tiny@main", "hub:owner/tiny", f"hub:owner/../x@{COMMIT}", f"hub:tiny@{COMMIT}"]
)
def test_a_name_that_can_be_changed_later_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="40 digits"):
        models([name], tmp_path, tmp_path / "cache")
