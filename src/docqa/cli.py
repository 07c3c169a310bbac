"""The command line: one verb, one call. Results go to stdout, progress and errors to stderr.

Exit codes: 0 fine, 1 a DocqaError, 2 wrong usage, 3 the index is stale (``status``), 4 the corpus has no answer
(``ask``), 130 interrupted.
"""

import argparse
import atexit
import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import docqa
from docqa.answering import ANSWERED_FROM
from docqa.chunking import DEFAULT_CHUNKING
from docqa.errors import CorpusError, DocqaError, EmptyCorpusError, StoreError, StoreLockedError
from docqa.machine import NICENESS, share_free_memory
from docqa.neutralising import printable, printable_name
from docqa.printing import (
    describe_previous,
    describe_report,
    print_answer,
    print_diff,
    print_hit,
    print_json,
    print_skipped,
)
from docqa.serialising import answer_to_json, hit_to_json, report_to_json, status_to_json
from docqa.store import check, open_generation, read_manifest, read_previous, roll_back, verify
from docqa.types import Activity, Chunking, Progress, SyncReport

if TYPE_CHECKING:
    from docqa.watching import Sync, Watcher

Parser = argparse.ArgumentParser
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

THINGS: dict[Activity, str] = {"reading": "documents", "embedding": "passages", "asking": "questions"}
STALE, NO_ANSWER, INTERRUPTED = 3, 4, 130
DEFAULT_K = 5
YES, NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 7860


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    atexit.register(gc.freeze)  # or Python, ending, looks through all objects: a fifth of what `docqa ask` takes
    options = _parser().parse_args(arguments)
    verb: Callable[[argparse.Namespace], int] = options.verb
    try:
        return verb(options)
    except (DocqaError, ValueError) as exc:
        print(f"docqa: {printable(str(exc))}", file=sys.stderr)
        return 1 if isinstance(exc, DocqaError) else 2
    except KeyboardInterrupt:
        print("docqa: interrupted; an index is as it was, and a sync goes on from here the next time", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader, head say, has seen enough
        return 0


def sync(options: argparse.Namespace) -> int:
    """Make the store agree with the corpus and say what was done; then perhaps once more after every change."""

    def say(report: SyncReport) -> None:
        if options.json:
            print_json(report_to_json(report))
        else:
            print(describe_report(report))
            print_skipped(report)
        sys.stdout.flush()

    if not options.watch:
        say(_sync(options))
        return 0
    watcher = _watcher(options, partial(docqa.sync, embedder=_embedder(options)), say)
    with suppress(KeyboardInterrupt):  # the way to stop it
        try:
            say(_sync(options))
        except (EmptyCorpusError, StoreLockedError) as exc:  # what the watch waits for
            print(f"docqa: {printable(str(exc))}", file=sys.stderr)
        os.nice(NICENESS)
        watcher.run()
    return 0


def ask(options: argparse.Namespace) -> int:
    """Print the quotes that answer the query, or the closest passages when none does."""
    query = " ".join(options.query)
    answer = _retriever(options).ask(query, options.k, min_confidence=options.min_confidence)
    if options.json:
        print_json(answer_to_json(answer))
    else:
        print_answer(answer)
    return 0 if answer.answered else NO_ANSWER


def retrieve(options: argparse.Namespace) -> int:
    """Print the passages that answer the query best."""
    hits = _retriever(options).retrieve(" ".join(options.query), options.k)
    if options.json:
        print_json([hit_to_json(hit) for hit in hits])
    else:
        for hit in hits:
            print_hit(hit)
    return 0


def status(options: argparse.Namespace) -> int:
    """Print what is indexed and how the corpus differs from it."""
    embeddings = Path(options.embeddings)
    manifest = verify(embeddings) if options.verify else check(embeddings)
    if options.json:  # a sync may have removed meanwhile what was compared
        generation = open_generation(embeddings)
        manifest, documents = generation.manifest, generation.texts.documents()
    summary = manifest.summary()
    kept = read_previous(embeddings)
    previous = kept.summary() if kept else None
    diff = docqa.diff(options.corpus, options.embeddings)
    if options.json:
        print_json(status_to_json(summary, diff, documents, previous=previous))
    else:
        print(f"documents  {summary.documents}")
        print(f"passages   {summary.passages}")
        print(f"model      {summary.model}")
        print(f"synced     {summary.synced.astimezone():%Y-%m-%d %H:%M:%S %Z}")
        print(f"size       {summary.size / 1e6:.1f} MB{', every byte as it was written' if options.verify else ''}")
        if previous:
            print(f"previous   {describe_previous(previous)}")
        for skipped in summary.skipped:
            print(f"{skipped.state:<10} {printable_name(skipped.path)}: {printable(skipped.reason)}")
        print_diff(diff, embeddings)
    return STALE if diff else 0


def rollback(options: argparse.Namespace) -> int:
    """Return to the index as it was before the last sync, and say what it is."""
    print(f"back to {describe_previous(roll_back(Path(options.embeddings)).summary())}")
    return 0


def chat(options: argparse.Namespace) -> int:
    """Sync, then open the web chat."""
    from docqa.apart import sync_apart
    from docqa.chat import build_chat, check_host, check_port, is_loopback, launch
    from docqa.chat.guarding.passwords import Accounts

    share_free_memory()
    accounts = Accounts.read(options.auth) if options.auth else None
    check_host(options.host, options.allowed_host, protected=accounts is not None or options.insecure)
    check_port(options.host, options.port)
    own = is_loopback(options.host) and not options.allowed_host
    allow_edits = _is_said(options.allow_edits, "DOCQA_ALLOW_EDITS", otherwise=own)
    reranker = _reranker(options)
    _sync_if_possible(options)
    feedback = Path(options.corpus).resolve().parent / "feedback.jsonl"
    watch = _is_said(options.watch, "DOCQA_WATCH", otherwise=False)
    watcher = _watcher(options, partial(sync_apart, model=options.model), _say_aside) if watch else None
    page = build_chat(
        corpus_dir=options.corpus,
        embeddings_dir=options.embeddings,
        embedder=_embedder(options),
        reranker=reranker,
        feedback_file=feedback,
        allow_edits=allow_edits,
        with_login=accounts is not None,
        watcher=watcher,
    )
    if not is_loopback(options.host):
        print("docqa: words travel readably over http; docs/server.md says how to put https before it", file=sys.stderr)
    with suppress(KeyboardInterrupt), watcher.in_background() if watcher else nullcontext():  # the way to stop it
        launch(
            page,
            host=options.host,
            port=options.port,
            accounts=accounts,
            allowed_hosts=options.allowed_host,
            insecure=options.insecure,
            log=options.log,
            open_browser=options.open,
        )
    return 0


def password(options: argparse.Namespace) -> int:
    """Ask for a password twice and write its hash into a file, for ``docqa chat --auth``."""
    from getpass import getpass

    from docqa.chat.guarding.passwords import write_hash

    file = Path(options.file)
    given = getpass("Password: ")
    if getpass("Again: ") != given:
        raise ValueError("the two differ; try again")
    write_hash(file, given)
    print(f"wrote {printable(str(file))}; give it to docqa chat --auth USER:{printable(str(file))}", file=sys.stderr)
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Print how well docqa answers questions whose answers are known."""
    from docqa.evaluation import check_target, describe_evaluation, evaluation_to_json, measure, prepare, write_outcomes

    questions, embeddings = Path(options.questions), Path(options.embeddings)
    corpus, target = (Path(path) if path else None for path in (options.corpus, options.per_question))
    if options.k < 1:
        raise ValueError(f"k must be at least 1, not {options.k}")
    if target:
        check_target(target, [path for path in (questions, embeddings, corpus) if path])
    with ExitStack() as stack:
        with _progress() as progress:
            trial = stack.enter_context(
                prepare(
                    questions,
                    embeddings,
                    corpus_dir=corpus,
                    embedder=_embedder(options),
                    reranker=_reranker(options),
                    progress=progress,
                )
            )
        for note in trial.notes:
            print(printable(note), file=sys.stderr)
        with _progress() as progress:
            evaluation = measure(trial, options.k, progress=progress)
    if options.json:
        print_json(evaluation_to_json(evaluation))
    else:
        print(describe_evaluation(evaluation))
    if target:
        write_outcomes(target, evaluation)
    return 0


def _sync(options: argparse.Namespace) -> SyncReport:
    with _progress() as progress:
        return docqa.sync(
            options.corpus,
            options.embeddings,
            embedder=_embedder(options),
            chunking=_chunking(options),
            force=getattr(options, "force", False),
            progress=progress,
        )


def _sync_if_possible(options: argparse.Namespace) -> None:
    """Sync; where that fails and there is an index, or the page says what to do, say why and go on."""
    try:
        _say_aside(_sync(options))
    except (CorpusError, StoreError) as exc:
        opens = _index_opens(options)
        if not (opens or isinstance(exc, CorpusError)):
            raise
        meanwhile = "; questions are answered from the index as it is" if opens else ""
        print(f"docqa: {printable(str(exc))}{meanwhile}", file=sys.stderr)


def _index_opens(options: argparse.Namespace) -> bool:
    try:
        docqa.Retriever.open(options.embeddings, embedder=_embedder(options))
    except DocqaError:
        return False
    return True


def _say_aside(report: SyncReport) -> None:
    print(describe_report(report), file=sys.stderr)
    print_skipped(report)


def _watcher(options: argparse.Namespace, sync: "Sync", on_report: Callable[[SyncReport], None]) -> "Watcher":
    from docqa.watching import Watcher

    return Watcher(options.corpus, options.embeddings, sync=sync, on_report=on_report)


def _is_said(option: bool | None, variable: str, *, otherwise: bool) -> bool:
    """Tell what an option says, else an environment variable."""
    if option is not None:
        return option
    said = os.environ.get(variable, "").strip().lower()
    if said not in ("", *YES, *NO):
        raise ValueError(f"{variable} must be one of {', '.join((*YES, *NO))}, not {said!r}")
    return said in YES if said else otherwise


def _chunking(options: argparse.Namespace) -> Chunking | None:
    """Return the chunking asked for; what is not said of it stays as in the index."""
    asked = {name: getattr(options, name, None) for name in ("size", "overlap")}
    given = {name: value for name, value in asked.items() if value is not None}
    if not given:
        return None
    try:
        return replace(read_manifest(Path(options.embeddings)).chunking, **given)
    except StoreError:
        return replace(DEFAULT_CHUNKING, **given)


def _retriever(options: argparse.Namespace) -> docqa.Retriever:
    return docqa.Retriever.open(options.embeddings, embedder=_embedder(options), reranker=_reranker(options))


def _embedder(options: argparse.Namespace) -> docqa.SentenceTransformerEmbedder | None:
    return docqa.SentenceTransformerEmbedder(options.model) if options.model else None


def _reranker(options: argparse.Namespace) -> docqa.CrossEncoderReranker | None:
    """Load the reranker asked for at once, so that one that cannot be loaded is said before any work is done."""
    if not options.reranker:
        return None
    reranker = docqa.CrossEncoderReranker(options.reranker)
    reranker.load()
    return reranker


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """Show a bar on a terminal and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=0, leave=False, disable=None) as bar:

        def show(done: int, total: int, activity: Activity) -> None:
            if bar.desc != f"{activity}: ":
                bar.unit = f" {THINGS[activity]}"
                bar.set_description(activity, refresh=False)
                bar.reset(total)
            bar.update(done - bar.n)
            bar.refresh()

        yield show


