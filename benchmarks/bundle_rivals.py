"""The bundle beside the two tools that come nearest: the same job for each, every figure from a run, every failure in its own words.

`python benchmarks/bundle_rivals.py --runtime RUNTIME.TGZ [--work FOLDER] [--cache FOLDER]`

The job: carry the wheels of a serving machine (`locks/serve-cpu.txt`) and MiniLM (90 MB) to a machine without network and
install them there. A second job asks for numpy and torch of today, to be carried only. airgap-bundle is run as documented, and
once more with `allow_sdist`, which lets it take any wheel that fits the building machine. modelferry carries models alone, from
a hub: a small server on loopback speaks for one. Each tool has an environment of its own below `--work`, which is kept. Installations run
in a network namespace without an interface, so root is needed, and a package index for the builds.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bundle.manifest import sha256
from bundle.models import models
from bundle.wheels import read_lock

ROOT = Path(__file__).resolve().parents[1]
RIVALS = {"airgap-bundle": ["airgap-bundle==0.1.1", "uv"], "modelferry": ["modelferry==0.2.1"]}
COMMIT = "a1" * 20
FAT32_BYTES = 4 * 1024**3 - 1
SEALED = ["unshare", "--net"]

Row = dict[str, str]
# What each row asks; a tool that lacks an answer shows a dash.
ROWS = (
    "serving wheels + model",
    "numpy + torch of today",
    "size, files",
    "largest file",
    "build",
    "install without network",
    "without Python there",
    "one byte flipped",
    "one file lost",
    "signature spoilt, bare host",
    "verb: resume a copy",
    "verb: increment",
    "verb: roll back",
)
VERBS = {
    "verb: resume a copy": {"copy", "receive"},
    "verb: increment": {"delta"},
    "verb: roll back": {"rollback"},
}


class Done:
    """One program that has ended: its exit code, what it said, its seconds."""

    def __init__(self, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        before, begin = _cpu_s(), time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(environment or {})})
        self.code, self.out, self.said = done.returncode, done.stdout, done.stdout + done.stderr
        self.seconds = f"{time.monotonic() - begin:.0f} s ({_cpu_s() - before:.0f} s CPU)"

    def short(self) -> str:
        """Return `ok` with the seconds, or the exit code and the sentence that says why."""
        if self.code == 0:
            return f"ok, {self.seconds}"
        lines = [line.strip() for line in self.said.splitlines() if line.strip()]
        why = [line for line in lines if re.search(r"error|no matching|not found|mismatch|fail|signed", line, re.I)]
        sentence = re.sub(r"(/[\w.-]+)+/", "", (why or lines or ["-"])[-1])  # paths of this run say nothing
        return f"exit {self.code}: {sentence.split('. ')[0][:140]}"


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", type=Path, help="the carried Python, made by `skerry-bundle runtime`")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "rivals")
    parser.add_argument("--cache", type=Path, help="downloads of `skerry-bundle build`")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.work) as scratch:
        work, cache = Path(scratch), given.cache or given.work / "cache"
        (work / "models").mkdir()
        model = models(["minilm"], work / "models", cache / "models")[0].folder
        bare = _without_python(work / "bare")
        columns = {
            "Skerry": skerry(work / "skerry", given.runtime, cache, bare),
            "airgap-bundle 0.1.1": airgap_bundle(_tool(given.work, "airgap-bundle"), work / "agb", model, bare, False),
            "the same, `allow_sdist`": airgap_bundle(
                _tool(given.work, "airgap-bundle"), work / "sdist", model, bare, True
            ),
            "modelferry 0.2.1": modelferry(_tool(given.work, "modelferry"), work / "ferry", model, bare),
        }
    print("| | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|")
    for row in ROWS:
        print(f"| {row} | " + " | ".join(one.get(row, "-").replace("|", "/") for one in columns.values()) + " |")


def _tool(work: Path, name: str) -> Path:
    """Return the folder of a rival's programs, in an environment of its own."""
    folder = work / f"venv-{name}"
    if not (folder / "bin" / name).is_file():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", *RIVALS[name]], check=True)
    return folder / "bin"


def _without_python(folder: Path) -> str:
    """Return a PATH with every program of this system but Python."""
    folder.mkdir()
    for place in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
        for program in Path(place).iterdir():
            if not program.name.startswith(("python", "pip")) and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    return str(folder)


def _describe(path: Path) -> Row:
    files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
    sizes = [one.stat().st_size for one in files]
    fits = "fits FAT32" if max(sizes) <= FAT32_BYTES else "too large for FAT32"
    return {
        "size, files": f"{sum(sizes) / 1e6:.1f} MB, {len(files)}",
        "largest file": f"{max(sizes) / 1e6:.1f} MB, {fits}",
    }


