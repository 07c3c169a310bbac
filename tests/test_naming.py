import unicodedata
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from docqa.naming import LONGEST_NAME, NOT_IN_NAMES, RESERVED_NAME, fold, safe_name

NAMES = st.one_of(
    st.text(st.characters(), max_size=300),
    st.text(st.sampled_from('ab.é\u0301 ~/\\\0\n\u202e\u200b:*"<>|?-CONnul1²😀'), max_size=40),
).map(lambda stem: f"{stem}.md")


@pytest.mark.parametrize(
    ("said", "safe"),
    [
        ("report.md", "report.md"),
        ("REPORT.MD", "REPORT.MD"),
        ("../../etc/passwd.md", "passwd.md"),
        ("/etc/passwd.md", "passwd.md"),
        ("C:\\Users\\me\\notes.txt", "notes.txt"),
        ("..\\..\\notes.txt", "notes.txt"),
        ("folder/../notes.txt", "notes.txt"),
        ("a\0b.md", "ab.md"),
        ("a\nb\tc.md", "a b c.md"),
        ("invoice\u202efdp.md", "invoicefdp.md"),
        ("zero\u200bwidth\ufeff.md", "zerowidth.md"),
        ("fil\u3164ler\u115f\ufe0f\U000e0041.md", "filler.md"),
        ("e\u0301.md", "é.md"),
        (".hidden.md", "hidden.md"),
        ("...md", "md"),
        ("..", ""),
        ("", ""),
        ("  spaced  out .md", "spaced out.md"),
        ("what?.md", "what_.md"),
        ('a:b|c*d<e>f"g.md', "a_b_c_d_e_f_g.md"),
        ("CON.md", "_CON.md"),
        ("nul.tar.md", "_nul.tar.md"),
        ("com1 .txt", "_com1.txt"),
        ("LPT³.md", "_LPT³.md"),
        ("console.md", "console.md"),
        ("-rf.md", "-rf.md"),
        ("100% & 'more' (draft) #2.md", "100% & 'more' (draft) #2.md"),
        ("Отчёт 日本 😀.md", "Отчёт 日本 😀.md"),
        ("bad\ud800surrogate.md", "badsurrogate.md"),
    ],
)
def test_a_name_is_made_safe(said: str, safe: str) -> None:
    assert safe_name(said) == safe


@pytest.mark.parametrize("letter", ["a", "é", "日", "😀"])
def test_a_long_name_keeps_its_suffix_and_whole_characters(letter: str) -> None:
    name = safe_name(f"{letter * 500}.markdown")
    assert LONGEST_NAME - 4 < len(name.encode()) <= LONGEST_NAME
    assert name == f"{letter * (len(name) - 9)}.markdown"


@given(NAMES)
@example("\u037e.md")
@example(f"con.{'é' * 200}.md")
def test_a_safe_name_is_one_whatever_was_said(said: str) -> None:
    name = safe_name(said)
    assert PurePosixPath(name).name == name
    assert not name.startswith((".", " "))
    assert "/" not in name and "\\" not in name
    assert not NOT_IN_NAMES.search(name) and not RESERVED_NAME.match(name)
    assert all(unicodedata.category(one)[0] != "C" for one in name)
    assert unicodedata.is_normalized("NFC", name)
    assert len(name.encode()) <= LONGEST_NAME
    assert safe_name(name) == name


@pytest.mark.parametrize(("one", "two"), [("A.md", "a.MD"), ("é.md", "e\u0301.md"), ("Straße.md", "STRASSE.md")])
def test_names_that_a_system_may_take_for_the_same_fold_to_one(one: str, two: str) -> None:
    assert fold(one) == fold(two)
