import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docqa import Document, DocumentReadError
from docqa.reading import SUFFIXES, TEXT_READERS, read_document

UNICODE = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
MARKDOWN = st.lists(
    st.sampled_from(
        [
            "# ",
            "## ",
            "#",
            "- ",
            "* ",
            "1. ",
            "> ",
            "```",
            "~~~",
            "|",
            "| a | b |\n|---|---|\n",
            "---",
            "===",
            "<!--",
            "-->",
            "<div>",
            "[a]: b",
            "[",
            "](",
            "**",
            "`",
            "\t",
            "    ",
            " ",
            "\n",
            "\r\n",
            "\r",
            "\n\n",
            "\x0c",
            "\u2028",
            "word",
            "Some words.",
            "é",
            "日本。",
            "title: x",
            "\\",
            "&amp;",
            "\x85",
            "\x0b",
            "\ufeff",
            "\x1c",
            "a | b\n-|-\n",
        ]
    ),
    max_size=40,
).map("".join)
TEXTS = st.one_of(st.text(UNICODE), st.text("#->|`~ \n\r\tab1.)(*_[]<!:=\x0c\u2028", max_size=60), MARKDOWN)


def read(text: str | bytes, path: str = "notes.md") -> Document:
    return read_document(path, text if isinstance(text, bytes) else text.encode(), "digest")


def kinds(document: Document) -> list[tuple[str, str]]:
    return [(block.kind, document[block.span]) for block in document.blocks]


def reason(data: str | bytes, path: str = "notes.txt") -> str:
    with pytest.raises(DocumentReadError) as caught:
        read(data, path)
    assert caught.value.path == path
    return caught.value.reason


def assert_blocks_are_sound(document: Document) -> None:
    spans = [block.span for block in document.blocks]
    assert spans
    assert all(one.end <= other.start for one, other in pairwise(spans))
    assert spans[-1].end <= len(document.text)
    assert all(document[span].strip() for span in spans)


@settings(deadline=None, max_examples=300)
@given(TEXTS, st.sampled_from(sorted(TEXT_READERS)))
def test_any_text_is_kept_exactly_and_its_blocks_are_in_order_apart_and_within_it(text: str, suffix: str) -> None:
    try:
        document = read(text, "a" + suffix)
    except DocumentReadError:
        return
    assert document.text == text.removeprefix("\ufeff")
    assert_blocks_are_sound(document)


@settings(deadline=None, max_examples=300)
@given(TEXTS)
def test_the_blocks_of_plain_text_hold_all_of_it_but_white_space_and_underlines(text: str) -> None:
    try:
        document = read(text, "a.txt")
    except DocumentReadError:
        assert not text.removeprefix("\ufeff").strip()
        return
    held = "".join(document[block.span] for block in document.blocks)
    assert re.sub(r"[\s=*~^#+-]", "", held) == re.sub(r"[\s=*~^#+-]", "", document.text)


UNDERLINED = (
    "Pump manual\n===========\n\n1. Use\n------\nOpen it.\n\nClose it.\n\n"
    "1.1. Oil\n~~~~~~~\n\nAdd oil.\n\n2. Care\n------\n\nNo.\n"
)


def test_underlined_lines_of_plain_text_are_headings() -> None:
    document = read(UNDERLINED, "a.txt")
    assert document.title == "Pump manual"
    assert [(block.kind, document[block.span], block.headings) for block in document.blocks] == [
        ("heading", "Pump manual", ()),
        ("heading", "1. Use", ()),
        ("paragraph", "Open it.", ("1. Use",)),
        ("paragraph", "Close it.", ("1. Use",)),
        ("heading", "1.1. Oil", ("1. Use",)),
        ("paragraph", "Add oil.", ("1. Use", "1.1. Oil")),
        ("heading", "2. Care", ()),
        ("paragraph", "No.", ("2. Care",)),
    ]
    assert document.locate(document.blocks[5].span) == "§ 1. Use › 1.1. Oil, line 13"


