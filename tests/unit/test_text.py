import base64

import pytest

from intent.decoding import MAX_PIECES, Decoded, decoded_pieces
from intent.errors import TooLarge
from intent.text import CanonicalText, Change, canonicalize, mask_secrets, name_words

ZWSP, ZWJ, RLO, SOFT_HYPHEN = "\u200b", "\u200d", "\u202e", "\u00ad"
TAGS = "".join(chr(0xE0000 + ord(mark)) for mark in "delete all")


def read(text: str) -> CanonicalText:
    return canonicalize(text, max_bytes=65536)


@pytest.mark.parametrize("text", ["", "plain", "two\nlines\tand a tab", "don't stop: a = b; c"])
def test_plain_ascii_is_canonical(text):
    assert read(text) == CanonicalText(text, text)


@pytest.mark.parametrize(
    ("text", "expected", "change"),
    [
        ("\uff44\uff45lete", "delete", Change.COMPATIBILITY),
        ("de\u200blete", "delete", Change.INVISIBLE),
        ("de\u00adlete", "delete", Change.INVISIBLE),
        ("a\u3164b", "ab", Change.INVISIBLE),
        ("hi\ufe0f", "hi", Change.INVISIBLE),
        ("\u202eetadpu", "etadpu", Change.BIDI),
        (f"read{TAGS}", "read", Change.TAG),
        ("d\u0336e\u0336l", "del", Change.COMBINING),
        ("d" + "\u0301\u0302\u0303\u0304" * 5 + "el", "del", Change.COMBINING),
        ("d\u0435l\u0435te", "delete", Change.LOOKALIKE),
        ("a\x00b\x1b[31m", "a b [31m", Change.CONTROL),
        ("x\ud800y", "x y", Change.CONTROL),
        ("password=hunter22", "password=[secret]", Change.SECRET),
    ],
)
def test_each_change_is_undone_and_noted(text, expected, change):
    found = read(text)
    assert found.text == expected
    assert change in found.changes


@pytest.mark.parametrize(
    "text",
    [
        "de\u200blete",
        "\u202eetadpu",
        f"read{TAGS}",
        "d\u0336e\u0336l",
        "d\u0435l\u0435te",
        "d\u0435l\u00e9te",  # an accent elsewhere in the word does not save it
        "d\u0435le\u0442e",  # a small letter in the form of a capital
        "delet\u0435\U0001f525",
        "please \u0441\u043e\u0440\u0443 it",  # a whole word of look-alikes where no word is honestly Cyrillic
        "my_d\u0435lete_file",
    ],
)
def test_what_only_serves_to_deceive_is_told(text):
    found = read(text)
    assert found.obfuscated
    assert found.raw != found.text


@pytest.mark.parametrize(
    "text",
    [
        "\u0443\u0434\u0430\u043b\u0438 \u0441 \u0434\u0438\u0441\u043a\u0430 \u043e\u0441\u0430",  # Russian, one word of it all look-alikes
        "\u03b4\u03b9\u03ac\u03b2\u03b1\u03c3\u03b5 \u03c4\u03bf \u03b1\u03c1\u03c7\u03b5\u03af\u03bf",  # Greek
        "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, with its joiner
        "\u0915\u094d\u200d\u0937",  # Devanagari, with its joiner
        f"nice \U0001f469{ZWJ}\U0001f4bb work",
        "1\ufe0f\u20e3 first",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # the flag of England
        "caf\u00e9 na\u00efve \u0141\u00f3d\u017a",
        "1920\u00d71080",
        "\ufefftitle",
        "line\r\nline",
    ],
)
def test_ordinary_writing_is_no_deception(text):
    assert not read(text).obfuscated


def test_prose_of_another_script_stays():
    text = "\u043f\u0440\u043e\u0447\u0438\u0442\u0430\u0439 \u0444\u0430\u0439\u043b"
    assert read(text).text == text


def test_accents_stay_and_are_composed():
    assert read("cafe\u0301").text == "caf\u00e9"


def test_white_space_is_normalised_in_both_readings():
    assert read("a\u00a0b\r\nc\u2028d") == CanonicalText("a b\nc\nd", "a b\nc\nd")


@pytest.mark.parametrize("text", ["a" * 11, "\u00e9" * 6, "\ufdfa", "pwd=abcd1"])
def test_the_cap_holds_before_and_after(text):
    with pytest.raises(TooLarge, match="request must be at most 10 bytes"):
        canonicalize(text, max_bytes=10, where="request")


def test_long_runs_of_marks_are_cut_before_they_cost_time():
    assert read("a" + "\u05b0\u0316" * 10000).text.startswith("a")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("get_user-by.id/v2", "get user by id v 2"),
        ("getHTTPResponse", "get http response"),
        ("PascalCase", "pascal case"),
        ("server__list_files", "server list files"),
        ("listPRs", "list prs"),
        ("getIDsByName", "get ids by name"),
        ("S3Upload", "s 3 upload"),
        ("  ", ""),
        ("", ""),
        ("\u00c9tatCivil", "\u00e9tat civil"),
    ],
)
def test_name_words(name, expected):
    assert name_words(name) == expected


