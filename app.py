"""Sync the corpus and open the web chat: the same as ``docqa chat``."""

import sys

from docqa.cli import main

if __name__ == "__main__":
    sys.exit(main(["chat", *sys.argv[1:]]))