NUMBERED = (
    "Pump manual\n\nContents\n\n  1. Use\n\n  1.1. Oil\n\n"
    "1. Use\n\nOpen it.\n\n1.1. Oil\n\n1. Open\n\n2. Fill\n\n3. Close\n\n"
    "1.2. /etc/pump : Files for\nthe pump\n\n2.5 liters are enough.\n\n2. Care\n\n2.1. Rust\n\n2.3 Left out\n\nNo.\n"
)


def test_numbered_lines_of_plain_text_that_stand_alone_are_headings_if_their_numbers_rise() -> None:
    document = read(NUMBERED, "a.txt")
    assert [(document[block.span], block.headings) for block in document.blocks if block.kind == "heading"] == [
        ("1. Use", ()),
        ("1.1. Oil", ("1. Use",)),
        ("1.2. /etc/pump : Files for\nthe pump", ("1. Use",)),
        ("2. Care", ()),
        ("2.1. Rust", ("2. Care",)),
    ]
    assert document.locate(document.blocks[-1].span) == "§ 2. Care › 2.1. Rust, line 32"


def test_headings_are_counted_anew_after_a_list_of_contents_and_chapters_need_no_sections() -> None:
    entries = ["Chapter 1. Use", "1.1 Oil", "Chapter 2. Care", "Appendix A. Words"]
    text = "\n\n".join(["Manual", *entries, *(f"{entry}\n\nWords." for entry in entries)])
    blocks = [(block.kind, block.headings) for block in read(text, "a.txt").blocks]
    assert blocks == [
        *[("paragraph", ())] * 5,
        ("heading", ()),
        ("paragraph", ("Chapter 1. Use",)),
        ("heading", ("Chapter 1. Use",)),
        ("paragraph", ("Chapter 1. Use", "1.1 Oil")),
        ("heading", ()),
        ("paragraph", ("Chapter 2. Care",)),
        ("heading", ()),
        ("paragraph", ("Appendix A. Words",)),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ["1. Wash", "2. Rinse", "3. Dry", "4. Iron"],
        ["1.1 The tenant pays.", "1.2 The landlord repairs;", "1.3 Nobody sings."],
        ["3.4 Fixes", "3.3 Fixes", "3.2 Fixes", "3.1 Fixes"],
        ["1.1 kg flour", "1.2 kg sugar", "1.3 l milk"],
        ["1.1 Alone", "1.2 And few"],
        ["A dog", "B movies", "I see", "C major"],
    ],
)
def test_other_numbered_lines_are_no_headings(lines: list[str]) -> None:
    assert {block.kind for block in read("\n\n".join(lines), "a.txt").blocks} == {"paragraph"}


@pytest.mark.parametrize(
    "text", ["Name\n----------", "Name Price\n---- -----", "----\n----", "Words\n--", "Two\nlines\n-----"]
)
def test_other_lines_of_signs_are_no_underlines(text: str) -> None:
    assert {block.kind for block in read(text, "a.txt").blocks} == {"paragraph"}


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.binary(), st.binary().map(lambda data: b"\xff\xfe" + data)), st.sampled_from(sorted(SUFFIXES)))
def test_any_bytes_are_read_or_refused(data: bytes, suffix: str) -> None:
    try:
        document = read(data, "a" + suffix)
    except DocumentReadError:
        return
    assert_blocks_are_sound(document)


@settings(deadline=None)
@given(st.text(UNICODE, max_size=80))
def test_any_front_matter_is_read(fields: str) -> None:
    try:
        document = read(f"---\n{fields}\n---\n\n# Heading\n\nBody.\n")
    except DocumentReadError:
        return
    assert_blocks_are_sound(document)


def test_the_path_and_digest_are_kept() -> None:
    document = read_document("deep/a.TXT", b"Words.", "abc")
    assert (document.path, document.digest) == ("deep/a.TXT", "abc")


