from __future__ import annotations

from intent.visible import MAX_SHOWN, is_hidden, marked, pieces


def test_hidden_characters_become_named_marks() -> None:
    shown = pieces("a\u202eb\u200b\u200bc\U000e0041\u00ad\ufe0f\u3164\u00a0")
    assert [piece.text for piece in shown if piece.name] == ["U+202E", "U+200B ×2", "U+E0041", "U+00AD", "U+FE0F", "U+3164", "U+00A0"]
    assert shown[1].name == "RIGHT-TO-LEFT OVERRIDE"
    assert not any(is_hidden(mark) for mark in "aé漢🙂 \n\tא")


def test_a_long_text_is_cut_and_says_so() -> None:
    assert pieces("x" * (MAX_SHOWN + 5))[-1].text == "… 5 more characters"
    assert pieces("") == ()


def test_a_marked_text_is_one_line_that_moves_no_cursor() -> None:
    assert marked("a\x1b[2J\r\nb\tc\u202e") == "a<U+001B>[2J<U+000D><U+000A>b<U+0009>c<U+202E>"
    assert marked("plain é 漢 🙂") == "plain é 漢 🙂"
