"""A smaller vocabulary: the tokens that a site's texts, its languages' characters and common words need, in a tokenizer made anew.

A trimmed vocabulary must not be a list of patients: a token is kept for a site's texts only when many different people's texts hold it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from appliance.compress.student import Student, with_network
from appliance.errors import InputError
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = [
    "MIN_SUBJECTS",
    "characters",
    "choose_tokens",
    "common_words",
    "held_by_many",
    "special",
    "tokens",
    "trim",
    "trim_tokenizer",
    "unknown_rate",
    "without_unused",
    "word_vectors",
]

Item = TypeVar("Item", bound=Hashable)
MIN_SUBJECTS = 10
_COMMON, _NEAREST = 14_000, 5  # words that may be chosen, and how many neighbours of each count
_RARE = 0.05  # what a word loses for each unit of the logarithm of its rank
# Characters that every model keeps where its base knows them: Latin letters, digits, punctuation, currency signs.
_WRITTEN = re.compile("[\u0021-\u024f\u2010-\u205e\u20a0-\u20bf]")
# Chinese adds its punctuation, full-width forms and the Han characters in daily use (GB/T 2312-1980, levels 1 and 2).
_CHINESE_SIGNS = re.compile("[\u3001-\u301f\uff01-\uff5e\uffe5]")
_UNUSED = re.compile(r"\[unused\d+\]")  # what BERT's vocabulary keeps free
_SPACE = "\u2581"  # how SentencePiece writes the space before a word


def choose_tokens(
    student: Student,
    texts: Sequence[str],
    subjects: Sequence[str | None],
    reserve: int,
    min_subjects: int = MIN_SUBJECTS,
) -> list[int]:
    """Return the ids to keep, in rising order: special tokens, the characters of the plan's languages, what the texts of at least `min_subjects`
    different people hold, and common words of the languages until `reserve` words are kept in all.

    `texts` are scrubbed ones, `subjects` the person that each is about (None: somebody else each time). Common words are the base tokenizer's own: whole words
    in the order of its ids (WordPiece vocabularies are sorted by frequency) or of its scores (Unigram: log probabilities). Those go first whose
    vectors are near to the words that the texts hold: on banking77 and clinc150 a third fewer unseen texts were cut otherwise than with the most frequent ones. The
    choice depends on words of many people alone, so that it tells no more of one person than they do.
    Raises `InputError` for a tokenizer of another kind.
    """
    tokenizer, languages = student.tokenizer, student.plan.languages
    words = common_words(tokenizer, languages)
    held = held_by_many(student.ids(texts), subjects, min_subjects)
    room = max(0, reserve - len(held.intersection(words)))
    kept = characters(tokenizer, languages) | special(tokenizer) | held
    return sorted(kept.union(_near(student, words[:_COMMON], held)[:room]))


def _near(student: Student, words: Sequence[int], held: set[int]) -> list[int]:
    """Sort common words, given by falling frequency, by how near they are to those among `held`, rare ones a little behind; `held` ones are left out."""
    import numpy as np

    known = [word for word in words if word in held]
    rest = [word for word in words if word not in held]
    if not known or not rest:
        return rest
    likeness = word_vectors(student, rest) @ word_vectors(student, known).T  # (rest, known)
    best = np.sort(likeness, axis=1)[:, -_NEAREST:].mean(axis=1)
    rank = {word: place for place, word in enumerate(words)}
    score = best - _RARE * np.log([100 + rank[word] for word in rest])
    return [rest[place] for place in np.argsort(-score, kind="stable")]


def word_vectors(student: Student, ids: Sequence[int]) -> np.ndarray[Any, Any]:
    """Return the rows of the embedding table for these tokens, float32 (ids, hidden), each of length 1: near ones mean like things."""
    import numpy as np

    encoder: Any = student.network["encoder"]
    table = encoder.embeddings.word_embeddings.weight.detach().float().cpu().numpy()
    vectors: np.ndarray[Any, Any] = table[list(ids)]
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return vectors


def special(tokenizer: bytes) -> set[int]:
    """Return the ids of the tokens that a `tokenizer.json` adds, and of the one for what it does not know."""
    content = json.loads(tokenizer)
    return {int(added["id"]) for added in content["added_tokens"]} | set(_unknown_ids(content))


def characters(tokenizer: bytes, languages: Sequence[str]) -> set[int]:
    """Return the ids of single characters that the languages are written with."""
    return {number for number, token in enumerate(tokens(tokenizer)) if _is_character(_bare(token), "zh" in languages)}


def common_words(tokenizer: bytes, languages: Sequence[str]) -> list[int]:
    """Return the ids of the whole words of the languages, the most frequent ones first."""
    content = json.loads(tokenizer)
    kind, chinese = content["model"]["type"], "zh" in languages
    words = [number for number, token in enumerate(tokens(tokenizer)) if _is_word(token, kind, chinese)]
    return _by_frequency(content, words)


def held_by_many(rows: Iterable[Iterable[Item]], subjects: Iterable[str | None], min_subjects: int) -> set[Item]:
    """Return the items (tokens, as a rule) that rows of at least `min_subjects` different people hold; a row without a subject is somebody else's each time."""
    people: dict[Item, set[Any]] = {}
    for number, (row, subject) in enumerate(zip(rows, subjects, strict=True)):
        who = number if subject is None else subject
        for item in row:
            holders = people.setdefault(item, set())
            if len(holders) < min_subjects:
                holders.add(who)
    return {item for item, holders in people.items() if len(holders) >= min_subjects}