def _flip(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def _verbs(done: Done) -> Row:
    words = set(re.findall(r"[a-z-]+", done.out))
    return {row: ", ".join(sorted(f"`{one}`" for one in verbs & words)) or "none" for row, verbs in VERBS.items()}


# -- Skerry ------------------------------------------------------------------------------------------------------------


def skerry(work: Path, runtime: Path | None, cache: Path, bare: str) -> Row:
    """Run both jobs by `skerry-bundle`."""
    work.mkdir()
    program, key = [sys.executable, "-m", "bundle.cli"], work / "key"
    Done([*program, "keygen", str(key)])
    common = 'python = "3.11"\nplatform = "linux-x86_64"\nglibc = "2.28"\n'
    (work / "serving.toml").write_text(
        f'{common}lock = "{ROOT}/locks/serve-cpu.txt"\nextras = ["cpu"]\nmodels = ["minilm"]\n'
    )
    (work / "training.toml").write_text(
        f'{common}lock = "{ROOT}/locks/cpu.txt"\nnarrow = true\nown = false\npackages = ["numpy", "torch"]\n'
    )

    def build(job: str, *words: str) -> Done:
        options = ["--profile", str(work / f"{job}.toml"), "--out", str(work / job), "--serial", "1", "--key", str(key)]
        return Done([*program, "build", *options, "--cache", str(cache), "--allow-unknown-advisories", *words])

    built = build("serving", *(["--runtime", str(runtime)] if runtime else []))
    stick = work / "serving"
    row = {"serving wheels + model": built.short(), "build": built.seconds}
    row |= {"numpy + torch of today": build("training").short()} | _verbs(Done([*program, "--help"]))
    if built.code:
        return row
    row |= _describe(stick)
    trust = ["--vendor-key", str(key / "vendor.pem")]
    where = ["--prefix", str(work / "prefix"), "--home", str(work / "home"), "--keys", str(work / "keys")]
    command = [*SEALED, "sh", str(stick / "INSTALL.SH"), *trust, *where, "--no-services"]
    installed = Done(command, {"PATH": bare})
    row["install without network"] = row["without Python there"] = installed.short()
    hurt = Path(shutil.copytree(stick, work / "hurt"))
    _flip(hurt / "PART003.BIN")
    row["one byte flipped"] = Done(["sh", str(hurt / "VERIFY.SH"), *trust]).short()
    (hurt / "PART003.BIN").unlink()
    repaired = Done([*program, "receive", str(hurt), "--staging", str(work / "staging"), *trust])
    row["one file lost"] = f"repaired: {repaired.short()}" if repaired.code == 0 else repaired.short()
    shutil.rmtree(hurt)
    shutil.copytree(stick, hurt)
    _flip(hurt / "PARTS.SIG")
    row["signature spoilt, bare host"] = Done(["sh", str(hurt / "VERIFY.SH"), *trust], {"PATH": bare}).short()
    return row


# -- airgap-bundle -----------------------------------------------------------------------------------------------------


def airgap_bundle(tool: Path, work: Path, model: Path, bare: str, sdist: bool) -> Row:
    """Run both jobs by airgap-bundle; with `sdist` only the first (the second would bring gigabytes of CUDA)."""
    program, path = str(tool / "airgap-bundle"), {"PATH": f"{tool}:{os.environ['PATH']}"}
    pins = "".join(f"{one.name}=={one.version}\n" for one in read_lock(ROOT / "locks" / "serve-cpu.txt"))
    project = _project(work / "serving", pins, model, sdist)
    archive = work / "served.tar.zst"
    built = Done([program, "build", str(project), "--out", str(archive)], path)
    row = {"serving wheels + model": built.short(), "build": built.seconds} | _verbs(Done([program, "--help"]))
    if not sdist:
        training = _project(work / "training", "numpy\ntorch\n", None, False)
        done = Done([program, "build", str(training), "--out", str(work / "training.tar.zst")], path)
        row["numpy + torch of today"] = done.short()
    if built.code:
        return row
    row |= _describe(archive)
    install = Done([*SEALED, program, "install", str(archive), "--prefix", str(work / "prefix")], path)
    row["install without network"] = install.short()
    Done(["tar", "--zstd", "-xf", str(archive), "-C", str(work)])
    script = work / "served-1.0.0" / "install.sh"
    row["without Python there"] = Done(["sh", str(script), str(work / "bare-prefix")], {"PATH": bare}).short()
    signed = Done([program, "build", str(project), "--out", str(work / "s.tar.zst"), "--sign"], path)
    row["signature spoilt, bare host"] = f"needs `cosign` on both sides; `--sign` here: {signed.short()}"
    _flip(archive)
    row["one byte flipped"] = Done([program, "verify", str(archive)], path).short()
    os.truncate(archive, archive.stat().st_size - 1000)
    row["one file lost"] = (
        f"there is one file; its end cut off: {Done([program, 'verify', str(archive)], path).short()}"
    )
    return row


def _project(folder: Path, requirements: str, model: Path | None, sdist: bool) -> Path:
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "served.py").write_text("def main() -> None: ...\n")
    (folder / "requirements.txt").write_text(requirements)
    lines = ['[bundle]\nname = "served"\nversion = "1.0.0"\n[platform]\ntargets = ["linux/amd64"]\npython = "3.11"']
    lines += [
        f'[python]\nrequirements = "requirements.txt"\nallow_sdist = {str(sdist).lower()}\n[source]\ninclude = ["src/**"]'
    ]
    for file in sorted(model.iterdir()) if model else ():
        about = f'[[models]]\nname = "{file.stem.lower()}"\nuri = "file://{file}"\nsha256 = "{sha256(file)}"'
        lines.append(f'{about}\ndest = "models/{file.name}"')
    (folder / "airgap.toml").write_text("\n".join(lines) + "\n")
    return folder


