"""`pytorch_model.bin` + `vocab.txt` + `config.json`, what a Chinese BERT usually is, into safetensors + tokenizer.json. Connected side only.

A `.bin` file is a pickle, and reading one can run code. So it is read here and nowhere else, by `torch.load(weights_only=True)`, which knows
tensors and containers alone (pytorch.org/docs, "torch.load"), in a child process in a network namespace of its own, with limits on
memory and on the size of what it writes. The appliance never unpickles: `skerry base add` takes what comes out.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from bundle.errors import InputError, IntegrityError, MissingPartError, NotFoundError, PolicyError
from bundle.words import _

Json = dict[str, Any]

WEIGHTS, VOCABULARY, CONFIG, TOKENIZER_CONFIG = "pytorch_model.bin", "vocab.txt", "config.json", "tokenizer_config.json"
_REMOTE_CODE = ("auto_map", "trust_remote_code", "custom_pipelines")
_SPECIAL = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
_LIBRARIES_BYTES = 24 * 1024**3  # address space that torch and its libraries reserve
_REFUSED, _LACKING = 65, 69  # exit codes of the child: EX_DATAERR, EX_UNAVAILABLE of sysexits(3)


def convert(folder: Path, out: Path, no_sandbox: bool = False) -> Json:
    """Write `config.json`, `model.safetensors` and `tokenizer.json` of the BERT encoder in `folder` to the new folder `out`.

    Raises `NotFoundError` for a file that is not there, `InputError` for another model than BERT, `PolicyError` for a config that asks for code
    and where no network namespace can be had (unless `no_sandbox`), `IntegrityError` for a pickle that holds more than tensors,
    `MissingPartError` without torch.
    """
    for name in (WEIGHTS, VOCABULARY, CONFIG):
        if not (folder / name).is_file():
            raise NotFoundError(_("`{folder}` lacks `{file}`", folder=folder, file=name))
    if out.exists():
        raise InputError(_("`{folder}` is there already; name a new folder", folder=out))
    config = _config(folder / CONFIG)
    unfinished = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}")
    unfinished.mkdir(parents=True)
    try:
        _in_child(folder, unfinished, [] if no_sandbox else _namespace())
        (unfinished / CONFIG).write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", "utf-8")
        for licence in sorted(folder.glob("LICENSE*"))[:1]:
            shutil.copyfile(licence, unfinished / "LICENSE")
        unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return {"folder": str(out), "files": sorted(path.name for path in out.iterdir()), "sandbox": not no_sandbox}


def _config(path: Path) -> Json:
    try:
        config = json.loads(path.read_bytes())
        kind = config["model_type"]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(_("`{path}` is no config of a model", path=path)) from error
    asks = next((key for key in _REMOTE_CODE if config.get(key)), None)
    if asks:
        raise PolicyError(
            _("`{path}` asks for code of its own (`{key}`); only plain BERT is converted", path=path, key=asks)
        )
    if kind != "bert":
        raise InputError(
            _("`{path}` describes a `{kind}`; only BERT encoders (`bert`) are converted", path=path, kind=kind)
        )
    found: Json = config
    return found


def _namespace() -> list[str]:
    command = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-Urn"]
    if not shutil.which("unshare") or subprocess.run([*command, "true"], capture_output=True).returncode:
        raise PolicyError(
            _(
                "no network namespace can be had for reading a pickle (`unshare`, of util-linux); run this as root, allow user namespaces, or type `--no-sandbox`"
            )
        )
    return command


def _in_child(folder: Path, out: Path, namespace: list[str]) -> None:
    size = (folder / WEIGHTS).stat().st_size

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (_LIBRARIES_BYTES + 4 * size,) * 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * size + 64 * 1024**2,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    command = [*namespace, sys.executable, "-m", "bundle.convert", str(folder.absolute()), str(out.absolute())]
    code_folder = str(Path(__file__).absolute().parents[1])
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if key in os.environ}
    done = subprocess.run(
        command, cwd=out, env={**kept, "PYTHONPATH": code_folder, "HF_HUB_OFFLINE": "1"}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, errors="replace", preexec_fn=limit,
    )  # fmt: skip
    said = (done.stderr.strip().split("\n") or [""])[-1][:300]
    if done.returncode == _LACKING:
        raise MissingPartError(_("converting needs torch, safetensors and tokenizers: install `skerry[train]`"))
    if done.returncode == _REFUSED:
        raise IntegrityError(_("`{path}` was refused: {reason}", path=folder / WEIGHTS, reason=said))
    if done.returncode:
        raise IntegrityError(
            _(
                "`{path}` cannot be converted (exit code {code}): {reason}",
                path=folder,
                code=done.returncode,
                reason=said,
            )
        )


# -- in the child ------------------------------------------------------------------------------------------------------


def main() -> None:
    """Convert in this process: `python -m bundle.convert FOLDER OUT`, started by `convert`."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        import safetensors.torch  # noqa: F401
        import tokenizers  # noqa: F401
        import torch  # noqa: F401
    except ImportError:
        sys.exit(_LACKING)
    try:
        _write_weights(folder / WEIGHTS, out / "model.safetensors")
        _write_tokenizer(folder, out / "tokenizer.json")
    except Exception as error:  # the parent says what to do; a refused pickle's own words are many lines
        sys.stderr.write(f"\n{type(error).__name__}: " + " ".join(str(error).split())[:250] + "\n")
        sys.exit(_REFUSED)


