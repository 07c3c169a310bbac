"""Source code, configuration, logs: every run of lines as it stands."""

import re

from docqa.reading.plain_text import find_runs
from docqa.types import Block, Span

LINE = re.compile(r"[^\r\n]*\S")
MAX_BLOCK = 800
"""Characters; a longer run of lines, some 200 tokens, is divided into its lines rather than cut within one."""


def read_source_code(text: str) -> tuple[str | None, list[Block]]:
    """Divide a text at blank lines, and long parts at every line. It has no title but its file's name."""
    blocks: list[Block] = []
    for run in find_runs(text):
        lines = [run]
        if len(run) > MAX_BLOCK:
            lines = [Span(*line.span()) for line in LINE.finditer(text, run.start, run.end)]
        blocks += [Block("code", line) for line in lines]
    return None, blocks