# -- modelferry --------------------------------------------------------------------------------------------------------


def modelferry(tool: Path, work: Path, model: Path, bare: str) -> Row:
    """Carry the model by modelferry: it knows no wheels."""
    work.mkdir()
    program = str(tool / "modelferry")
    key, public = str(work / "signing.key"), str(work / "signing.pub")
    make = "import sys; from modelferry.signing import Ed25519Signer; Ed25519Signer.generate_keypair(*sys.argv[1:])"
    Done([str(tool / "python"), "-c", make, key, public])
    options = ["--dest", str(work / "out"), "--staging", str(work / "staging"), "--sign"]
    with _hub(model) as address:
        environment = {"HF_ENDPOINT": address, "HF_HOME": str(work / "hf"), "MODELFERRY_SIGNING_KEY": key}
        built = Done([program, "pack", "owner/model", *options], environment)
    row = {"serving wheels + model": f"the model alone: {built.short()}", "build": built.seconds}
    row |= {"numpy + torch of today": "no wheels"} | _verbs(Done([program, "--help"]))
    if built.code:
        return row
    stick = next((work / "out").iterdir())
    row |= _describe(stick)
    reader = [sys.executable, str(stick / "tools" / "modelferry_offline.py")]
    row["install without network"] = (
        f"the model alone: {Done([*SEALED, *reader, 'unpack', str(stick), str(work / 'model')]).short()}"
    )
    row["without Python there"] = Done(["sh", "-c", f"python3 {reader[1]} verify {stick}"], {"PATH": bare}).short()
    _flip(stick / "manifest.json.sig")
    with_key = Done([program, "verify-signature", str(stick), "--public-key", public])
    on_host = Done([*reader, "verify", str(stick)])
    row["signature spoilt, bare host"] = f"not looked at there: {on_host.short()}; connected side: {with_key.short()}"
    _flip(stick / "payload" / "model.safetensors")
    row["one byte flipped"] = Done([*reader, "verify", str(stick)]).short()
    (stick / "payload" / "model.safetensors").unlink()
    row["one file lost"] = Done([*reader, "verify", str(stick)]).short()
    return row


@contextmanager
def _hub(folder: Path) -> Iterator[str]:
    """Serve `folder` as the model `owner/model`: what huggingface_hub 1.x asks (info, tree, files at a commit)."""

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            files = sorted(folder.iterdir())
            tree = [{"type": "file", "path": one.name, "size": one.stat().st_size, "oid": one.name} for one in files]
            about = {"id": "owner/model", "sha": COMMIT, "siblings": [{"rfilename": one.name} for one in files]}
            wanted = folder / self.path.rpartition("/")[2]
            if self.path.startswith("/api/models/owner/model/"):
                body = json.dumps(tree if "/tree/" in self.path else about).encode()
            elif wanted in files:
                body = wanted.read_bytes()
            else:
                self.send_error(404)
                return
            self.send_response(200)
            for name, value in (("Content-Length", str(len(body))), ("ETag", '"1"'), ("X-Repo-Commit", COMMIT)):
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_words: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
