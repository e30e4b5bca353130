"""A student without a transformer: hashed n-grams, a table of small integers, a linear head. It learns what its teacher answers.

The model is that of `engine.on_ngrams`; the loss is that of `distil`, on the teacher's logits and the labels. The table learns with the rounding that it will be
stored with (straight-through gradient: Bengio et al. 2013, arXiv 1308.3432; Jacob et al. 2018, arXiv 1712.05877).

A row of the table learns only when the texts of enough different people hold pieces that fall on it; all others stay zero. So no row stands for one
person's words alone, though such words may share a row with others', and words that training never saw add nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.base.choose import han_share
from appliance.compress.distil import NO_LABEL, Transfer, kl_loss
from appliance.compress.vocabulary import MIN_SUBJECTS, held_by_many
from appliance.engine.on_ngrams import NgramsEngine, Pieces, pack
from appliance.engine.plan import Plan, write_plan
from appliance.jobs import progress
from appliance.train.classify import Rows, measure

if TYPE_CHECKING:
    import numpy as np
    import torch

    Array = np.ndarray[Any, Any]

__all__ = ["Learning", "choose_pieces", "distil"]

# A text with a Han character among twenty makes a Chinese data set, as `base.choose` has it.
_CHINESE_SHARE = 0.05
_CHARACTERS_PER_TOKEN = 16
_STEPS_OF_SPREAD = 3.0  # a table of 4 bits reaches to 3 standard deviations; what lies behind is cut
_BATCHES_OF_A_PASS, _FEWEST_ROWS = 100, 8  # a pass over few rows has smaller batches, so that there are steps enough


@dataclass(frozen=True, slots=True)
class Learning:
    """How large the student is and how it learns.

    The table has 2 ** `rows_log2` rows of `width` numbers of `bits` bits (4 or 8). A row needs pieces of `min_subjects` people, as a token does in a
    trimmed vocabulary. `passes` go over all rows, copies too, in batches of at most `batch_rows`, no more than `most_steps` in all.
    """

    rows_log2: int = 16
    width: int = 32
    bits: int = 4
    min_subjects: int = MIN_SUBJECTS
    passes: tuple[int, ...] = (1, 2, 4, 8, 16)
    most_steps: int = 3000
    batch_rows: int = 256
    learning_rate: float = 5e-3
    temperature: float = 2.0
    label_share: float = 0.3
    seed: int = 0


def distil(
    rows: Transfer, plan: Plan, folder: Path, judge: Rows | None = None, learning: Learning = Learning()
) -> None:
    """Write the student of `rows` into `folder`: a model to serve, and `parameters.json` beside it.

    `plan` is the teacher's. The more labels and the softer the answers, the longer such a student may learn before it knows its rows by heart: it learns
    anew for longer and longer until it answers `judge` no better. The same rows give the same bytes on one thread. It takes a minute: a killed one starts again.
    """
    from safetensors.numpy import save_file

    pieces = choose_pieces(rows.texts, plan.max_tokens, learning.rows_log2)
    plan = replace(plan, format="ngrams", prefix="", reduce_range=False)
    read = [pieces.read(text)[0] for text in rows.texts]
    tensors = _best(rows, read, pieces, plan, judge, learning)
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(asdict(pieces)) + "\n", "utf-8")
    write_plan(folder, plan)
    count = {"embedding": pieces.rows * learning.width, "encoder": tensors["head"].size + tensors["bias"].size}
    (folder / "parameters.json").write_text(json.dumps(count), "utf-8")


def _best(
    rows: Transfer, read: Sequence[Array], pieces: Pieces, plan: Plan, judge: Rows | None, learning: Learning
) -> dict[str, Array]:
    """Return the tensors of the first number of passes after which more are no better for the accuracy on `judge`; without a judge, of the middle one."""
    known = _known(read[: len(rows.subjects)], rows.subjects, pieces.rows, learning.min_subjects)
    if not judge:
        return _learn(rows, read, known, learning, learning.passes[len(learning.passes) // 2])
    best: dict[str, Array] = {}
    reached = -1.0
    for passes in learning.passes:
        tensors = _learn(rows, read, known, learning, passes)
        accuracy = measure(NgramsEngine(plan, pieces, tensors).logits(judge.texts), judge.targets)["accuracy"]
        if accuracy <= reached:
            break
        best, reached = tensors, accuracy
    return best


def choose_pieces(texts: Sequence[str], max_tokens: int, rows_log2: int) -> Pieces:
    """Choose what counts in such texts: stretches of 3 to 5 characters, of 1 to 3 where Han characters are in use, and pairs of words."""
    shortest, longest = (1, 3) if han_share(texts) > _CHINESE_SHARE else (3, 5)
    return Pieces(shortest, longest, 2, rows_log2, max_tokens * _CHARACTERS_PER_TOKEN)


def _learn(
    rows: Transfer, read: Sequence[Array], known: torch.Tensor, learning: Learning, passes: int
) -> dict[str, Array]:
    """Return the tensors of an `ngrams` model that went over all rows so many times. `read` are the pieces of each, `known` (table rows, 1) is 1 for the rows that may learn."""
    import torch

    truth, targets = torch.from_numpy(rows.logits), torch.tensor(rows.targets)
    random = torch.Generator().manual_seed(learning.seed)
    table = torch.zeros(len(known), learning.width, requires_grad=True)
    head = torch.randn(truth.shape[1], learning.width, generator=random) / learning.width**0.5
    head, bias = head.requires_grad_(), torch.zeros(truth.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([table, head, bias], lr=learning.learning_rate, betas=(0.9, 0.99), fused=True)
    batches = _batches(len(read), passes, learning, random)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / 20) * (1 - step / len(batches))
    )
    for step, batch in enumerate(batches):
        seen = table * known
        rounded = _fake_rounded(seen, learning.bits) if step >= len(batches) // 2 else seen
        logits = _bags(rounded, [read[row] for row in batch]) @ head.T + bias
        loss = _loss(logits, truth[batch], targets[batch], learning)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        rate.step()
        progress("n-grams", step + 1, len(batches), passes=passes, loss=round(loss.item(), 4))
    return _whole_numbers((table * known).detach(), head.detach(), bias.detach(), learning.bits)


def _known(read: Sequence[Array], subjects: Sequence[str | None], rows: int, min_subjects: int) -> torch.Tensor:
    """Return 1 for each row that pieces of `min_subjects` people fall on and 0 for the others, float32 (rows, 1)."""
    import torch

    known = torch.zeros(rows, 1)
    known[sorted(held_by_many([pieces.tolist() for pieces in read], subjects, min_subjects))] = 1
    return known


def _batches(count: int, passes: int, learning: Learning, random: torch.Generator) -> list[list[int]]:
    """Deal out the row numbers, shuffled anew in each pass; the last rows of a pass that fill no batch wait for the next pass's luck."""
    import torch

    size = min(count, learning.batch_rows, max(_FEWEST_ROWS, count // _BATCHES_OF_A_PASS))
    batches: list[list[int]] = []
    for _pass in range(passes):
        order = torch.randperm(count, generator=random).tolist()
        batches += [order[start : start + size] for start in range(0, count - size + 1, size)]
    return batches[: learning.most_steps]


def _bags(table: torch.Tensor, read: Sequence[Array]) -> torch.Tensor:
    """Add up the rows of each text and divide by the root of their number: (texts, width)."""
    import numpy as np
    import torch

    counts = torch.tensor([len(pieces) for pieces in read])
    starts = counts.cumsum(0) - counts
    pieces = torch.from_numpy(np.concatenate(read).astype(np.int64))
    sums: torch.Tensor = torch.nn.functional.embedding_bag(pieces, table, starts, mode="sum")
    return sums / counts.sqrt().unsqueeze(1)


def _loss(logits: torch.Tensor, truth: torch.Tensor, targets: torch.Tensor, learning: Learning) -> torch.Tensor:
    import torch

    taught: torch.Tensor = kl_loss(logits, truth, learning.temperature)
    if not (targets != NO_LABEL).any():
        return taught
    told: torch.Tensor = torch.nn.functional.cross_entropy(logits, targets, ignore_index=NO_LABEL)
    return (1 - learning.label_share) * taught + learning.label_share * told


def _steps(table: torch.Tensor, bits: int) -> torch.Tensor:
    """Return the step between two neighbouring numbers of each column, (width,)."""
    values = table.detach()
    reach = values.abs().amax(0)
    if bits < 8:
        filled = values[values.abs().amax(1) > 0]
        reach = reach.minimum(_STEPS_OF_SPREAD * filled.square().mean(0).sqrt()) if len(filled) else reach
    steps: torch.Tensor = (reach / (2 ** (bits - 1) - 1)).clamp_min(1e-12)
    return steps


def _fake_rounded(table: torch.Tensor, bits: int) -> torch.Tensor:
    """Round to the numbers that `bits` bits can tell apart; the gradient passes as if nothing had been rounded."""
    steps, most = _steps(table, bits), 2 ** (bits - 1) - 1
    rounded = (table / steps).round().clamp(-most, most) * steps
    return table + (rounded - table).detach()


def _whole_numbers(table: torch.Tensor, head: torch.Tensor, bias: torch.Tensor, bits: int) -> dict[str, Array]:
    """Return the tensors of an `ngrams` model. The steps of the table's columns go into the head, whose rows become 16-bit numbers times `scale`."""
    import numpy as np

    steps, most = _steps(table, bits), 2 ** (bits - 1) - 1
    numbers = (table / steps).round().clamp(-most, most).numpy().astype(np.int8)
    weights = (head * steps).numpy()  # (labels, width)
    scale = np.maximum(np.abs(weights).max(axis=1) / np.iinfo(np.int16).max, np.finfo(np.float32).tiny)
    return {
        "table": numbers if bits == 8 else pack(numbers),
        "head": np.rint(weights / scale[:, None]).astype(np.int16),
        "scale": scale.astype(np.float32),
        "bias": bias.numpy(),
    }
