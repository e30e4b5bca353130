"""The gate and the door over HTTP: names it answers to, sessions, tokens, headers, languages, errors."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request, Response
from starlette.testclient import TestClient

from appliance.errors import BusyError, NotFoundError
from appliance.settings import WebSettings
from appliance.store import Store
from appliance.web.door import build_app
from appliance.web.gate import MAX_BODY_BYTES, form, require_role, visitor
from appliance.web.pages import Pages
from appliance.web.people import invite, remove

PASSWORD = "a calm sea in the morning"
SETTINGS = WebSettings(hosts=("labels.example.org",), attempts=3)


def small_app(store: Store, tls: bool = False) -> FastAPI:
    app = build_app(store, SETTINGS, Pages(), tls)

    @app.get("/")
    def start(request: Request) -> Response:
        return Response(visitor(request).name)

    @app.get("/secret")
    def secret(request: Request) -> Response:
        require_role("reviewer", visitor(request))
        return Response("for reviewers")

    @app.get("/broken")
    def broken() -> Response:
        raise RuntimeError("a text that nobody may see")

    @app.get("/busy")
    def busy() -> Response:
        raise BusyError("`<b>later</b>`")

    @app.get("/gone")
    def gone() -> Response:
        raise NotFoundError("there is nothing")

    @app.post("/change")
    async def change(request: Request) -> Response:
        return Response((await form(request)).get("what", "nothing"))

    return app


@pytest.fixture
def store() -> Store:
    return Store.open()


@pytest.fixture
def client(store: Store) -> Iterator[TestClient]:
    yield TestClient(small_app(store), base_url="http://localhost", follow_redirects=False)


def come_in(client: TestClient, store: Store, name: str = "ann", role: str = "annotator") -> str:
    """Join, and return the token of the session."""
    client.cookies.clear()
    _person, code = invite(store, name, role, SETTINGS)
    assert client.post("/join", data={"code": code, "password": PASSWORD}).status_code == 303
    found = re.search(r'name="csrf" content="([0-9a-f]{64})"', client.get("/gone").text)
    assert found
    return found[1]


# -- who enters ----------------------------------------------------------------------------------------------------------


def test_nobody_sees_a_page_before_entering(client: TestClient) -> None:
    answer = client.get("/secret?a=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/enter?then=%2Fsecret%3Fa%3D1")
    assert client.get("/", headers={"hx-request": "true"}).status_code == 401
    assert client.post("/change", data={"what": "x"}).status_code == 303
    assert (
        client.get("/enter").status_code == client.get("/join").status_code == client.get("/health").status_code == 200
    )


def test_an_open_path_opens_no_other(client: TestClient) -> None:
    for path in ("/enter/x", "/joined", "/health/../secret", "/static", "//enter", "/enter/../secret"):
        assert client.get(path).status_code in (303, 404, 421), path
        assert "for reviewers" not in client.get(path).text


def test_joining_entering_and_leaving(client: TestClient, store: Store) -> None:
    token = come_in(client, store)
    assert client.get("/").text == "ann"
    assert client.post("/leave", data={"csrf": token}).headers["location"] == "/enter"
    assert client.get("/").status_code == 303
    answer = client.post("/enter", data={"name": " Ann ", "password": PASSWORD, "then": "/secret?a=1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/secret?a=1")
    assert client.get("/").text == "ann"


def test_who_is_in_may_join_with_another_code(client: TestClient, store: Store) -> None:
    token = come_in(client, store)
    _person, code = invite(store, "bob", "annotator", SETTINGS)
    assert token in client.get("/join").text
    assert client.post("/join", data={"code": code, "password": PASSWORD, "csrf": token}).status_code == 303
    assert client.get("/").text == "bob"


def test_a_session_taken_before_leaving_is_worth_nothing_after(client: TestClient, store: Store) -> None:
    token = come_in(client, store)
    cookies = dict(client.cookies)
    client.post("/leave", data={"csrf": token})
    client.cookies.update(cookies)
    assert client.get("/").status_code == 303


def test_a_wrong_password_is_told_on_the_page(client: TestClient, store: Store) -> None:
    come_in(client, store)
    client.cookies.clear()
    answer = client.post("/enter", data={"name": "ann", "password": "wrong"})
    assert answer.status_code == 403 and "do not match" in answer.text and 'value="ann"' in answer.text
    for _each in range(2):
        client.post("/enter", data={"name": "ann", "password": "wrong"})
    assert client.post("/enter", data={"name": "ann", "password": PASSWORD}).status_code == 429


def test_who_is_dismissed_is_out_with_the_next_request(client: TestClient, store: Store) -> None:
    come_in(client, store)
    remove(store, "ann", store.settings.web)
    assert client.get("/").status_code == 303


def test_a_new_password_ends_the_sessions_of_the_old_one(client: TestClient, store: Store) -> None:
    come_in(client, store)
    assert client.get("/").status_code == 200
    other = TestClient(small_app(store), base_url="http://localhost", follow_redirects=False)
    come_in(other, store)
    assert other.get("/").status_code == 200 and client.get("/").status_code == 303


@pytest.mark.parametrize("then", ["//evil.example", "https://evil.example/", "/\\evil.example", "\\\\evil", "/a\nb", "javascript:alert(1)", ""])  # fmt: skip
def test_entering_leads_nowhere_else(client: TestClient, store: Store, then: str) -> None:
    come_in(client, store)
    client.cookies.clear()
    answer = client.post("/enter", data={"name": "ann", "password": PASSWORD, "then": then})
    assert answer.headers["location"] == "/"


def test_what_a_person_may_not_see_is_not_there(client: TestClient, store: Store) -> None:
    come_in(client, store)
    assert client.get("/secret").status_code == 404 == client.get("/no-such-page").status_code
    come_in(client, store, "rita", "reviewer")
    assert client.get("/secret").text == "for reviewers"


# -- changes -------------------------------------------------------------------------------------------------------------


def test_a_change_needs_the_token_of_its_session(client: TestClient, store: Store) -> None:
    token = come_in(client, store)
    assert client.post("/change", data={"what": "x", "csrf": token}).text == "x"
    assert client.post("/change", data={"what": "x"}, headers={"x-csrf-token": token}).text == "x"
    for wrong in ({}, {"csrf": ""}, {"csrf": token[:-1]}, {"csrf": "0" * 64}):
        assert client.post("/change", data={"what": "x"} | wrong).status_code == 403
    assert client.post("/change", json={"csrf": token}).status_code == 403
    assert client.post("/leave").status_code == 403


def test_the_token_of_another_session_is_worth_nothing(client: TestClient, store: Store) -> None:
    token = come_in(client, store)
    come_in(client, store, "bob")
    assert client.post("/change", data={"csrf": token}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://localhost:81"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}],
)  # fmt: skip
def test_a_change_from_another_site_is_refused(client: TestClient, store: Store, headers: dict[str, str]) -> None:
    token = come_in(client, store)
    assert client.post("/change", data={"csrf": token}, headers=headers).status_code == 403
    client.cookies.clear()
    assert client.post("/enter", data={"name": "ann", "password": PASSWORD}, headers=headers).status_code == 403


def test_a_change_from_our_own_page_is_taken(client: TestClient, store: Store) -> None:
    token = come_in(client, store)
    ours = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    assert client.post("/change", data={"csrf": token, "what": "x"}, headers=ours).text == "x"


def test_a_large_request_is_refused_before_it_is_read(client: TestClient, store: Store) -> None:
    token = come_in(client, store)
    large = {"x-csrf-token": token, "content-length": str(MAX_BODY_BYTES + 1)}
    assert client.post("/change", headers=large).status_code == 413
    chunks = client.post("/change", content=iter([b"what=x"]), headers={"x-csrf-token": token})
    assert chunks.status_code == 413


# -- names, headers, cookies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "localhost:8090", "127.0.0.1:8090", "[::1]:8090", "10.1.2.3", "labels.example.org", "LABELS.example.org:443"])  # fmt: skip
def test_it_answers_to_addresses_and_to_its_names(client: TestClient, host: str) -> None:
    assert client.get("/enter", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "1.2.3.4.evil.example", "999.1.1.1", "", "127.0.0.1:8090@evil"])  # fmt: skip
def test_it_answers_to_no_other_name(client: TestClient, host: str) -> None:
    """A name that an attacker lets point here (DNS rebinding) is not ours."""
    assert client.get("/enter", headers={"host": host}).status_code == 421


def test_every_answer_carries_the_headers(client: TestClient, store: Store) -> None:
    come_in(client, store)
    for path in ("/", "/gone", "/broken", "/static/skerry.css", "/nothing"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"] and "*" not in headers["content-security-policy"]
        assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
        assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in client.get("/").headers


def test_static_files_are_kept_by_their_hash(client: TestClient) -> None:
    paths = re.findall(r'(?:href|src)="(/static/[^"]+)"', client.get("/enter").text)
    assert len(paths) >= 4 and all("?v=" in path for path in paths)
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]


def test_the_cookie_is_out_of_reach(store: Store) -> None:
    client = TestClient(small_app(store, tls=True), base_url="https://localhost", follow_redirects=False)
    _person, code = invite(store, "ann", "annotator", SETTINGS)
    answer = client.post("/join", data={"code": code, "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "secure" in cookie and "domain" not in cookie
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


# -- languages and errors --------------------------------------------------------------------------------------------------


def test_each_reader_has_the_own_language(client: TestClient) -> None:
    assert '<html lang="zh-Hans">' in client.get("/enter", headers={"accept-language": "zh-CN,en;q=0.8"}).text
    assert '<html lang="en">' in client.get("/enter", headers={"accept-language": "fr,en;q=0.8,zh"}).text
    assert client.post("/language", data={"language": "zh", "then": "/enter"}).headers["location"] == "/enter"
    assert '<html lang="zh-Hans">' in client.get("/enter", headers={"accept-language": "en"}).text
    client.post("/language", data={"language": "xx", "then": "/enter"})
    assert '<html lang="zh-Hans">' in client.get("/enter").text


def test_an_error_is_a_page_for_people_and_json_for_scripts(client: TestClient, store: Store) -> None:
    come_in(client, store)
    page = client.get("/busy")
    assert page.status_code == 429 and "<code>&lt;b&gt;later&lt;/b&gt;</code>" in page.text
    script = client.get("/busy", headers={"accept": "application/json"})
    assert script.status_code == 429 and script.json() == {"error": "`<b>later</b>`"}
    assert client.get("/gone").status_code == 404


def test_a_fault_tells_nothing_but_its_number(
    client: TestClient, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    come_in(client, store)
    answer = client.get("/broken")
    written = capsys.readouterr().err
    assert answer.status_code == 500 and "nobody may see" not in answer.text + written
    number = re.search(r"under ([0-9a-f]{12})", answer.text)
    assert number and number[1] in written and '"error": "RuntimeError", "place": "broken:' in written


def test_cookies_that_make_no_sense_are_nobody(client: TestClient) -> None:
    for cookie in ("a=b; ;;;=", "skerry_00000000=\x01", "skerry_language=../../x", "=" * 300):
        assert client.get("/enter", headers={"cookie": cookie}).status_code == 200
        assert client.get("/", headers={"cookie": cookie}).status_code == 303