TEXT = "Le café coûte 3 €. Où est-il ? Là-bas, près de l'église.\n"
FRENCH = "Le café coûte trois euros, mais le thé est gratuit. Où est-il ? Là-bas, près de l'église fermée.\n" * 3
RUSSIAN = "Мост пересекает реку. Его построили в прошлом веке, и с тех пор по нему ходят поезда.\n" * 3


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (TEXT, TEXT.encode()),
        (TEXT, b"\xef\xbb\xbf" + TEXT.encode()),
        (TEXT, b"\xff\xfe" + TEXT.encode("utf-16-le")),
        (TEXT, b"\xfe\xff" + TEXT.encode("utf-16-be")),
        (RUSSIAN, RUSSIAN.encode("cp1251")),
        (FRENCH, FRENCH.encode("latin-1")),
    ],
    ids=["utf-8", "utf-8 with BOM", "utf-16-le", "utf-16-be", "cp1251", "latin-1"],
)
def test_text_of_common_encodings_is_read_without_the_byte_order_mark(text: str, data: bytes) -> None:
    document = read(data, "a.txt")
    assert document.text == text
    assert document.blocks[0].span.start == 0


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b" \t\r\n\n  ", "only white space"),
        ("\u00a0\u2003\n".encode(), "only white space"),
        (b"\xef\xbb\xbf", "only white space"),
        (b"\xff\xfe", "only white space"),
        (b"\0" * 1000, "NUL"),
        (b"words\0words", "NUL"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "NUL"),
        (b"\xff\xfea", "utf-16"),
        (b"\xff\xfe\0\0a\0\0\0", "NUL"),
    ],
)
def test_what_is_no_text_is_refused_with_the_reason(data: bytes, words: str) -> None:
    assert words in reason(data)


@pytest.mark.parametrize(
    "text", ["***\n\n---", "```\n```", "[a]: http://example.org", "<!-- only a comment -->", "- \n- "]
)
def test_markup_without_words_is_refused(text: str) -> None:
    assert reason(text, "a.md") == "the file holds markup, but no words"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("---\ntitle: From the fields\n---\n\n# Heading\n\nBody.", "From the fields"),
        ("---\ntitle: Über 日本 “x”\n---\n\n# Heading\n\nBody.", "Über 日本 “x”"),
        ("---\ntitle: >\n  two\n  lines\n---\n\nBody.", "two lines"),
        ("---\ntitle: 1984\n---\n\nBody.", "1984"),
        ("---\ntitle: 2024-01-31\n---\n\nBody.", "2024-01-31"),
        ("---\nauthor: me\n---\n\n# Heading\n\nBody.", "Heading"),
        ("---\ntitle:\n---\n\n# Heading\n\nBody.", "Heading"),
        ("---\ntitle: 'torn\n---\n\n# Heading\n\nBody.", "Heading"),
        ("---\n: : {[\n---\n\n# Heading\n\nBody.", "Heading"),
        ("---\n- a list\n---\n\n# Heading\n\nBody.", "Heading"),
        ("Intro.\n\n## Second level\n\nBody.", "Second level"),
        ("# The *old* `bridge` [here](http://x.y) **now** #\n\nBody.", "The old bridge here now"),
        ("Setext\n======\n\nBody.", "Setext"),
        ("A short first line\n\nBody.", "A short first line"),
        ("Two lines\nof a paragraph.\n\nBody.", "notes"),
        ("x" * 121 + "\n\nBody.", "notes"),
    ],
)
def test_the_title_is_the_front_matters_or_the_first_heading_or_a_short_first_line_or_the_file_name(
    text: str, title: str
) -> None:
    assert read(text).title == title


@pytest.mark.parametrize(
    "value",
    [
        "!!int ''",
        "!!float ''",
        "!!bool foo",
        "0x" + "f" * 5000,
        "9" * 5000,
        "&a [*a]",
        "[" * 3000,
        "!!python/object:os.system x",
        "!!binary é",
        "? [a]",
        "*nowhere",
    ],
    ids=lambda value: value[:20],
)
def test_front_matter_that_is_no_title_falls_back_to_the_heading(value: str) -> None:
    document = read(f"---\ntitle: {value}\n---\n\n# Heading\n\nBody.")
    assert document.title == "Heading"


