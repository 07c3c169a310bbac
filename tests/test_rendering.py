"""Pages of PDFs as pictures, the places of words on them, and the process that makes both."""

import io
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from docqa import DocumentReadError
from docqa.reading.pdf.process import RenderingProcess
from docqa.reading.pdf.rendering import MOST_BYTES, MOST_PIXELS, WIDEST, render_picture
from test_reading_pdf import LEADING, LEFT, RIGHT, RIVER, lines, page, pdf

Box = tuple[float, float, float, float]


def size(image: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(image)).size


def sheet(width: float, height: float) -> bytes:
    def draw(canvas: Canvas) -> None:
        canvas.setPageSize((width, height))

    return pdf(draw)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(600, 800, (1400, 1867)), (100, 100, (400, 400)), (14_000, 700, (1400, 70)), (300, 3000, (633, 6325))],
)
def test_a_picture_is_bounded_whatever_the_page(width: float, height: float, expected: tuple[int, int]) -> None:
    picture = render_picture("a.pdf", sheet(width, height), 1)
    found = size(picture.image)
    assert found == expected
    assert found[0] <= WIDEST
    assert found[0] * found[1] <= MOST_PIXELS * 1.01
    assert (picture.width, picture.height) == (width, height)


def test_what_is_large_as_a_png_becomes_a_jpeg() -> None:
    noise = Image.frombytes("RGB", (600, 800), random.Random(1).randbytes(600 * 800 * 3))
    photograph = pdf(lambda canvas: canvas.drawImage(ImageReader(noise), 0, 0, 600, 800))
    kinds = [render_picture("a.pdf", data, 1).image for data in (photograph, pdf(page(*RIVER)))]
    assert [Image.open(io.BytesIO(image)).format for image in kinds] == ["JPEG", "PNG"]
    assert len(kinds[0]) < 2 * MOST_BYTES


def test_a_page_that_is_none_is_the_next_one_there_is() -> None:
    data = pdf(page(*RIVER), page(*RIVER))
    assert [render_picture("a.pdf", data, number).page for number in (-3, 0, 1, 2, 3)] == [1, 1, 1, 2, 2]


def test_of_several_places_the_one_after_the_same_words_counts() -> None:
    data = pdf(page("Red: see below.", "Green: see below.", "Blue: see below."))
    tops = [
        render_picture("a.pdf", data, 1, [(before, "see below.")]).rectangles[0][1]
        for before in ("Red:", "Something of the page before. Green:", "Blue: ", "")
    ]
    assert [round(top - tops[0]) for top in tops] == [0, LEADING, 2 * LEADING, 0]


def test_a_mark_is_one_piece_of_a_line_and_includes_the_signs_at_its_edges() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(60, 700, "He said: (")
        end = 60 + canvas.stringWidth("He said: (", "Helvetica", 10)
        canvas.setFont("Courier-Bold", 10)
        canvas.drawString(end, 700, "/usr/share")
        canvas.setFont("Helvetica", 10)
        canvas.drawString(end + 60, 700, " is read-only). Then he went.")

    data = pdf(draw)
    ((left, _, right, _),) = render_picture("a.pdf", data, 1, [("", "(/usr/share is read-only).")]).rectangles
    before, opening, after = (
        Canvas("").stringWidth(text, "Helvetica", 10) for text in ("He said: ", "(", " is read-only).")
    )
    assert left == pytest.approx(60 + before, abs=1.5)
    assert right == pytest.approx(60 + before + opening + 60 + after, abs=1.5)


def test_words_of_a_column_are_found_though_those_of_another_stand_between() -> None:
    def draw(canvas: Canvas) -> None:
        for i, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
            lines(canvas, left, y=700 - LEADING * i)
            lines(canvas, right, x=320, y=700 - LEADING * i)

    found = render_picture("a.pdf", pdf(draw), 1, [("", " ".join(RIGHT))]).rectangles
    assert all(left >= 318 for left, *_ in found)
    assert sum(right - left for left, _, right, _ in found) > 300
    absent = [("", "Words of which not a single one is on this page")]
    assert render_picture("a.pdf", pdf(draw), 1, absent).rectangles == ()


@pytest.fixture
def start() -> Iterator[Callable[..., RenderingProcess]]:
    started: list[RenderingProcess] = []

    def one(*, seconds: float = 60) -> RenderingProcess:
        started.append(RenderingProcess(seconds))
        return started[-1]

    yield one
    for process in started:
        process.close()


def test_a_process_renders_what_is_rendered_here(start: Callable[..., RenderingProcess]) -> None:
    data, marks = pdf(page("One."), page(*RIVER)), [("", "built in the year 1887")]
    process = start()
    assert process.render("a.pdf", data, 2, marks) == render_picture("a.pdf", data, 2, marks)
    assert len(process.render("a.pdf", data, 2, marks).rectangles) == 1


def test_what_cannot_be_rendered_is_said_and_the_next_page_is_rendered(start: Callable[..., RenderingProcess]) -> None:
    process = start()
    damaged = pdf(page("One.")).replace(b"/Type /Page\n", b"/Type /Font\n")
    for data, reason in [(b"no PDF", "it is no PDF"), (damaged, "page 1 cannot be drawn")]:
        with pytest.raises(DocumentReadError, match=reason):
            process.render("a.pdf", data, 1)
        assert process.render("a.pdf", pdf(page("One.")), 1).page == 1


def test_a_process_that_was_killed_is_started_anew(start: Callable[..., RenderingProcess]) -> None:
    process = start()
    process.render("a.pdf", pdf(page("One.")), 1)
    assert process._process
    process._process.kill()
    process._process.wait()
    assert process.render("a.pdf", pdf(page("One.")), 1).page == 1


def test_a_page_that_takes_too_long_is_given_up(start: Callable[..., RenderingProcess]) -> None:
    process = start(seconds=0.05)
    with pytest.raises(DocumentReadError, match="page 1 cannot be drawn") as given_up:
        process.render("a.pdf", pdf(page("One.")), 1)
    assert given_up.value.path == "a.pdf"
    assert process._process is None


def test_nothing_is_imported_from_the_folder_it_is_started_in(
    start: Callable[..., RenderingProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pypdfium2.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *sys.path])
    process = start()
    assert process.render("a.pdf", pdf(page("One.")), 1).page == 1
    assert process._process and process._process.poll() is None
    with pytest.raises(DocumentReadError, match="it is no PDF"):
        process.render("a.pdf", b"%PDF-1.4", 1)
    assert not (tmp_path / "ran").exists()
