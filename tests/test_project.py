"""The project's own rules: public names, layers, errors."""

import ast
import inspect
from pathlib import Path

import pytest

import docqa
from docqa import errors

PACKAGE = Path(docqa.__file__).parent

LAYERS = [
    {"neutralising"},
    {"arrays", "durable", "types", "errors", "machine", "naming"},
    {"bm25", "chunking", "corpus", "embedding", "feedback", "matching", "queueing", "reading", "serialising", "terms"},
    {"nearest", "texts", "unfinished"},
    {"confidence", "framing", "index"},
    {"answering", "isolation", "store", "understanding"},
    {"evidencing", "preparing"},
    {"building"},
    {"syncing", "retrieval"},
    {"apart", "watching"},
    {"printing", "chat", "evaluation"},
    {"cli"},
]
"""Imports point to a lower line only. Answering is pure and stands below retrieval, for `Retriever.ask` calls it."""

OWNERS = {
    "argon2": {"chat"},
    "charset_normalizer": {"reading"},
    "faiss": {"nearest"},
    "filelock": {"store"},
    "gradio": {"chat"},
    "ir_measures": {"evaluation"},
    "lxml": {"reading"},
    "mammoth": {"reading"},
    "markdown_it": {"reading"},
    "nupunkt": {"chunking"},
    "onnx": {"embedding"},
    "onnxruntime": {"embedding"},
    "openpyxl": {"reading"},
    "prometheus_client": {"chat"},
    "pypdfium2": {"reading"},
    "sentence_transformers": {"embedding"},
    "sqlite3": {"texts"},
    "striprtf": {"reading"},
    "tokenizers": {"embedding"},
    "torch": {"embedding"},
    "transformers": {"embedding"},
    "uvicorn": {"chat"},
    "watchfiles": {"watching"},
    "yaml": {"reading"},
}


def module_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports() -> list[tuple[str, str, str]]:
    """List (importing module, imported name, place) of every import in the package."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: imports are absolute"
                names = [node.module or ""]
            else:
                continue
            found += [(module_of(path), name, f"{path.name}:{node.lineno}") for name in names]
    return found


def layer(module: str) -> int:
    return next(i for i, modules in enumerate(LAYERS) if module in modules)


def test_every_module_has_a_layer() -> None:
    modules = {module_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__", "__main__"}
    assert modules == set().union(*LAYERS)


def test_imports_point_downwards() -> None:
    offenders = [
        f"{place}: {module} imports {name}"
        for module, name, place in imports()
        if module not in {"__init__", "__main__"} and name.startswith("docqa.")
        for other in [name.split(".")[1]]
        if other != module and layer(other) >= layer(module)
    ]
    assert offenders == []


def test_each_outside_library_has_its_owner() -> None:
    offenders = [
        f"{place}: {module} imports {name}"
        for module, name, place in imports()
        for library in [name.split(".")[0]]
        if module not in OWNERS.get(library, {module})
    ]
    assert offenders == []


def test_all_is_sorted_and_complete() -> None:
    assert docqa.__all__ == sorted(docqa.__all__)
    modules = {name for name, value in vars(docqa).items() if inspect.ismodule(value)}
    public = {name for name in vars(docqa) if not name.startswith("_")} - modules
    assert public | {"__version__"} == set(docqa.__all__)


def test_no_public_name_is_a_modules_name() -> None:
    modules = {module_of(path) for path in PACKAGE.rglob("*.py")}
    assert modules & set(docqa.__all__) == set()


def test_everything_public_has_a_docstring() -> None:
    bare = [name for name in docqa.__all__ if not name.startswith("_") and not inspect.getdoc(getattr(docqa, name))]
    assert bare == []


def error_classes() -> list[type[Exception]]:
    return [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, Exception)]


def test_every_error_has_one_root_and_stands_in_the_tree() -> None:
    assert all(issubclass(error, docqa.DocqaError) for error in error_classes())
    assert {error.__name__ for error in error_classes() if error.__name__ not in (errors.__doc__ or "")} == set()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.CorpusNotFoundError(Path("c")), "no corpus folder at 'c'; create it and copy documents into it"),
        (errors.DocumentReadError("a.txt", "it is empty"), "cannot read 'a.txt': it is empty"),
        (errors.DocumentEditError("add", "a.txt", "it is empty"), "cannot add 'a.txt': it is empty"),
        (errors.ModelNotFoundError("m", "no weights"), "cannot load the model 'm': no weights"),
        (errors.IndexNotFoundError(Path("e")), "no index in 'e'; run 'docqa sync --embeddings e' to build it"),
        (
            errors.IndexMismatchError("a", "b"),
            "the index was made with the model 'a', not with 'b'; leave --model and DOCQA_MODEL out "
            "to use 'a', or run 'docqa sync --force --model b' to embed anew",
        ),
        (
            errors.StoreLockedError(Path("e")),
            "another sync is writing 'e'; wait until it has finished, then try again",
        ),
        (
            errors.CorruptIndexError(Path("e"), "x is missing"),
            "the index in 'e' cannot be used: x is missing; run 'docqa sync --embeddings e' to rebuild it",
        ),
        (
            errors.PortInUseError("h", 1),
            "cannot serve the chat on h, port 1: something else uses the port; choose another with --host or --port",
        ),
        (
            errors.IndexMismatchError("a", "a"),
            "the index was made with other weights of the model 'a'; run 'docqa sync --force' to embed anew",
        ),
        (errors.EmptyCorpusError(Path("c"), 0), "no documents in 'c'; copy files that docqa reads into it"),
        (errors.EvaluationError("it is empty; fill it", path=Path("q"), line=3), "line 3 of 'q': it is empty; fill it"),
    ],
)
def test_error_messages_name_the_thing_and_the_remedy(error: docqa.DocqaError, message: str) -> None:
    assert str(error) == message
