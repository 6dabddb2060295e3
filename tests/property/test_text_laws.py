from hypothesis import given, settings
from hypothesis import strategies as st

from intent.decoding import decoded_pieces
from intent.errors import TooLarge
from intent.schema import Tool
from intent.secrets import mask_secrets
from intent.text import canonicalize, name_words, utf8_size
from intent.views import Limits, read_capability, read_effect

# Alphabets in which things happen: marks, invisible characters, look-alikes, encodings and the words that announce a secret.
MARKS = ["\u0301", "\u0316", "\u0338", "\u20e3", "\u05b0", "\u1160", "\u3099", "\u0f73", "\u0344", "\U0001d165", "\uff9e", "\ufe0f"]
HIDDEN = ["\u200b", "\u200d", "\u202e", "\u00ad", "\u3164", "\U000e0041", "\ud800", "\x00"]
LETTERS = ["\u0430", "\u0435", "\u0436", "\u0131", "\u00e9", "\ufdfa", "\u2adc", "\uff21", "\u00d7", "\uac00", "\u1100", "\u1161", "\u11a8"]
FAR = ["\U0001f3f4", "\U0001d1bb", "\U00010400"]
SECRETS = ["password=", "token: ", "hunter2", "eyJaaaaaaaa.", "ghp_" + "a1" * 18, "Bearer ", "://"]
BUSY = st.sampled_from([*"aZ09 _-=:.@/\\%\"'{\n", *MARKS, *HIDDEN, *LETTERS, *FAR, *SECRETS, "%41", "\\x41", "\\u0041", "ZGVsZXRl"])
TEXTS = st.one_of(st.text(st.characters()), st.lists(BUSY, max_size=40).map("".join))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXTS | st.sampled_from(["properties", "enum", "items", "$ref", "description"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=600)
@given(TEXTS)
def test_canonicalizing_canonical_text_changes_nothing(text):
    once = canonicalize(text, max_bytes=100_000)
    again = canonicalize(once.text, max_bytes=100_000)
    assert again.text == once.text == again.raw
    assert not again.changes
    assert not again.deceptions


@given(TEXTS, st.integers(0, 200))
def test_canonical_text_never_passes_the_cap(text, cap):
    try:
        found = canonicalize(text, max_bytes=cap)
    except TooLarge:
        return
    assert utf8_size(found.text) <= cap


@given(TEXTS)
def test_deceptions_are_changes(text):
    found = canonicalize(text, max_bytes=100_000)
    assert found.deceptions <= found.changes


@given(TEXTS)
def test_canonical_text_can_be_written_as_utf8(text):
    canonicalize(text, max_bytes=100_000).text.encode()


@given(TEXTS)
def test_masking_masked_text_masks_nothing(text):
    masked, _ = mask_secrets(text)
    assert mask_secrets(masked) == (masked, 0)


@given(TEXTS)
def test_words_of_words_are_the_words(text):
    assert name_words(name_words(text)) == name_words(text)


@given(TEXTS, st.integers(0, 3), st.integers(1, 300))
def test_decoding_is_bounded(text, depth, cap):
    pieces = decoded_pieces(text, max_depth=depth, max_bytes=cap)
    assert len(pieces) <= 16
    assert sum(utf8_size(piece.text) for piece in pieces) <= cap


@settings(max_examples=300)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.dictionaries(TEXTS, JSON, max_size=5))
def test_a_hostile_schema_is_read_or_too_large(name, schema):
    tool = Tool.model_construct(name=name, description=None, input_schema=schema, annotations=None, server=None)
    try:
        read_capability(tool, Limits())
    except TooLarge:
        return


@settings(max_examples=300)
@given(st.dictionaries(TEXTS, JSON, max_size=5))
def test_hostile_arguments_are_read_or_too_large(arguments):
    try:
        view = read_effect(arguments, Limits())
    except TooLarge:
        return
    assert len(view.text.splitlines()) <= len(view.leaves)
