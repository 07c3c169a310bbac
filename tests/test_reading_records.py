"""CSV, e-mails, source code and reStructuredText."""

import pytest

from docqa import Document, DocumentReadError
from docqa.reading import read_document


def read(text: str | bytes, path: str) -> Document:
    return read_document(path, text if isinstance(text, bytes) else text.encode(), "digest")


def shown(document: Document) -> list[tuple[str, str, str]]:
    return [(block.kind, document[block.span], document.locate(block.span)) for block in document.blocks]


def words(document: Document) -> list[tuple[str, str]]:
    return [(block.kind, document[block.span]) for block in document.blocks]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("path", ["prices.csv", "prices.tsv"])
def test_rows_are_read_with_their_header_words(delimiter: str, path: str) -> None:
    rows = [["Product", "Price", "Note"], ["Lumen S", "49 EUR", ""], [], ["Lumen L", '"69 ""net"", cheap"', "new"]]
    document = read("\r\n".join(delimiter.join(row) for row in rows), path)
    assert document.title == "prices"
    assert shown(document) == [
        ("table", "Product: Lumen S; Price: 49 EUR", "row 2"),
        ("table", 'Product: Lumen L; Price: 69 "net", cheap; Note: new', "row 4"),
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("name,city\nAda,London", ["name: Ada; city: London"]),
        ("1,2\n3,4", ["1: 2", "3: 4"]),
        ("year,2023,2024\nsales,5,6", ["year: sales; 2023: 5; 2024: 6"]),
        ("a,a,b\nc,d,e", ["a; a; b", "c; d; e"]),
        ("only one column\nand another, with a comma", ["only one column", "", "and another: with a comma"]),
        ('a;b\n"x;y";"two\nlines"', ["a: x;y; b: two lines"]),
        ("caf\xe9;prix\nParis;3", ["café: Paris; prix: 3"]),
        ("a,b\n1,2,3\n4", ["a: 1; b: 2; 3", "a: 4"]),
    ],
)
def test_tables_of_values(text: str, lines: list[str]) -> None:
    assert read(text.encode("cp1252"), "a.csv").text.splitlines() == lines


def test_a_cell_without_end_is_refused() -> None:
    with pytest.raises(DocumentReadError, match="no table of values: field larger than"):
        read('a,b\n"' + "x" * 200_000, "a.csv")


MAIL = (
    "From: =?utf-8?q?Zo=C3=AB?= <zoe@example.org>\r\nTo: ada@example.org\r\n"
    "Subject: Your =?utf-8?q?caf=C3=A9?= order\r\n"
    "Date: Fri, 01 Mar 2024 12:30:00 +0100\r\nMIME-Version: 1.0\r\n"
)
PLAIN = (
    "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    "It comes =E0 2 pm.\r\n\r\nBye.\r\n"
)
HTML = "Content-Type: text/html; charset=utf-8\r\n\r\n<p>It comes &agrave; 2 pm.</p><p>Bye.</p>\r\n"
FILE = 'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="bill.pdf"\r\n\r\n%PDF\r\n'


@pytest.mark.parametrize(
    "body",
    [
        PLAIN,
        HTML,
        f"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n{PLAIN}--b\r\n{HTML}--b--\r\n",
        "Content-Type: text/plain; charset=nonsense\r\n\r\nIt comes à 2 pm.\r\n\r\nBye.\r\n",
    ],
    ids=["plain", "html", "both", "unknown encoding"],
)
def test_a_mail_is_who_when_and_what(body: str) -> None:
    document = read(MAIL + body, "mail.eml")
    assert document.title == "Your café order"
    assert shown(document) == [
        ("paragraph", "From: Zoë <zoe@example.org>", "paragraph 1"),
        ("paragraph", "To: ada@example.org", "paragraph 2"),
        ("paragraph", "Date: Fri, 01 Mar 2024 12:30:00 +0100", "paragraph 3"),
        ("paragraph", "It comes à 2 pm.", "paragraph 4"),
        ("paragraph", "Bye.", "paragraph 5"),
    ]


