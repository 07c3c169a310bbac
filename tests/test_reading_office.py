from datetime import date, datetime

import pytest

from docqa import Document, DocumentReadError
from docqa.reading import read_document
from format_files import (
    Cell,
    W,
    docx,
    docx_files,
    odt,
    pptx,
    relations,
    shape,
    slide_table,
    word,
    word_table,
    xlsx,
    zipped,
)


def read(data: bytes, path: str) -> Document:
    return read_document(path, data, "digest")


def shown(document: Document) -> list[tuple[str, str, str]]:
    return [(block.kind, document[block.span], document.locate(block.span)) for block in document.blocks]


def test_a_word_document_is_read_by_its_styles() -> None:
    document = read(
        docx(
            word("Lumen handbook", "Title")
            + word("Thank you.")
            + word("Care", "Heading1")
            + word("Never open it.")
            + word("Cleaning", "Ours")
            + word("Use a dry cloth.")
            + word_table(("Product", "Price"), ("Lumen S", "49 EUR"))
        ),
        "handbook.docx",
    )
    assert document.title == "Lumen handbook"
    assert shown(document) == [
        ("heading", "Lumen handbook", "paragraph 1"),
        ("paragraph", "Thank you.", "paragraph 1"),
        ("heading", "Care", "paragraph 1"),
        ("paragraph", "Never open it.", "§ Care"),
        ("heading", "Cleaning", "§ Care"),
        ("paragraph", "Use a dry cloth.", "§ Care › Cleaning"),
        ("table", "Product: Lumen S; Price: 49 EUR", "§ Care › Cleaning"),
    ]


def test_one_chapter_of_several_is_not_the_title() -> None:
    document = read(docx("".join(word(name, "Heading1") + word("Words.") for name in ("One", "Two"))), "handbook.docx")
    assert document.title == "handbook"
    assert [place for *_, place in shown(document)] == ["paragraph 1", "§ One", "paragraph 1", "§ Two"]


def test_footnotes_and_lists_of_a_word_document() -> None:
    files = docx_files(
        '<w:p><w:r><w:t>It shines.</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r></w:p>'
        '<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:t>Item</w:t></w:r></w:p>'
    )
    files["word/_rels/document.xml.rels"] = relations(
        ("r1", "footnotes", "footnotes.xml"), ("r2", "numbering", "numbering.xml")
    )
    files["word/footnotes.xml"] = (
        f'<w:footnotes {W}><w:footnote w:id="2">{word("At night ↑.")}</w:footnote></w:footnotes>'
    )
    files["word/numbering.xml"] = (
        f'<w:numbering {W}><w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/></w:lvl>'
        '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>'
    )
    assert [(kind, text) for kind, text, _ in shown(read(zipped(files), "a.docx"))] == [
        ("paragraph", "It shines.[1]"),
        ("list_item", "Item"),
        ("list_item", "At night ↑."),
    ]


def test_deleted_words_are_left_out_and_inserted_ones_read() -> None:
    body = (
        "<w:p><w:r><w:t>Kept </w:t></w:r><w:del><w:r><w:delText>gone </w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>new</w:t></w:r></w:ins></w:p>"
    )
    assert read(docx(body), "a.docx").text == "Kept new"


def test_styles_based_on_each_other_end() -> None:
    style = '<w:style w:type="paragraph" w:styleId="{0}"><w:name w:val="{0}"/><w:basedOn w:val="{1}"/></w:style>'
    document = read(docx(word("Words.", "A"), style.format("A", "B") + style.format("B", "A")), "a.docx")
    assert shown(document) == [("paragraph", "Words.", "paragraph 1")]


def test_a_presentation_is_read_slide_by_slide() -> None:
    document = read(
        pptx(
            shape("Body before its title.", holds="body") + shape("Lumen roadmap", holds="ctrTitle"),
            shape("The battery", holds="title") + shape("Lasts eleven hours", "Charges in two", holds="body")
            + shape("7", holds="sldNum") + shape("A box."),
            slide_table(("Product", "Price"), ("Lumen S", "49 EUR"))
            + f"<mc:AlternateContent><mc:Choice>{shape('New.')}</mc:Choice>"
            f"<mc:Fallback>{shape('Old.')}</mc:Fallback></mc:AlternateContent>",
            notes={2: shape("Say it slowly.", holds="body") + shape("7", holds="sldNum")},
        ),
        "slides.pptx",
    )  # fmt: skip
    assert document.title == "Lumen roadmap"
    assert shown(document) == [
        ("heading", "Lumen roadmap", "slide 1"),
        ("list_item", "Body before its title.", "slide 1"),
        ("heading", "The battery", "slide 2"),
        ("list_item", "Lasts eleven hours", "slide 2"),
        ("list_item", "Charges in two", "slide 2"),
        ("paragraph", "A box.", "slide 2"),
        ("list_item", "Say it slowly.", "slide 2, notes"),
        ("table", "Product: Lumen S; Price: 49 EUR", "slide 3"),
        ("paragraph", "New.", "slide 3"),
    ]
    assert [block.headings for block in document.blocks[-3:]] == [("The battery",), (), ()]


