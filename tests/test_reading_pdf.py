"""PDFs are made here line by line; real ones stand beside the project."""

import io
import random
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from docqa import Document, DocumentReadError, Span
from docqa.chunking import split_sentences
from docqa.reading import read_document
from docqa.reading.pdf.extracting import MAX_PAGES, clean
from docqa.reading.pdf.rendering import render_picture
from format_files import LEADING, lines, page, pdf

DOCUMENTS = Path(__file__).parents[2] / "shared/eval/documents"
needs_documents = pytest.mark.skipif(not DOCUMENTS.exists(), reason="the documents are not beside the project")


def read(data: bytes, path: str = "notes.pdf") -> Document:
    return read_document(path, data, "digest")


def blocks(document: Document) -> list[tuple[str, str]]:
    return [(block.kind, document[block.span]) for block in document.blocks]


def texts(document: Document) -> list[str]:
    return [text for _, text in blocks(document)]


def reason(data: bytes) -> str:
    with pytest.raises(DocumentReadError) as caught:
        read(data)
    assert caught.value.path == "notes.pdf"
    return caught.value.reason


def assert_is_sound(document: Document) -> None:
    spans = [block.span for block in document.blocks]
    assert all(one.end <= other.start for one, other in pairwise(spans))
    assert spans[-1].end == len(document.text)
    assert all(document[span].strip() for span in spans)
    starts = [page.start for page in document.pages]
    assert starts == sorted(set(starts))
    assert starts[0] == 0


RIVER = [
    "The old bridge crosses the river Tay, and trains have crossed it every hour since",
    "it was built in the year 1887 by William Arrol, who also built the one over the",
    "Forth. It has eighty-five spans.",
]
WOODS = [
    "In the woods behind the station there are deer, and in the autumn mushrooms grow",
    "under the beeches. Nobody gathers them.",
]


def test_lines_are_joined_into_paragraphs_at_the_gaps_between_them() -> None:
    document = read(pdf(lambda canvas: (lines(canvas, *RIVER), lines(canvas, *WOODS, y=640))))
    assert blocks(document) == [("paragraph", " ".join(RIVER)), ("paragraph", " ".join(WOODS))]
    assert document.text == " ".join(RIVER) + "\n\n" + " ".join(WOODS)
    assert_is_sound(document)


def test_paragraphs_are_also_divided_by_indents() -> None:
    def draw(canvas: Canvas) -> None:
        for i, line in enumerate([*RIVER, *WOODS]):
            canvas.drawString(80 if line in (RIVER[0], WOODS[0]) else 60, 700 - LEADING * i, line)

    assert texts(read(pdf(draw))) == [" ".join(RIVER), " ".join(WOODS)]


Places = tuple[float, ...]
LEFT = ["The left column is read", "before the right one, to", "its end. The last of its", "lines is this."]
RIGHT = ["Then comes the right one", "though its lines stand", "beside those of the left", "column all the way down."]


@pytest.mark.parametrize("row_by_row", [False, True], ids=["column by column", "row by row"])
@pytest.mark.parametrize("shift", [0, 5], ids=["level", "not level"])
def test_columns_are_read_one_after_the_other_however_they_are_stored(row_by_row: bool, shift: int) -> None:
    def draw(canvas: Canvas) -> None:
        lines(canvas, "A heading of the whole page stands above its two columns", y=740)
        if row_by_row:
            for i, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
                canvas.drawString(60, 700 - LEADING * i, left)
                canvas.drawString(320, 700 - shift - LEADING * i, right)
        else:
            lines(canvas, *RIGHT, x=320, y=700 - shift)
            lines(canvas, *LEFT)
        lines(canvas, "And a line below them runs across the whole page again.", y=600)

    text = read(pdf(draw)).text
    assert text == "\n\n".join(
        [
            "A heading of the whole page stands above its two columns",
            " ".join(LEFT),
            " ".join(RIGHT),
            "And a line below them runs across the whole page again.",
        ]
    )


