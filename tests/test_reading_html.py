import pytest

from docqa import Document
from docqa.reading import read_document

PAGE = """<!DOCTYPE html>
<html><head><title>Lamps &mdash; Lumen Ltd</title><style>p { color: red }</style></head>
<body>
<header><h1>Lumen Ltd</h1><a href="/">Home</a></header>
<nav><ul><li><a href="/">Shop</a></li></ul></nav>
<main>
<h1>All about our lamps<a class="headerlink" href="#x">¶</a></h1>
<p>A full charge lasts <a href="/e">eleven</a>
 hours.<script>alert("no")</script> Caf&eacute;&nbsp;light.</p>
<h2>Care</h2>
<ul><li>Wipe it</li><li><p>Dry it</p><p>Well</p></li></ul>
<pre>
  lumen --on
  lumen --off
</pre>
<h3>Prices</h3>
<table><caption>In 2024</caption>
<thead><tr><th>Product</th><th>Price</th></tr></thead>
<tr><td>Lumen S</td><td>49 EUR</td></tr><tr><td>Lumen L</td><td>69 EUR</td></tr></table>
<p hidden>secret</p><p style="display: none">secret</p><form><button>Buy</button></form>
</main>
<footer>Imprint</footer>
</body></html>"""


def read(page: str | bytes, path: str = "page.html") -> Document:
    return read_document(path, page if isinstance(page, bytes) else page.encode(), "digest")


def body(html: str) -> list[tuple[str, str]]:
    document = read(f"<html><body>{html}</body></html>")
    return [(block.kind, document[block.span]) for block in document.blocks]


def test_a_page_is_its_main_content() -> None:
    document = read(PAGE)
    assert document.title == "All about our lamps"
    assert [(block.kind, document[block.span], document.locate(block.span)) for block in document.blocks] == [
        ("heading", "All about our lamps", "paragraph 1"),
        ("paragraph", "A full charge lasts eleven hours. Café light.", "paragraph 1"),
        ("heading", "Care", "paragraph 1"),
        ("list_item", "Wipe it", "§ Care"),
        ("list_item", "Dry it", "§ Care"),
        ("list_item", "Well", "§ Care"),
        ("code", "  lumen --on\n  lumen --off", "§ Care"),
        ("heading", "Prices", "§ Care"),
        ("table", "In 2024\nProduct: Lumen S; Price: 49 EUR\nProduct: Lumen L; Price: 69 EUR", "§ Care › Prices"),
    ]  # fmt: skip


def test_the_text_has_a_blank_line_between_blocks() -> None:
    assert read("<html><body><h1>A</h1><p>b</p><ul><li>c<li>d</ul>").text == "A\n\nb\n\nc\nd"


def test_a_page_without_a_main_part_loses_what_is_around_its_content() -> None:
    page = """<header>Top</header><div class="sidebar"><a>Side</a></div><div class="menu"><a>Shop</a> <a>Cart</a></div>
    <div class="menu">Soup of the day: lentils. <a>More</a></div><p>Words.</p><aside>Ad</aside>
    <footer>Imprint</footer>"""
    assert body(page) == [("paragraph", "Soup of the day: lentils. More"), ("paragraph", "Words.")]


def test_an_article_keeps_its_own_header_and_asides() -> None:
    page = "<header>Top</header><article><header><h1>News</h1></header><p>Words.<aside>Note.</aside></article>"
    assert body(page) == [("heading", "News"), ("paragraph", "Words."), ("paragraph", "Note.")]


def test_an_empty_main_part_is_not_taken_for_the_content() -> None:
    assert body("<main></main><p>Words.</p>") == [("paragraph", "Words.")]


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<title>The\n title</title><p>x", "The title"),
        ("<title>The title</title><h2>Second</h2><p>x", "The title"),
        ("<title>The title</title><h1>A <i>heading</i></h1><p>x", "A heading"),
        ("<title>The title</title><h1>One</h1><p>x<h1>Two</h1>", "The title"),
        ("<h1>One</h1><p>x<h1>Two</h1>", "One"),
        ("<p>x", "page"),
    ],
)
def test_the_title_is_the_one_main_heading_or_the_pages(page: str, title: str) -> None:
    assert read(page).title == title


TEXT = "Le café coûte 3 € – “ici”."


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("", "utf-8"),
        ("", "utf-8-sig"),
        ("", "utf-16"),
        ('<meta charset="windows-1252">', "cp1252"),
        ('<meta charset="iso-8859-1">', "cp1252"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=ISO-8859-1">', "cp1252"),
        ('<meta charset="iso-8859-1">', "utf-8"),
        ('<meta charset="nonsense">', "cp1252"),
        ('<meta charset="base64">', "cp1252"),
        ("", "cp1252"),
        ('<meta charset="macintosh">', "mac-roman"),
    ],
)
def test_the_encoding_is_right_whatever_is_declared(head: str, encoding: str) -> None:
    assert read(f"<html><head>{head}</head><body><p>{TEXT}</p>".encode(encoding)).text == TEXT


def test_entities_are_characters() -> None:
    assert body("<p>R&amp;D &lt;b&gt; &#8364; &#x41; &hellip; a&shy;b") == [("paragraph", "R&D <b> € A … ab")]


