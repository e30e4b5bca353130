"""Other people's programs against a real server: Triton's client for the Open Inference Protocol, Schemathesis for the description.

Each runs in an environment of its own, made from the package index; where there is none, they are skipped.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers import home_with_release, running
from tests.tiny_onnx import LABELS, text

pytestmark = pytest.mark.long
CLIENT = Path(__file__).parents[2] / "peers" / "v2_client.py"


def environment(folder: Path, *packages: str) -> Path:
    """Make an environment with these packages and return its folder of programs; skips where the index does not answer."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    install = [*uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *packages]
    if subprocess.run(install, capture_output=True).returncode:
        pytest.skip(f"the package index does not give {packages}")
    return folder / "bin"


def test_tritons_own_client_understands_everything(tmp_path: Path) -> None:
    programs = environment(tmp_path / "triton", "tritonclient[http]==2.73.0")
    store, key = home_with_release(tmp_path)
    texts = [text(5), "你好 w1", ""]
    with running(store.home, key) as server:
        command = [str(programs / "python"), str(CLIENT), f"127.0.0.1:{server.port}", key, *texts]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        rows: list[dict[str, Any]] = server.client.post(
            "/v1/predict", json={"inputs": texts, "probabilities": True}
        ).json()["predictions"]
    found = json.loads(done.stdout)
    assert [found[name] for name in ("live", "ready", "model ready", "version ready")] == [True] * 4
    assert found["unknown ready"] is False
    assert found["server"]["name"] == "skerry"
    assert found["model"] == found["version"]
    for way in ("binary", "json", "default"):
        assert found[way]["label"] == [row["label"] for row in rows]
        assert found[way]["score"] == pytest.approx([row["score"] for row in rows], abs=1e-6)
    for way in ("binary", "json"):
        expected = [row["probabilities"][label] for row in rows for label in LABELS]
        assert [one for row in found[way]["probabilities"] for one in row] == pytest.approx(expected, abs=1e-6)
    assert found["error"][0] in (None, "400") and "`text`" in found["error"][1]


def test_5000_made_up_requests_find_no_fault_of_the_server(tmp_path: Path) -> None:
    programs = environment(tmp_path / "schemathesis", "schemathesis==4.32.5")
    store, key = home_with_release(tmp_path)
    limits = {"SKERRY_SERVE__MAX_BATCHES": "1000"}
    with running(store.home, key, **limits) as server:  # type: ignore[arg-type]
        command = [
            str(programs / "schemathesis"), "run", f"{server.url}/openapi.json", "-H", f"Authorization: Bearer {key}",
            "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
            "--max-examples", "320", "--generation-deterministic", "--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all",
        ]  # fmt: skip
        quiet = os.environ | {"SCHEMATHESIS_HOOKS": "", "NO_COLOR": "1"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=1500, env=quiet, cwd=tmp_path)
        told = done.stdout[-6000:]
        cases = re.search(r"([\d,]+) generated", told) or re.search(r"Test cases:\s*([\d,]+)", told)
        assert cases and int(cases[1].replace(",", "")) >= 5000, told
        assert server.ready()
        codes = {
            line.split('code="')[1][:3] for line in server.client.get("/metrics").text.splitlines() if 'code="' in line
        }
        assert {code for code in codes if code.startswith("5")} <= {"503"}
    assert done.returncode == 0, told
