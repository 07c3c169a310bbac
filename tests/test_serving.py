"""What guards the chat, piece by piece; test_serving_attacks.py tries the whole."""

import asyncio
import gc
import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from argon2 import Type, extract_parameters
from argon2.exceptions import VerificationError
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse

import docqa
from conftest import FakeEmbedder
from docqa.chat.guarding.bodies import BodyLimitMiddleware
from docqa.chat.guarding.connections import allow_open_files, is_counted, most_connections
from docqa.chat.guarding.events import MalformedEventError, read_event
from docqa.chat.guarding.health import Health
from docqa.chat.guarding.hosts import HostNames
from docqa.chat.guarding.login import Login, Refusal, render_login
from docqa.chat.guarding.observing import Log, Measurements, Served
from docqa.chat.guarding.passwords import Accounts, read_hash, write_hash
from docqa.chat.guarding.rates import Allowance, network_of
from docqa.chat.guarding.routes import ROUTES, find_route
from docqa.chat.guarding.sessions import IDLE_SECONDS, LONGEST_SECONDS, MOST_SESSIONS, Attempts, Sessions
from docqa.chat.serving import MOST_PAGES, check_host, local_url
from docqa.chat.state import Turn
from docqa.cli import main
from docqa.errors import PasswordFileError, UnprotectedHostError
from docqa.types import Answer, StoreSummary

PASSWORD = "correct horse battery"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Accounts:
    file = tmp_path_factory.mktemp("passwords") / "anna.hash"
    write_hash(file, PASSWORD)
    return Accounts.read([f"anna:{file}"])


# Hosts.


@pytest.mark.parametrize(
    ("host", "header", "own"),
    [
        ("127.0.0.1", "127.0.0.1:7860", True),
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "LOCALHOST:1", True),
        ("::1", "[::1]:7860", True),
        ("127.0.0.1", "192.168.1.5:7860", False),
        ("127.0.0.1", "evil.example", False),
        ("127.0.0.1", "127.0.0.1.evil.example", False),
        ("127.0.0.1", "localhost@evil.example", False),
        ("127.0.0.1", "evil.example@localhost", False),
        ("127.0.0.1", "localhost/evil", False),
        ("127.0.0.1", "localhost#.evil.example", False),
        ("127.0.0.1", "localhost:99999999", False),
        ("127.0.0.1", "localhost, evil.example", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "[", False),
        ("192.168.1.5", "192.168.1.5:7860", True),
        ("192.168.1.5", "10.0.0.1", False),
        ("0.0.0.0", "10.0.0.1:7860", True),
        ("0.0.0.0", "[fe80::1]", True),
        ("0.0.0.0", "evil.example", False),
        ("::", "10.0.0.1", True),
    ],
)
def test_only_the_names_of_this_server_are_its_own(host: str, header: str, own: bool) -> None:
    assert (header in HostNames.of(host)) is own


def test_a_name_that_is_allowed_is_ours() -> None:
    hosts = HostNames.of("127.0.0.1", ["Docs.example.org"])
    assert ("docs.example.org" in hosts, "example.org" in hosts) == (True, False)


@given(st.text(max_size=40))
def test_no_header_is_too_strange_to_be_refused(header: str) -> None:
    assert (header in HostNames.of("127.0.0.1")) in (True, False)


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:1/"), ("::1", "http://[::1]:1/"), ("0.0.0.0", "http://localhost:1/")],
)
def test_the_page_is_found_on_this_machine(host: str, url: str) -> None:
    assert local_url(host, 1) == url


# Who may be let in.


@pytest.mark.parametrize(
    ("host", "allowed"), [("0.0.0.0", []), ("192.168.1.5", []), ("127.0.0.1", ["docs.example.org"])]
)
def test_others_are_let_in_only_with_a_login_or_knowingly(host: str, allowed: list[str]) -> None:
    check_host(host, allowed, protected=True)
    with pytest.raises(UnprotectedHostError, match=r"docqa password FILE.*--auth USER:FILE.*--insecure"):
        check_host(host, allowed, protected=False)


