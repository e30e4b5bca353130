"""Starting and stopping: what is refused at the start, readiness, TLS, draining, and what the process does not load."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from appliance import environment
from appliance.api_keys import add_key
from appliance.monitor.prometheus import Metrics
from appliance.release.registry import promote
from appliance.serve.api import build_app
from appliance.serve.engine_process import EngineProcess
from appliance.serve.router import Router
from appliance.serve.service import Service
from appliance.settings import ServeSettings
from appliance.store import Store
from tests.egress import HOSTILE
from tests.servers import START, Server, home_with_release, lines, running
from tests.tiny_onnx import add_model, text


@pytest.fixture(scope="module")
def store_and_key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, str]:
    return home_with_release(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def server(store_and_key: tuple[Store, str]) -> Iterator[Server]:
    """A server that was started in a hostile environment."""
    store, key = store_and_key
    with running(store.home, key, **HOSTILE) as started:
        yield started


def refused(home: Path, *options: str) -> tuple[int, str]:
    """Start a server that must not start; returns its exit code and what it says."""
    done = subprocess.run(
        [*START, *options], env=os.environ | {"SKERRY_HOME": str(home)}, capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.returncode, done.stderr


# -- refused at the start ------------------------------------------------------------------------------------------------


def test_without_a_key_the_line_to_run_is_named(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "home")
    promote(store, add_model(store), "triage")
    code, told = refused(store.home)
    assert code == 5
    assert "`skerry key add NAME`" in told


def test_without_a_release_the_line_to_run_is_named(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "home")
    add_key(store, "tester")
    code, told = refused(store.home)
    assert code == 4
    assert "skerry promote MODEL" in told


def test_no_auth_is_for_loopback_only(store_and_key: tuple[Store, str]) -> None:
    code, told = refused(store_and_key[0].home, "--no-auth", "--host", "0.0.0.0")
    assert code == 5
    assert "`0.0.0.0`" in told


def test_a_changed_model_is_not_served(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "home")
    model = add_model(store)
    promote(store, model, "triage")
    add_key(store, "tester")
    path = model.folder / "model.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    code, told = refused(store.home)
    assert code == 6
    assert "model.onnx" in told


def test_a_taken_port_is_told(store_and_key: tuple[Store, str], server: Server) -> None:
    code, told = refused(store_and_key[0].home, "--port", str(server.port))
    assert code == 9
    assert f"port {server.port}" in told


def test_half_a_certificate_or_a_wrong_one_is_told(store_and_key: tuple[Store, str], tmp_path: Path) -> None:
    home = store_and_key[0].home
    cert, key = certificate(tmp_path)
    assert refused(home, "--tls-cert", str(cert))[0] == 2
    assert refused(home, "--tls-cert", str(cert), "--tls-key", str(cert))[0] == 2
    code, told = refused(home, "--tls-cert", str(tmp_path / "none.pem"), "--tls-key", str(key))
    assert code == 2
    assert "none.pem" in told


# -- readiness -----------------------------------------------------------------------------------------------------------


def test_not_ready_while_loading_and_while_draining(store_and_key: tuple[Store, str]) -> None:
    async def ask(service: Service) -> tuple[int, int, int]:
        transport = httpx.ASGITransport(build_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            ready = await client.get("/v2/health/ready")
            answer = await client.post("/v1/predict", json={"inputs": ["w1"]})
            live = await client.get("/v2/health/live")
            return ready.status_code, answer.status_code, live.status_code

    metrics = Metrics()
    engines = EngineProcess(ServeSettings(), 1)
    router = Router(store_and_key[0].home, "main", 0.0, metrics, engines.load)
    service = Service(ServeSettings(), router, metrics, None, engines)
    assert asyncio.run(ask(service)) == (503, 503, 200)
    router.load()
    service.draining = True
    assert asyncio.run(ask(service)) == (503, 503, 200)
    engines.stop()


def test_a_load_that_hangs_does_not_keep_the_server_from_stopping(
    store_and_key: tuple[Store, str], tmp_path: Path
) -> None:
    file = tmp_path / "serve.log"
    with file.open("wb") as told:
        environment = os.environ | {"SKERRY_HOME": str(store_and_key[0].home)}
        process = subprocess.Popen(START, stderr=told, env=environment)
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not (child := children.read_text()):
            time.sleep(0.001)
        os.kill(int(child), signal.SIGSTOP)  # before it has loaded anything
        while not (found := [line["url"] for line in lines(file) if line["event"] == "listening"]):
            time.sleep(0.02)
        with httpx.Client(base_url=found[0], timeout=30, trust_env=False) as client:
            assert client.get("/v2/health/live").status_code == 200
            assert client.get("/v2/health/ready").status_code == 503
        process.terminate()
        assert process.wait(40) == 0
    finally:
        process.kill()
        process.wait()
    assert not Path(f"/proc/{int(child)}").exists()


def test_the_first_answer_comes_after_ready_and_the_lines_tell_the_story(server: Server) -> None:
    assert server.client.post("/v1/predict", json={"inputs": [text(5)]}).status_code == 200
    events = [line["event"] for line in server.lines()]
    assert {"listening", "ready", "release loaded"} <= set(events)


# -- what the process holds and knows ------------------------------------------------------------------------------------


def test_the_process_maps_no_training_library_and_no_database(server: Server) -> None:
    server.client.post("/v1/predict", json={"inputs": [text(5)]})
    [child] = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split() or ["0"]
    front, engines = (Path(f"/proc/{pid}/maps").read_text() for pid in (server.process.pid, child))
    assert "onnxruntime" in engines
    for library in ("onnxruntime", "numpy", "tokenizers"):
        assert library not in front.replace(str(Path.cwd()), ""), library
    for library in ("torch", "transformers", "pyarrow", "sqlalchemy", "sqlite", "spacy"):
        assert library not in (front + engines).replace(str(Path.cwd()), ""), library


def test_a_hostile_environment_changes_nothing(server: Server) -> None:
    assert server.ready()
    assert not any(line["event"] == "library" for line in server.lines())


def test_variables_that_call_out_are_dropped_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {"SKERRY_SERVE__PORT": "1", "PATH": os.environ["PATH"], "MY_PROXY_LIST": "x"}
    for name in list(os.environ):
        monkeypatch.setenv(name, os.environ[name])  # so that all come back afterwards
    for name, value in (HOSTILE | kept | {"Https_Proxy": "x", "OTEL_X": "1", "WEB_CONCURRENCY": "9"}).items():
        monkeypatch.setenv(name, value)
    environment.clean()
    left = {name.upper() for name in os.environ} - set(environment.SILENT)
    assert {name: os.environ[name] for name in environment.SILENT} == environment.SILENT
    assert not any(name.startswith(("OTEL_", "HF_", "FASTAPI_")) or name.endswith("_PROXY") for name in left)
    assert "WEB_CONCURRENCY" not in left
    assert set(kept) <= left


# -- no key, on loopback -------------------------------------------------------------------------------------------------


def test_no_auth_answers_loopback_names_only(store_and_key: tuple[Store, str]) -> None:
    """A web page whose name is made to mean 127.0.0.1 must not ask the server through its reader's browser."""
    with running(store_and_key[0].home, None, "--no-auth") as server:
        assert server.client.post("/v1/predict", json={"inputs": ["w1"]}).status_code == 200
        assert server.client.get("/metrics").status_code == 200
        for host in ("localhost", f"127.0.0.1:{server.port}", "[::1]:80"):
            assert server.client.get("/v1/models", headers={"host": host}).status_code == 200
        for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example"):
            assert server.client.get("/v1/models", headers={"host": host}).status_code == 421