@pytest.mark.parametrize("value", ["[a, b]", "{a: b}"])
def test_a_list_or_mapping_is_no_title(value: str) -> None:
    assert read(f"---\ntitle: {value}\n---\n\n# Heading\n\nBody.").title == "Heading"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("A title\n\nBody.", "A title"),
        ("Two\nlines\n\nBody.", "plain"),
        ("A title\r\n\r\nBody.", "A title"),
        ("a" * 120, "a" * 120),
        ("a" * 121, "plain"),
        ("# not markdown\n\nBody.", "# not markdown"),
    ],
)
def test_the_title_of_plain_text_is_a_short_first_line_or_the_file_name(text: str, title: str) -> None:
    assert read(text, "deep/plain.txt").title == title


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("# Head\n\nBody.", [("heading", "Head"), ("paragraph", "Body.")]),
        ("## Head ##\nBody.", [("heading", "Head"), ("paragraph", "Body.")]),
        ("Head\nof two\n---\nBody.", [("heading", "Head\nof two"), ("paragraph", "Body.")]),
        ("One.\nStill one.\n\nTwo.", [("paragraph", "One.\nStill one."), ("paragraph", "Two.")]),
        ("One.\r\nStill.\r\n\r\nTwo.\r\n", [("paragraph", "One.\r\nStill."), ("paragraph", "Two.")]),
        ("One.\rStill.\r\rTwo.\r", [("paragraph", "One.\rStill."), ("paragraph", "Two.")]),
        ("- a\n- b\n  more\n", [("list_item", "a"), ("list_item", "b\n  more")]),
        ("1. a\n2) b", [("list_item", "a"), ("list_item", "b")]),
        ("- a\n  - b\n    - c\n", [("list_item", "a"), ("list_item", "b"), ("list_item", "c")]),
        ("- a\n\n  second\n\nafter", [("list_item", "a"), ("list_item", "second"), ("paragraph", "after")]),
        ("> quote\n> more\n\nx", [("paragraph", "quote\n> more"), ("paragraph", "x")]),
        ("> > - deep", [("list_item", "deep")]),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n\nx", [("table", "| a | b |\n|---|---|\n| 1 | 2 |"), ("paragraph", "x")]),
        ("```python\nx = 1\n\ny = 2\n```\nafter", [("code", "x = 1\n\ny = 2"), ("paragraph", "after")]),
        ("~~~\nunclosed\n", [("code", "unclosed")]),
        ("```\r\nx\r\n```\r\nafter", [("code", "x"), ("paragraph", "after")]),
        ("    indented\n    code\n", [("code", "    indented\n    code")]),
        ("- ```\n  x\n  ```\n- b", [("code", "  x"), ("list_item", "b")]),
        ("<!-- hidden -->\n\nText.", [("paragraph", "Text.")]),
        ("<div>\nhello\n</div>\n\nText.", [("paragraph", "<div>\nhello\n</div>"), ("paragraph", "Text.")]),
        ("---\na: b\n---\nText.", [("front_matter", "---\na: b\n---"), ("paragraph", "Text.")]),
        ("text\n\n---\n\nmore", [("paragraph", "text"), ("paragraph", "more")]),
        ("# Only\n\n## Heads", [("heading", "Only"), ("heading", "Heads")]),
        ("#hashtag", [("paragraph", "#hashtag")]),
    ],
)
def test_the_blocks_of_markdown(text: str, blocks: list[tuple[str, str]]) -> None:
    assert kinds(read(text)) == blocks


@pytest.mark.parametrize("separator", ["\x0c", "\x0b", "\x85", "\u2028", "\x1c"])
def test_a_code_block_ends_at_its_fence_whatever_characters_are_in_it(separator: str) -> None:
    text = f"```\na{separator}b\n```\nafter\n"
    assert kinds(read(text)) == [("code", f"a{separator}b"), ("paragraph", "after")]


def test_words_behind_a_comment_are_kept() -> None:
    document = read("<!-- hidden --> Shown words.\n\nMore.")
    assert any("Shown words." in words for _, words in kinds(document))