def test_this_machine_needs_no_login() -> None:
    check_host("127.0.0.1", protected=False)
    with pytest.raises(UnprotectedHostError):
        check_host("127.0.0.2.example", protected=False)


def test_a_chat_without_a_login_is_refused_before_anything_is_synced(tmp_path: Path, capsys) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.txt").write_text("Words.")
    where = ["--corpus", str(tmp_path / "corpus"), "--embeddings", str(tmp_path / "embeddings")]
    assert main(["chat", "--host", "0.0.0.0", *where]) == 1
    assert "on '0.0.0.0' everyone who reaches the chat could read the documents" in capsys.readouterr().err
    assert not (tmp_path / "embeddings").exists()


# Passwords.


def test_a_password_is_kept_as_an_argon2id_hash_that_only_its_owner_can_read(tmp_path: Path) -> None:
    file = tmp_path / "anna.hash"
    write_hash(file, PASSWORD)
    parameters = extract_parameters(read_hash(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (parameters.type.name, parameters.memory_cost, parameters.time_cost) == ("ID", 65536, 3)
    assert PASSWORD not in file.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["anna.hash"]


def test_only_the_right_password_of_the_right_user_is_right(accounts: Accounts) -> None:
    tried = [
        ("anna", PASSWORD),
        ("anna", PASSWORD + " "),
        ("anna", ""),
        ("bert", PASSWORD),
        ("bert", "nobody"),
        ("", ""),
    ]
    assert [accounts.check(user, password) for user, password in tried] == [True, False, False, False, False, False]


def test_a_letter_may_be_composed_in_two_ways(tmp_path: Path) -> None:
    write_hash(tmp_path / "hash", "cafe\u0301 au lait, bitte")
    assert Accounts.read([f"anna:{tmp_path / 'hash'}"]).check("anna", "caf\u00e9 au lait, bitte")


@pytest.mark.parametrize("password", ["", "short", "x" * 14, "x" * 257])
def test_a_password_of_the_wrong_length_is_not_written(tmp_path: Path, password: str) -> None:
    with pytest.raises(ValueError, match="15 to 256 characters; four words are a good one"):
        write_hash(tmp_path / "hash", password)
    assert not (tmp_path / "hash").exists()


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        (None, 0o600, "No such file or directory; make it by 'docqa password"),
        ("secret", 0o600, "it holds no argon2id hash; make it by"),
        ("é", 0o600, "it holds no hash; make it by"),
        ("$2b$12$abcdefghijklmnopqrstuv", 0o600, "it holds no argon2id hash"),
        ("$argon2i$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA", 0o600, "it holds no argon2id hash"),
        (
            "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            0o644,
            "other users of this machine can read",
        ),
    ],
)
def test_a_password_file_that_cannot_be_used_is_named_with_the_remedy(
    tmp_path: Path, text: str | None, mode: int, reason: str
) -> None:
    file = tmp_path / "hash"
    if text is not None:
        file.write_text(text)
        file.chmod(mode)
    with pytest.raises(PasswordFileError, match=reason):
        read_hash(file)


@pytest.mark.parametrize("account", ["anna", "anna:", ":file", ""])
def test_an_account_is_a_user_and_a_file(account: str) -> None:
    with pytest.raises(ValueError, match="USER:FILE"):
        Accounts.read([account])