def test_what_is_attached_is_named() -> None:
    mail = f"{MAIL}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{PLAIN}--b\r\n{FILE}--b--\r\n"
    assert read(mail, "mail.eml").text.endswith("Bye.\n\nAttachment: bill.pdf")


def test_a_text_that_is_no_mail_is_refused() -> None:
    with pytest.raises(DocumentReadError, match="neither a sender nor a subject"):
        read("Words.", "a.eml")


CODE = "import os\n\n\ndef light():\n    return 1\n\n    # indented\n"


@pytest.mark.parametrize("path", ["lamp.py", "lamp.JS", "lamp.sql", "lamp.log"])
def test_code_is_kept_as_it_stands_with_its_lines(path: str) -> None:
    document = read(CODE, path)
    assert (document.title, document.text) == ("lamp", CODE)
    assert shown(document) == [
        ("code", "import os", "line 1"),
        ("code", "def light():\n    return 1", "lines 4–5"),
        ("code", "    # indented", "line 7"),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_long_run_of_code_is_divided_into_lines(end: str) -> None:
    lines = [f"{'  ' * (i % 3)}ERROR {i}" for i in range(200)]
    assert [text for _, text in words(read(end.join(lines), "a.log"))] == lines


RST = """.. _label:

=====
Lumen
=====
.. comment
   of two lines

:Author: Ada

Care of the *lamp*
==================

Wipe it with ``cloth``::

    $ wipe --dry

    $ wipe

Use either:

* water
  or air
* oil::

    $ oil

1. First

.. note:: Never open it.
   Never.

.. warning::
   :class: big

   It is hot.

.. code-block:: python
   :linenos:

   lamp()

.. index:: single: lamp

.. image:: x.png
   :alt: hidden

.. [1] A footnote.

Prices
------

=======  =====
Product  Price
=======  =====
Lumen S  49
=======  =====

>>> 1 + 1
2

:mod:`lamp` again
-----------------
Text at once.

Another chapter
===============

The end.
"""


def test_restructured_text_is_kept_with_its_lines() -> None:
    document = read(RST, "lamp.rst")
    assert (document.title, document.text) == ("Lumen", RST)
    assert shown(document) == [
        ("heading", "Lumen", "line 4"),
        ("paragraph", ":Author: Ada", "line 9"),
        ("heading", "Care of the *lamp*", "line 11"),
        ("paragraph", "Wipe it with ``cloth``:", "§ Care of the lamp, line 14"),
        ("code", "    $ wipe --dry", "§ Care of the lamp, line 16"),
        ("code", "    $ wipe", "§ Care of the lamp, line 18"),
        ("paragraph", "Use either:", "§ Care of the lamp, line 20"),
        ("list_item", "water\n  or air", "§ Care of the lamp, lines 22–23"),
        ("list_item", "oil:", "§ Care of the lamp, line 24"),
        ("code", "    $ oil", "§ Care of the lamp, line 26"),
        ("list_item", "First", "§ Care of the lamp, line 28"),
        ("paragraph", "Never open it.\n   Never.", "§ Care of the lamp, lines 30–31"),
        ("paragraph", "It is hot.", "§ Care of the lamp, line 36"),
        ("code", "   lamp()", "§ Care of the lamp, line 41"),
        ("paragraph", "A footnote.", "§ Care of the lamp, line 48"),
        ("heading", "Prices", "§ Care of the lamp, line 50"),
        (
            "table",
            "=======  =====\nProduct  Price\n=======  =====\nLumen S  49\n=======  =====",
            "§ Care of the lamp › Prices, lines 53–57",
        ),
        ("code", ">>> 1 + 1\n2", "§ Care of the lamp › Prices, lines 59–60"),
        ("heading", ":mod:`lamp` again", "§ Care of the lamp, line 62"),
        ("paragraph", "Text at once.", "§ Care of the lamp › lamp again, line 64"),
        ("heading", "Another chapter", "line 66"),
        ("paragraph", "The end.", "§ Another chapter, line 69"),
    ]
