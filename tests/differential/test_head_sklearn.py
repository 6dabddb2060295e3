"""The arrays that leave training answer as scikit-learn does, row by row: dense, lexical, and one sigmoid an output."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from intent.classify.head import DenseHead, LexicalHead, logit, sigmoid, softmax
from intent.classify.lexical import Lexicon, hashed, word_ngrams, words
from intent.errors import TrainingError
from intent.training.fit import fit_sigmoids, fit_softmax, sparse_rows

N, FEATURES, LABELS = 240, 12, 5
VERBS = ("delete", "read", "send", "summarize", "wait")


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    labels = rng.integers(LABELS, size=N)
    dense = (rng.normal(size=(N, FEATURES)) + np.eye(LABELS, FEATURES)[labels] * 2).astype(np.float32)
    return labels, dense


@pytest.fixture(scope="module")
def documents(rows):
    rng = np.random.default_rng(1)
    nouns = ["table", "mail", "file", "order", "page", "user"]
    texts = [f"{VERBS[label]} the {' '.join(rng.choice(nouns, size=rng.integers(1, 5)))}" for label in rows[0]]
    return [hashed(word_ngrams("d", words(text))) for text in texts]


def test_dense_softmax(rows):
    labels, dense = rows
    reference = LogisticRegression(C=0.2, max_iter=2000).fit(dense, labels)
    head = DenseHead(*fit_softmax(dense, np.eye(LABELS)[labels], np.ones(N), 0.2))
    got = np.stack([softmax(head.logits(row)) for row in dense])
    assert got == pytest.approx(reference.predict_proba(dense), abs=1e-6)


def test_lexical_softmax_on_sparse_rows(rows, documents):
    labels, _ = rows
    lexicon = Lexicon.learn(documents)
    sparse = sparse_rows(lexicon, documents)
    assert isinstance(sparse, csr_matrix)
    reference = LogisticRegression(C=5.0, solver="newton-cg", tol=1e-5, max_iter=2000).fit(sparse, labels)
    weights, bias = fit_softmax(sparse, np.eye(LABELS)[labels], np.ones(N), 5.0)
    head = LexicalHead(lexicon, np.ascontiguousarray(weights.T), bias)
    got = np.stack([softmax(head.logits(document)) for document in documents])
    assert got == pytest.approx(reference.predict_proba(sparse), abs=1e-6)


def test_sigmoids_each_over_the_rows_where_it_is_known(rows):
    labels, dense = rows
    rng = np.random.default_rng(2)
    targets = np.stack([labels % 2 == 0, labels >= 3], axis=1)
    known = rng.random(targets.shape) < 0.8
    head = DenseHead(*fit_sigmoids(dense, targets, known, 1.0))
    got = np.stack([sigmoid(head.logits(row)) for row in dense])
    for column in range(2):
        chosen = known[:, column]
        reference = LogisticRegression(C=1.0, max_iter=2000).fit(dense[chosen], targets[chosen, column])
        assert got[:, column] == pytest.approx(reference.predict_proba(dense)[:, 1], abs=1e-6)


def test_a_row_that_may_be_either_counts_for_each_by_its_share(rows):
    labels, dense = rows
    targets = np.eye(LABELS)[labels] * 0.75 + np.eye(LABELS)[(labels + 1) % LABELS] * 0.25
    weights = np.linspace(0.5, 1.0, N)
    reference = LogisticRegression(C=0.2, max_iter=2000).fit(
        np.vstack([dense, dense]),
        np.concatenate([labels, (labels + 1) % LABELS]),
        sample_weight=np.concatenate([weights * 0.75, weights * 0.25]),
    )
    head = DenseHead(*fit_softmax(dense, targets, weights, 0.2))
    got = np.stack([softmax(head.logits(row)) for row in dense])
    assert got == pytest.approx(reference.predict_proba(dense), abs=1e-3)


def test_a_label_without_examples_is_refused(rows):
    labels, dense = rows
    with pytest.raises(TrainingError, match=r"none for columns \[5\]"):
        fit_softmax(dense, np.eye(LABELS + 1)[labels], np.ones(N), 1.0)


def test_an_output_with_one_answer_only_is_refused(rows):
    _, dense = rows
    with pytest.raises(TrainingError, match="output 0 must have examples of both answers"):
        fit_sigmoids(dense, np.ones((N, 1), bool), np.ones((N, 1), bool), 1.0)


def test_sigmoid_is_stable_and_logit_inverts_it():
    far = np.array([-1000.0, -20.0, 0.0, 20.0, 1000.0])
    with np.errstate(all="raise", under="ignore"):
        probabilities = sigmoid(far)
    assert probabilities == pytest.approx([0, 2.0611536e-9, 0.5, 1 - 2.0611536e-9, 1])
    inner = np.linspace(-15, 15, 31)
    assert logit(sigmoid(inner)) == pytest.approx(inner)
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()
