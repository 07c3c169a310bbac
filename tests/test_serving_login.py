"""The login as people and programs use it, in a real browser and by ``gradio_client``; and how a chat ends."""

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AuthenticationError
from playwright.sync_api import Browser, Page, expect

from docqa.chat.guarding.passwords import write_hash
from docqa.chat.guarding.routes import CALL, LOGIN, LOGOUT
from serving import INSIDE, PASSWORD, Chat, chat_in
from test_chat_page import browser, photograph  # noqa: F401

WRONG = "not the password at all"


@pytest.fixture(scope="module")
def hash_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("passwords") / "anna.hash"
    write_hash(file, PASSWORD)
    return file


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory, hash_file: Path) -> Iterator[Chat]:
    with chat_in(tmp_path_factory.mktemp("login"), password=hash_file) as served:
        yield served
        assert "Traceback" not in served.log


def open_login(browser: Browser, chat: Chat, **settings: object) -> Page:  # noqa: F811
    page = browser.new_context(**settings).new_page()
    page.goto(chat.url)
    expect(page).to_have_url(chat.url + LOGIN)
    return page


DRAFT = "sessionStorage.getItem('docqa-draft')"
"""What a page puts back when it has lost its connection."""


def log_in(page: Page, password: str = PASSWORD) -> None:
    page.get_by_label("User").fill("anna")
    page.get_by_label("Password").fill(password)
    page.get_by_label("Password").press("Enter")


def test_who_logs_in_asks_and_who_logs_out_is_out_everywhere(chat: Chat, browser: Browser) -> None:  # noqa: F811
    page = open_login(browser, chat, viewport={"width": 1280, "height": 860})
    photograph(page, "login-light")
    expect(page.get_by_label("User")).to_be_focused()
    assert page.get_by_label("Password").get_attribute("autocomplete") == "current-password"
    log_in(page)
    expect(page.locator(".docqa-welcome")).to_be_visible(timeout=30_000)
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("docqa-session", True, "Strict")

    other = page.context.new_page()
    other.goto(chat.url)
    expect(other.locator(".docqa-welcome")).to_be_visible(timeout=30_000)
    other.get_by_role("button", name="Log out").scroll_into_view_if_needed()
    photograph(other, "logout-light")
    other.get_by_label("Your question").fill("What does Anna ask?")
    assert other.evaluate(DRAFT) == "What does Anna ask?"
    other.get_by_role("button", name="Log out").click()
    expect(other).to_have_url(chat.url + LOGIN)
    assert other.evaluate(DRAFT) == ""
    assert page.context.cookies() == []
    # the page that stayed open is led to the login by its next look at the corpus
    expect(page).to_have_url(chat.url + LOGIN, timeout=15_000)
    page.go_back()
    expect(page).to_have_url(chat.url + LOGIN)
    expect(page.get_by_text(INSIDE)).to_have_count(0)


def test_the_login_needs_no_scripts_and_fits_a_small_dark_window(chat: Chat, browser: Browser) -> None:  # noqa: F811
    page = open_login(
        browser, chat, java_script_enabled=False, color_scheme="dark", viewport={"width": 320, "height": 568}
    )
    log_in(page, WRONG)
    expect(page.get_by_role("alert")).to_have_text("The user or the password is wrong.")
    expect(page.get_by_label("User")).to_have_value("anna")
    expect(page.get_by_label("Password")).to_have_value("")
    photograph(page, "login-narrow-dark")
    log_in(page)
    expect(page).to_have_url(chat.url + "/")


@pytest.mark.parametrize(
    ("status", "said"),
    [(429, "That was a lot at once; try again in a second."), (503, "currently busy. Please try again.")],
)
def test_who_cannot_be_answered_now_is_told_so_and_keeps_the_question(
    chat: Chat,
    browser: Browser,  # noqa: F811
    status: int,
    said: str,
) -> None:
    page = open_login(browser, chat)
    log_in(page)
    expect(page.locator(".docqa-welcome")).to_be_visible(timeout=30_000)
    page.route("**/queue/join*", lambda route: route.fulfill(status=status, json={"detail": said}))
    page.get_by_label("Your question").fill("What is the word of the day?")
    page.get_by_label("Your question").press("Enter")
    expect(page.get_by_text(said).first).to_be_visible()
    expect(page.get_by_label("Your question")).to_have_value("What is the word of the day?")


