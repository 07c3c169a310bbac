"""Read files with another library, in the environment that `make bench-reading` makes; print its texts as JSON."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

Read = Callable[[Path], str]


def kreuzberg() -> Read:
    """Set up kreuzberg with its pages kept; its models for layout and OCR stay off, as by default."""
    from kreuzberg import ExtractionConfig, PageConfig, extract_file_sync

    config = ExtractionConfig(pages=PageConfig(extract_pages=True))
    return lambda path: str(extract_file_sync(path, config=config).content)


def markitdown() -> Read:
    """Set up markitdown as by default; it keeps no pages."""
    from markitdown import MarkItDown

    converter = MarkItDown()
    return lambda path: str(converter.convert(path).text_content)


def docling() -> Read:
    """Set up docling without models, which it would fetch: of a PDF it then gives the lines, in the parser's order."""
    from docling.datamodel.base_models import InputFormat
    from docling.datamodel.pipeline_options import NativePdfPipelineOptions
    from docling.document_converter import DocumentConverter, PdfFormatOption
    from docling.pipeline.native_pdf_pipeline import NativePdfPipeline

    pdf = PdfFormatOption(pipeline_cls=NativePdfPipeline, pipeline_options=NativePdfPipelineOptions())
    converter = DocumentConverter(format_options={InputFormat.PDF: pdf})
    return lambda path: str(converter.convert(path).document.export_to_text())


def main(name: str, *paths: str) -> None:
    """Print a line for each file: its path, its text or why there is none, and the CPU seconds that reading it took."""
    read = {"kreuzberg": kreuzberg, "markitdown": markitdown, "docling": docling}[name]()
    for path in paths:
        started, text, problem = time.process_time(), "", ""
        try:
            text = read(Path(path))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a library that panics raises what is no Exception
            problem = str(error) or type(error).__name__
        seconds = time.process_time() - started
        print(json.dumps({"path": path, "text": text, "problem": problem, "seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
