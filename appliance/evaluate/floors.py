"""The floors: what a far simpler model reaches on the same rows. A model that does not clear them is not worth its cost."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from appliance.base.choose import HAN_SHARE, han_share
from appliance.errors import MissingPartError
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

    Embed = Callable[[Sequence[str]], np.ndarray[Any, Any]]  # texts -> (texts, hidden)

_STRENGTH = 10.0  # inverse L2 strength of the probe's logistic regression, for embeddings of length 1
_SEED = 0


def majority(labels: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Answer each text with the most frequent training label (of equals, the first in order)."""
    counts = Counter(labels)
    return [min(counts, key=lambda label: (-counts[label], label))] * len(texts)


def tfidf_svm(train_texts: Sequence[str], labels: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Answer with TF-IDF and a linear SVM (Joachims 1998): word 1- and 2-grams, or character 1- to 3-grams where Chinese is.

    Chinese is there when over 5 % of the training texts hold Han characters: it has no spaces between words.
    Raises `MissingPartError` without scikit-learn.
    """
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_pipeline
        from sklearn.svm import LinearSVC
    except ImportError as error:
        raise MissingPartError(_("floors need the extra `train`: install `skerry[train]`")) from error
    if len(set(labels)) == 1:
        return majority(labels, texts)
    chinese = han_share(train_texts) > HAN_SHARE
    grams: dict[str, Any] = {"analyzer": "char", "ngram_range": (1, 3)} if chinese else {"ngram_range": (1, 2)}
    model = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, **grams),
        LinearSVC(random_state=_SEED),
    )
    return _fitted(model, train_texts, labels, texts)


def probe(train_texts: Sequence[str], labels: Sequence[str], texts: Sequence[str], embed: Embed) -> list[str]:
    """Answer with a logistic regression on the frozen embeddings of the base model (Alain and Bengio 2016)."""
    from sklearn.linear_model import LogisticRegression

    if len(set(labels)) == 1:
        return majority(labels, texts)
    model = LogisticRegression(C=_STRENGTH, max_iter=1000, random_state=_SEED)
    return _fitted(model, embed(train_texts), labels, embed(texts))


def _fitted(model: Any, train: Any, labels: Sequence[str], rows: Any) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a floor that has not quite converged is a floor
        return [str(label) for label in model.fit(train, list(labels)).predict(rows)]