def test_a_paragraph_goes_on_in_the_next_column() -> None:
    left = ["The left column does not", "end with a sentence, and", "so its last one goes on"]
    right = ["at the top of the right", "column, where it ends at", "last. Then all is over."]
    document = read(pdf(lambda canvas: (lines(canvas, *left), lines(canvas, *right, x=320))))
    assert texts(document) == [" ".join(left + right)]


def test_a_raised_footnote_number_does_not_tear_its_line() -> None:
    def draw(canvas: Canvas) -> None:
        lines(canvas, "Thanks to the bridge", y=700)
        lines(canvas, "2", x=154, y=704, size=6)
        lines(canvas, ", which stands, trains cross the river.", x=158, y=700.5)

    assert "Thanks to the bridge2, which stands" in read(pdf(draw)).text.replace("bridge 2", "bridge2")


def test_a_small_number_before_a_footnote_does_not_tear_it() -> None:
    def draw(canvas: Canvas) -> None:
        lines(canvas, *["Words of a page, which are larger than those of the notes below them."] * 4)
        lines(canvas, "2", x=86, y=104.5, size=5)
        lines(canvas, "You can work around your local situation by compiling and", x=89, y=100, size=8)
        canvas.setFont("Helvetica", 8)
        canvas.drawString(72, 90, "installing the source.")

    note = "2 You can work around your local situation by compiling and installing the source."
    assert texts(read(pdf(draw)))[-1] == note


def test_a_caption_close_to_a_paragraph_begins_a_block() -> None:
    prose = ["The lamps were measured for a week in the laboratory, with", "the results of the table"]
    assert texts(read(pdf(page(*prose, "Table 2: Hours of light")))) == [" ".join(prose), "Table 2: Hours of light"]


def cells(
    canvas: Canvas, *rows: tuple[str, ...], y: float = 620, step: float = LEADING, places: Places = (60, 200, 330)
) -> None:
    """Write rows of a table; an empty cell is left out."""
    canvas.setFont("Helvetica", 10)
    for i, row in enumerate(rows):
        for x, cell in zip(places, row, strict=False):
            canvas.drawString(x, y - step * i, cell)


BRIDGES = [("Bridge", "Spans", "Year"), ("Tay", "85", "1887"), ("Forth", "3", "1890")]


def test_the_rows_of_a_table_keep_the_words_of_their_header() -> None:
    document = read(pdf(lambda canvas: (lines(canvas, *RIVER), cells(canvas, *BRIDGES))))
    table = "Bridge: Tay; Spans: 85; Year: 1887\nBridge: Forth; Spans: 3; Year: 1890"
    assert blocks(document)[1:] == [("table", table)]
    assert_is_sound(document)


def test_a_row_is_found_on_its_page_without_the_words_of_its_header() -> None:
    data = pdf(lambda canvas: (lines(canvas, *RIVER), cells(canvas, *BRIDGES)))
    before = "Bridge: Tay; Spans: 85; Year: 1887"
    found = render_picture("a.pdf", data, 1, [(before, "Bridge: Forth; Spans: 3; Year: 1890")]).rectangles
    assert [(round(left), round(top)) for left, top, _, _ in found] == [(61, 201), (200, 201), (331, 201)]


def test_a_table_goes_on_on_the_next_page_with_its_header() -> None:
    more = [("Humber", "3", "1981"), ("Severn", "3", "1966")]
    document = read(pdf(lambda canvas: cells(canvas, *BRIDGES), lambda canvas: cells(canvas, *more)))
    assert document.text.endswith("\n\nBridge: Humber; Spans: 3; Year: 1981\nBridge: Severn; Spans: 3; Year: 1966")
    assert [document.pages_of(block.span) for block in document.blocks] == [[1], [2]]


@pytest.mark.parametrize("step", [LEADING, 24], ids=["as close as lines", "apart"])
def test_the_lines_of_a_cell_are_one(step: int) -> None:
    def draw(canvas: Canvas) -> None:
        cells(canvas, ("Bridge", "Spans", "What it is"), step=step)
        cells(canvas, ("Tay", "85", "A long one that crosses the firth and car-"), y=620 - step)
        cells(canvas, ("", "", "ries trains"), y=608 - step)
        cells(canvas, ("Forth", "3", "Another"), y=608 - 2 * step)

    assert texts(read(pdf(draw, page("It carries trains.")))) == [
        "Bridge: Tay; Spans: 85; What it is: A long one that crosses the firth and carries trains\n"
        "Bridge: Forth; Spans: 3; What it is: Another",
        "It carries trains.",
    ]


