"""Scans: pages that are pictures of text, read with the system's Tesseract, and with programs that stand in for it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

import docqa
from conftest import SHARED, FakeEmbedder, is_gone
from docqa import Document, DocumentReadError
from docqa.errors import CorpusError
from docqa.isolation.process import Failure, ReadingProcess
from docqa.reading import read_document, reader_version, tesseract
from docqa.reading.pdf.process import RenderingProcess
from docqa.reading.pdf.rendering import render_picture
from docqa.reading.tesseract import Tesseract, find_tesseract, recognising_seconds
from format_files import lines, page, pdf

SCAN = SHARED / "eval/documents/edge_cases/file_scanned.pdf"
needs_tesseract = pytest.mark.skipif(find_tesseract() is None, reason="Tesseract is not on this machine")
needs_scan = pytest.mark.skipif(not SCAN.exists(), reason="the scan is not beside the project")

FERRY = [
    "The ferry to the island leaves from the northern harbour at nine o'clock in the",
    "morning and comes back at six in the evening. In winter there is no boat on Sun-",
    "days, and none at all when the wind is stronger than eight.",
]
TICKETS = ["Tickets are sold on board. Children under seven years travel without one."]
NO_PROGRAM = "but no text, as a scan does; install Tesseract ('apt install tesseract-ocr') and sync again"


def ferry(canvas: Canvas) -> None:
    lines(canvas, *FERRY, size=12)
    lines(canvas, *TICKETS, y=600, size=12)


def picture(draw: Callable[[Canvas], object]) -> Image.Image:
    with pypdfium2.PdfDocument(pdf(draw)) as document:
        return document[0].render(scale=200 / 72, grayscale=True).to_pil()


def scanned(draw: Callable[[Canvas], object]) -> Callable[[Canvas], object]:
    """Draw a page as a scanner would see it."""
    image = ImageReader(picture(draw))
    return lambda canvas: canvas.drawImage(image, 0, 0, 600, 800)


def scan(*texts: str) -> Callable[[Canvas], object]:
    return scanned(page(*texts))


def read(data: bytes) -> Document:
    return read_document("scan.pdf", data, "digest")


def reason(data: bytes) -> str:
    with pytest.raises(DocumentReadError) as caught:
        read(data)
    return caught.value.reason


@pytest.fixture
def no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a shell script in the place of Tesseract, which is asked for its version and languages too."""

    def replace(script: str, languages: str = "eng\nosd") -> None:
        file = tmp_path / "bin/tesseract"
        file.parent.mkdir(exist_ok=True)
        asked = f"case $1 in --version) echo tesseract 9; exit;; --list-langs) echo 'List:\n{languages}'; exit;; esac"
        file.write_text(f"#!/bin/sh\n{asked}\n{script}\n")
        file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{file.parent}:/usr/bin:/bin")
        tesseract._ask.cache_clear()

    return replace


def reply(*lines: tuple[str, int]) -> str:
    """Write a script that answers as Tesseract does: lines one below the other, with how sure it is of them."""
    spans = "".join(
        f"<span class='ocr_line' title='bbox 300 {100 * i} 900 {100 * i + 50}; baseline 0 -10; x_size 50'>"
        f"<span class='ocrx_word' title='bbox 300 {100 * i} 900 {100 * i + 50}; x_wconf {sure}'>{text}</span></span>"
        for i, (text, sure) in enumerate(lines, 1)
    )
    return f'cat > /dev/null\necho "<html><body><p>{spans}</p></body></html>"'


@needs_tesseract
def test_a_scan_is_read_as_paragraphs_whose_words_are_marked_as_recognised() -> None:
    document = read(pdf(scanned(ferry)))
    whole = " ".join(FERRY).replace("Sun- days", "Sundays")
    assert [document[block.span] for block in document.blocks] == [whole, *TICKETS]
    assert [document.locate(block.span) for block in document.blocks] == ["page 1, recognised text"] * 2
    assert document.unread == ""


@needs_tesseract
def test_a_scanned_page_among_others_is_marked_alone() -> None:
    first, last = page("A typed page about the harbour, which is old."), page("There stands a lighthouse.")
    document = read(pdf(first, scanned(ferry), last))
    located = [(document.locate(block.span), document.is_recognised(block.span)) for block in document.blocks]
    recognised = ("page 2, recognised text", True)
    assert located == [("page 1", False), recognised, recognised, ("page 3", False)]


