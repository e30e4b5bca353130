"""It learns on site: a tagger trained on reviewed records becomes a recognizer: python benchmarks/site_tagger.py [--data FOLDER] [--work FOLDER] [--on train].

CLUENER2020 stands for a site's reviewed records: its train part teaches and chooses (a tenth of it is kept back for that), its dev part is read once, at the
end. Two taggers: `fast`, a convolutional network over characters and pairs of neighbours from scratch (Strubell et al. 2017, arXiv 1702.02098), and `strong`, the base
model e5 with a head, its upper half trained. Both are exported to ONNX and loaded as `scrub.taggers` loads them: what they find is added to
what the scrubber finds, nothing is taken away. Recall is leak-free (see scrub.py); intervals are bootstraps over records (Efron and Tibshirani 1993, 13.3).
Taggers are kept in `--work` and not trained again.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from scrub import CLUENER, NAMES, Gold, score
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from appliance import device
from appliance.base import find as find_base
from appliance.engine.on_onnx import saturates
from appliance.export.smooth import smooth
from appliance.export.to_onnx import write_plainly
from appliance.privacy import Scrubber
from appliance.privacy.recognizers import tagger
from appliance.settings import ScrubSettings, home_folder, load
from appliance.train.loop import order_of

KINDS = {"address": "ADDRESS", **dict.fromkeys(("game", "movie", "book", "position"), "")}
PAIRS = 40_000  # rows of the table of hashed pairs of characters
MAX_TOKENS = 256
LEANS = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0)
ENOUGH = 0.885  # recall on the kept-back tenth: over the .85 that is wanted, over half of the misses gone
RIGHT = 0.80  # precision there, above which more recall is taken
IGNORED = -100  # the tag of what is no character of the text

Coded = tuple[torch.Tensor, torch.Tensor]  # token ids and tags, both (tokens,)
Spans = list[tuple[int, int, str]]
Found = list[Spans]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: records of a batch, passes over all of them, the highest rates of body and head."""

    batch_rows: int
    epochs: int
    rate: float
    head_rate: float


FEW = 1000  # records, up to which the first of two recipes holds
RECIPES = {
    "fast": (Recipe(16, 40, 2e-3, 2e-3), Recipe(32, 4, 3e-3, 3e-3)),
    "strong": (Recipe(16, 12, 2e-4, 2e-3), Recipe(32, 1, 2e-4, 2e-3)),
}


class Fast(torch.nn.Module):
    """Characters and pairs, embedded; residual dilated convolutions; a label for each character."""

    def __init__(self, characters: int, labels: int, width: int = 160) -> None:
        super().__init__()
        self.characters = torch.nn.Embedding(characters, 96)
        self.pairs = torch.nn.Embedding(PAIRS, 48)
        self.widen = torch.nn.Linear(192, width)
        self.layers = torch.nn.ModuleList(
            torch.nn.Conv1d(width, 2 * width, 3, padding=step, dilation=step) for step in (1, 2, 4, 1, 2)
        )
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(width) for _layer in self.layers)
        self.head = torch.nn.Linear(width, labels)
        self.drop = torch.nn.Dropout(0.35)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """int64 (batch, tokens) twice -> float32 logits (batch, tokens, labels)."""
        inside = attention_mask.unsqueeze(-1).float()  # (batch, tokens, 1)
        nothing = torch.zeros_like(input_ids[:, :1])
        before = torch.cat([nothing, input_ids[:, :-1]], dim=1)
        pairs = torch.remainder(before * 7919 + input_ids, PAIRS)
        after = torch.cat([pairs[:, 1:], nothing], dim=1)
        embedded = [self.characters(input_ids), self.pairs(pairs), self.pairs(after)]
        states = self.widen(self.drop(torch.cat(embedded, dim=-1))) * inside  # (batch, tokens, width)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            value, gate = layer(norm(states).transpose(1, 2)).transpose(1, 2).chunk(2, dim=-1)
            gated = value * torch.sigmoid(gate)
            states = (states + self.drop(gated)) * inside
        logits: torch.Tensor = self.head(states)
        return logits