def test_rows_with_an_empty_cell_are_rows_of_their_own() -> None:
    rows = [*BRIDGES, ("Humber", "", "1981"), ("Severn", "three", ""), ("", "four", "1996")]
    document = read(pdf(lambda canvas: cells(canvas, *rows, step=12)))
    assert document.text.splitlines()[2:] == [
        "Bridge: Humber; Year: 1981",
        "Bridge: Severn; Spans: three",
        "Spans: four; Year: 1996",
    ]


def test_two_columns_are_names_and_values_unless_they_are_few() -> None:
    rows = [("cat", "Shows a file"), ("ls", "Lists files"), ("rm", "Removes files")]
    assert (
        read(pdf(lambda canvas: cells(canvas, *rows))).text == "cat: Shows a file\nls: Lists files\nrm: Removes files"
    )
    assert read(pdf(lambda canvas: cells(canvas, *rows[:2]))).text == "cat; Shows a file\nls; Lists files"


def test_names_with_a_colon_name_what_is_beside_them() -> None:
    rows = [
        ("Pilot:", "Ann", "Age:", "38"),
        ("Seat:", "Left", "Toxicology:", ""),
        ("Rank:", "Captain", "Hours:", "119"),
    ]
    document = read(pdf(lambda canvas: cells(canvas, *rows, places=(60, 160, 300, 400))))
    assert blocks(document) == [("table", "Pilot: Ann; Age: 38\nSeat: Left; Toxicology:\nRank: Captain; Hours: 119")]


def test_a_raised_letter_does_not_tear_the_header_off_its_table() -> None:
    def draw(canvas: Canvas) -> None:
        cells(canvas, BRIDGES[0], y=620 + LEADING)
        lines(canvas, "2", x=351.5, y=623 + LEADING, size=6)
        cells(canvas, *BRIDGES[1:])

    assert read(pdf(draw)).text.startswith("Bridge: Tay; Spans: 85; Year2: 1887")


def test_a_line_with_wide_gaps_is_no_table() -> None:
    def draw(canvas: Canvas) -> None:
        cells(canvas, ("The words of", "a justified line", "stand apart"), y=700)
        lines(canvas, "when a long one follows that does not fit, such as this.", y=686)

    assert [kind for kind, _ in blocks(read(pdf(draw)))] == ["paragraph"]


def with_running_lines(number: int, *texts: str) -> Callable[[Canvas], object]:
    def draw(canvas: Canvas) -> None:
        lines(canvas, "The Bridges of Scotland", x=400, y=770)
        lines(canvas, *texts)
        lines(canvas, f"{number + 4}" if number % 2 else f"Chapter {number}      {number + 4}", y=30)

    return draw


STORIES = [f"Story {word} is told on a page of its own." for word in ("one", "two", "three", "four", "five", "six")]


def test_running_heads_feet_and_page_numbers_are_left_out() -> None:
    document = read(pdf(*(with_running_lines(i, story) for i, story in enumerate(STORIES, 1))))
    assert document.text == "\n\n".join(STORIES)
    assert [document.locate(block.span) for block in document.blocks] == [f"page {i}" for i in range(1, 7)]


def test_a_number_that_ends_a_page_but_counts_no_pages_is_kept() -> None:
    years = ["1921", "1887", "1903", "1990", "1890", "1955"]
    document = read(pdf(*(page(f"In {year} it was built.", year) for year in years)))
    assert document.text.split()[5::6] == years


def test_a_list_of_contents_is_left_out() -> None:
    entries = [f"{i} Part {i} {'.' * 60} {i + 2}" for i in range(1, 8)]
    document = read(pdf(page("A Book", "", "Contents", *entries), page("1 Part 1", "Words.", y=600)))
    assert "Part 3" not in document.text
    assert texts(document)[0] == "A Book"


CONTENTS = [("About Lamps", 1), ("Care", 2), ("Prices and Terms", 3)]


