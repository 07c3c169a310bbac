"""Files that are damaged, disguised or made to harm: read, or refused with a reason, soon."""

import io
import random
import signal
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docqa import DocumentReadError
from docqa.reading import SUFFIXES, archives, read_document
from format_files import (
    docx_files,
    epub_files,
    odt_files,
    pptx_files,
    relations,
    shape,
    word,
    xlsx,
    zipped,
)

OFFICE = {
    ".docx": docx_files(word("Words.")),
    ".pptx": pptx_files(shape("Words.")),
    ".odt": odt_files("<text:p>Words.</text:p>"),
    ".epub": epub_files({"a.xhtml": "<p>Words.</p>"}),
}
MAIN = {
    ".docx": "word/document.xml",
    ".pptx": "ppt/slides/slide1.xml",
    ".odt": "content.xml",
    ".epub": "OPS/book.opf",
    ".xlsx": "xl/worksheets/sheet1.xml",
}
RTF = rb"{\rtf1 Words.}"
FILES = {
    **{suffix: zipped(files) for suffix, files in OFFICE.items()},
    ".xlsx": xlsx({"Q3": [["Product", "Price"], ["Lumen S", 49]]}),
    ".rtf": RTF,
    ".html": b"<html><body><h1>Head</h1><p>Words.</p><table><tr><th>A<th>B<tr><td>1<td>2</table>",
    ".csv": b"name;price\nLumen S;49\n",
    ".eml": b"From: a@b\nSubject: Words\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nWords.\n--b--\n",
    ".rst": b"Head\n====\n\n* item::\n\n    code\n\n.. note:: Words.\n",
    ".py": b"x = 1\n\n\ny = 2\n",
}
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
HTML = b"<!DOCTYPE html><html><body><p>Words.</p></body></html>"
BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {one} "{f"&{other};" * 20}">' for other, one in pairwise("abcdefghij"))
    + "]>"
)


@contextmanager
def computing_at_most(seconds: float) -> Iterator[None]:
    """Fail what computes for longer, be it for ever; what other processes take of the processors does not count."""

    def fail(*_: object) -> None:
        pytest.fail(f"computed for more than {seconds} s")

    before = signal.signal(signal.SIGPROF, fail)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def reason(data: bytes, path: str) -> str:
    with pytest.raises(DocumentReadError) as caught, computing_at_most(10):
        read_document(path, data, "")
    return caught.value.reason