@needs_tesseract
def test_columns_of_a_scan_are_read_one_after_the_other() -> None:
    left = [f"The left column has line {word}," for word in "one two three four five six".split()]
    right = [f"the right column says line {word}." for word in "seven eight nine ten eleven twelve".split()]

    def draw(canvas: Canvas) -> None:
        lines(canvas, *left, size=11)
        lines(canvas, *right, x=330, size=11)

    assert " ".join(read(pdf(scanned(draw))).text.split()) == " ".join(left + right)


@needs_tesseract
def test_the_same_scan_gives_the_same_document_in_any_process() -> None:
    data = pdf(scanned(ferry))
    process = ReadingProcess()
    try:
        apart = process.read("scan.pdf", data, "digest")
    finally:
        process.close()
    assert read(data) == read(data) == apart


@needs_tesseract
@pytest.mark.parametrize("turned", [0, 90])
def test_words_are_marked_where_they_stand_in_the_picture(turned: int) -> None:
    def draw(canvas: Canvas) -> None:
        sheet = picture(ferry).rotate(turned, expand=True)
        canvas.setPageRotation(turned)  # which turns the size of the page too
        canvas.drawImage(ImageReader(sheet), 0, 0, *((800, 600) if turned else (600, 800)))

    data = pdf(draw)
    shown = render_picture("scan.pdf", data, 1, [("", TICKETS[0])])
    [(left, top, right, bottom)] = shown.rectangles
    assert (shown.width, shown.height) == (600, 800)
    # its base is 600 points above the foot, and the letters are 12 points high
    assert (left, top, right, bottom) == (
        pytest.approx(60, abs=3), pytest.approx(191, abs=3), pytest.approx(447, abs=12), pytest.approx(203, abs=3),
    )  # fmt: skip


@needs_tesseract
def test_the_process_that_renders_marks_a_scan_too() -> None:
    process = RenderingProcess()
    try:
        shown = process.render("scan.pdf", pdf(scanned(ferry)), 1, [("", TICKETS[0]), ("", "not on this page at all")])
    finally:
        process.close()
    assert len(shown.rectangles) == 1


@needs_tesseract
@needs_scan
def test_a_real_letter_is_read() -> None:
    text = read(SCAN.read_bytes()).text
    assert "a photocell is caused to perform a raster scan over the subject copy" in text
    assert "Probably you have uses for this facility in your organisation." in text


@pytest.mark.usefixtures("no_program")
def test_without_the_program_the_reason_names_the_remedy() -> None:
    assert reason(pdf(scan(*FERRY))) == f"page 1 holds a picture, {NO_PROGRAM}"
    assert read(pdf(page("Words."), scan(*FERRY))).unread == f"page 2 holds a picture, {NO_PROGRAM}"
    assert (find_tesseract(), recognising_seconds(pdf(scan(*FERRY)))) == (None, 0)
    assert render_picture("scan.pdf", pdf(scan(*FERRY)), 1, [("", FERRY[0])]).rectangles == ()


def test_a_picture_without_words_is_named(program: Callable[..., None]) -> None:
    program(reply())
    assert reason(pdf(scan(*FERRY))) == "page 1 holds a picture, in which no text was recognised"


def test_lines_that_are_hardly_text_are_left_out(program: Callable[..., None]) -> None:
    program(reply(("Sure", 96), ("~|~~", 12), ("words", 50)))
    assert read(pdf(scan(*FERRY))).text.split() == ["Sure", "words"]


def test_ligatures_are_written_as_letters(program: Callable[..., None]) -> None:
    program(reply(("ﬁnd", 90)))
    assert read(pdf(scan(*FERRY))).text == "find"


