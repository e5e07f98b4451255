"""Who the dashboard's server answers, and what its pages may load."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboards.host_guard import LOOPBACK, guard


@pytest.fixture
def client() -> FlaskClient:
    """A client of a guarded server with one page."""
    server = Flask("test")
    server.route("/")(lambda: "page")
    guard(server, LOOPBACK, ["'sha256-abc='"])
    return server.test_client()


@pytest.mark.parametrize("host", ["127.0.0.1:8050", "localhost", "LOCALHOST:1", "[::1]:8050"])
def test_own_names(client: FlaskClient, host: str) -> None:
    """This machine's names are answered, with any port."""
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8050", "10.0.0.7"]
)
def test_foreign_names(client: FlaskClient, host: str) -> None:
    """Names that lead here all the same are refused: pages of other sites use them."""
    assert client.get("/", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_pages_of_other_sites(client: FlaskClient, headers: dict[str, str]) -> None:
    """A request that a page of another site makes is refused."""
    assert client.get("/", headers={"Host": "localhost"} | headers).status_code == 403


def test_addresses_of_a_server_that_others_reach() -> None:
    """Any address in figures is answered, to its own pages alone; other names still are not."""
    server = Flask("test")
    server.route("/")(lambda: "page")
    guard(server, [*LOOPBACK, "workstation"], [], by_address=True)
    client = server.test_client()
    for host in ("192.168.1.20:8050", "[fe80::1]:8050", "workstation:8050"):
        assert client.get("/", headers={"Host": host}).status_code == 200
        own = {"Host": host, "Origin": f"http://{host}"}
        assert client.get("/", headers=own).status_code == 200
        foreign = {"Host": host, "Origin": "http://192.168.1.99:8050"}
        assert client.get("/", headers=foreign).status_code == 403
    assert client.get("/", headers={"Host": "evil.example:8050"}).status_code == 403


def test_own_pages(client: FlaskClient) -> None:
    """Requests of the dashboard's own pages are answered."""
    headers = {"Host": "127.0.0.1:8050", "Origin": "http://127.0.0.1:8050"}
    assert client.get("/", headers=headers | {"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_policy(client: FlaskClient) -> None:
    """Pages load this server's files alone and lie in no frame of others, refusals included."""
    for host in ("localhost", "evil.example"):
        headers = client.get("/", headers={"Host": host}).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "connect-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "'sha256-abc='" in policy
        assert "http" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