class Strong(torch.nn.Module):
    """The lower eight layers of a BERT and a linear head; the embeddings and four layers stay as they are, which halves the work."""

    def __init__(self, base: Path, labels: int) -> None:
        super().__init__()
        from transformers import BertModel

        self.body = BertModel.from_pretrained(base, add_pooling_layer=False, attn_implementation="eager")
        self.body.encoder.layer = self.body.encoder.layer[:8]
        self.body.embeddings.requires_grad_(False)
        self.body.encoder.layer[:4].requires_grad_(False)
        self.drop = torch.nn.Dropout(0.1)
        self.head = torch.nn.Linear(self.body.config.hidden_size, labels)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """int64 (batch, tokens) twice -> float32 logits (batch, tokens, labels)."""
        states = self.body(input_ids, attention_mask).last_hidden_state  # (batch, tokens, hidden)
        logits: torch.Tensor = self.head(self.drop(states))
        return logits


def read(path: Path, split: str) -> Gold:
    """Read texts with all their spans."""
    rows = map(json.loads, path.read_text("utf-8").splitlines())
    return [
        (row["text"], [(s["start"], s["end"], s["label"]) for s in row["spans"]])
        for row in rows
        if row["split"] == split
    ]


def characters_of(rows: Gold) -> Tokenizer:
    """Return a tokenizer of single characters, those that come twice or more in `rows`."""
    counts = Counter("".join(text for text, _spans in rows))
    known = ["[PAD]", "<mask>", *sorted(character for character, count in counts.items() if count > 1)]
    places = {character: place for place, character in enumerate(known)}
    tokenizer = Tokenizer(models.WordLevel(places, unk_token="<mask>"))
    tokenizer.normalizer = normalizers.NFKC()  # as the scrubber reads a text
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    return tokenizer


def coded(rows: Gold, labels: list[str], tokenizer: Tokenizer) -> list[Coded]:
    """Return the token ids of each row and the label number of each token, in BIO: a token that touches a span is of it."""
    made = []
    for (_text, spans), encoding in zip(rows, tokenizer.encode_batch([text for text, _spans in rows]), strict=True):
        tags = [
            IGNORED if special else _tag(start, end, spans, labels)
            for (start, end), special in zip(encoding.offsets, encoding.special_tokens_mask, strict=True)
        ]
        made.append((torch.tensor(encoding.ids[:MAX_TOKENS]), torch.tensor(tags[:MAX_TOKENS])))
    return made


def _tag(start: int, end: int, spans: Sequence[tuple[int, int, str]], labels: list[str]) -> int:
    for first, last, name in spans:
        if start < last and first < end:
            return labels.index(f"{'B' if start <= first else 'I'}-{name}")
    return 0


def train(network: torch.nn.Module, rows: list[Coded], recipe: Recipe, mask: int) -> None:
    """Train with AdamW, the rate rising for a tenth of the steps, then falling to nothing; a tenth of the tokens is hidden each time."""
    torch.manual_seed(0)
    lengths = [len(ids) for ids, _tags in rows]
    steps = [
        step
        for epoch in range(recipe.epochs)
        for step in _batches(order_of(lengths, recipe.batch_rows, 0, epoch), recipe)
    ]
    body = [
        weight for name, weight in network.named_parameters() if not name.startswith("head.") and weight.requires_grad
    ]
    head = [weight for name, weight in network.named_parameters() if name.startswith("head.")]
    optimizer = torch.optim.AdamW([{"params": body}, {"params": head}], lr=recipe.rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [recipe.rate, recipe.head_rate], len(steps), pct_start=0.1, anneal_strategy="linear"
    )
    low = isinstance(network, Strong) and device.precision() == "bf16"
    network.train()
    for step in steps:
        ids, tags = (
            torch.nn.utils.rnn.pad_sequence([rows[row][part] for row in step], batch_first=True, padding_value=value)
            for part, value in ((0, 0), (1, IGNORED))
        )  # (batch, tokens)
        lengths_here = torch.tensor([[lengths[row]] for row in step])
        inside = (torch.arange(ids.shape[1]) < lengths_here).long()
        hidden = torch.where((torch.rand(ids.shape) < 0.1) & (tags != IGNORED), mask, ids)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low):
            logits = network(hidden, inside)
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), tags.flatten(), label_smoothing=0.05)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    network.eval()


def _batches(order: list[int], recipe: Recipe) -> Iterator[list[int]]:
    for first in range(0, len(order), recipe.batch_rows):
        yield order[first : first + recipe.batch_rows]