def members(data: bytes) -> dict[str, str | bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def replaced(suffix: str, content: bytes) -> bytes:
    return zipped({**members(FILES[suffix]), MAIN[suffix]: content})


@pytest.mark.parametrize("suffix", sorted(FILES))
def test_the_same_bytes_give_the_same_document(suffix: str) -> None:
    first, second = (read_document("a" + suffix, FILES[suffix], "") for _ in range(2))
    assert first == second


@pytest.mark.parametrize("suffix", sorted({*OFFICE, ".xlsx", ".rtf"}))
@pytest.mark.parametrize("wrong", [".pdf", ".docx", ".txt", ".html", ".md", ".csv"])
def test_a_disguised_file_is_read_as_what_it_is(suffix: str, wrong: str) -> None:
    right = read_document("a" + suffix, FILES[suffix], "")
    assert read_document("a" + wrong, FILES[suffix], "").blocks == right.blocks


@pytest.mark.parametrize("suffix", [".pdf", ".docx", ".xlsx", ".txt"])
def test_a_web_page_is_read_as_such(suffix: str) -> None:
    assert read_document("a" + suffix, b"\xef\xbb\xbf\n <!-- saved -->" + HTML, "").text == "Words."


@pytest.mark.parametrize(
    ("data", "path", "words"),
    [
        (b"Words.", "a.docx", "it is no DOCX file, whatever its name says; get a whole copy"),
        (b"words\0words", "a.txt", "it holds NUL bytes, so it is a binary file, not text"),
        (b"x", "a.jpg", "it is a JPG file, which docqa does not read"),
        (OLE + b"\0" * 99 + "EncryptedPackage".encode("utf-16-le"), "a.docx", "it is protected by a password"),
        (OLE + b"\0" * 99, "a.docx", "it has the format of Office before 2007; save it as .docx, .pptx or .xlsx"),
        (zipped({"a.txt": "x"}), "a.docx", "it is a zip archive, not a document; unpack it into the corpus"),
        (FILES[".docx"][:300], "a.docx", "the zip archive it consists of is damaged; get a whole copy"),
        (zipped({**OFFICE[".odt"], "META-INF/manifest.xml": "<a><encryption-data/></a>"}), "a.odt", "by a password"),
        (replaced(".docx", b"<a><b></a>"), "a.docx", "'word/document.xml' in it is no sound XML"),
        (replaced(".xlsx", b"<a><b></a>"), "a.xlsx", "it is a damaged workbook"),
        (replaced(".docx", b"<a>" * 300 + b"</a>" * 300), "a.docx", "Excessive depth"),
        (replaced(".pptx", b"<a>" * 300 + b"</a>" * 300), "a.pptx", "Excessive depth"),
        (b"<html><body>" + b"<div>" * 100_000 + b"Words.", "a.html", "its elements are nested too deeply"),
        (b'{"a": 1}\0', "a.json", "NUL"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_the_reason(data: bytes, path: str, words: str) -> None:
    assert words in reason(data, path)


def test_a_password_protected_archive_is_refused() -> None:
    data = bytearray(FILES[".docx"])
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            data[at + flags] |= 1
    assert reason(bytes(data), "a.docx") == "it is protected by a password; save it without one"


@pytest.mark.parametrize("suffix", sorted(MAIN))
def test_a_zip_bomb_is_refused(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_UNPACKED", 20_000_000)
    bomb = replaced(suffix, b"<a>" + b" " * 30_000_000 + b"</a>")
    assert len(bomb) < 100_000
    assert reason(bomb, "a" + suffix) == "it unpacks to more than 20 MB; divide it"


@pytest.mark.parametrize("suffix", sorted(MAIN))
def test_a_false_size_is_found_out(suffix: str) -> None:
    data = bytearray(replaced(suffix, b"<a>" + b" " * 30_000_000 + b"</a>"))
    data = bytearray(bytes(data).replace(struct.pack("<L", 30_000_007), struct.pack("<L", 10)))
    assert "is damaged" in reason(bytes(data), "a" + suffix)


WITHIN = dict.fromkeys(MAIN, "Words.") | {".epub": "The Lumen Handbook", ".xlsx": "Lumen S"}
"""What the main file of each archive says, where the tests below put an entity behind it."""
UNSOUND = "'{}' in it is no sound XML: Maximum entity amplification factor exceeded"
WORKBOOK = "it is a damaged workbook ({}"


def with_entity(suffix: str, declaration: str) -> bytes:
    """Declare an entity ``j`` in the main file of an archive, and use it behind some words."""
    content = members(FILES[suffix])[MAIN[suffix]]
    content = content if isinstance(content, str) else content.decode()
    start = content.index("?>") + 2 if content.startswith("<?xml") else 0
    body = content[start:].replace(WITHIN[suffix], f"{WITHIN[suffix]} &j;")
    assert body != content[start:]
    return replaced(suffix, (declaration + body).encode())


@pytest.mark.parametrize("suffix", sorted({*MAIN} - {".xlsx"}))
def test_an_entity_does_not_bring_in_a_file(suffix: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("osprey")
    data = with_entity(suffix, f'<!DOCTYPE x [<!ENTITY j SYSTEM "{(tmp_path / "secret").as_uri()}">]>')
    document = read_document("a" + suffix, data, "")
    title = "The Lumen Handbook" if suffix == ".epub" else "a"
    assert (document.title.strip(), document.text.strip()) == (title, "Words.")


def test_an_entity_of_a_workbook_does_not_bring_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("osprey")
    data = with_entity(".xlsx", f'<!DOCTYPE x [<!ENTITY j SYSTEM "{(tmp_path / "secret").as_uri()}">]>')
    assert reason(data, "a.xlsx").startswith(WORKBOOK.format("undefined entity &j;"))


@pytest.mark.parametrize("suffix", sorted(MAIN))
def test_entities_that_unfold_are_refused(suffix: str) -> None:
    unsound = UNSOUND.format(MAIN[suffix])
    words = WORKBOOK.format("limit on input amplification factor") if suffix == ".xlsx" else unsound
    assert reason(with_entity(suffix, BOMB), "a" + suffix).startswith(words)


def test_paths_within_an_archive_lead_nowhere_else() -> None:
    files = epub_files({"a.xhtml": "<p>Words.</p>"})
    files["OPS/book.opf"] = str(files["OPS/book.opf"]).replace('href="a.xhtml"', 'href="../../../../etc/hostname"')
    assert "etc/hostname' is missing in it" in reason(zipped(files), "a.epub")


def test_a_word_document_may_not_fetch_a_picture_from_elsewhere() -> None:
    body = '<w:p><w:r><w:drawing><a:blip xmlns:a="a" r:link="r1" xmlns:r="r"/></w:drawing><w:t>Words.</w:t></w:r></w:p>'
    files = docx_files(body)
    files["word/_rels/document.xml.rels"] = relations(("r1", "image", "file:///etc/hostname"))
    assert read_document("a.docx", zipped(files), "").text == "Words."


def test_a_cell_at_the_end_of_a_sheet_costs_little() -> None:
    rows = b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
    sheet = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>%s</sheetData></worksheet>'
    with computing_at_most(20):
        document = read_document("a.xlsx", replaced(".xlsx", sheet % rows), "")
    assert document.text == "Q3\n\n1\n2"
    assert document.locate(document.blocks[-1].span) == "sheet Q3, row 1048576"


MANY = 300_000
LONG = [
    (".html", b"<p>" * MANY),
    (".html", b"<a " * MANY),
    (".html", b"&amp" * MANY),
    (".html", b"<br/>" * MANY),
    (".html", b"<!--" * MANY),
    (".html", b"<table><tr><td>" * 500),
    (".xhtml", b"http://www.w3.org/1999/xhtml" + b"<a " * MANY + b"/>"),
    (".xhtml", b"http://www.w3.org/1999/xhtml" + b"<a/>" * MANY),
    (".csv", b"a," * MANY),
    (".csv", b"a\n" * MANY),
    (".csv", b'"' * MANY),
    (".csv", b" 1 , , ; " * MANY),
    (".rst", b"=" * MANY),
    (".rst", b"= " * MANY),
    (".rst", b"* a\n" * MANY),
    (".rst", b".. a::\n" * MANY),
    (".rst", b"a\n===\n" * MANY),
    (".rst", b"`" * MANY + b"\n" + b"=" * MANY),
    (".rst", b" " * MANY + b"x"),
    (".rtf", b"{\\rtf1 " + b"{" * MANY),
    (".rtf", b"{\\rtf1 " + b"\\'e9" * MANY),
    (".rtf", b"{\\rtf1 " + b"a|" * MANY),
    (".rtf", b"{\\rtf1 " + b"{\\field{\\*\\fldinst HYPERLINK" * 20_000),
    (".eml", b"From: a\n\n" + b"a " * MANY),
    (".eml", b"From: " + b"a@b, " * 10_000),
    (".eml", b"Subject: " + b"=?utf-8?q?a?=" * 20_000),
    (".eml", b"From: a\nContent-Type: multipart/mixed; boundary=b\n\n" + b"--b\n" * MANY),
    (".eml", b"From: a\n" + b"Content-Type: message/rfc822\n\n" * 5_000),
    (".py", b"a" * MANY),
    (".py", b"a\n" * MANY),
    (".py", b"\n \n" * MANY + b"x"),
    (".py", b" " * MANY + b"x"),
]


@pytest.mark.parametrize(("suffix", "data"), LONG, ids=lambda value: str(value[:24]))
def test_much_of_anything_is_read_in_seconds(suffix: str, data: bytes) -> None:
    with computing_at_most(30):
        try:
            read_document("a" + suffix, data, "")
        except DocumentReadError as exc:
            assert exc.reason


def assert_read_or_refused(path: str, data: bytes) -> None:
    try:
        document = read_document(path, data, "")
    except DocumentReadError:
        return
    spans = [block.span for block in document.blocks]
    assert all(one.end <= other.start for one, other in pairwise(spans))
    assert all(document[span].strip() and document.locate(span) for span in spans)
    document.text.encode()


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(FILES)), st.integers(0), st.integers(1, 20))
def test_any_damage_is_survived(suffix: str, seed: int, changes: int) -> None:
    rng = random.Random(seed)
    data = bytearray(FILES[suffix])
    for _ in range(changes):
        data[rng.randrange(len(data))] = rng.randrange(256)
    assert_read_or_refused("a" + suffix, bytes(data))


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(MAIN)), st.integers(0), st.integers(1, 10))
def test_any_damage_within_an_archive_is_survived(suffix: str, seed: int, changes: int) -> None:
    rng = random.Random(seed)
    files = members(FILES[suffix])
    name = rng.choice(sorted(files))
    content = files[name]
    data = bytearray(content.encode() if isinstance(content, str) else content)
    for _ in range(changes):
        at = rng.randrange(len(data) + 1)
        data[at : at + rng.randrange(5)] = rng.choice([b"", b"<", b">", b"&", b'"', b"9" * 30, b"-1", b"\xff", b"a"])
    assert_read_or_refused("a" + suffix, zipped({**files, name: bytes(data)}))


TAGS = """<p> </p> <table> </table> <tr> <td> <th> <ul> <li> </li> <h1> </h1> <h2> <pre> </pre> <br> <main> </main>
<nav> </nav> <header> <article> </article> <script> </script> <!-- --> <![CDATA[ ]]> &amp; &#0; &#xD800; words é
<svg> <title> </title> <dl> <dt> <caption> <thead> </thead> <a> <body> </html>""".split()
PAGES = st.lists(
    st.sampled_from([*TAGS, " ", "\u2028", "\x0b", "<th colspan=3>", "<td rowspan=2>", "<div class=menu>"]), max_size=40
).map("".join)


@settings(deadline=None, max_examples=300)
@given(PAGES, st.sampled_from([".html", ".xhtml", ".eml"]))
def test_any_page_is_read_or_refused(page: str, suffix: str) -> None:
    head = "Subject: x\nContent-Type: text/html; charset=utf-8\n\n" if suffix == ".eml" else ""
    assert_read_or_refused("a" + suffix, (head + page).encode())


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_suffix_has_a_reader(suffix: str) -> None:
    data = b"Words here.\n"
    if suffix == ".eml":
        assert reason(data, "a.eml") == "it is no e-mail, for it has neither a sender nor a subject"
    elif suffix in {*MAIN, ".rtf", ".pdf"}:
        words = f"it is no {suffix[1:].upper()} file, whatever its name says; get a whole copy"
        assert reason(data, "a" + suffix) == words
    else:
        assert read_document("a" + suffix, data, "").text.strip() == "Words here."


COMMENTS = "<!---->" * 10_000


@pytest.mark.parametrize(
    ("path", "text"), [("a.txt", COMMENTS + "x"), ("a.md", COMMENTS + "x"), ("a.html", "x"), ("a.docx", None)]
)
def test_many_comments_are_read_in_seconds(path: str, text: str | None) -> None:
    data = (COMMENTS + "x").encode()
    if text is None:
        assert reason(data, path) == "it is no DOCX file, whatever its name says; get a whole copy"
        return
    with computing_at_most(10):
        assert read_document(path, data, "").text == text


def test_front_matter_that_unfolds_is_not_unfolded() -> None:
    levels = "\n".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 8)}]}}" for n in range(1, 30))
    text = f"---\na0: &a0 {{k: v}}\n{levels}\ntitle: Folded\n---\n\nWords.\n"
    assert read_document("a.md", text.encode(), "d").title == "Folded"
