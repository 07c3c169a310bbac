"""What the measurement of speed computes and shows, against values computed by hand; what it times is not run here."""

import json
import re
import sys
import threading
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import docqa
from conftest import FakeEmbedder
from docqa.store import open_generation
from growth_plot import Line, Panel, draw, measure_slope
from peers import PEERS as SET_UP
from profiling import IDLE, name_module, name_work, share_by_module, take_shares
from speed import PAGE, STEPS, main
from speed_bench import Bench
from speed_building import PEERS, describe_profile
from speed_inputs import make_flat, write_shortest, write_texts
from speed_jobs import ask_all
from speed_table import MARKERS, Outcome, Result, compare, compare_times, describe, keep, load, put_between, show
from timing import JobError, alternate, describe_machine, run_job, run_process, take_median


def test_things_are_measured_in_turn() -> None:
    order: list[str] = []

    def measure(name: str) -> int:
        order.append(name)
        return len(order)

    assert alternate(3, lambda: measure("one"), lambda: measure("other")) == [[1, 3, 5], [2, 4, 6]]
    assert order == ["one", "other"] * 3
    assert take_median([{"p50": 9.0}, {"p50": 1.0}, {"p50": 2.0}], "p50") == 2


def test_a_process_is_timed_and_its_own_memory_counted() -> None:
    held = 80 << 20
    script = f"import time; held = b'x' * {held}; time.sleep(0.2)"
    run = run_process([sys.executable, "-S", "-c", script])
    assert run.seconds > 0.2
    assert run.peak >= held


def test_a_process_that_fails_is_told_with_what_it_said() -> None:
    with pytest.raises(JobError, match=r"failed:\nno such passage"):
        run_process([sys.executable, "-c", "raise SystemExit('no such passage')"])


def test_a_job_that_fails_is_told_with_its_traceback() -> None:
    with pytest.raises(JobError, match=r"(?s)encode failed:.*FileNotFoundError.*nowhere"):
        run_job("encode", "nowhere")


def test_what_is_timed_is_written_from_a_store(corpus: Path, store: Path, fake: FakeEmbedder, tmp_path: Path) -> None:
    docqa.sync(corpus, store, embedder=fake)
    write_texts(str(store), str(tmp_path / "texts"))
    made = write_shortest(str(store), str(tmp_path / "shortest"))
    generation = open_generation(store)
    for document in generation.texts.documents():
        text = generation.texts.document(document.path).text
        assert (tmp_path / "texts" / document.path).read_text("utf-8") == text
    passages = [generation.texts.passage(row).text for row in range(len(generation.index))]
    assert json.loads((tmp_path / "shortest/texts.json").read_text()) == passages
    assert made["passages"] == len(passages)
    assert (Path(made["model"]) / "model.safetensors").is_file()
    rows = np.concatenate([generation.index.embeddings(row).passages for row in range(len(passages))])
    assert make_flat(str(store)).search(rows, 1)[1].tolist() == [[row] for row in range(len(passages))]


def test_a_question_is_asked_by_each_client_and_timed(tmp_path: Path) -> None:
    (tmp_path / "questions.json").write_text(json.dumps(["Who?", "When?"]))
    asked: list[str] = []
    figures = ask_all(str(tmp_path / "questions.json"), lambda text: (asked.append(text), time.sleep(0.02)))
    assert asked == ["Who?", "When?"] * 2  # first to warm up
    assert 20 <= figures["p50"] <= figures["p99"]
    assert 1 / figures["rate"] >= 0.02


def test_figures_are_compared_as_more_and_as_faster() -> None:
    more = compare("build", "torch", 60.0, 20.0, "passages/s", least=3.0)
    assert (more.value, more.unit, more.ours, more.theirs, more.bound) == (
        3.0,
        "×",
        "60.0 passages/s",
        "20.0 passages/s",
        "≥ 3.00 ×",
    )
    assert not more.is_short
    faster = compare_times("ask", "script", 2.0, 10.0, "s", least=8.0)
    assert (faster.value, faster.unit, faster.is_short) == (5.0, "× faster", True)


@pytest.mark.parametrize(
    ("result", "bound", "short"),
    [
        (Result("recall", 0.99, "", least=0.99), "≥ 0.99", False),
        (Result("p99", 40.1, "ms", most=40.0), "≤ 40.0 ms", True),
        (Result("p99", 40.0, "ms", most=40.0), "≤ 40.0 ms", False),
        (Result("status", 9.0, "s"), "–", False),
    ],
)
def test_a_bound_is_kept_or_not(result: Result, bound: str, short: bool) -> None:
    assert (result.bound, result.is_short) == (bound, short)


def test_numbers_are_shown_with_three_digits() -> None:
    shown = [show(value, "MB") for value in (0.4, 1.2, 9.999, 12.34, 560.6, 10500.0)]
    assert shown == ["0.40 MB", "1.20 MB", "10.00 MB", "12.3 MB", "561 MB", "10,500 MB"]
    assert show(-0.2, "") == "-0.20"