def test_xhtml_may_close_empty_elements_themselves() -> None:
    head = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="x"/></head>'
    page = head + '<body><a id="b"/><p>Words<br/>here.</p></body></html>'
    document = read(page, "page.xhtml")
    assert (document.title, document.text) == ("page", "Words here.")


@pytest.mark.parametrize(
    ("table", "lines"),
    [
        ("<tr><th>A<th>B<tr><td>1<td>2", ["A: 1; B: 2"]),
        ("<tr><td>A<td>B<tr><td>1<td>2", ["A: 1; B: 2"]),
        ("<tr><th>Name<td>Ada<tr><th>Born:<td>1815", ["Name: Ada", "Born: 1815"]),
        ("<tr><td>Name<td>Ada<tr><td>City<td>London", ["Name: Ada", "City: London"]),
        (
            "<tr><td>Age:<td>38<td>Seat:<td>Left<tr><td>Rank:<td>Captain<td><td>",
            ["Age: 38; Seat: Left", "Rank: Captain"],
        ),
        ("<tr><td><th>2023<th>2024<tr><th>Sales<td>5<td>6", ["Sales; 2023: 5; 2024: 6"]),
        (
            "<thead><tr><th rowspan=2>Area<th colspan=2>Sales<tr><th>Q1<th>Q2</thead><tr><td>North<td>5<td>5",
            ["Area: North; Sales Q1: 5; Sales Q2: 5"],
        ),
        ("<tr><th>A<th>B<tr><td rowspan=2>x<td>1<tr><td>2", ["A: x; B: 1", "A: x; B: 2"]),
        ("<tr><th>A<th>B<tr><td colspan=2>both<tr><td>1<td>2", ["A: both", "A: 1; B: 2"]),
        ("<tr><th>A<th>B<tr><td><p>one</p><p>two</p><td>a<br>b<style>x</style>", ["A: one two; B: a b"]),
        ("<tr><td>1<td>2<td>3<tr><td>4<td>5<td>6", ["1; 2; 3", "4; 5; 6"]),
        ("<tr><th>A<th>B<tr><td>1", ["A: 1"]),
        ("<tr><th>A<th>B<tr><td>1<td>2<td>3", ["A: 1; B: 2; 3"]),
    ],
)
def test_rows_keep_their_header_words(table: str, lines: list[str]) -> None:
    assert body(f"<table>{table}</table>") == [("table", "\n".join(lines))]


@pytest.mark.parametrize(
    "table",
    [
        "<tr><td><h2>Head</h2><p>Words.</p>",
        "<tr><td><table><tr><td><h2>Head</h2></table><tr><td>Words.",
        "<tr><td><h2>Head</h2><td>Words.<tr><td>",
    ],
)
def test_a_table_that_lays_out_a_page_is_no_table(table: str) -> None:
    words = [(kind, text) for kind, text in body(f"<table>{table}</table>")]
    assert words == [("heading", "Head"), ("paragraph", "Words.")]


def test_a_span_of_millions_is_cut() -> None:
    page = "<table><tr><th>A<th>B<tr><td colspan=99999999 rowspan=99999999>x<tr><td colspan=-1>1<td rowspan=x>2"
    assert body(page)[0][1].splitlines()[0] == "A: x"


def test_a_term_and_its_definition_are_one_paragraph() -> None:
    assert body(
        "<dl><dt>Depends</dt><dd><p>An absolute\n dependency.</p><p>It is kept.</p></dd>"
        "<dt>Recommends</dt><dt>Suggests</dt><dd>A weaker one.</dd></dl><p>All fields.</p>"
    ) == [
        ("paragraph", "Depends\nAn absolute dependency."),
        ("paragraph", "It is kept."),
        ("paragraph", "Recommends\nSuggests\nA weaker one."),
        ("paragraph", "All fields."),
    ]


@pytest.mark.parametrize(
    ("definition", "following"),
    [
        ("<dd><pre>lumen --on</pre></dd>", ("code", "lumen --on")),
        ("<dd><ul><li>one</ul></dd>", ("list_item", "one")),
        ("<dd></dd></dl><p>Other words.</p><dl>", ("paragraph", "Other words.")),
    ],
)
def test_a_term_without_a_paragraph_that_defines_it_stands_alone(definition: str, following: tuple[str, str]) -> None:
    assert body(f"<dl><dt>Usage</dt>{definition}</dl>") == [("paragraph", "Usage"), following]


@pytest.mark.parametrize("title", ["<h3>Warning</h3>", '<p class="admonition-title">Warning</p>'])
def test_the_title_of_a_notice_begins_its_first_paragraph_and_no_section(title: str) -> None:
    document = read(f'<h2>Care</h2><div class="warning admonition">{title}<p>It is hot.</p></div><p>Wipe it.</p>')
    assert [(block.kind, document[block.span], block.headings) for block in document.blocks] == [
        ("heading", "Care", ()),
        ("paragraph", "Warning\nIt is hot.", ("Care",)),
        ("paragraph", "Wipe it.", ("Care",)),
    ]


def test_a_cell_across_a_table_of_names_and_values_is_kept() -> None:
    rows = "<tr><td>Founded</td><td>1975</td></tr><tr><td>Industry</td><td>Software</td></tr>"
    table = f"<table><tr><td colspan=2>Building 92 in Redmond</td></tr>{rows}</table>"
    assert body(table) == [("table", "Building 92 in Redmond\nFounded: 1975\nIndustry: Software")]