def contents(*entries: tuple[str, int]) -> Callable[[Canvas], object]:
    """Draw a list of contents without dot leaders: the numbers of the pages stand at the right."""

    def draw(canvas: Canvas) -> None:
        lines(canvas, "Contents", y=700)
        for i, (heading, number) in enumerate(entries):
            lines(canvas, f"{i + 1} {heading}", y=660 - 2 * LEADING * i)
            lines(canvas, str(number), x=500, y=660 - 2 * LEADING * i)

    return draw


def test_contents_without_dot_leaders_are_left_out_where_they_point_to_their_headings() -> None:
    chapters = [page(heading, "", f"All on {heading}.") for heading, _ in CONTENTS]
    document = read(pdf(contents(*CONTENTS), *chapters))
    assert document.text.split() == " ".join(f"{heading} All on {heading}." for heading, _ in CONTENTS).split()


def test_a_table_of_counts_is_kept_though_its_rows_begin_as_headings_do() -> None:
    chapters = [page(heading, "", "Words.") for heading, _ in CONTENTS]
    document = read(pdf(contents(*((heading, 7 * number) for heading, number in CONTENTS)), *chapters))
    assert "1 About Lamps" in document.text
    assert "14" in document.text


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ("This is all the infor-", "mation that we have, word for word.", "all the information that"),
        ("It was a cross-", "party group of members, and cross-party it stayed.", "a cross-party group"),
        ("They are friends of free soft-", "ware and hard ware, soft or hard.", "free soft-ware and"),
        ("It is an Anglo-", "Saxon word for a bridge over a river.", "an Anglo-Saxon word"),
        ("THIS IS ALL THE INFOR-", "MATION THERE IS. Information it is.", "THE INFORMATION THERE"),
        ("It goes on for pages from 10 -", "and that is all - to 20.", "from 10 - and that"),
    ],
)
def test_words_divided_at_the_end_of_a_line_are_joined_if_the_hyphen_is_not_their_own(
    first: str, second: str, joined: str
) -> None:
    assert joined in read(pdf(page(first, second))).text


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("ﬁnd the ﬂag in the oﬃce", "find the flag in the office"),
        ("soft\xadware", "software"),
        ("10\xa0km²", "10 km²"),
        ("a\u037e", "a;"),
        ("e\u0301", "é"),
        ("\uf0b7 item", "• item"),
        ("a\x00\x02b\ufeff", "ab"),
        ("\U0001d465 😀", "\U0001d465 😀"),
    ],
)
def test_ligatures_soft_hyphens_and_the_like_are_written_plainly(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


def by_hand(content: bytes, characters: bytes) -> bytes:
    """Make a PDF whose font maps its codes to characters of any kind."""
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 6 0 R>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(characters), characters),
    ]
    objects = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, body) for number, body in enumerate(bodies, 1))
    return b"%PDF-1.4\n" + objects + b"trailer<</Size 7/Root 1 0 R>>\n%%EOF"


def test_ligatures_and_characters_of_any_plane_are_read() -> None:
    characters = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def "
        b"1 begincodespacerange <00> <FF> endcodespacerange "
        b"2 beginbfchar <41> <D835DC65> <42> <FB01> endbfchar endcmap end end"
    )
    data = by_hand(b"BT /F 12 Tf 60 700 Td (we Bnd A and go on) Tj ET", characters)
    assert read(data).text == "we find \U0001d465 and go on"
    assert len(render_picture("a.pdf", data, 1, [("", "find \U0001d465 and")]).rectangles) == 1


def test_a_paragraph_across_a_page_is_whole_and_every_character_has_its_page() -> None:
    first = "The bridge that crosses the river Tay was built in the years after the disaster, when the"
    second = "first one had fallen into the water. It still stands."
    document = read(pdf(page(*WOODS), page("A first paragraph.", first, y=700), page(second)))
    whole = document.text.index("The bridge")
    assert texts(document)[-1].endswith(f"{first} {second}")
    turn = document.text.index("first one had")
    assert document.locate(Span(whole, whole + 10)) == "page 2"
    assert document.locate(Span(turn - 1, turn)) == "page 2"
    assert document.locate(Span(turn, turn + 1)) == "page 3"
    assert document.locate(Span(whole, len(document.text))) == "pages 2–3"
    assert document.locate(Span(0, len(document.text))) == "pages 1–3"