@pytest.mark.parametrize("script", ["exit 1", "kill -9 $$", "echo '<html>'", "true", "head -c 99999999 /dev/zero"])
def test_a_program_that_fails_costs_that_page(
    program: Callable[..., None], monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr("docqa.reading.pdf.tesseract.MEMORY", 2**27)
    program(f"cat > /dev/null; {script}")
    document = read(pdf(page("Words."), scan(*FERRY)))
    assert (document.text, document.unread) == ("Words.", "page 2 holds a picture, in which no text was recognised")


def test_a_page_that_takes_long_is_given_up(program: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docqa.reading.pdf.tesseract.SECONDS", 1)
    program("while :; do :; done")
    started = time.monotonic()
    assert reason(pdf(scan(*FERRY))) == "page 1 holds a picture, in which no text was recognised"
    assert time.monotonic() - started < 20


def test_a_program_that_waits_does_not_keep_a_page_from_being_shown(
    program: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("docqa.reading.pdf.rendering.RECOGNISING", 0.2)
    program("exec sleep 60")
    assert render_picture("scan.pdf", pdf(scan(*FERRY)), 1, [("", FERRY[0])]).rectangles == ()


def test_the_program_has_one_thread_and_little_of_the_machine(program: Callable[..., None]) -> None:
    said = '$OMP_THREAD_LIMIT $(ulimit -t) $(ulimit -d) $(echo $* | tr " " _)'
    program(reply((said, 99)))
    assert read(pdf(scan(*FERRY))).text == "1 30 1048576 stdin_stdout_-l_eng_--dpi_300_hocr"


@pytest.mark.parametrize(
    ("languages", "read_by"),
    [
        ("eng\nosd", ("eng",)),
        ("deu\neng\nequ\nosd\nscript/Latin", ("deu", "eng")),
        ("deu\neng\nfra\nita\nspa", ("eng",)),
        ("deu\nfra\nita\npol\nspa", ("deu",)),
        ("osd", None),
    ],
)
def test_the_languages_that_are_installed_are_read(
    program: Callable[..., None], languages: str, read_by: tuple[str, ...] | None
) -> None:
    program("exit 1", languages)
    found = find_tesseract()
    assert (found and found.languages) == read_by
    assert isinstance(found, Tesseract | None)


def test_each_picture_prolongs_what_a_file_may_take(program: Callable[..., None]) -> None:
    program("exit 1")
    assert recognising_seconds(pdf(scan("a"), page("words"), scan("b"))) == 60
    assert recognising_seconds(b"/Subtype/Image in a text") == 0


def test_what_a_file_may_take_has_a_bound(program: Callable[..., None]) -> None:
    program("exit 1")
    assert recognising_seconds(b"%PDF-1.4\n" + b"/Subtype/Image" * 7_000) == tesseract.FILE_SECONDS


def test_pages_without_time_left_are_named(
    program: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("docqa.reading.pdf.tesseract.FILE_SECONDS", 3)
    monkeypatch.setattr("docqa.reading.pdf.FILE_SECONDS", 3)
    first = f"[ -e {tmp_path}/begun ] && exec sleep 60; touch {tmp_path}/begun\n"
    program(first + reply(("The ferry leaves at nine.", 95)))
    started = time.monotonic()
    document = read(pdf(scan("a"), scan("b"), page("Words."), scan("c")))
    assert time.monotonic() - started < 20
    assert document.text.split("\n\n") == ["The ferry leaves at nine.", "Words."]
    assert document.unread == "pages 2, 4 hold pictures, not recognised within 3 s; divide the file"


WAITING = """
import sys
from docqa.reading import read_document
read_document("scan.pdf", open(sys.argv[1], "rb").read(), "")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends what a killed process has started")
def test_the_program_dies_with_the_process_that_reads(program: Callable[..., None], tmp_path: Path) -> None:
    program(f"echo $$ > {tmp_path / 'number'}; exec sleep 61")
    file = tmp_path / "scan.pdf"
    file.write_bytes(pdf(scan(*FERRY)))
    reader = subprocess.Popen([sys.executable, "-c", WAITING, str(file)])
    number = _wait_for(lambda: int((tmp_path / "number").read_text()))
    reader.send_signal(signal.SIGKILL)
    reader.wait()
    assert _wait_for(lambda: is_gone(number))


@pytest.mark.skipif(sys.platform != "linux", reason="processes are listed as Linux does")
def test_the_program_ends_when_reading_is_stopped(program: Callable[..., None]) -> None:
    from threading import Thread

    seconds = f"62.{os.getpid():07}"  # spelt as no other run of the tests does
    program(f"exec sleep {seconds}")
    process, outcomes = ReadingProcess(), list[Document | Failure | CorpusError]()

    def read_apart() -> None:
        try:
            outcomes.append(process.read("scan.pdf", pdf(scan(*FERRY)), "digest"))
        except CorpusError as error:
            outcomes.append(error)

    thread = Thread(target=read_apart)
    thread.start()
    number = _wait_for(lambda: _sleepers(seconds)[0])
    process.close()
    thread.join()
    assert _wait_for(lambda: is_gone(number))
    assert not any(isinstance(outcome, Document) for outcome in outcomes)


def _sleepers(seconds: str) -> list[int]:
    return [int(file.parent.name) for file in Path("/proc").glob("[0-9]*/cmdline") if _sleeps(file, seconds)]


def _sleeps(file: Path, seconds: str) -> bool:
    try:
        return file.read_bytes() == f"sleep\0{seconds}\0".encode()
    except OSError:
        return False


def _wait_for(found: Callable[[], int]) -> int:
    deadline = time.monotonic() + 30
    while True:
        try:
            if value := found():
                return value
        except (OSError, ValueError, LookupError):
            pass
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_sync_reads_scans_when_the_program_has_come(
    program: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    corpus, store, fake = tmp_path / "corpus", tmp_path / "store", FakeEmbedder()
    corpus.mkdir()
    (corpus / "scan.pdf").write_bytes(pdf(scan(*FERRY)))
    (corpus / "both.pdf").write_bytes(pdf(page("A typed page about bees and honey."), scan(*FERRY)))
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", "")
    before = docqa.sync(corpus, store, embedder=fake)
    assert {skipped.path: skipped.reason for skipped in before.skipped} == {
        "both.pdf": f"page 2 holds a picture, {NO_PROGRAM}",
        "scan.pdf": f"page 1 holds a picture, {NO_PROGRAM}",
    }
    assert not docqa.diff(corpus, store)
    monkeypatch.setenv("PATH", path)
    program(reply(("The ferry leaves at nine.", 95)))
    assert docqa.diff(corpus, store).added == ("scan.pdf",)
    fake.embedded.clear()
    after = docqa.sync(corpus, store, embedder=fake)
    assert (after.skipped, after.diff.added) == ((), ("scan.pdf",))
    assert sorted(fake.embedded) == [
        "A typed page about bees and honey.\n\nThe ferry leaves at nine.",
        "The ferry leaves at nine.",
    ]
    again = docqa.sync(corpus, store, embedder=fake)
    assert (again.embedded, bool(again.diff)) == (0, False)
    [hit] = docqa.Retriever.open(store, embedder=fake).retrieve("When does the ferry leave?", 1)
    assert hit.passage.locator.endswith("recognised text")


def test_what_was_recognised_stays_when_the_program_is_missing(
    program: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    corpus, store, fake = tmp_path / "corpus", tmp_path / "store", FakeEmbedder()
    corpus.mkdir()
    (corpus / "scan.pdf").write_bytes(pdf(scan(*FERRY)))
    (corpus / "none.pdf").write_bytes(b"%PDF-1.7 cut")
    program(reply(("The ferry leaves at nine.", 95)))
    docqa.sync(corpus, store, embedder=fake)
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", "")
    fake.embedded.clear()
    assert not docqa.diff(corpus, store)
    assert not docqa.sync(corpus, store, embedder=fake).diff
    (corpus / "other.pdf").write_bytes(pdf(scan(*TICKETS)))
    (corpus / "typed.pdf").write_bytes(pdf(page("A typed page about bees.")))
    without = docqa.sync(corpus, store, embedder=fake)
    assert (without.diff.added, without.diff.unchanged) == (("typed.pdf",), ("scan.pdf",))
    assert [skipped.path for skipped in without.newly_skipped] == ["other.pdf"]
    assert fake.embedded == ["A typed page about bees."]
    assert not docqa.sync(corpus, store, embedder=fake).diff
    monkeypatch.setenv("PATH", path)
    assert docqa.sync(corpus, store, embedder=fake).diff.added == ("other.pdf",)


def test_a_program_that_does_not_tell_what_it_reads_is_asked_again(
    program: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tesseract, "PATIENCE", 0.5)
    program("exit 1")
    file = tmp_path / "bin/tesseract"
    told, changed = file.read_text(), file.stat().st_mtime_ns
    for script in ("exec sleep 60", "exit 1"):
        file.write_text(f"#!/bin/sh\n{script}\n")
        os.utime(file, ns=(changed, changed))
        assert find_tesseract() is None
    file.write_text(told.replace("tesseract 9", r"printf 'tesseract \351\n'"))
    os.utime(file, ns=(changed, changed))
    found = find_tesseract()
    assert found and found.languages == ("eng",)


def test_the_version_of_the_readers_tells_of_the_program(
    program: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    program("exit 1", "deu\neng")
    with_program = reader_version()
    monkeypatch.setenv("PATH", "")
    assert with_program == f"{reader_version()}, tesseract 9 deu+eng"
