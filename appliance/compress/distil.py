"""Distillation: a student learns to answer as its teachers do, on texts with or without labels.

Loss of a batch, with teacher p and student q, both softened by the temperature T (Hinton et al. 2015, arXiv 1503.02531):
`(1 - label_share) T^2 KL(p || q) + label_share CE(labels) + embedding_weight |e_teacher - e_student|^2 + relation_weight R`,
where e is the embedding of a text and R compares the attention relations of the last layers (Wang et al. 2020, arXiv 2012.15828).
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import math
import random
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import device
from appliance.compress.student import Student, layers
from appliance.compress.vocabulary import common_words, tokens, word_vectors
from appliance.engine.on_torch import embeddings
from appliance.settings import TrainSettings
from appliance.train.classify import Rows
from appliance.train.loop import fine_tune
from appliance.train.probe import embed

if TYPE_CHECKING:
    import numpy as np
    import torch

    Array = np.ndarray[Any, Any]

__all__ = [
    "COPIES",
    "NO_LABEL",
    "Recovery",
    "Transfer",
    "drop_words",
    "exchange_words",
    "identity",
    "kl_loss",
    "recover",
    "relation_loss",
    "splice",
    "stray_words",
    "teach",
    "transfer",
    "untaught",
]

NO_LABEL = -1
_RELATION_HEADS = 12
_EPOCH_ROWS = 2_000, 20_000
_CHECKPOINT_STEPS = 300
COPIES = 2  # of each row, of each kind, that students learn from
_COMMON, _NEIGHBOURS = 12_000, 8  # words that may come in, and how many for each
_EXCHANGED, _STRAYED = (0.1, 0.5), (0.3, 1.0)  # of the words of a copy
_FREQUENT = 100  # the first words of a language are alike frequent, for one over the rank
_WORD = re.compile(
    r"[\u3400-\u9fff\uf900-\ufaff]|[^\s\u3400-\u9fff\uf900-\ufaff]+\s*"
)  # a Han character, or a run of others


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a student learns from: texts, the number of each one's label or `NO_LABEL`, and what the teachers answer.

    `logits` is float32 (rows, labels), the mean of all teachers; `embeddings` float32 (rows, hidden), those of the first, each of length 1.
    `subjects` tell whom the first rows are about; the rows behind them are copies that were changed.
    """

    texts: tuple[str, ...] = field(repr=False)
    targets: tuple[int, ...] = field(repr=False)
    logits: Array = field(repr=False)
    embeddings: Array = field(repr=False)
    subjects: tuple[str | None, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long and by which loss a student learns, see the module; the rate is the highest of a cosine.

    An epoch is as many rows as were given, copies not counted, but at least 2,000 and at most 20,000: few rows are learned more often, of many a
    part is enough.
    """

    epochs: float
    learning_rate: float
    temperature: float = 2.0
    label_share: float = 0.3
    embedding_weight: float = 0.0
    relation_weight: float = 0.0
    batch_rows: int = 32
    seed: int = 0


def teach(teachers: Sequence[Student], texts: Sequence[str], scratch: Path) -> tuple[Array, Array]:
    """Return what the teachers make of each text: logits float32 (rows, labels), their mean, and the first one's embeddings float32 (rows, hidden).

    The embeddings are kept in `scratch`, each 2,000 rows once they are there, so that a text is read once by each teacher.
    """
    import numpy as np

    logits, first = [], None
    for teacher in teachers:
        network = copy.deepcopy(teacher.network).to(_place())
        found = embed(network, teacher.ids(texts), scratch / _key(teacher, texts))
        first = found if first is None else first
        head: Any = teacher.network["head"]
        logits.append(found @ head.weight.detach().cpu().numpy().T + head.bias.detach().cpu().numpy())
    assert first is not None, "at least one teacher"
    mean: Array = np.stack(logits).mean(axis=0, dtype=np.float32)
    return mean, first


def _key(teacher: Student, texts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps([identity(teacher), list(texts)]).encode()).hexdigest()[:16]


def identity(student: Student) -> str:
    """Return a hash of all that a student's answers depend on: weights, tokenizer, plan."""
    digest = hashlib.sha256(json.dumps(asdict(student.plan)).encode() + student.tokenizer)
    for name, value in sorted(student.network.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def transfer(teachers: Sequence[Student], rows: Rows, copies: int, seed: int, scratch: Path) -> Transfer:
    """Make what a student learns from: `rows`, whose targets may be `NO_LABEL`, then of each `copies` with words dropped, `copies` spliced with other texts,
    `copies` with words exchanged for like ones and `copies` with words exchanged for any, taught by `teachers`."""
    changed = drop_words(rows.texts, copies, seed) + splice(rows.texts, copies, seed)
    changed += exchange_words(teachers[0], rows.texts, copies, seed) + stray_words(
        teachers[0], rows.texts, copies, seed
    )
    texts = (*rows.texts, *changed)
    logits, vectors = teach(teachers, texts, scratch)
    targets = rows.targets + (NO_LABEL,) * (len(texts) - len(rows))
    return Transfer(texts, targets, logits, vectors, rows.whom())


def untaught(rows: Rows) -> Transfer:
    """Return `rows` without copies and without answers (both arrays are empty): for what learns nothing but needs real texts."""
    import numpy as np

    return Transfer(rows.texts, rows.targets, np.empty((0, 0), np.float32), np.empty((0, 0), np.float32), rows.whom())


def drop_words(texts: Sequence[str], copies: int, seed: int, most: float = 0.5) -> list[str]:
    """Return `copies` copies of each text, all texts once and then again, each without a random share of its words (of its characters, where they are Han).

    The share is drawn for each copy, evenly up to `most`; a word is always left. The same seed gives the same copies. After word dropping of
    Tang et al. 2019 (arXiv 1903.12136), who replace words by a mask.
    """
    source = random.Random(seed)  # noqa: S311  no secret: a sample
    dropped = []
    for _copy in range(copies):
        for text in texts:
            words = _WORD.findall(text)
            share = source.uniform(0, most)
            left = [word for word in words if source.random() >= share]
            dropped.append("".join(left or words[:1]).strip())
    return dropped


def splice(texts: Sequence[str], copies: int, seed: int) -> list[str]:
    """Return `copies` copies of each text, all texts once and then again: the head of the text and the tail of another one, cut between words at random.

    What a text of two minds is, the teacher says. The same seed gives the same copies.
    """
    source = random.Random(seed)  # noqa: S311  no secret: a sample
    cut = [_WORD.findall(text) for text in texts]
    spliced = []
    for words in cut * copies:
        other = source.choice(cut)
        head = words[: max(1, round(len(words) * source.random()))]
        tail = other[round(len(other) * source.random()) :]
        space = " " if head and tail and head[-1][-1:].isascii() else ""
        spliced.append(("".join(head).rstrip() + space + "".join(tail)).strip())
    return spliced


def exchange_words(student: Student, texts: Sequence[str], copies: int, seed: int) -> list[str]:
    """Return `copies` copies of each text, all texts once and then again, with a random share of the common words exchanged for one of like meaning.

    Of like meaning are the nearest in the student's embedding table, so that a smaller model also learns words that no text of the site holds. The
    share is drawn for each copy; the same seed gives the same copies. After Jiao et al. 2020 (arXiv 1909.10351, section 3.3), who ask a language model for words.
    """
    from tokenizers import Tokenizer

    source = random.Random(seed)  # noqa: S311  no secret: a sample
    reader = Tokenizer.from_buffer(student.tokenizer)
    read = reader.encode_batch(list(texts), add_special_tokens=False)
    near = _words_of_like_meaning(student, {token for row in read for token in row.ids})
    exchanged = []
    for _copy in range(copies):
        for text, row in zip(texts, read, strict=True):
            share, parts, done = source.uniform(*_EXCHANGED), [], 0
            for token, (start, end) in zip(row.ids, row.offsets, strict=True):
                inside = text[end : end + 1].isascii() and text[end : end + 1].isalnum()  # of a longer word
                if token in near and not inside and source.random() < share:
                    parts += [text[done:start], " " * text[start:end].startswith(" "), source.choice(near[token])]
                    done = end
            exchanged.append("".join([*parts, text[done:]]))
    return exchanged


def stray_words(student: Student, texts: Sequence[str], copies: int, seed: int) -> list[str]:
    """Return `copies` copies of each text, all texts once and then again, with a random share of the words exchanged for any common ones.

    They speak of other matters than the site's texts do: from the teacher's answers to them a student learns how sure to be of what it never
    saw. The more frequent a word, the likelier it comes in (by one over its rank: Zipf 1949); the share is drawn for each copy; the same seed gives the same copies.
    """
    source = random.Random(seed)  # noqa: S311  no secret: a sample
    names = tokens(student.tokenizer)
    words = [names[word].lstrip("\u2581") for word in common_words(student.tokenizer, student.plan.languages)[:_COMMON]]
    weights = list(itertools.accumulate(1 / (_FREQUENT + rank) for rank in range(len(words))))
    strayed = []
    for text in list(texts) * copies:
        share, parts = source.uniform(*_STRAYED), []
        for word in _WORD.findall(text):
            other = source.random() < share and words
            parts.append(source.choices(words, cum_weights=weights)[0] + " " * word[-1:].isspace() if other else word)
        strayed.append("".join(parts).strip())
    return strayed


def _words_of_like_meaning(student: Student, seen: set[int]) -> dict[int, list[str]]:
    """Return for each common word among the tokens `seen` the nearest other ones."""
    import numpy as np

    names = tokens(student.tokenizer)
    common = common_words(student.tokenizer, student.plan.languages)[:_COMMON]
    vectors = word_vectors(student, common)
    near: dict[int, list[str]] = {}
    for place, word in enumerate(common):
        if word in seen:
            likeness = vectors @ vectors[place]
            likeness[place] = -np.inf
            best = np.argsort(-likeness, kind="stable")[:_NEIGHBOURS]
            near[word] = [names[common[other]].lstrip("\u2581") for other in best]
    return near


def kl_loss(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return T^2 KL(teacher || student), the mean over rows of logits (rows, labels) softened by T: sum of p (log p - log q), the teacher's p first.

    T^2 keeps the gradient's size whatever the temperature (Hinton et al. 2015, section 2.1).
    """
    import torch

    log_p = torch.log_softmax(teacher / temperature, -1)
    log_q = torch.log_softmax(student / temperature, -1)
    return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1).mean()


def relation_loss(
    student: Mapping[str, torch.Tensor], teacher: Mapping[str, torch.Tensor], mask: torch.Tensor
) -> torch.Tensor:
    """Return the mean over `query`, `key` and `value` of KL(teacher || student) of their relations: softmax(x x^T / sqrt(width)) among a row's tokens.

    Each x is (batch, tokens, width), cut into the same number of relation heads in both networks, so that widths may differ (Wang et al. 2020,
    arXiv 2012.15828, equations 3 to 5). `mask` (batch, tokens) is 1 at real tokens; padding counts nowhere.
    """
    import torch

    heads = _relation_heads(student["query"].shape[-1], teacher["query"].shape[-1])
    rows = mask[:, None, :].float()  # (batch, 1, tokens)
    total = torch.zeros((), device=mask.device)
    for part in ("query", "key", "value"):
        log_p, log_q = (
            _relations(found[part], heads, mask) for found in (teacher, student)
        )  # (batch, heads, tokens, tokens)
        divergence = (log_p.exp() * (log_p - log_q)).sum(-1)  # (batch, heads, tokens)
        total = total + (divergence * rows).sum() / (rows.sum() * heads)
    return total / 3


def _relation_heads(*widths: int) -> int:
    return max(heads for heads in range(1, _RELATION_HEADS + 1) if all(width % heads == 0 for width in widths))


def _relations(value: torch.Tensor, heads: int, mask: torch.Tensor) -> torch.Tensor:
    import torch

    cut = value.float().reshape(*value.shape[:-1], heads, -1).transpose(1, 2)  # (batch, heads, tokens, width)
    scores = cut @ cut.transpose(-1, -2) / cut.shape[-1] ** 0.5
    hidden = torch.finfo(scores.dtype).min
    return torch.log_softmax(scores.masked_fill(mask[:, None, None, :] == 0, hidden), -1)


def recover(
    student: Student,
    rows: Transfer,
    recovery: Recovery,
    scratch: Path,
    judge: Rows | None = None,
    guide: Student | None = None,
) -> Student:
    """Return the student after learning from `rows`; the one given stays as it is. A run that was killed goes on in `scratch`, to the same weights.

    With `judge` the weights of the epoch with the best macro-F1 on it are kept, else the last ones. `guide` is a network with the same tokenizer
    whose attention relations the student takes on (`recovery.relation_weight`).
    """
    import torch

    place = _place()
    network = copy.deepcopy(student.network).to(place)
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # a small student has no room to spare; what rows vary by are the copies
    fine_tune(
        network,
        (student.ids(rows.texts), rows.targets),
        (student.ids(judge.texts), judge.targets) if judge else None,
        _settings(recovery),
        device.precision(),
        scratch,
        _steps(recovery, len(rows.subjects)),
        loss=_Loss(rows, recovery, guide, place),
    )
    return replace(student, network=network.to("cpu").eval())


def _place() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _steps(recovery: Recovery, rows: int) -> int:
    least, most = _EPOCH_ROWS
    return max(1, math.ceil(recovery.epochs * min(max(rows, least), most) / recovery.batch_rows))


def _settings(recovery: Recovery) -> TrainSettings:
    return TrainSettings(
        learning_rate=recovery.learning_rate,
        batch_rows=recovery.batch_rows,
        seed=recovery.seed,
        patience=sys.maxsize,  # the schedule ends when it ends: its last steps are the best ones
        checkpoint_steps=_CHECKPOINT_STEPS,
    )


class _Loss:
    """The loss of the module's docstring, for `fine_tune`."""

    def __init__(self, rows: Transfer, recovery: Recovery, guide: Student | None, place: str) -> None:
        import torch

        self._recovery = recovery
        self._logits, self._embeddings = (torch.from_numpy(value).to(place) for value in (rows.logits, rows.embeddings))
        self._guide = copy.deepcopy(guide.network).to(place).eval() if guide and recovery.relation_weight else None

    def __call__(self, network: torch.nn.ModuleDict, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        import torch

        recovery, numbers = self._recovery, batch["rows"]
        with _watching(network if self._guide else None) as seen:
            vectors = embeddings(network, batch["input_ids"], batch["attention_mask"])  # (batch, hidden)
        answer = network["head"](vectors).float()
        total = (1 - recovery.label_share) * kl_loss(answer, self._logits[numbers], recovery.temperature)
        crossed = torch.nn.functional.cross_entropy(answer, batch["labels"], ignore_index=NO_LABEL, reduction="sum")
        total = total + recovery.label_share * crossed / len(numbers)
        if recovery.embedding_weight:
            distance = (vectors.float() - self._embeddings[numbers]).square().sum(-1).mean()
            total = total + recovery.embedding_weight * distance
        if self._guide:
            with torch.no_grad(), _watching(self._guide) as wanted:
                embeddings(self._guide, batch["input_ids"], batch["attention_mask"])
            total = total + recovery.relation_weight * relation_loss(seen, wanted, batch["attention_mask"])
        return total


@contextmanager
def _watching(network: torch.nn.ModuleDict | None) -> Iterator[dict[str, torch.Tensor]]:
    """Collect what the last layer's query, key and value products give, (batch, tokens, width) each, while the block runs."""
    seen: dict[str, torch.Tensor] = {}
    with ExitStack() as stack:
        attention = layers(network)[-1].attention.self if network is not None else None
        for part in ("query", "key", "value") if attention is not None else ():
            product = getattr(attention, part)
            keep = product.register_forward_hook(lambda _module, _in, out, part=part: seen.__setitem__(part, out))
            stack.callback(keep.remove)
        yield seen