def test_a_workbook_is_read_row_by_row() -> None:
    document = read(
        xlsx(
            {
                "Q3": [
                    ["Prices of the third quarter"],
                    ["Product", "Price", "VAT", "Since"],
                    ["Lumen S", (49.5, '#,##0.00 "EUR"'), (0.19, "0%"), date(2024, 3, 1)],
                    ["Lumen L", (1069, "[$$-409]#,##0"), (0.075, "0.0%"), datetime(2024, 3, 1, 12, 30)],
                    [],
                    [None, "Region", "Head"],
                    [None, "North", "Ada"],
                    [None, "South", True],
                ],
                "Empty": [],
                "Facts": [["Founded", 1998], ["Seat", "Bremen"]],
            }
        ),
        "prices.xlsx",
    )
    assert document.title == "prices"
    assert shown(document) == [
        ("heading", "Q3", "sheet Q3"),
        ("paragraph", "Prices of the third quarter", "sheet Q3, row 1"),
        ("table", "Product: Lumen S; Price: 49.5 EUR; VAT: 19%; Since: 2024-03-01", "sheet Q3, row 3"),
        ("table", "Product: Lumen L; Price: $1069; VAT: 7.5%; Since: 2024-03-01 12:30", "sheet Q3, row 4"),
        ("table", "Region: Head", "sheet Q3, row 6"),
        ("table", "North: Ada", "sheet Q3, row 7"),
        ("table", "South: TRUE", "sheet Q3, row 8"),
        ("heading", "Empty", "sheet Empty"),
        ("heading", "Facts", "sheet Facts"),
        ("table", "Founded: 1998", "sheet Facts, row 1"),
        ("table", "Seat: Bremen", "sheet Facts, row 2"),
    ]


def test_a_table_goes_on_after_an_empty_row_and_another_has_its_own_header() -> None:
    rows: list[list[Cell]] = [
        ["Name", "Room", "Phone"], ["Ada", "12", 1], [], ["Bob", "14", 2], ["Cleo", "15", 3], [],
        ["City", "Year", "Visits"], ["Bremen", 2023, 7],
    ]  # fmt: skip
    document = read(xlsx({"A": rows}), "a.xlsx")
    assert document.text.splitlines()[2:] == [
        "Name: Ada; Room: 12; Phone: 1",
        "Name: Bob; Room: 14; Phone: 2",
        "Name: Cleo; Room: 15; Phone: 3",
        "City: Bremen; Year: 2023; Visits: 7",
    ]


def test_a_span_over_rows_names_them_all() -> None:
    document = read(xlsx({"Q3": [["A", "B", "C"], *([f"x{i}", i, i] for i in range(9))]}), "a.xlsx")
    first, last = document.blocks[1], document.blocks[5]
    assert document.locate(type(first.span)(first.span.start, last.span.end)) == "sheet Q3, rows 2–6"


def test_an_opendocument_text_is_read_by_its_elements() -> None:
    document = read(
        odt(
            "<text:tracked-changes><text:p>gone</text:p></text:tracked-changes>"
            '<text:h text:outline-level="1">Care</text:h><text:p>Never<text:s/>open<text:line-break/>it.'
            "<text:note><text:note-citation>1</text:note-citation></text:note></text:p>"
            '<text:h text:outline-level="2">Cleaning</text:h>'
            "<text:list><text:list-item><text:p>A dry cloth</text:p></text:list-item></text:list>"
            "<table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>Product</text:p>"
            "</table:table-cell><table:table-cell><text:p>Price</text:p></table:table-cell></table:table-row>"
            "</table:table-header-rows><table:table-row><table:table-cell><text:p>Lumen S</text:p></table:table-cell>"
            "<table:table-cell><text:p>49 EUR</text:p></table:table-cell></table:table-row></table:table>",
            "Lumen handbook",
        ),
        "handbook.odt",
    )
    assert document.title == "Lumen handbook"
    assert shown(document) == [
        ("heading", "Care", "paragraph 1"),
        ("paragraph", "Never open it.", "§ Care"),
        ("heading", "Cleaning", "§ Care"),
        ("list_item", "A dry cloth", "§ Care › Cleaning"),
        ("table", "Product: Lumen S; Price: 49 EUR", "§ Care › Cleaning"),
    ]


def test_rich_text_is_read_without_its_looks() -> None:
    rtf = (
        rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\f0\b Lumen handbook\b0\par The caf\'e9 costs 3 \u8364?.\par "
        rb"\trowd Product\cell Price\cell\row\trowd Lumen S\cell 49 EUR\cell\row}"
    )
    document = read(rtf, "handbook.rtf")
    assert document.title == "Lumen handbook"
    assert shown(document) == [
        ("paragraph", "Lumen handbook", "paragraph 1"),
        ("paragraph", "The café costs 3 €.", "paragraph 2"),
        ("table", "Product: Lumen S; Price: 49 EUR", "paragraph 3"),
    ]


@pytest.mark.parametrize(
    ("data", "path"), [(docx(word("")), "a.docx"), (pptx(shape("")), "a.pptx"), (xlsx({"A": []}), "a.xlsx")]
)
def test_a_file_without_words_is_refused(data: bytes, path: str) -> None:
    with pytest.raises(DocumentReadError, match="no words"):
        read(data, path)