# -- TLS -----------------------------------------------------------------------------------------------------------------


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a self-signed certificate for 127.0.0.1."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(built.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return paths


def test_tls_answers_and_old_versions_do_not(store_and_key: tuple[Store, str], tmp_path: Path) -> None:
    store, key = store_and_key
    cert, tls_key = certificate(tmp_path)
    trust = ssl.create_default_context(cafile=str(cert))
    with running(store.home, key, "--tls-cert", str(cert), "--tls-key", str(tls_key), verify=trust) as server:
        assert server.url.startswith("https://")
        assert server.client.post("/v1/predict", json={"inputs": ["w1"]}).status_code == 200
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with (
            socket.create_connection(("127.0.0.1", server.port)) as plug,
            pytest.raises((ssl.SSLError, ConnectionError)),
        ):
            old.wrap_socket(plug)
        assert server.stop() == 0


# -- stopping ------------------------------------------------------------------------------------------------------------


def test_an_idle_server_stops_at_once_on_ctrl_c(store_and_key: tuple[Store, str]) -> None:
    store, key = store_and_key
    with running(store.home, key) as server:
        began = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) == 0
        assert time.monotonic() - began < 10
        assert server.lines()[-1]["event"] == "stopped"


ROOM = {"SKERRY_SERVE__QUEUE_TEXTS": "30000", "SKERRY_SERVE__MAX_INPUTS": "30000"}


class Long(threading.Thread):
    """A request of many texts, asked in a thread."""

    def __init__(self, server: Server, texts: int) -> None:
        super().__init__()
        self.server, self.texts = server, texts
        self.answer: httpx.Response | None = None
        self.start()
        while server.metric("skerry_queue_texts") == 0:
            time.sleep(0.01)

    def run(self) -> None:
        headers = dict(self.server.client.headers)
        body = {"inputs": [text(30)] * self.texts}
        self.answer = httpx.post(
            f"{self.server.url}/v1/predict", json=body, headers=headers, timeout=60, trust_env=False
        )


def test_an_open_request_is_finished_and_new_ones_are_told_to_come_back(store_and_key: tuple[Store, str]) -> None:
    store, key = store_and_key
    with running(store.home, key, "--threads", "1", **ROOM) as server:
        long = Long(server, 5_000)
        server.process.send_signal(signal.SIGTERM)
        until = time.monotonic() + 5
        while server.ready():
            assert time.monotonic() < until
        refused = server.client.post("/v1/predict", json={"inputs": ["w1"]})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert server.client.get("/v2/health/live").status_code == 200
        long.join(60)
        assert long.answer is not None and long.answer.status_code == 200
        assert len(json.loads(long.answer.text)["predictions"]) == 5_000
        assert server.process.wait(20) == 0


def test_draining_ends_in_time_whatever_is_open(store_and_key: tuple[Store, str]) -> None:
    store, key = store_and_key
    with running(store.home, key, "--threads", "1", SKERRY_SERVE__DRAIN_S="0.5", **ROOM) as server:
        long = Long(server, 30_000)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 12
        long.join(60)
        assert long.answer is not None and long.answer.status_code == 503