def test_a_word_divided_by_a_page_is_joined_and_its_halves_have_their_pages() -> None:
    document = read(pdf(page("We have all the infor-"), page("mation that is needed to build a bridge.")))
    assert texts(document) == ["We have all the information that is needed to build a bridge."]
    middle = document.text.index("mation")
    assert [document.pages_of(Span(at, at + 1)) for at in (middle - 1, middle)] == [[1], [2]]


def test_whole_paragraphs_are_not_joined_across_pages() -> None:
    assert texts(read(pdf(page("One ends here."), page("Another begins.")))) == ["One ends here.", "Another begins."]


def test_a_footnote_does_not_tear_a_paragraph_that_goes_on_on_the_next_page() -> None:
    first = "The bridge that crosses the river Tay was built in the years after the disaster, when the"
    second = "first one had fallen into the water. It still stands."

    def draw(canvas: Canvas) -> None:
        lines(canvas, *RIVER, first)
        lines(canvas, "1 This is a footnote in small letters.", y=60, size=8)

    document = read(pdf(draw, page(second, *WOODS)))
    assert f"{first} {second}" in document.text
    note = document.text.index("1 This is")
    assert document.text.index(second) < note
    assert document.locate(Span(note, note + 5)) == "page 1"
    assert document.locate(Span(note - 2, note)) == "page 2"


def with_bookmarks(canvas: Canvas) -> None:
    for level, title, y in [(0, "1. The Tay", 740), (1, "Its bridge", 640), (0, "The woods", 540)]:
        canvas.bookmarkHorizontal(title, 0, y)
        canvas.addOutlineEntry(title.removeprefix("1. "), title, level)
        canvas.setFont("Helvetica", 10)
        canvas.drawString(60, y, title)
    lines(canvas, *WOODS, y=720)
    lines(canvas, *RIVER, y=620)
    lines(canvas, *WOODS, y=520)


def test_bookmarks_are_headings_with_their_levels() -> None:
    document = read(pdf(with_bookmarks, title="Notes on the Tay"))
    assert document.title == "Notes on the Tay"
    assert [(block.kind, document[block.span][:12], block.headings) for block in document.blocks] == [
        ("heading", "1. The Tay", ()),
        ("paragraph", "In the woods", ("1. The Tay",)),
        ("heading", "Its bridge", ("1. The Tay",)),
        ("paragraph", "The old brid", ("1. The Tay", "Its bridge")),
        ("heading", "The woods", ()),
        ("paragraph", "In the woods", ("The woods",)),
    ]
    assert document.locate(document.blocks[3].span) == "§ 1. The Tay › Its bridge, page 1"


def test_a_bold_term_begins_what_explains_it_where_bookmarks_are_the_headings() -> None:
    def draw(canvas: Canvas) -> None:
        lines(canvas, "Term", font="Helvetica-Bold", y=440)
        lines(canvas, *WOODS, y=426)

    assert texts(read(pdf(with_bookmarks, draw)))[-1] == "Term\n" + " ".join(WOODS)


def with_sizes(canvas: Canvas) -> None:
    lines(canvas, "Bridges", y=750, size=20)
    lines(canvas, "The Tay and the", "old bridge over it", y=720, size=14)
    lines(canvas, *RIVER, y=680)
    lines(canvas, "Woods", y=620, size=14)
    lines(canvas, *WOODS, y=600)


def test_without_bookmarks_larger_letters_are_headings_and_the_largest_the_title() -> None:
    document = read(pdf(with_sizes))
    assert document.title == "Bridges"
    assert [(block.kind, block.headings) for block in document.blocks] == [
        ("heading", ()),
        ("heading", ()),
        ("paragraph", ("The Tay and the old bridge over it",)),
        ("heading", ()),
        ("paragraph", ("Woods",)),
    ]