def test_a_password_is_asked_for_twice(tmp_path: Path, monkeypatch, capsys) -> None:
    typed = iter([PASSWORD, PASSWORD, PASSWORD, "something else altogether"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    file = tmp_path / "hash"
    assert main(["password", str(file)]) == 0
    before = file.read_text()
    assert main(["password", str(file)]) == 2
    assert "the two differ; try again" in capsys.readouterr().err
    assert file.read_text() == before


# Sessions.


def test_a_session_ends_when_nobody_uses_it(clock: Clock) -> None:
    sessions = Sessions(clock)
    token = sessions.begin("anna")
    clock.now += IDLE_SECONDS - 1
    session = sessions.use(token)
    assert session and session.user == "anna"
    clock.now += IDLE_SECONDS + 1
    assert sessions.use(token) is None


def test_a_session_ends_even_if_it_is_used(clock: Clock) -> None:
    sessions = Sessions(clock)
    token = sessions.begin("anna")
    end = clock.now + LONGEST_SECONDS
    while clock.now < end:
        assert sessions.use(token)
        clock.now += IDLE_SECONDS / 2
    clock.now += 1
    assert sessions.use(token) is None


def test_tokens_are_long_and_never_the_same_and_not_kept(clock: Clock) -> None:
    sessions = Sessions(clock)
    tokens = {sessions.begin("anna") for _ in range(100)}
    assert (len(tokens), {len(token) for token in tokens}) == (100, {43})
    assert not any(token in repr(sessions) for token in tokens)


def test_a_session_that_is_left_is_over(clock: Clock) -> None:
    sessions = Sessions(clock)
    mine, other = sessions.begin("anna"), sessions.begin("anna")
    sessions.end(mine)
    sessions.end("no token")
    assert (sessions.use(mine), bool(sessions.use(other))) == (None, True)


def test_sessions_are_bounded_for_each_user(clock: Clock) -> None:
    sessions = Sessions(clock)
    annas, bobs = sessions.begin("anna"), [sessions.begin("bob")]
    for _ in range(MOST_SESSIONS):
        clock.now += 1
        assert sessions.use(bobs[0])
        bobs.append(sessions.begin("bob"))
    # that ends which was not used for longest
    assert [bool(sessions.use(token)) for token in (annas, bobs[0], bobs[1], bobs[2])] == [True, True, False, True]


# Attempts.


def test_pauses_double_up_to_the_longest_and_are_forgotten(clock: Clock) -> None:
    attempts, pauses = Attempts(free=3, longest=10.0, clock=clock), []
    for _ in range(9):
        pauses.append(attempts.pause("a"))
        clock.now += pauses[-1]
        assert attempts.pause("a") == 0
        attempts.fail("a")
    assert pauses == [0, 0, 0, 1, 2, 4, 8, 10, 10]
    assert attempts.pause("b") == 0
    clock.now += 3601
    assert attempts.pause("a") == 0


def tries(login: Login, passwords: list[str], address: str = "10.0.0.1", user: str = "anna") -> list[str | Refusal]:
    async def all_at_once() -> list[str | Refusal]:
        return list(await asyncio.gather(*(login.attempt(user, password, address) for password in passwords)))

    return asyncio.run(all_at_once())


def test_wrong_passwords_at_full_speed_are_limited_and_the_right_one_works_after_the_pause(
    accounts: Accounts, clock: Clock
) -> None:
    login = Login(accounts, by_address=Attempts(5, 900.0, clock), by_user=Attempts(20, 60.0, clock))
    outcomes = [outcome for _ in range(20) for outcome in tries(login, ["wrong " * 3] * 8)]
    statuses = [outcome.status for outcome in outcomes if isinstance(outcome, Refusal)]
    assert (len(statuses), statuses.count(401)) == (160, 5)
    assert set(statuses) == {401, 429}
    (paused,) = tries(login, [PASSWORD])
    assert paused == Refusal(429, "That was wrong too often; try again in a second.", 1.0)
    clock.now += 1.0
    (token,) = tries(login, [PASSWORD])
    assert isinstance(token, str) and login.sessions.use(token)


def test_an_account_of_ones_own_does_not_buy_more_guesses_at_another(accounts: Accounts, clock: Clock) -> None:
    login = Login(accounts, by_address=Attempts(5, 900.0, clock), by_user=Attempts(20, 60.0, clock))
    for _ in range(5):
        tries(login, ["wrong " * 3], user="bert")
    clock.now += 1
    assert isinstance(tries(login, [PASSWORD])[0], str)
    tries(login, ["wrong " * 3], user="bert")
    (outcome,) = tries(login, ["wrong " * 3], user="bert")
    assert isinstance(outcome, Refusal) and (outcome.status, outcome.wait) == (429, 2.0)


def test_guesses_from_many_addresses_slow_down_too(accounts: Accounts, clock: Clock) -> None:
    login = Login(accounts, by_address=Attempts(5, 900.0, clock), by_user=Attempts(20, 60.0, clock))
    outcomes = [tries(login, ["wrong " * 3], f"10.0.0.{number}")[0] for number in range(22)]
    assert [outcome.status for outcome in outcomes if isinstance(outcome, Refusal)] == [401] * 20 + [429] * 2


def test_few_logins_wait_for_their_turn(accounts: Accounts, clock: Clock) -> None:
    login = Login(accounts, by_address=Attempts(100, 900.0, clock), by_user=Attempts(100, 60.0, clock))
    statuses = [outcome.status for outcome in tries(login, ["wrong " * 3] * 20) if isinstance(outcome, Refusal)]
    assert (statuses.count(401), statuses.count(503)) == (8, 12)


def test_too_little_memory_is_not_taken_for_a_wrong_password(accounts: Accounts, clock: Clock, monkeypatch) -> None:
    def verify(_hash: bytes, _password: bytes, _type: Type) -> bool:
        raise VerificationError("Memory allocation error")

    login = Login(accounts, by_address=Attempts(1, 900.0, clock), by_user=Attempts(1, 60.0, clock))
    with monkeypatch.context() as patched:
        patched.setattr("argon2.low_level.verify_secret", verify)
        patched.setattr("argon2._password_hasher.verify_secret", verify)
        refused = tries(login, [PASSWORD] * 2)
    reason = "The password cannot be checked just now, for memory is short; try again in a moment."
    assert refused == [Refusal(503, reason, 5.0)] * 2
    assert isinstance(tries(login, [PASSWORD])[0], str)


def test_what_was_typed_stays_words_on_the_login_page() -> None:
    page = render_login('"><script>{{problem}}', "wrong")
    assert 'value="&quot;&gt;&lt;script&gt;{{problem}}"' in page
    assert "<script" not in page


# Rates.


def test_a_client_may_take_its_allowance_and_then_what_grows_back(clock: Clock) -> None:
    allowance = Allowance(10.0, 2.0, clock)
    assert [allowance.take("a", 4) for _ in range(3)] == [0, 0, 1.0]
    assert allowance.take("b", 4) == 0
    clock.now += 1.0
    assert allowance.take("a", 4) == 0
    clock.now += 1000
    assert [allowance.take("a", 5) for _ in range(3)] == [0, 0, 2.5]


def test_one_home_has_one_network() -> None:
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert (network_of("10.0.0.1"), network_of("no address")) == ("10.0.0.1", "no address")
    assert [network_of(f"::ffff:{address}") for address in ("1.2.3.4", "9.9.9.9")] == ["1.2.3.4", "9.9.9.9"]


# Connections.


def test_the_connections_of_other_machines_are_counted_each_for_itself() -> None:
    networks = [
        network_of(address) for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "2001:db8::1", "")
    ]
    assert [is_counted(network) for network in networks] == [False, False, False, True, True, False]


def test_the_chat_may_open_more_files_and_leaves_half_for_other_things(monkeypatch) -> None:
    limits = {"files": (1024, 1_048_576)}
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits["files"])
    monkeypatch.setattr(resource, "setrlimit", lambda which, files: limits.update(files=files))
    assert most_connections() == 512
    allow_open_files()
    assert (limits["files"], most_connections()) == ((4096, 1_048_576), 800)
    limits["files"] = (256, 300)
    allow_open_files()
    assert (limits["files"], most_connections()) == ((300, 300), 150)