def port_number(text: str) -> int:
    """Turn an option's text into a port."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not '{text}'")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="docqa",
        description="Ask questions about your own documents and get answers quoted from them.",
        epilog="example: docqa sync && docqa ask 'How do I add my own documents?'",
    )
    parser.add_argument("--version", action="version", version=f"docqa {docqa.__version__}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    _add_sync(verbs)
    for verb, summary in ((ask, "answer a question with quotes"), (retrieve, "find the passages closest to a query")):
        _add_query(verbs, verb, summary)
    _add_status(verbs)
    _add_verb(verbs, rollback, "return to the index as it was before the last sync", "")
    _add_chat(verbs)
    _add_password(verbs)
    _add_evaluate(verbs)
    return parser


def _add_verb(verbs: Verbs, verb: Callable[[argparse.Namespace], int], summary: str, example: str) -> Parser:
    name = verb.__name__
    parser = verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    parser.epilog = f"example: docqa {name}{example and ' ' + example}"
    parser.set_defaults(verb=verb)
    embeddings = os.environ.get("DOCQA_EMBEDDINGS", "embeddings")
    parser.add_argument("--embeddings", metavar="DIR", default=embeddings, help="the index's folder (%(default)s)")
    return parser


def _add_corpus(parser: Parser) -> None:
    corpus = os.environ.get("DOCQA_CORPUS", "corpus")
    parser.add_argument("--corpus", metavar="DIR", default=corpus, help="the documents' folder (%(default)s)")


def _add_model(parser: Parser) -> None:
    parser.add_argument(
        "--model",
        default=os.environ.get("DOCQA_MODEL"),
        help="a sentence-transformers model: a folder or a name in the local cache (the index's own)",
    )


def _add_reranker(parser: Parser) -> None:
    parser.add_argument(
        "--reranker",
        metavar="NAME",
        default=os.environ.get("DOCQA_RERANKER"),
        help="a cross-encoder that puts the best passages in order: a folder or a name in the local cache (none)",
    )


def _add_json(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, as described in docs/json.md")


def _add_sync(verbs: Verbs) -> None:
    parser = _add_verb(verbs, sync, "make the index agree with the documents", "--corpus ~/papers")
    _add_corpus(parser)
    _add_model(parser)
    longest = f"the longest passage (as in the index, else {DEFAULT_CHUNKING.size})"
    parser.add_argument("--size", type=int, metavar="TOKENS", help=longest)
    shared = f"sentences that neighbours share (as in the index, else {DEFAULT_CHUNKING.overlap})"
    parser.add_argument("--overlap", type=int, metavar="N", help=shared)
    parser.add_argument("--force", action="store_true", help="embed everything anew; needed to change the model")
    parser.add_argument("--watch", action="store_true", help="go on: sync after every change, until interrupted")
    _add_json(parser)


def _add_query(verbs: Verbs, verb: Callable[[argparse.Namespace], int], summary: str) -> None:
    parser = _add_verb(verbs, verb, summary, "'How do I add my own documents?'")
    parser.add_argument("query", nargs="+", help="the question; quotes around it are optional")
    parser.add_argument("-k", type=int, default=DEFAULT_K, help="how many passages at most (%(default)s)")
    if verb is ask:
        least = f"how sure an answer must be to count, from 0 to 1 ({ANSWERED_FROM})"
        parser.add_argument("--min-confidence", type=float, default=ANSWERED_FROM, metavar="P", help=least)
    _add_model(parser)
    _add_reranker(parser)
    _add_json(parser)


def _add_status(verbs: Verbs) -> None:
    summary = "show what is indexed and what has changed since; exit code 3 when stale"
    parser = _add_verb(verbs, status, summary, "--json")
    _add_corpus(parser)
    parser.add_argument("--verify", action="store_true", help="compare every byte of the index with what was written")
    _add_json(parser)


def _add_chat(verbs: Verbs) -> None:
    parser = _add_verb(verbs, chat, "sync, then open the web chat", "--port 8080")
    _add_corpus(parser)
    _add_model(parser)
    _add_reranker(parser)
    parser.add_argument("--host", default=DEFAULT_HOST, help="the address to listen on (%(default)s, this machine)")
    parser.add_argument("--port", type=port_number, default=DEFAULT_PORT, help="the port to listen on (%(default)s)")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.add_argument(
        "--auth",
        action="append",
        default=[],
        metavar="USER:FILE",
        help="who may log in; docqa password makes FILE",
    )
    parser.add_argument("--insecure", action="store_true", help="let others in without a login")
    names = "the name under which a proxy on this machine serves the chat; it is believed whom it speaks for"
    parser.add_argument("--allowed-host", action="append", default=[], metavar="NAME", help=names)
    lines = "log every request, or the questions too, as lines of JSON on stderr (nothing)"
    parser.add_argument("--log", choices=("requests", "questions"), help=lines)
    watch = "embed documents on their own when they change, while the chat runs (no)"
    parser.add_argument("--watch", action=argparse.BooleanOptionalAction, help=watch)
    edits = "let the page add, remove and re-embed documents (where only this machine can open it)"
    parser.add_argument("--allow-edits", action=argparse.BooleanOptionalAction, help=edits)


def _add_password(verbs: Verbs) -> None:
    summary = "make a password file for docqa chat --auth"
    parser = verbs.add_parser("password", help=summary, description=summary[0].upper() + summary[1:] + ".")
    parser.epilog = "example: docqa password anna.hash && docqa chat --host 0.0.0.0 --auth anna:anna.hash"
    parser.set_defaults(verb=password)
    parser.add_argument("file", metavar="FILE", help="where the password's hash is written, for you alone to read")


def _add_evaluate(verbs: Verbs) -> None:
    summary = "measure how well questions with known answers are answered"
    parser = _add_verb(verbs, evaluate, summary, "questions.jsonl --per-question outcomes.jsonl")
    parser.add_argument("questions", help="JSONL, or a folder in BEIR form; docs/evaluation.md describes both")
    parser.add_argument("--corpus", metavar="DIR", help="ask an index made of these documents for the occasion instead")
    _add_model(parser)
    _add_reranker(parser)
    parser.add_argument("-k", type=int, default=DEFAULT_K, help="how many passages an answer draws on (%(default)s)")
    _add_json(parser)
    parser.add_argument("--per-question", metavar="FILE", help="write what was said to each question, as JSONL")