def trim(student: Student, kept: Sequence[int]) -> Student:
    """Return a student with these tokens alone, renumbered in their order: a new `tokenizer.json`, a shorter embedding table.

    A text whose tokens are all kept is cut into the same tokens as before and gets the same answer; other words are cut into smaller
    pieces, in the end into characters, and are not lost as `[UNK]`.
    """
    shorter = with_network(student, lambda network: _keep_rows(network, kept))
    return replace(shorter, tokenizer=trim_tokenizer(student.tokenizer, kept))


def trim_tokenizer(tokenizer: bytes, kept: Sequence[int]) -> bytes:
    """Return a `tokenizer.json` with these tokens alone, renumbered in their order. Raises `InputError` for a tokenizer of another kind."""
    new = {old: number for number, old in enumerate(kept)}
    content = json.loads(tokenizer)
    model = content["model"]
    if model["type"] == "WordPiece":
        model["vocab"] = {
            token: new[old] for token, old in sorted(model["vocab"].items(), key=lambda item: item[1]) if old in new
        }
    else:
        model["vocab"] = [model["vocab"][old] for old in kept]
        model["unk_id"] = new[model["unk_id"]]
    for added in content["added_tokens"]:
        added["id"] = new[added["id"]]
    _renumber(content["post_processor"] or {}, new)
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def without_unused(student: Student) -> Student:
    """Return a student without the tokens that its vocabulary keeps free (`[unused0]` and so on) and that no text is cut into; it answers as before."""
    every = tokens(student.tokenizer)
    unused = [number for number, token in enumerate(every) if _UNUSED.fullmatch(token)]
    dropped = set(unused).difference(*student.ids([every[number] for number in unused]))
    return trim(student, [number for number in range(len(every)) if number not in dropped]) if dropped else student


def _renumber(processor: dict[str, Any], new: dict[int, int]) -> None:
    """Give the special tokens that a post-processor adds their new ids, in place."""
    if processor.get("type") not in (None, "TemplateProcessing", "BertProcessing", "RobertaProcessing"):
        raise InputError(
            _(
                "a tokenizer of the kind `{kind}` cannot be trimmed; keep the whole vocabulary",
                kind=str(processor["type"]),
            )
        )
    for special in processor.get("special_tokens", {}).values():
        special["ids"] = [new[old] for old in special["ids"]]
    for name in {"sep", "cls"} & processor.keys():
        token, old = processor[name]
        processor[name] = [token, new[old]]


def unknown_rate(student: Student, texts: Sequence[str]) -> float:
    """Return the share of the tokens of `texts` that are unknown ones: what a vocabulary cannot say."""
    unknown = set(_unknown_ids(json.loads(student.tokenizer)))
    ids = student.ids(texts)
    return sum(token in unknown for row in ids for token in row) / max(1, sum(map(len, ids)))


def _keep_rows(network: torch.nn.ModuleDict, kept: Sequence[int]) -> None:
    import torch

    encoder: Any = network["encoder"]
    before = encoder.embeddings.word_embeddings
    padding = encoder.config.pad_token_id
    encoder.config.vocab_size = len(kept)
    encoder.config.pad_token_id = kept.index(padding) if padding in kept else None
    table = torch.nn.Embedding(len(kept), before.embedding_dim, padding_idx=encoder.config.pad_token_id)
    table.load_state_dict({"weight": before.weight.detach()[torch.tensor(kept)].clone()})
    encoder.embeddings.word_embeddings = table


def tokens(tokenizer: bytes) -> list[str]:
    """Return the vocabulary of a `tokenizer.json` in the order of its ids. Raises `InputError` for a tokenizer of another kind."""
    model = json.loads(tokenizer)["model"]
    if model["type"] == "WordPiece":
        return [token for token, _number in sorted(model["vocab"].items(), key=lambda item: item[1])]
    if model["type"] == "Unigram":
        return [token for token, _score in model["vocab"]]
    raise InputError(
        _("a tokenizer of the kind `{kind}` cannot be trimmed; keep the whole vocabulary", kind=str(model["type"]))
    )


def _unknown_ids(content: dict[str, Any]) -> list[int]:
    model = content["model"]
    return [model["unk_id"]] if model["type"] == "Unigram" else [model["vocab"][model["unk_token"]]]


def _bare(token: str) -> str:
    return token.removeprefix("##").removeprefix(_SPACE)


def _is_character(bare: str, chinese: bool) -> bool:
    if not bare:
        return True  # SentencePiece's space alone
    if len(bare) != 1:
        return False
    return bool(_WRITTEN.match(bare)) or (chinese and bool(_CHINESE_SIGNS.match(bare) or _is_daily_han(bare)))


def _is_daily_han(character: str) -> bool:
    try:
        return unicodedata.name(character, "").startswith("CJK UNIFIED") and len(character.encode("gb2312")) == 2
    except UnicodeEncodeError:
        return False


def _is_word(token: str, kind: str, chinese: bool) -> bool:
    """Tell whether a token is a whole word: letters of the plan's languages, no piece of a word."""
    bare = _bare(token)
    if chinese and len(bare) > 1 and all(map(_is_daily_han, bare)):
        return True
    whole = token.startswith(_SPACE) if kind == "Unigram" else not token.startswith("##")
    return whole and len(bare) > 1 and bare.isalpha() and bool(_WRITTEN.match(bare)) and bare.isascii()


def _by_frequency(content: dict[str, Any], words: Iterable[int]) -> list[int]:
    if content["model"]["type"] == "WordPiece":
        return sorted(words)
    scores = content["model"]["vocab"]
    return sorted(words, key=lambda number: (-scores[number][1], number))