def test_found_figures_are_kept_step_by_step_and_described(tmp_path: Path) -> None:
    path = tmp_path / "build/speed.json"
    keep(path, "cold", Outcome([Result("ask", 2.0, "s", most=1.2)]), "another machine", "2026-01-01")
    keep(path, "warm", Outcome([compare("build", "torch", 6.0, 2.0, "/s", least=3.0)], remarks="Words."), "A", "today")
    keep(path, "cold", Outcome([Result("ask", 1.3, "s", "script", most=1.2)]), "A", "today")
    assert describe(load(path), ["warm", "cold", "growth"]).splitlines() == [
        "|  | beside | docqa | that | measured | to reach |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
        "| build | torch | 6.00 /s | 2.00 /s | 3.00 × | ≥ 3.00 × |",
        "| ask | script | – | – | **1.30 s** | ≤ 1.20 s |",
        "",
        "Short of what was to be reached:",
        "",
        "- ask, beside script: 1.30 s, where ≤ 1.20 s was to be reached.",
        "",
        "Not measured yet: growth.",
        "",
        "Words.",
        "",
        "Measured on:",
        "",
        "- warm, cold: A; today.",
    ]


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    page = f"Before.\n{MARKERS[0]}\nold\n{MARKERS[1]}\nAfter.\n"
    assert put_between(page, "new") == f"Before.\n{MARKERS[0]}\nnew\n{MARKERS[1]}\nAfter.\n"
    assert PAGE.read_text("utf-8").count(MARKERS[0]) == PAGE.read_text("utf-8").count(MARKERS[1]) == 1


def test_the_slope_is_the_exponent_of_growth() -> None:
    assert measure_slope([(10, 2), (100, 20), (1000, 200)]) == pytest.approx(1)
    assert measure_slope([(100, 5), (10_000, 50)]) == pytest.approx(0.5)
    assert measure_slope([(10, 1), (100, 1), (1000, 10)]) == pytest.approx(0.5)


def test_the_plot_places_points_on_logarithmic_axes() -> None:
    lines = [Line("p50", [(1_000, 1), (10_000, 10), (100_000, 10)])]
    root = ET.fromstring(draw([Panel("Query", lines, 0.5, "square root")]))
    circles = [one.attrib for one in root.iter() if one.tag.endswith("circle")]
    (x1, y1), (x2, y2), (x3, y3) = ((float(one["cx"]), float(one["cy"])) for one in circles)
    assert x2 - x1 == pytest.approx(x3 - x2)
    assert y1 > y2 == y3
    assert {"1 k", "10 k", "100 k", "1", "10"} <= {one.text for one in root.iter() if one.tag.endswith("text")}


def test_work_counts_for_the_module_it_is_done_for() -> None:
    names = [
        name_module(f"/x/{file}.py")
        for file in ("src/docqa/embedding/fast", "lib/python3.11/json/decoder", "lib/site-packages/numpy/lib/npyio")
    ]
    assert names == ["docqa.embedding.fast", "", "numpy"]
    waiting, woken = threading.Event(), threading.Event()

    def wait() -> None:
        waiting.set()
        woken.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    waiting.wait()
    while name_work(sys._current_frames()[thread.ident or 0]):
        pass  # it is about to wait
    woken.set()
    thread.join()
    assert name_work(sys._getframe()) in ("others", "_pytest")


def test_shares_are_of_modules_that_take_some_time() -> None:
    shares = take_shares({"docqa.bm25": 600, "numpy": 396, "json": 4})
    assert shares == pytest.approx({"docqa.bm25": 0.6, "numpy": 0.396, "others": 0.004})
    assert describe_profile({"build": shares, "query": {"others": 1.0}}).splitlines()[2:] == [
        "| docqa.bm25 | 60 | – |",
        "| numpy | 40 | – |",
        "| others | 0 | 100 |",
    ]


def test_a_profile_tells_work_from_waiting() -> None:
    waiting = share_by_module(lambda: threading.Event().wait(0.3))
    working = share_by_module(lambda: [FakeEmbedder().embed_query(f"{i} words") for i in range(500)])
    assert waiting[IDLE] > 0.9
    assert working.get(IDLE, 0) < 0.5
    assert sum(working.values()) == pytest.approx(1)


def test_steps_run_alone_and_add_to_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(bench: Bench) -> Outcome:
        raise JobError("encode failed:\nno torch")

    points = {name: [(1_000, 1.0), (10_000, 10.0)] for name in ("build", "write", "query")}
    monkeypatch.setitem(STEPS, "growth", lambda bench: Outcome([Result("exponent", 1.0, "")], points))
    monkeypatch.setitem(STEPS, "cold", lambda bench: Outcome([Result("ask", float(bench.form.repeats), "s")]))
    monkeypatch.setitem(STEPS, "build", fail)
    monkeypatch.setenv("DOCQA_CACHE", "")
    folder = tmp_path / "quick"
    for steps, code in (("growth", 0), ("cold,build", 1), ("cold", 0)):
        monkeypatch.setattr(
            "sys.argv", ["speed.py", str(tmp_path), "--quick", "--folder", str(folder), "--only", steps]
        )
        assert main() == code
    said = capsys.readouterr()
    assert "no torch" in said.err
    assert "| ask | – | – | – | 3.00 s | – |\n| exponent |" in said.out
    assert set(json.loads((tmp_path / "quick.json").read_text())) == {"growth", "cold"}
    assert "| ask |" in (folder / "speed.md").read_text("utf-8")
    assert "Build, seconds" in (folder / "speed.svg").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "warm,hot"], "no such step: hot; there are build, peers"),
        (["nowhere", "--only", "warm"], "no question sets at 'nowhere'; give the folder that holds them"),
    ],
)
def test_a_wrong_argument_is_explained(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["speed.py", *arguments])
    with pytest.raises(SystemExit):
        main()
    assert message in capsys.readouterr().err


def test_the_machine_is_named_with_its_versions() -> None:
    assert re.search(r", \d+ cores?.*, \d+ GB of memory; Python 3\.\d+, docqa \d.*, faiss-cpu \d", describe_machine())


def test_the_other_libraries_are_those_that_are_set_up() -> None:
    assert list(PEERS) == list(SET_UP)
