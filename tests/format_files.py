"""Small files of every format, made by hand."""

import io
import zipfile
from collections.abc import Callable, Mapping
from datetime import date

import openpyxl
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
P = (
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    f'xmlns:r="{R}" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
)
O = (  # noqa: E741
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:number="urn:oasis:names:tc:opendocument:xmlns:datastyle:1.0" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"'
)

LEADING = 14


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def relations(*links: tuple[str, str, str]) -> str:
    rows = "".join(f'<Relationship Id="{id_}" Type="{R}/{kind}" Target="{target}"/>' for id_, kind, target in links)
    return f'<Relationships xmlns="{RELATIONS}">{rows}</Relationships>'


def docx_files(body: str, styles: str = "") -> dict[str, str | bytes]:
    heading = '<w:style w:type="paragraph" w:styleId="{0}"><w:name w:val="{1}"/>{2}</w:style>'
    every = "".join(
        [
            heading.format("Title", "Title", ""),
            heading.format("Heading1", "heading 1", '<w:pPr><w:outlineLvl w:val="0"/></w:pPr>'),
            heading.format("Heading2", "heading 2", '<w:pPr><w:outlineLvl w:val="1"/></w:pPr>'),
            heading.format("Ours", "House's chapter", '<w:basedOn w:val="Heading2"/>'),
            styles,
        ]
    )
    return {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": relations(("r1", "officeDocument", "word/document.xml")),
        "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>",
        "word/styles.xml": f"<w:styles {W}>{every}</w:styles>",
    }


def docx(body: str, styles: str = "") -> bytes:
    return zipped(docx_files(body, styles))


def word(text: str, style: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"


def word_table(*rows: tuple[str, ...]) -> str:
    return (
        "<w:tbl>"
        + "".join(f"<w:tr>{''.join(f'<w:tc>{word(cell)}</w:tc>' for cell in row)}</w:tr>" for row in rows)
        + "</w:tbl>"
    )


def shape(*lines: str, holds: str = "") -> str:
    place = f'<p:nvPr><p:ph type="{holds}"/></p:nvPr>' if holds else "<p:nvPr/>"
    text = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in lines)
    return f"<p:sp><p:nvSpPr>{place}</p:nvSpPr><p:txBody>{text}</p:txBody></p:sp>"


def slide_table(*rows: tuple[str, ...]) -> str:
    cell = "<a:tc><a:txBody><a:p><a:r><a:t>{}</a:t></a:r></a:p></a:txBody></a:tc>"
    lines = "".join(f"<a:tr>{''.join(map(cell.format, row))}</a:tr>" for row in rows)
    return f"<p:graphicFrame><a:graphic><a:tbl>{lines}</a:tbl></a:graphic></p:graphicFrame>"


def pptx_files(*slides: str, notes: Mapping[int, str] | None = None) -> dict[str, str | bytes]:
    numbers = range(1, len(slides) + 1)
    order = "".join(f'<p:sldId id="{255 + i}" r:id="r{i}"/>' for i in numbers)
    files: dict[str, str | bytes] = {
        "[Content_Types].xml": "<Types/>",
        "ppt/presentation.xml": f"<p:presentation {P}><p:sldIdLst>{order}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": relations(*((f"r{i}", "slide", f"slides/slide{i}.xml") for i in numbers)),
    }
    for i, content in enumerate(slides, 1):
        files[f"ppt/slides/slide{i}.xml"] = f"<p:sld {P}><p:cSld><p:spTree>{content}</p:spTree></p:cSld></p:sld>"
    for i, content in (notes or {}).items():
        files[f"ppt/slides/_rels/slide{i}.xml.rels"] = relations(("n", "notesSlide", f"../notesSlides/notes{i}.xml"))
        files[f"ppt/notesSlides/notes{i}.xml"] = f"<p:notes {P}><p:cSld>{content}</p:cSld></p:notes>"
    return files


def pptx(*slides: str, notes: Mapping[int, str] | None = None) -> bytes:
    return zipped(pptx_files(*slides, notes=notes))


Cell = str | int | float | date | bool | None | tuple[float, str]
"""A value, or a number with its format."""


def xlsx(sheets: Mapping[str, list[list[Cell]]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for i, row in enumerate(rows, 1):
            for j, value in enumerate(row, 1):
                cell = sheet.cell(i, j)
                if isinstance(value, tuple):
                    cell.value, cell.number_format = value
                else:
                    cell.value = value
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def odt_files(body: str, title: str = "") -> dict[str, str | bytes]:
    return {
        "mimetype": "application/vnd.oasis.opendocument.text",
        "content.xml": (
            f"<office:document-content {O}><office:automatic-styles><number:text>.</number:text>"
            f"</office:automatic-styles><office:body><office:text>{body}</office:text></office:body>"
            "</office:document-content>"
        ),
        "meta.xml": f"<office:document-meta {O}><dc:title>{title}</dc:title></office:document-meta>",
    }


def odt(body: str, title: str = "") -> bytes:
    return zipped(odt_files(body, title))


def epub_files(chapters: Mapping[str, str], contents: str = "") -> dict[str, str | bytes]:
    items = "".join(
        f'<item id="{name}" href="{name}" media-type="application/xhtml+xml"/>' for name in (*chapters, "nav.xhtml")
    ).replace('"nav.xhtml" media', '"nav.xhtml" properties="nav" media')
    spine = "".join(f'<itemref idref="{name}"/>' for name in ("nav.xhtml", *chapters))
    xhtml = (
        '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>{}</body></html>'
    )
    return {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": (
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="OPS/book.opf"/></rootfiles></container>'
        ),
        "OPS/book.opf": (
            '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
            "<dc:title>The Lumen Handbook</dc:title></metadata>"
            f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
        ),
        "OPS/nav.xhtml": xhtml.format(f"<nav><ol>{contents}</ol></nav>"),
        **{f"OPS/{name}": xhtml.format(body) for name, body in chapters.items()},
    }


def epub(chapters: Mapping[str, str], contents: str = "") -> bytes:
    return zipped(epub_files(chapters, contents))


def pdf(*pages: Callable[[Canvas], object], title: str = "", encrypt: StandardEncryption | None = None) -> bytes:
    """Make a PDF; each page is a function that draws it."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(600, 800), encrypt=encrypt, invariant=1)
    canvas.setTitle(title)
    for draw in pages:
        canvas.setFont("Helvetica", 10)
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def lines(
    canvas: Canvas, *texts: str, x: float = 60, y: float = 700, size: float = 10, font: str = "Helvetica"
) -> None:
    """Write lines one below the other."""
    canvas.setFont(font, size)
    for i, text in enumerate(texts):
        canvas.drawString(x, y - LEADING * i, text)


def page(*texts: str, **place: float) -> Callable[[Canvas], object]:
    return lambda canvas: lines(canvas, *texts, **place)