def test_headings_make_a_path_without_the_title() -> None:
    text = "# T\n\nzero\n\n## A\n\none\n\n### *B*\n\ntwo\n\n## C\n\nthree\n\n# D\n\nfour\n"
    document = read(text)
    paths = {document[block.span]: block.headings for block in document.blocks}
    assert paths == {
        "T": (), "zero": (), "A": (), "one": ("A",), "*B*": ("A",), "two": ("A", "B"), "C": (), "three": ("C",),
        "D": (), "four": ("D",),
    }  # fmt: skip


LONG = (
    "This article was copied from a page of a newspaper, which ended in the very middle of a sentence, and so a blank "
    "line now stands between the words"
)


@pytest.mark.parametrize("path", ["a.md", "a.txt"])
def test_a_paragraph_torn_by_a_blank_line_is_joined(path: str) -> None:
    text = f"Title\n\n{LONG}\n\nthat belong together. The end.\n\nnext paragraph."
    document = read(text, path)
    assert [words for _, words in kinds(document)] == [
        "Title", f"{LONG}\n\nthat belong together. The end.", "next paragraph."
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second"),
    [(LONG, "That is new."), (LONG + ".", "lower case."), (LONG + ":", "lower case."), ("Short", "lower case.")],
    ids=["upper case", "full stop", "colon", "short"],
)
@pytest.mark.parametrize("path", ["a.md", "a.txt"])
def test_whole_paragraphs_are_not_joined(path: str, first: str, second: str) -> None:
    assert [words for _, words in kinds(read(f"{first}\n\n{second}", path))] == [first, second]


@pytest.mark.parametrize("between", ["\n\n# Heading\n\n", "\n\n- "])
def test_paragraphs_are_not_joined_across_other_blocks(between: str) -> None:
    document = read(f"{LONG}{between}lower case.")
    assert (document.blocks[0].kind, document[document.blocks[0].span]) == ("paragraph", LONG)


MILLION = 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        "a" * MILLION,
        "word " * (MILLION // 5),
        "[" * MILLION,
        "> " * (MILLION // 2),
        "# " + "[a](" * (MILLION // 4),
        "- " * (MILLION // 2),
        "|" * MILLION,
        "---\ntitle: " + "a " * (MILLION // 2) + "\n---\nBody.",
    ],
    ids=lambda text: text[:6],
)
@pytest.mark.parametrize("path", ["a.md", "a.txt"])
def test_a_line_of_a_million_characters_is_read_in_seconds(path: str, text: str) -> None:
    started = time.process_time()
    try:
        assert_blocks_are_sound(read(text, path))
    except DocumentReadError as exc:
        assert exc.reason == "the file holds markup, but no words"
    assert time.process_time() - started < 30


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("Où est le café ? Là, à côté.".encode() + b" \xe9", "byte 36 is not UTF-8, as the rest is; mend it"),
        ("naïve café, déjà vu".encode()[:-1] + b"\xc3", "byte 23 is not UTF-8, as the rest is; mend it"),
    ],
)
def test_utf8_with_a_bad_byte_says_which(data: bytes, reason: str) -> None:
    with pytest.raises(DocumentReadError) as error:
        read_document("a.txt", data, "")
    assert error.value.reason == reason


def test_the_first_accent_may_come_late() -> None:
    text = "plain words " * 200_000 + "Où est le café ? Là, à côté, près de l'hôtel."
    assert read_document("a.txt", text.encode("cp1252"), "").text == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Où est le café ? Là, à côté, près de l'hôtel.", "cp1252"),
        ("L'été à Paris, c'était déjà une œuvre.\n" * 5, "cp1252"),
        ("Die Straße über den Fluß ist “schön”.", "cp1252"),
        ("Привет, мир. Это текст на русском языке.", "cp1251"),
        ("Καλημέρα κόσμε, τι κάνεις;", "cp1253"),
        ("Zażółć gęślą jaźń, proszę pana.", "cp1250"),
        ("今日は晴れです。日本語の文章です。", "shift_jis"),
    ],
)
def test_other_encodings_are_guessed(text: str, encoding: str) -> None:
    assert read_document("a.txt", text.encode(encoding), "").text == text