# Bodies.


def sends(middleware: Callable[..., Any], *parts: bytes, slow: bool = False, path: str = "/") -> tuple[int, bytes]:
    async def application(scope, receive, send):
        message = await receive()
        await PlainTextResponse(f"{len(message['body'])}")(scope, receive, send)

    async def receive():
        if slow:
            await asyncio.sleep(10)
        part = waiting.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(waiting)}

    async def send(message):
        sent.append(message)

    waiting, sent = list(parts), []
    scope = {"type": "http", "method": "POST", "path": path, "headers": []}
    asyncio.run(middleware(application)(scope, receive, send))
    return sent[0]["status"], sent[1]["body"]


def test_a_body_is_counted_as_it_comes() -> None:
    def middleware(app):
        return BodyLimitMiddleware(app, most_bytes=10_000, most_seconds=0.05)

    assert sends(middleware, b"x" * 5_000, b"x" * 5_000) == (200, b"10000")
    assert sends(middleware, b"x" * 5_000, b"x" * 5_001)[0] == 413
    assert sends(middleware, b"x", slow=True)[0] == 408


# Events.

INPUTS = {0: 3, 7: 0}
EVENT = {"fn_index": 0, "session_hash": "a1-b", "trigger_id": 4, "data": [None, "question", True], "event_data": None}