def export(network: torch.nn.Module, rows: list[Coded], int8: bool, target: Path) -> None:
    """Write the network as one ONNX file, with `int8` dynamically quantised; `rows` show how large activations become."""
    dynamic = {0: "batch", 1: "tokens"}
    sample = torch.arange(14).reshape(2, 7) % 5, torch.ones(2, 7, dtype=torch.long)
    program = torch.onnx.export(
        network, sample, dynamo=True, verbose=False, input_names=["input_ids", "attention_mask"],
        output_names=["logits"], dynamic_shapes=(dynamic, dynamic),
    )  # fmt: skip
    assert program is not None
    model = program.model_proto
    if int8:
        smooth(model, [ids.tolist() for ids, _tags in rows[:64]])
        del model.graph.value_info[:]
        quantize_dynamic(
            model, target, ["MatMul", "Gather"], per_channel=True, weight_type=QuantType.QInt8,
            reduce_range=saturates(platform.machine(), device.cpu()[1]),
        )  # fmt: skip
        model = onnx.load(target)
    write_plainly(model, target)


def teach(name: str, rows: Gold, labels: list[str], base: Path | None, folder: Path) -> None:
    """Train the tagger `name` on `rows` and write the folder that `scrub.taggers` names, without its lean; `seconds` are those of the CPU."""
    start = time.process_time()
    recipe = RECIPES[name][len(rows) > FEW]
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json")) if base else characters_of(rows)
    lessons = coded(rows, labels, tokenizer)
    network = Strong(base, len(labels)) if base else Fast(tokenizer.get_vocab_size(), len(labels))
    train(network, lessons, recipe, tokenizer.get_vocab()["<mask>"])
    seconds = time.process_time() - start
    folder.mkdir(parents=True)
    export(network, lessons, base is not None, folder / "model.onnx")
    tokenizer.save(str(folder / "tokenizer.json"))
    about: dict[str, Any] = {"labels": labels, "max_tokens": MAX_TOKENS, "kinds": KINDS, "seconds": round(seconds)}
    _describe(folder, about | ({"format": "onnx-int8"} if base is not None else {}))


def _describe(folder: Path, about: dict[str, Any]) -> None:
    (folder / "model.json").write_text(json.dumps(about, ensure_ascii=False), "utf-8")


