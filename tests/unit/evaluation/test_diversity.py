import itertools

import numpy as np
import pytest

from intent.corpus import Row, RowLabel
from intent.evaluation.diversity import (
    describe,
    distinct_ratio,
    embedding_distances,
    naming_shares,
    near_duplicates,
    row_words,
    split_words,
    tfidf_distances,
)
from intent.schema import Tool, ToolCall


def test_distinct_ratio_counts_different_ngrams() -> None:
    assert distinct_ratio([["a", "b", "a", "b"]], 2) == pytest.approx(2 / 3)
    assert distinct_ratio([["a"]], 2) is None


def test_near_duplicates_agree_with_every_pair_compared() -> None:
    generator = np.random.default_rng(3)
    texts = [[f"w{k}" for k in generator.integers(0, 30, generator.integers(0, 14))] for _ in range(60)]
    texts += [[*one, "tail"] if generator.random() < 0.5 else one[:-1] for one in texts]

    def shingles(text: list[str]) -> set[tuple[str, ...]]:
        return {tuple(text[k : k + 3]) for k in range(len(text) - 2)} or {tuple(text)}

    for threshold in (0.5, 0.8, 1.0):
        expected = [
            (a, b)
            for a, b in itertools.combinations(range(len(texts)), 2)
            if len(shingles(texts[a]) & shingles(texts[b])) / len(shingles(texts[a]) | shingles(texts[b])) >= threshold
        ]
        assert sorted(near_duplicates(texts, threshold)) == expected


def test_tfidf_distance_is_0_to_a_copy_and_1_to_a_stranger() -> None:
    texts = [split_words(text) for text in ("read the file", "read the file", "pay bill")]
    assert tfidf_distances(texts).tolist() == pytest.approx([0, 0, 1])
    assert tfidf_distances(texts[:1]).size == 0


def test_embedding_distance_is_cosine_to_the_nearest() -> None:
    vectors = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    assert embedding_distances(vectors).tolist() == pytest.approx([0, 0, 1, 1])
    assert embedding_distances(vectors[:1]).size == 0


def test_naming_shares_sum_to_one() -> None:
    assert naming_shares(["a_b", "aB"])["snake"] == 0.5
    assert sum(naming_shares(["a_b", "a-b", "a.b", "aB", "AB", "ab"]).values()) == pytest.approx(1)
    assert naming_shares([]) == {}


def test_describe_counts_rows() -> None:
    tool = Tool(name="run_sql", description="Runs a statement")
    rows = [
        Row("1", "own", "own:a", None, ToolCall(tool=tool), RowLabel("write", (), True)),
        Row("2", "own", "own:a", None, ToolCall(tool=tool, arguments={"q": "SELECT 1"}), RowLabel("search", (), True)),
        Row("3", "own", "own:b", None, ToolCall(tool=Tool(name="getX")), RowLabel("search", (), False)),
        Row("4", "own", "own:b", None, ToolCall(request="find it"), RowLabel(declared=frozenset({"search"}))),
    ]
    found = describe(rows)
    assert (found.rows, found.domains, found.tools, found.calls_with_arguments, found.polymorphic_calls) == (4, 2, 2, 1, 1)
    assert (found.requests_alone, found.declared_sets, found.labels, found.declared) == (1, 1, {"search": 2, "write": 1}, {"search": 1})
    assert found.no_description == 0.5
    assert row_words(rows[1]) == ["run", "sql", "runs", "a", "statement", "q", "select", "1"]
    assert found.to_dict()["distinct"] == list(found.distinct)


def test_describe_of_nothing_has_none_for_figures() -> None:
    found = describe([])
    assert (found.rows, found.neighbour_median, found.no_description, found.distinct) == (0, None, None, (None, None, None))