def test_without_bookmarks_bold_lines_that_stand_alone_are_headings() -> None:
    def draw(canvas: Canvas) -> None:
        lines(canvas, "The Tay", font="Helvetica-Bold", y=740)
        lines(canvas, *RIVER, y=726)
        lines(canvas, "Note that this sentence is bold because it matters.", font="Helvetica-Bold", y=670)
        lines(canvas, "Built in:", font="Helvetica-Bold", y=640)
        lines(canvas, *WOODS, y=610)

    document = read(pdf(draw))
    assert [(block.kind, document[block.span][:8], block.headings) for block in document.blocks] == [
        ("heading", "The Tay", ()),
        ("paragraph", "The old ", ("The Tay",)),
        ("paragraph", "Note tha", ("The Tay",)),
        ("paragraph", "Built in", ("The Tay",)),
        ("paragraph", "In the w", ("The Tay",)),
    ]


def test_where_all_is_bold_no_line_is_a_heading_for_that() -> None:
    def draw(canvas: Canvas) -> None:
        lines(canvas, "The Tay", font="Helvetica-Bold", y=740)
        lines(canvas, *RIVER, font="Helvetica-Bold")

    assert blocks(read(pdf(draw))) == [("paragraph", "The Tay"), ("paragraph", " ".join(RIVER))]


def test_without_bookmarks_numbered_lines_that_stand_alone_are_headings() -> None:
    def draw(canvas: Canvas) -> None:
        lines(canvas, "1 Bridges", font="Helvetica-Bold", y=750)
        lines(canvas, "1.1 The Tay", font="Helvetica-Bold", y=720)
        lines(canvas, *RIVER, y=700)
        lines(canvas, "1.1.1 Its woods", y=640)
        lines(canvas, *WOODS, y=620)
        lines(canvas, "1. An item", y=570)
        lines(canvas, "2. Another", y=550)
        lines(canvas, "1.2 The Forth", font="Helvetica-Bold", y=520)
        lines(canvas, *WOODS, y=500)

    document = read(pdf(draw))
    assert [document[block.span] for block in document.blocks if block.kind == "heading"] == [
        "1 Bridges",
        "1.1 The Tay",
        "1.1.1 Its woods",
        "1.2 The Forth",
    ]
    assert document.locate(document.blocks[4].span) == "§ 1 Bridges › 1.1 The Tay › 1.1.1 Its woods, page 1"
    assert document.locate(document.blocks[-1].span) == "§ 1 Bridges › 1.2 The Forth, page 1"


@pytest.mark.parametrize("title", ["", "report.pdf", "GSA2022", "Microsoft Word - a report.doc", "untitled"])
def test_without_a_title_of_people_the_file_gives_its_name(title: str) -> None:
    assert read(pdf(page(*RIVER), title=title), "deep/The Tay.pdf").title == "The Tay"


def test_list_items_and_code() -> None:
    def draw(canvas: Canvas) -> None:
        lines(canvas, *RIVER)
        lines(canvas, "• First item, which is so long that it does not fit on one line and so", x=70, y=640)
        lines(canvas, "goes on below.", x=78, y=626)
        lines(canvas, "• Second item.", x=70, y=612)
        lines(canvas, "def cross(bridge):", y=580, font="Courier")
        lines(canvas, "    return bridge.other_side()", y=566, font="Courier")
        lines(canvas, "cross(the_old bridge at the_tay)", "cross(a b c)", "cross(d e f)", y=538, font="Courier")

    assert blocks(read(pdf(draw)))[1:] == [
        ("list_item", "First item, which is so long that it does not fit on one line and so goes on below."),
        ("list_item", "Second item."),
        (
            "code",
            "def cross(bridge):\n    return bridge.other_side()\n\n"
            "cross(the_old bridge at the_tay)\ncross(a b c)\ncross(d e f)",
        ),
    ]


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_turned_page_is_read_as_it_is_shown(turn: int) -> None:
    def turn_page(canvas: Canvas) -> None:
        canvas.setPageRotation(turn)
        lines(canvas, *RIVER, y=500)
        lines(canvas, *WOODS, y=440)

    assert texts(read(pdf(turn_page))) == [" ".join(RIVER), " ".join(WOODS)]


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_text_that_runs_up_or_down_the_page_is_read_line_by_line(turn: int) -> None:
    def turn_text(canvas: Canvas) -> None:
        canvas.translate(300, 400)
        canvas.rotate(turn)
        lines(canvas, *RIVER, x=-290, y=100)
        lines(canvas, *WOODS, x=-290, y=40)

    assert texts(read(pdf(turn_text))) == [" ".join(RIVER), " ".join(WOODS)]