class Remembering:
    """A session that runs a batch once, however often it is asked."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.answers: dict[bytes, Any] = {}

    def run(self, names: list[str], feed: dict[str, np.ndarray[Any, Any]]) -> Any:
        """Return what the session gives for `feed`."""
        ids = feed["input_ids"]
        key = repr(ids.shape).encode() + ids.tobytes()
        if key not in self.answers:
            self.answers[key] = self.session.run(names, feed)
        return self.answers[key]


def lean_for(folder: Path, kept: Gold, own: Found) -> float:
    """Return the lean with the most recall on `kept` among those that are `RIGHT`; where that is not `ENOUGH`, the most precise one that has enough."""
    one = tagger.load(folder)
    one = replace(one, session=Remembering(one.session))
    texts = [text for text, _spans in kept]
    tried = []
    for lean in LEANS:
        added = [[(hit.start, hit.end, hit.kind) for hit in hits] for hits in replace(one, lean=lean).find_all(texts)]
        recall, precision, _labels = score(kept, list(map(joined, own, added)), NAMES)
        print(f"  on the kept-back tenth, lean {lean}: {recall:.3f} / {precision:.3f}", flush=True)
        tried.append((recall, precision, lean))
    recall, _precision, lean = max((each for each in tried if each[1] >= RIGHT), default=(0.0, 0.0, LEANS[-1]))
    enough = [(precision, lean) for recall, precision, lean in tried if recall >= ENOUGH]
    return lean if recall >= ENOUGH or not enough else max(enough)[1]


def joined(ours: Spans, theirs: Spans) -> Spans:
    """Return the spans of both, those that overlap as one, under the kind of the first."""
    spans: Spans = []
    for start, end, kind in sorted(ours + theirs):
        if spans and start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]), spans[-1][2])
        else:
            spans.append((start, end, kind))
    return spans


def names_only(rows: Gold) -> Gold:
    """Return `rows` with the spans that name people, places and organizations."""
    return [(text, [span for span in spans if span[2] in CLUENER]) for text, spans in rows]


def scrubbed(texts: list[str], folders: tuple[Path, ...] = ()) -> Found:
    """Return what the scrubber finds with these taggers."""
    found = Scrubber.from_settings("zh", ScrubSettings(taggers=folders)).find(texts)
    return [[(each.start, each.end, each.kind) for each in findings] for findings in found]


def leaks(gold: Gold, found: Found) -> np.ndarray[Any, Any]:
    """Return (missed, all) spans of each record, int64 (records, 2)."""
    counts = []
    for row, spans in zip(gold, found, strict=True):
        labels = score([row], [spans], NAMES)[2].values()
        counts.append((sum(total - masked for masked, total in labels), sum(total for _masked, total in labels)))
    return np.array(counts)


def interval(top: np.ndarray[Any, Any], bottom: np.ndarray[Any, Any]) -> str:
    """Return 1 - sum(top) / sum(bottom) with its 95 % percentile bootstrap interval over records."""
    draws = np.random.default_rng(0).integers(0, len(top), (2000, len(top)))
    shares = 1 - top[draws].sum(axis=1) / bottom[draws].sum(axis=1)
    low, high = np.percentile(shares, (2.5, 97.5))
    return f"{1 - top.sum() / bottom.sum():.3f} ({low:.3f} to {high:.3f})"


def speed(folder: Path, texts: list[str]) -> float:
    """Return the characters that the tagger alone reads in a CPU second."""
    one, start = tagger.load(folder), time.process_time()
    one.find_all(texts)
    return sum(map(len, texts)) / (time.process_time() - start)


def main() -> None:
    """Print a row without a tagger, then one for each tagger and number of records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[1] / "../shared/data")
    parser.add_argument("--rows", type=int, nargs="+", default=[300, 10_000])
    parser.add_argument("--taggers", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--work", type=Path, help="where taggers are kept; without it in a folder that goes away")
    parser.add_argument(
        "--on", choices=["dev", "train"], default="dev", help="`train`: the kept-back tenth, to choose by"
    )
    arguments = parser.parse_args()
    path = arguments.data / "cluener2020_zh/cluener2020_zh.jsonl"
    if not path.exists():
        print(f"{path} is not there")
        return
    torch.set_num_threads(1)
    rows = read(path, "train")
    random.Random(0).shuffle(rows)
    kept, rows = names_only(rows[: len(rows) // 10]), rows[len(rows) // 10 :]
    judged = kept if arguments.on == "train" else names_only(read(path, "test"))
    work = arguments.work or Path(tempfile.mkdtemp())
    try:
        table(arguments.taggers, arguments.rows, rows, kept, judged, work)
    finally:
        if arguments.work is None:
            shutil.rmtree(work)


def table(taggers: list[str], counts: list[int], rows: Gold, kept: Gold, judged: Gold, work: Path) -> None:
    """Teach what is not in `work` and print each tagger's row of a Markdown table, judged on `judged`."""
    labels = [
        "O",
        *(f"{place}-{name}" for name in sorted({span[2] for _text, spans in rows for span in spans}) for place in "BI"),
    ]
    texts = [text for text, _spans in judged]
    kept_own, own = (scrubbed([text for text, _spans in part]) for part in (kept, judged))
    before = leaks(judged, own)
    print(
        "| tagger | records | recall | precision | misses gone | lean | CPU s of training | MB | characters a CPU s |"
    )
    print(f"| none | - | {interval(*before.T)} | {score(judged, own, NAMES)[1]:.3f} | - | - | - | - | - |", flush=True)
    for name in taggers:
        base = find_base(load().bases, home_folder(), "e5") if name == "strong" else None
        for count in counts:
            folder = work / f"{name}-{min(count, len(rows))}"
            if not (folder / "model.json").exists():
                teach(name, rows[:count], labels, base, folder)
            about = json.loads((folder / "model.json").read_bytes())
            if "lean" not in about:
                about["lean"] = lean_for(folder, kept, kept_own)
                _describe(folder, about)
                tagger.load.cache_clear()
            found = scrubbed(texts, (folder,))
            after = leaks(judged, found)
            cells = [
                name, min(count, len(rows)), interval(*after.T), f"{score(judged, found, NAMES)[1]:.3f}",
                interval(after[:, 0], before[:, 0]), about["lean"], about["seconds"],
                round((folder / "model.onnx").stat().st_size / 1e6), round(speed(folder, texts[:300]), -2),
            ]  # fmt: skip
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