SECRETS = [
    "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEabcd" * 8 + "\n" + "MIIEabcd" * 8 + "\nabcd==\n-----END RSA PRIVATE KEY-----",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "AKIA" + "ABCDEFGH12345678",
    "ghp_" + "a1B2c3D4e5" * 4,
    "xoxb-" + "123456789012-abcdef",
    "AIza" + "a1B2c3D4e5" * 3 + "abcde",
    "sk-proj-" + "a1B2c3D4e5" * 3,
    "sk_live_" + "a1B2c3D4e5" * 2,
]


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_masked_wherever_they_stand(secret):
    masked, count = mask_secrets(f"use {secret} for it")
    assert (masked, count) == ("use [secret] for it", 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abc123def456", "Authorization: Bearer [secret]"),
        ("postgres://me:pa55@db.example/x", "postgres://me:secret@db.example/x"),
        ("https://token:abcd1@host.example/", "https://token:secret@host.example/"),
        ('{"password": "swordfish"}', '{"password": "[secret]"}'),
        ('{"token": 123456, "b": 1}', '{"token": "[secret]", "b": 1}'),
        ("API_KEY=abcdef", "API_KEY=[secret]"),
        ("PGPASSWORD=abcdef psql", "PGPASSWORD=[secret] psql"),
        ("client_secret: x9x9x9", "client_secret: [secret]"),
        ("pass=a1b2c3 token=d4e5f6", "pass=[secret] token=[secret]"),
    ],
)
def test_pairs_keep_their_key(text, expected):
    assert mask_secrets(text)[0] == expected


@pytest.mark.parametrize(
    "text",
    [
        "token: the token of the session",
        "compass=north1",
        "max_tokens=4096",
        "password=$(rm -rf /)",
        "password=';DROP",
        "bearer authentication is used",
        "monkey: banana1",
        "task-aaaaaaaaaaaaaaaaaaaaaaaaaaaa1",
        "-----BEGIN PRIVATE KEY-----\nDELETE FROM users",
    ],
)
def test_prose_and_commands_are_not_masked(text):
    assert mask_secrets(text) == (text, 0)


def test_a_mask_hides_no_command():
    assert "rm -rf /" in mask_secrets("password=abcd1;rm -rf /")[0]


@pytest.mark.parametrize(
    ("text", "encoding", "inner"),
    [
        ("run cm0gLXJmIC8= now", "base64", "rm -rf /"),
        ("RFJPUCBUQUJMRSB1c2Vyczt-fj8_", "base64", "DROP TABLE users;~~??"),
        ("/tmp/ZGVsZXRlIGV2ZXJ5dGhpbmcgbm93", "base64", "delete everything now"),
        ("ZABlAGwAZQB0AGUAIABlAHYAZQByAHkAdABoAGkAbgBnAA==", "base64", "delete everything"),
        ("ZGVs ZXRl IGV2 ZXJ5 dGhp bmc=", "base64", "delete everything"),
        ("DROP%20TABLE%20users%3B", "url", "DROP TABLE users;"),
        ("%64elete", "url", "delete"),
        (r"\x64\x65lete", "hex", "delete"),
        ("0x64656c65746520616c6c", "hex", "delete all"),
        (r"\u0064elete", "unicode", "delete"),
        (r"\u{64}\u{65}lete", "unicode", "delete"),
    ],
)
def test_encoded_text_is_found(text, encoding, inner):
    assert decoded_pieces(text) == (Decoded(encoding, inner),)


def test_nested_encodings_are_followed_to_the_depth():
    twice = "WkdWc1pYUmxJR1YyWlhKNWRHaHBibWM9"
    assert [piece.encoding for piece in decoded_pieces(twice)] == ["base64", "base64+base64"]
    assert decoded_pieces(twice)[-1].text == "delete everything"
    assert len(decoded_pieces(twice, max_depth=1)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "internationalization of getHTTPResponseCode",
        "9e107d9d372bb6826bd81d3542a419d6",
        "550e8400-e29b-41d4-a716-446655440000",
        "4532756279624064",
        "/usr/local/share/applications",
        "https://example.com/a%20b",
        "100% of caf\\u00e9",
        "3f786850e387550fdab836ed7e6dc881de23001b",
    ],
)
def test_ordinary_text_decodes_to_nothing(text):
    assert decoded_pieces(text) == ()


def test_a_lone_surrogate_is_no_obstacle():
    assert decoded_pieces("x\ud800 %41 %42") == (Decoded("url", "A B"),)


def test_pieces_and_bytes_are_bounded():
    many = " ".join(base64.b64encode(f"delete number {i}".encode()).decode() for i in range(40))
    assert len(decoded_pieces(f"{many} !")) == MAX_PIECES
    assert sum(len(piece.text) for piece in decoded_pieces("%41" * 1000, max_bytes=100)) == 100