def test_what_is_off_the_page_or_too_small_to_be_seen_is_left_out() -> None:
    def draw(canvas: Canvas) -> None:
        lines(canvas, *WOODS)
        lines(canvas, "hidden beside the page", x=700)
        lines(canvas, "id-4711", y=500, size=1)

    assert read(pdf(draw)).text == " ".join(WOODS)


NO_TESSERACT = "but no text, as a scan does; install Tesseract ('apt install tesseract-ocr') and sync again"


@pytest.fixture
def no_tesseract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


def picture(canvas: Canvas) -> None:
    canvas.rect(50, 50, 500, 700, fill=1)


def blank(canvas: Canvas) -> None:
    pass


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ([picture], f"page 1 holds a picture, {NO_TESSERACT}"),
        (
            [picture, picture, blank, picture],
            f"pages 1–2, 4 hold pictures, {NO_TESSERACT}",
        ),
        ([blank], "its pages are empty"),
    ],
)
@pytest.mark.usefixtures("no_tesseract")
def test_a_pdf_without_text_is_refused_with_the_pages(pages: list[Callable[[Canvas], object]], expected: str) -> None:
    assert reason(pdf(*pages)) == expected


@pytest.mark.usefixtures("no_tesseract")
def test_pages_without_text_among_others_are_named() -> None:
    document = read(pdf(page("Words."), picture, blank, page("More words."), picture, picture))
    assert document.text == "Words.\n\nMore words."
    assert document.unread == f"pages 2, 5–6 hold pictures, {NO_TESSERACT}"
    assert [document.pages_of(block.span) for block in document.blocks] == [[1], [4]]


def test_a_pdf_that_needs_a_password_is_refused() -> None:
    assert reason(pdf(page("Secret."), encrypt=StandardEncryption("password"))) == (
        "it needs a password; save a copy without one"
    )


def test_a_pdf_that_anyone_may_open_is_read_though_encrypted() -> None:
    assert read(pdf(page("Not secret."), encrypt=StandardEncryption("", "owner"))).text == "Not secret."


@pytest.mark.parametrize("data", [b"", b"no PDF"])
def test_what_is_no_pdf_is_refused(data: bytes) -> None:
    assert reason(data) == "it is no PDF file, whatever its name says; get a whole copy"


@pytest.mark.parametrize("data", [b"%PDF-1.7", pdf(page("Words."))[:200]])
def test_what_is_half_a_pdf_is_refused(data: bytes) -> None:
    assert reason(data) == "it is no PDF, or a damaged one"