def changed(**fields: object) -> bytes:
    return json.dumps(EVENT | fields).encode()


def test_an_event_is_passed_on_and_what_the_page_never_sends_left_out() -> None:
    extra = changed(batched=True, simple_format=True, event_id="x", oauth_token="y", event_data={"turn": "1"})
    assert json.loads(read_event(extra, INPUTS)) == EVENT | {"event_data": {"turn": "1"}}
    assert json.loads(read_event(b'{"data": ["q", 3], "session_hash": "x"}', None)) == {"data": ["q", 3]}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "must be JSON"),
        (b"[" * 100_000, "must be JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"data": [NaN]}', "must be JSON"),
        (b"\xff\xfe", "must be JSON"),
        (changed(fn_index=1), "no such event"),
        (changed(fn_index=True), "no such event"),
        (changed(fn_index="0"), "no such event"),
        (changed(session_hash="../etc"), "session_hash"),
        (changed(session_hash=None), "session_hash"),
        (changed(data=[1, 2]), "list of length 3"),
        (changed(data={"0": 1}), "list of length 3"),
        (changed(data=[None, {"path": "/etc/passwd"}, True]), "a number or a text"),
        (changed(data=[None, "x" * 8_001, True]), "a number or a text"),
        (changed(data=[None, "\ud800", True]), "a number or a text"),
        (changed(data=[None, 10**10, True]), "a number or a text"),
        (changed(event_data=[1]), "event_data"),
        (changed(event_data={"a": {"b": 1}}), "a number or a text"),
    ],
)
def test_an_event_that_is_none_is_refused(body: bytes, problem: str) -> None:
    with pytest.raises(MalformedEventError, match=problem):
        read_event(body, INPUTS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(), JSON.map(lambda value: json.dumps(value).encode()), st.builds(changed, data=JSON, event_data=JSON)
    )
)
def test_whatever_comes_is_an_event_or_refused(body: bytes) -> None:
    try:
        event = json.loads(read_event(body, INPUTS))
    except MalformedEventError:
        return
    assert set(event) == set(EVENT)
    values = [*event["data"], *(event["event_data"] or {}).values()]
    assert all(value is None or isinstance(value, str | int | float) for value in values)


# Routes.


def test_every_route_is_found_by_its_name_and_little_else_is() -> None:
    assert len({route.name for route in ROUTES}) == len(ROUTES)
    for route in ROUTES:
        path = route.name.replace("{id}", "a1-b").replace("{file}", "js/a-1.min.js")
        assert find_route(path) == route
        assert find_route(path + "/..") is find_route(path + "\n") is find_route(path + "%2e") is None


def test_only_health_and_the_login_are_open_to_everyone() -> None:
    assert {route.name for route in ROUTES if route.access == "open"} == {"/healthz", "/readyz", "/login", "/logout"}
    assert {route.name for route in ROUTES if route.access == "here"} == {"/metrics"}


# What is known of a running chat.

ANSWERED = Turn("Who knows?", answer=Answer("Who knows?", (), (), 0.9, "answered"))


