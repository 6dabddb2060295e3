"""Lexical features: the same text is the same vector in training and in serving, and what nobody knows says nothing."""

import numpy as np
import pytest

from intent.classify.features import capability_counts, request_counts
from intent.classify.head import LexicalHead
from intent.classify.lexical import Lexicon, character_ngrams, hashed, word_ngrams, words
from intent.errors import TrainingError
from intent.training.fit import sparse_rows

TEXTS = ("delete the rows of a table", "read the rows of a page", "send the page by mail", "read the mail of a user", "delete a user")


@pytest.fixture(scope="module")
def documents():
    return [request_counts(text) for text in TEXTS]


@pytest.fixture(scope="module")
def lexicon(documents):
    return Lexicon.learn(documents)


def test_training_and_serving_see_the_same_vector(lexicon, documents):
    trained = sparse_rows(lexicon, documents).toarray()
    for row, document in zip(trained, documents, strict=True):
        positions, values = lexicon.vector(document)
        assert (np.flatnonzero(row) == positions).all()
        assert (row[positions] == values).all()


def test_a_vector_has_unit_length_whatever_the_order_of_its_features(lexicon, documents):
    for document in documents:
        positions, values = lexicon.vector(document)
        again = lexicon.vector(dict(reversed(document.items())))
        assert np.linalg.norm(values) == pytest.approx(1)
        assert (np.diff(positions) > 0).all()
        assert (again[0] == positions).all()
        assert (again[1] == values).all()


@pytest.mark.parametrize("text", ["", "xylophone quartz", "\u4f60\u597d", "..."])
def test_an_unknown_text_gives_the_bias(lexicon, text):
    bias = np.array([0.25, -1.0])
    head = LexicalHead(lexicon, np.ones((len(lexicon.columns), 2), np.float32), bias)
    assert (head.logits(request_counts(text)) == bias).all()


def test_a_feature_of_one_text_is_not_kept(lexicon, documents):
    once = set(documents[4]) - set().union(*documents[:4])
    kept = set(lexicon.columns.tolist())
    assert once
    assert not once & kept
    assert all(sum(column in document for document in documents) >= 2 for column in kept)


def test_texts_that_share_nothing_cannot_be_learnt_from():
    with pytest.raises(TrainingError, match="that 2 of 2 texts share"):
        Lexicon.learn([hashed(["a"]), hashed(["b"])])


def test_rare_features_weigh_more(lexicon):
    common, rare = (next(iter(hashed([f"r1 {word}"]))) for word in ("the", "user"))
    idf = dict(zip(lexicon.columns.tolist(), lexicon.idf.tolist(), strict=True))
    assert idf[rare] > idf[common]


def test_words_are_lower_case_without_accents_and_bounded():
    assert words("L\u00f6sche_Zeile 7, S\u00c3O!") == ["losche", "zeile", "7", "sao"]
    assert len(words("a " * 30_000)) == 20_000


def test_runs_of_words_and_characters():
    assert list(word_ngrams("d", ["a", "b"])) == ["d1 a", "d1 b", "d2 a b"]
    assert list(character_ngrams("n", ["ab"])) == ["nc  ab", "nc ab ", "nc  ab "]


def test_name_and_text_are_told_apart():
    assert capability_counts("delete", "", "") != capability_counts("", "delete", "")
