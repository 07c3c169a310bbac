"""What documents may not do where their words are shown: hide something, turn text round, steer a terminal."""

import json
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from docqa.neutralising import (
    MOST_MARKS,
    dump_json,
    escape,
    escape_markdown,
    isolate,
    isolate_name,
    neutral,
    neutral_name,
    printable,
    verbatim,
)

UNSEEN = (
    "\x00\x1b\x07\x08\x7f\x85\x9b\x9d\u00ad\u034f\u061c\u115f\u200b\u200d\u200e\u202e\u2028\u2066\u2069\u206f\u3164"
)
MORE_UNSEEN = "\ufe0f\ufeff\ufff9\ufffb\ud800\U000e0001\U000e0041\U000e0100"
ODD = st.text(st.sampled_from("aй中\u0645😀\u0301 \n\r\t<>&\"'`*[](){}$\\_~|#" + UNSEEN + MORE_UNSEEN), max_size=40)
NEVER_SHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("invoice\u202efdp.exe", "invoice⟨U+202E⟩fdp.exe"),
        ("\u2067left\u2069", "⟨U+2067⟩left⟨U+2069⟩"),
        ("a\x00b\x1b[2Jc", "a⟨U+0000⟩b⟨U+001B⟩[2Jc"),
        ("\x9b31m\x9d52;c;eA==\x9c", "⟨U+009B⟩31m⟨U+009D⟩52;c;eA==⟨U+009C⟩"),
        ("over\x08\x08\x08\x08write", "over⟨U+0008 and 3 more⟩write"),
        ("\u3164\uffa0\u115f", "⟨U+3164 and 2 more⟩"),
        ("hi\U000e0069\U000e0067\U000e006e there", "hi⟨U+E0069 and 2 more⟩ there"),
        ("\ufff9base\ufffaruby\ufffb", "⟨U+FFF9⟩base⟨U+FFFA⟩ruby⟨U+FFFB⟩"),
        ("😀\ufe00\ufe01\ufe0f", "😀⟨U+FE00 and 2 more⟩"),
        ("😀\ufe0f\ufe0e\ufe0f", "😀\ufe0f⟨U+FE0E and 1 more⟩"),
        ("A\U000e0100\U000e0101", "A⟨U+E0100 and 1 more⟩"),
        ("pass\u200cword", "pass⟨U+200C⟩word"),
        ("lone \ud800", "lone ⟨U+D800⟩"),
        ("Z" + "\u0335" * 30 + "algo", "Z" + "\u0335" * MOST_MARKS + "⟨U+0335 and 24 more⟩algo"),
        ("\u0e01" + "\u0e47" * 9, "\u0e01" + "\u0e47" * MOST_MARKS + "⟨U+0E47 and 3 more⟩"),
        ("one\r\ntwo\rthree\x85four\u2028five\x0csix", "one\ntwo\nthree\nfour\nfive\nsix"),
        ("soft\u00adhyphen, zero\u200bwidth, \ufeffmark, \u200erun", "softhyphen, zerowidth, mark, run"),
    ],
)
def test_what_is_not_seen_is_shown_or_left_out(text: str, shown: str) -> None:
    assert neutral(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "plain words, tabs\tand\nlines — “quoted” … ═════════ ──────── ••••••••••",
        "نمی‌خواهم",
        "क्‍ष and श्री",
        "👩‍👩‍👧 ❤️‍🔥 1️⃣ ☎︎ 🏳️‍🌈 👍🏽",
        "葛󠄀城",
        "בְּרֵאשִׁ֖ית בָּרָ֣א אֱלֹהִ֑ים",
        "Việt Nam, ẽ̞́, မြန်မာ, བསྒྲུབས",
        "Отчёт 日本 한국어 ελληνικά",
    ],
)
def test_honest_writing_is_shown_as_it_is(text: str) -> None:
    assert neutral(text) == text
    assert neutral_name(text) == text


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("notes.md", "no\u200btes.md"),
        ("notes.md", "notes\u00ad.md"),
        ("notes.md", "notes\u200e.md"),
        ("paypal.md", "p\u0430yp\u0430l.md"),
        ("HTTP.md", "H\u03a4TP.md"),
        ("code.md", "c\u0585de.md"),
    ],
)
def test_names_that_differ_look_different(one: str, two: str) -> None:
    assert neutral_name(one) == one
    assert re.search(r"⟨U\+[0-9A-F]{4}⟩", neutral_name(two))


@given(ODD)
@example("\x0e\x0f")
def test_no_text_steers_or_hides(text: str) -> None:
    for shown in (neutral(text), neutral_name(text), printable(text), escape_markdown(text), escape(text)):
        assert not NEVER_SHOWN.search(shown)
        shown.encode()
    assert neutral(neutral(text)) == neutral(text)
    assert "\n" not in printable(text)
    runs = re.split(r"(?s).(?<![\u0300-\u036f])", neutral(text))
    assert max(map(len, runs)) <= MOST_MARKS


@given(ODD)
def test_html_is_words_within_and_without_attributes(text: str) -> None:
    for html in (escape(text), verbatim(text)):
        assert not set(html) & set("<>\"'")
        assert "&" not in re.sub(r"&(amp|lt|gt|quot|#x27);", "", html)
    assert isolate(text) == f"<bdi>{escape(text)}</bdi>"
    assert "\u200b" not in isolate_name(text)


@given(ODD)
def test_markdown_gives_the_words_back(text: str) -> None:
    token = MarkdownIt("gfm-like", {"linkify": False}).parseInline(escape_markdown(text))[0]
    children = token.children or []
    assert {child.type for child in children} <= {"text", "text_special"}
    assert "".join(child.content for child in children) == printable(text)


@given(ODD)
def test_json_is_verbatim_when_read_and_does_not_steer_a_terminal(text: str) -> None:
    dumped = dump_json({"text": text})
    assert json.loads(dumped) == {"text": text}
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", dumped)
    assert all(unicodedata.category(character) != "Cf" for character in dumped)


def test_json_keeps_what_can_be_read() -> None:
    assert dump_json({"text": "“Отчёт” 日本 😀"}) == '{\n  "text": "“Отчёт” 日本 😀"\n}'