def _write_weights(source: Path, target: Path) -> None:
    """Keep the encoder's tensors under today's names, as float32; heads, poolers and position numbers stay behind."""
    import torch
    from safetensors.torch import save_file

    loaded = torch.load(source, map_location="cpu", weights_only=True)
    if not isinstance(loaded, dict) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise ValueError("no table of tensors by name")
    named = {_plain_name(str(name)): value for name, value in loaded.items()}
    kept = {
        name: value
        for name, value in named.items()
        if name.startswith(("embeddings.", "encoder.")) and not name.endswith("position_ids")
    }
    if not kept:
        raise ValueError("no weights of a BERT encoder")
    # a tensor may be one number spread over terabytes; two bytes a number is the least that a half-precision file holds
    if sum(value.numel() for value in kept.values()) > source.stat().st_size // 2:
        raise ValueError("the tensors are larger than their file")
    plain = {name: value.detach().to(torch.float32).clone().contiguous() for name, value in kept.items()}
    save_file(plain, target, metadata={"format": "pt"})


def _plain_name(name: str) -> str:
    name = name.removeprefix("bert.")
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def _write_tokenizer(folder: Path, target: Path) -> None:
    """Write the WordPiece tokenizer of `vocab.txt` as transformers' `BertTokenizer` builds it (transformers 5, `tokenization_bert.py`)."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    options = _options(folder / TOKENIZER_CONFIG)
    lines = (folder / VOCABULARY).read_text("utf-8").split("\n")  # universal newlines, and no others
    vocabulary = {line: number for number, line in enumerate(lines[:-1] if not lines[-1] else lines)}
    missing = [piece for piece in _SPECIAL[:3] if piece not in vocabulary]
    if missing:
        raise ValueError(f"vocab.txt lacks {', '.join(missing)}")
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a piece of the vocabulary
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=options.get("tokenize_chinese_chars", True),
        strip_accents=options.get("strip_accents"),
        lowercase=options.get("do_lower_case", True),
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(piece, vocabulary[piece]) for piece in ("[CLS]", "[SEP]")],
    )
    tokenizer.add_special_tokens([piece for piece in _SPECIAL if piece in vocabulary])
    tokenizer.save(str(target))


def _options(path: Path) -> Json:
    options = json.loads(path.read_bytes()) if path.is_file() else {}
    if not isinstance(options, dict):
        raise ValueError("tokenizer_config.json is no object")
    return options


if __name__ == "__main__":
    main()