def test_the_api_is_used_with_the_password(chat: Chat) -> None:
    client = Client(chat.url, auth=("anna", PASSWORD), verbose=False)
    assert INSIDE in client.predict("What is the word of the day?", 1, api_name="/retrieve")[0]["text"]
    with pytest.raises(AuthenticationError):
        Client(chat.url, auth=("anna", WRONG), verbose=False)


def test_a_token_is_of_no_use_after_the_logout(chat: Chat) -> None:
    with httpx.Client(base_url=chat.url) as client:
        assert client.post(LOGIN, data={"username": "anna", "password": PASSWORD}).json() == {"success": True}
        token = client.cookies["docqa-session"]
        assert client.get("/config").status_code == 200
        client.post(LOGOUT)
        assert client.get("/config", headers={"cookie": f"docqa-session={token}"}).status_code == 401
        assert client.get("/config").status_code == 401


def test_a_login_makes_a_new_session_and_ends_the_one_before(chat: Chat) -> None:
    with httpx.Client(base_url=chat.url) as client:
        tokens = []
        for _ in range(2):
            client.post(LOGIN, data={"username": "anna", "password": PASSWORD})
            tokens.append(client.cookies["docqa-session"])
        assert tokens[0] != tokens[1]
        client.cookies.clear()
        answers = [client.get("/config", headers={"cookie": f"docqa-session={token}"}) for token in tokens]
        assert [answer.status_code for answer in answers] == [401, 200]


def test_a_form_on_another_site_logs_nobody_in(chat: Chat) -> None:
    form = {"username": "anna", "password": PASSWORD}
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
        answer = httpx.post(chat.url + LOGIN, data=form, headers=headers)
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize("body", [b"", b"username", b"=&=&=", b"%ff=%ff&username=%00", b"a=1&" * 1_000, b"\xff"])
def test_a_form_that_is_none_logs_nobody_in(chat: Chat, body: bytes) -> None:
    answer = httpx.post(chat.url + LOGIN, content=body)
    assert (answer.status_code in (401, 429), "set-cookie" in answer.headers) == (True, False)


def test_wrong_passwords_at_full_speed_are_limited_and_the_right_one_works_after_the_pause(
    tmp_path: Path, hash_file: Path
) -> None:
    statuses: list[int] = []

    def guess() -> None:
        with httpx.Client(base_url=chat.url, timeout=30) as client:
            for number in range(40):
                form = {"username": "anna", "password": f"{WRONG} {number}"}
                statuses.append(client.post(LOGIN, data=form).status_code)

    with chat_in(tmp_path, password=hash_file) as chat:
        guessers = [threading.Thread(target=guess) for _ in range(8)]
        for guesser in guessers:
            guesser.start()
        assert httpx.get(chat.url + "/healthz", timeout=60).text == "alive"
        assert len(statuses) < 320  # it was answered before the guesses were
        for guesser in guessers:
            guesser.join()
        assert len(statuses) == 320
        assert statuses.count(401) <= 12 and set(statuses) <= {401, 429, 503}
        paused = httpx.post(chat.url + LOGIN, data={"username": "anna", "password": PASSWORD})
        if paused.status_code == 429:
            assert paused.json()["detail"].startswith("That was wrong too often; try again in ")
            time.sleep(int(paused.headers["retry-after"]))
        assert httpx.post(chat.url + LOGIN, data={"username": "anna", "password": PASSWORD}).status_code == 200


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_an_answer_in_flight_is_finished_before_the_chat_ends(tmp_path: Path, stop: signal.Signals) -> None:
    with chat_in(tmp_path, seconds=1.5) as chat, httpx.Client(base_url=chat.url, timeout=30) as client:
        event = client.post(CALL, json={"data": ["What is the word of the day?", 1]}).json()["event_id"]
        threading.Timer(0.5, lambda: chat.process.send_signal(stop)).start()
        answer = client.get(f"{CALL}/{event}").text
        assert INSIDE in answer and "event: complete" in answer
        assert chat.process.wait(timeout=20) == (0 if stop == signal.SIGTERM else -signal.SIGINT)


def test_a_second_ctrl_c_breaks_nothing_off_in_the_middle(tmp_path: Path) -> None:
    with chat_in(tmp_path) as chat:
        for _ in range(2):
            chat.process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        chat.process.wait(timeout=20)
    assert "ERROR:" not in chat.log  # as uvicorn shows what it broke off