def test_the_log_says_nothing_of_clients_and_questions_unless_asked_to() -> None:
    lines: list[str] = []
    log = Log("requests", write=lines.append)
    log.served(Served("GET", "/", 200, 0.0123, "10.0.0.1"))
    log.answered(ANSWERED, 0.5)
    request, answer = map(json.loads, lines)
    assert datetime.fromisoformat(request.pop("time")).tzinfo == UTC
    assert len(request.pop("client")) == 12
    assert request == {"event": "request", "method": "GET", "route": "/", "status": 200, "ms": 12.3}
    assert (answer["verdict"], answer["ms"]) == ("answered", 500.0)
    assert "10.0.0.1" not in lines[0] and "Who knows" not in lines[1]


def test_the_log_holds_questions_when_asked_to() -> None:
    lines: list[str] = []
    Log("questions", write=lines.append).answered(ANSWERED, 0.5)
    assert json.loads(lines[0])["question"] == "Who knows?"


def test_what_happens_is_measured() -> None:
    measurements = Measurements()
    measurements.served(Served("GET", "/", 200, 0.02, "10.0.0.1"))
    measurements.answered(ANSWERED, 0.3)
    measurements.answered(Turn("Who?", problem="no"), 0.1)
    summary = StoreSummary("g", "m", 1, 42, datetime.now(UTC), ())
    measurements.watch_index(lambda: summary)

    def value(name: str, **labels: str) -> float | None:
        return measurements.registry.get_sample_value(name, labels)

    assert value("docqa_requests_total", method="GET", route="/", status="200") == 1
    assert value("docqa_request_seconds_bucket", route="/", le="0.025") == 1
    assert value("docqa_answers_total", verdict="answered") == value("docqa_answers_total", verdict="problem") == 1
    assert value("docqa_index_passages") == 42
    assert 0 <= (value("docqa_index_age_seconds") or 0) < 5


def test_what_is_loaded_is_not_collected_again() -> None:
    retriever = SimpleNamespace(retrieve=lambda query, count: [])
    health = Health(SimpleNamespace(retriever=lambda: retriever, verify=lambda: None))  # type: ignore[arg-type]
    try:
        health._load()
        assert (health.loaded, gc.get_freeze_count() > 0) == (True, True)
    finally:
        gc.unfreeze()


# What is kept.


ASKED = """
import json, sys
from pathlib import Path
from starlette.testclient import TestClient
from conftest import FakeEmbedder
from docqa.chat import build_chat
from docqa.chat.serving import _application

chat = build_chat(corpus_dir=Path(sys.argv[1]), embeddings_dir=Path(sys.argv[2]), embedder=FakeEmbedder())
(ask,) = (number for number, event in chat.fns.items() if event.api_name == "ask")
heard = ""
with TestClient(_application(chat, [], with_login=False)) as client:
    for n in range(3):
        asked = {"fn_index": ask, "data": [None, f"How long does cake {n} bake?", True], "session_hash": "s"}
        client.post("/gradio_api/queue/join", json=asked)
        heard += client.get("/gradio_api/queue/data", params={"session_hash": "s"}).text
        was_closed, chat.state_holder["s"].is_closed = chat.state_holder["s"].is_closed, True  # its heartbeat breaks
state, queue = chat.state_holder["s"], chat._queue
print(json.dumps({
    "answered": "forty minutes" in heard,
    "turns": [len(value.conversation) for value in state.state_data.values() if hasattr(value, "conversation")],
    "components": len(state.blocks_config.blocks) - len(chat.blocks),
    "settings": len(state.config_values) - len(chat.blocks),
    "values": [config["props"]["value"] for config in state.config_values.values() if "value" in config["props"]],
    "events": [*queue.event_analytics, *queue.event_ids_to_events],
    "pages": chat.state_holder.capacity,
    "was_closed": was_closed,
}))
"""


def test_of_events_nothing_is_kept_but_the_conversation_which_stays_open(
    corpus: Path, store: Path, fake: FakeEmbedder
) -> None:
    docqa.sync(corpus, store, embedder=fake)
    # in a process of its own, for Gradio leaves event loops open
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", ASKED, str(corpus), str(store)]
    said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
    kept = {"components": 0, "settings": 0, "values": [], "events": [], "pages": MOST_PAGES, "was_closed": False}
    assert json.loads(said) == {"answered": True, "turns": [3], **kept}