@pytest.mark.parametrize("before", [b"", b"\n" * 1_000, b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_pdf_may_begin_somewhat_later(before: bytes) -> None:
    assert read(before + pdf(page("Words."))).text == "Words."


def test_a_pdf_of_another_name_is_read_as_one() -> None:
    assert read(pdf(page("Words.")), "notes.txt").text == "Words."


def test_a_pdf_of_too_many_pages_is_refused() -> None:
    file = io.BytesIO()
    document = pypdfium2.PdfDocument.new()
    for _ in range(MAX_PAGES + 1):
        document.new_page(100, 100)
    document.save(file)
    assert reason(file.getvalue()) == "it has 5,001 pages, over 5,000; divide it"


def test_a_page_is_rendered_as_a_picture() -> None:
    data = pdf(picture, page(*RIVER))
    first, second, third = (render_picture("a.pdf", data, number) for number in (1, 2, 3))
    width, height = Image.open(io.BytesIO(first.image)).size
    assert (first.width, first.height, width * 4) == (600, 800, pytest.approx(height * 3, abs=4))
    assert first.image != second.image
    assert (third.page, third.pages, third.image) == (2, 2, second.image)


@pytest.mark.parametrize(
    ("turn", "places"),
    [(0, [(115, 93, 154, 100), (61, 107, 115, 114)]), (180, [(446, 700, 485, 707), (485, 686, 539, 693)])],
)
def test_words_are_found_on_their_page_as_it_is_shown(turn: int, places: list[tuple[int, ...]]) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setPageRotation(turn)
        lines(canvas, "We have all the infor-", "mation there is, and more.")

    data = pdf(draw)
    found = render_picture("a.pdf", data, 1, [("", "the information there")]).rectangles
    assert [tuple(round(side) for side in place) for place in found] == places
    assert render_picture("a.pdf", data, 1, [("", "not there"), ("", "…")]).rectangles == ()


WHOLE = pdf(with_bookmarks, with_sizes, page(*RIVER))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=8))
def test_a_damaged_pdf_is_read_or_refused(damages: list[tuple[int, bytes]]) -> None:
    data = bytearray(WHOLE)
    for at, damage in damages:
        data[at : at + len(damage)] = damage
    try:
        document = read(bytes(data))
    except DocumentReadError:
        return
    assert_is_sound(document)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from([*RIVER, *WOODS, "•", "1.", "12", "x = 1", "Tay", "infor-", "mation", "a . . . . . 3"]),
                st.integers(0, 600), st.integers(0, 800), st.sampled_from([0.5, 8, 10, 20]),
                st.sampled_from(["Helvetica", "Courier"]),
            ),
            max_size=25,
        ),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_lines_anywhere_make_a_sound_document(drawn: list[list[tuple[str, int, int, float, str]]]) -> None:
    def draw(lines_of_page: list[tuple[str, int, int, float, str]]) -> Callable[[Canvas], object]:
        return lambda canvas: [
            lines(canvas, t, x=x, y=y, size=size, font=font) for t, x, y, size, font in lines_of_page
        ]

    data = pdf(*map(draw, drawn))
    try:
        document = read(data)
    except DocumentReadError:
        return
    assert_is_sound(document)
    assert read(data) == document


def key(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.replace("\ufffe", "").casefold())


@needs_documents
@pytest.mark.parametrize("name", ["debian-policy", "fhs-3.0", "state_of_the_union_2024", "us_GSA2022"])
def test_sentences_stand_on_the_pages_they_are_said_to_stand_on(name: str) -> None:
    data = (DOCUMENTS / f"pdf/{name}.pdf").read_bytes()
    document = read(data)
    pages = [key(page.get_textpage().get_text_range()) for page in pypdfium2.PdfDocument(data)]
    prose = [block.span.start for block in document.blocks if block.kind in ("paragraph", "list_item")]
    ends = [block.span.end for block in document.blocks if block.kind in ("paragraph", "list_item")]
    sentences = [
        Span(start + span.start, start + span.end)
        for start, end in zip(prose, ends, strict=True)
        for span in split_sentences(document[Span(start, end)])
    ]
    for sentence in random.Random(0).sample(sentences, 50):
        turns = [page.start for page in document.pages if sentence.start < page.start < sentence.end]
        for part in pairwise([sentence.start, *turns, sentence.end]):
            assert key(document[Span(*part)]) in pages[document.pages_of(Span(*part))[0] - 1]


@needs_documents
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("edge_cases/file_multicolumn.pdf", "Donec vehicula augue eu neque. Pellentesque habitant morbi"),
        ("edge_cases/file_multicolumn.pdf", "Country: Finland; Population (millions): 5.5; Area (km2): 338,424"),
        ("edge_cases/pdf_encrypted.pdf", "This document is a placeholder for the appropriate documentation."),
        ("edge_cases/pdf_with_annotations.pdf", "Double click on the icon to open the attached file."),
        ("pdf/debian-policy.pdf", "in the package’s Section control record (see Section). However, the maintainer"),
    ],
)
def test_real_documents_are_read(path: str, words: str) -> None:
    document = read((DOCUMENTS / path).read_bytes())
    assert words in document.text
    assert_is_sound(document)


@needs_documents
@pytest.mark.usefixtures("no_tesseract")
def test_a_scan_is_refused() -> None:
    assert reason((DOCUMENTS / "edge_cases/file_scanned.pdf").read_bytes()).startswith("page 1 holds a picture")
