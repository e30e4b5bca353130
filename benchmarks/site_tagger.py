"""It learns on site: a small tagger trained on reviewed records becomes a recognizer: python benchmarks/site_tagger.py [--data FOLDER] [--rows 300 10000].

CLUENER2020 stands for a site's reviewed records: its train part teaches and chooses (a tenth of it is kept back for that), its dev part is read once, at the
end. The tagger is a convolutional network over characters and pairs of neighbours (Strubell et al. 2017, arXiv 1702.02098), from scratch: minutes of one
core and 4 MB. It is exported to ONNX and loaded as `scrub.taggers` loads it; the table shows the scrubber without it and with it. Recall is leak-free.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from scrub import CLUENER, NAMES, Span, ours, score
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from appliance.privacy import Scrubber
from appliance.settings import ScrubSettings

KINDS = {"address": "ADDRESS", **dict.fromkeys(("game", "movie", "book", "position"), "")}
PAIRS = 40_000  # rows of the table of hashed pairs of characters
MAX_TOKENS = 256

Row = tuple[str, list[Span]]


class Network(torch.nn.Module):
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


def read(path: Path, split: str) -> list[Row]:
    """Read texts with all their spans."""
    rows = map(json.loads, path.read_text("utf-8").splitlines())
    return [
        (row["text"], [(s["start"], s["end"], s["label"]) for s in row["spans"]])
        for row in rows
        if row["split"] == split
    ]


def tokenizer_of(rows: list[Row]) -> Tokenizer:
    """Return a tokenizer of single characters, those that come twice or more in `rows`."""
    counts = Counter("".join(text for text, _spans in rows))
    known = ["[PAD]", "[UNK]", *sorted(character for character, count in counts.items() if count > 1)]
    tokenizer = Tokenizer(
        models.WordLevel({character: place for place, character in enumerate(known)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    return tokenizer


def tagged(row: Row, labels: list[str]) -> list[int]:
    """Return the label number of each character, in BIO."""
    text, spans = row
    tags = [0] * len(text)
    for start, end, name in spans:
        tags[start:end] = [labels.index(f"I-{name}")] * (end - start)
        tags[start] = labels.index(f"B-{name}")
    return tags


def train(rows: list[Row], labels: list[str], tokenizer: Tokenizer, steps: int) -> Network:
    """Train for `steps` batches of 32 records with AdamW, the rate falling to nothing; a tenth of the characters is hidden each time."""
    torch.manual_seed(0)
    source = random.Random(0)
    network = Network(tokenizer.get_vocab_size(), len(labels))
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps, pct_start=0.1)
    coded = [(torch.tensor(tokenizer.encode(row[0]).ids), torch.tensor(tagged(row, labels))) for row in rows]
    network.train()
    for _step in range(steps):
        batch = source.choices(coded, k=32)
        ids = torch.nn.utils.rnn.pad_sequence([ids for ids, _tags in batch], batch_first=True)  # (batch, tokens)
        tags = torch.nn.utils.rnn.pad_sequence([tags for _ids, tags in batch], batch_first=True, padding_value=-100)
        mask = (tags >= 0).long()
        hidden = torch.where((torch.rand(ids.shape) < 0.1) & (mask > 0), 1, ids)
        loss = torch.nn.functional.cross_entropy(
            network(hidden, mask).flatten(0, 1), tags.flatten(), label_smoothing=0.05
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return network.eval()


def export(network: Network, labels: list[str], tokenizer: Tokenizer, lean: float, folder: Path) -> Path:
    """Write the folder that `scrub.taggers` names."""
    batch, tokens = torch.export.Dim("batch", min=1, max=4096), torch.export.Dim("tokens", min=2, max=MAX_TOKENS)
    sample = torch.arange(14).reshape(2, 7) % 5, torch.ones(2, 7, dtype=torch.long)
    torch.onnx.export(
        network, sample, folder / "model.onnx", dynamo=True, external_data=False, verbose=False, output_names=["logits"],
        input_names=["input_ids", "attention_mask"], dynamic_shapes=({0: batch, 1: tokens}, {0: batch, 1: tokens}),
    )  # fmt: skip
    tokenizer.save(str(folder / "tokenizer.json"))
    about: dict[str, Any] = {"labels": labels, "max_tokens": MAX_TOKENS, "kinds": KINDS, "lean": lean}
    (folder / "model.json").write_text(json.dumps(about, ensure_ascii=False), "utf-8")
    return folder


def measure(rows: list[Row], folders: tuple[Path, ...]) -> tuple[float, float]:
    """Return leak-free recall and precision of names with these taggers."""
    gold = [(text, [span for span in spans if span[2] in CLUENER]) for text, spans in rows]
    scrubber = Scrubber.from_settings("zh", ScrubSettings(taggers=folders))
    return score(gold, ours(scrubber)([text for text, _spans in gold]), NAMES)


def main() -> None:
    """Print recall / precision without a tagger and with one taught by each number of records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[1] / "../shared/data")
    parser.add_argument("--rows", type=int, nargs="+", default=[300, 10_000])
    parser.add_argument("--steps", type=int, default=1500, help="batches of 32 records")
    parser.add_argument("--lean", type=float, default=2.0, help="weight of every label but `O`, chosen on train")
    parser.add_argument(
        "--on", choices=["dev", "train"], default="dev", help="`train`: a tenth of the train part, to choose by"
    )
    arguments = parser.parse_args()
    path = arguments.data / "cluener2020_zh/cluener2020_zh.jsonl"
    if not path.exists():
        print(f"{path} is not there")
        return
    torch.set_num_threads(1)
    rows = read(path, "train")
    random.Random(0).shuffle(rows)
    held, rows = rows[: len(rows) // 10], rows[len(rows) // 10 :]
    judged = held if arguments.on == "train" else read(path, "test")
    names = sorted({span[2] for _text, spans in rows for span in spans})
    labels = ["O", *(f"{place}-{name}" for name in names for place in "BI")]
    print(f"{'':34}recall / precision    CPU seconds of training")
    print(f"{'without a tagger':34}{'{:.3f} / {:.3f}'.format(*measure(judged, ()))}")
    for count in arguments.rows:
        start = time.process_time()
        tokenizer = tokenizer_of(rows[:count])
        network = train(rows[:count], labels, tokenizer, min(arguments.steps, 2 * count))
        seconds = time.process_time() - start
        with tempfile.TemporaryDirectory() as folder:
            tagger = export(network, labels, tokenizer, arguments.lean, Path(folder))
            figures = "{:.3f} / {:.3f}".format(*measure(judged, (tagger,)))
        print(f"{f'taught by {min(count, len(rows))} records':34}{figures}{seconds:>16.0f}", flush=True)


if __name__ == "__main__":
    main()
