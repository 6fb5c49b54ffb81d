"""What the API answers, to whom."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from agents.api.feed import KEPT, Event, Feed
from agents.api.tokens import Tokens
from agents.human.links import Grant, Links
from agents.ledger.clock import FixedClock
from agents.ledger.keyfile import KeyMissing
from agents.ledger.ledger import Ledger
from agents.ledger.schema import audit, decision
from tests.agents.api.serving import application, call, filled
from tests.agents.effects.ledgers import SECOND, decide
from tests.agents.messages import NOW

READ = [
    "/v1/flags",
    "/v1/flags/flag-1",
    "/v1/decisions",
    "/v1/tasks",
    "/v1/tasks/t-1",
    "/v1/deliveries",
    "/v1/endpoints",
    "/v1/silences",
    "/v1/budgets",
]
ANSWER = {"verdict": "block", "note": "seen"}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = filled(tmp_path)
    yield found
    found.close()


@pytest.fixture
def app(tmp_path: Path, ledger: Ledger) -> FastAPI:
    return application(tmp_path, ledger)


@pytest.mark.parametrize("path", READ)
def test_reading_needs_a_token_and_any_role_will_do(app: FastAPI, path: str) -> None:
    refused = call(app, "GET", path, None)
    assert (refused.status_code, refused.headers["content-type"], refused.headers["www-authenticate"]) == (
        401,
        "application/problem+json",
        "Bearer",
    )
    assert call(app, "GET", path, None, headers={"authorization": "Bearer nobody-has-this-one"}).status_code == 401
    assert call(app, "GET", path, "vera").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "who"),
    [
        ("POST", "/v1/tasks/t-1/answer", ANSWER, "vera"), ("POST", "/v1/tasks/t-1/assign", {"assignee": "x"}, "vera"),
        ("POST", "/v1/silences", {"matchers": "true", "until": "2099-01-01T00:00:00Z", "comment": "x"}, "vera"),
        ("POST", "/v1/endpoints/bank", {"enabled": False}, "ana"), ("DELETE", "/v1/silences/x", None, "vera"),
    ],
)  # fmt: skip
def test_changes_need_a_role(app: FastAPI, method: str, path: str, body: Any, who: str) -> None:
    refused = call(app, method, path, who, json=body)
    assert (refused.status_code, refused.json()["title"]) == (403, "Forbidden")


def test_lists_come_in_pages(app: FastAPI) -> None:
    seen, cursor = [], None
    while True:
        found = call(app, "GET", "/v1/flags", params={"limit": 1, **({"cursor": cursor} if cursor else {})}).json()
        seen += [item["id"] for item in found["items"]]
        cursor = found["next"]
        if cursor is None:
            break
    assert sorted(seen) == ["flag-1", "flag-2", "flag-3"] and len(seen) == 3
    assert call(app, "GET", "/v1/flags", params={"cursor": "nonsense"}).status_code == 422
    assert [item["flag_id"] for item in call(app, "GET", "/v1/deliveries", params={"state": "dead"}).json()["items"]] == ["flag-1"]


def test_a_flag_is_told_whole(app: FastAPI) -> None:
    found = call(app, "GET", "/v1/flags/flag-1").json()
    assert found["flag"]["id"] == "flag-1"
    assert (found["answers"][0]["verdict"], found["effects"][0]["state"]) == ("block", "dead")
    waiting = call(app, "GET", "/v1/flags/flag-3").json()
    assert (waiting["answers"], waiting["open"][0]["stage"], waiting["open"][0]["tasks"][0]["id"]) == ([], "human", "t-1")


def test_an_answer_needs_the_version_that_was_seen_and_the_first_one_counts(app: FastAPI, ledger: Ledger) -> None:
    seen = call(app, "GET", "/v1/tasks/t-1")
    assert (seen.headers["etag"], seen.json()["verdicts"]) == ('"1"', ["block", "dismiss"])
    assert call(app, "POST", "/v1/tasks/t-1/answer", "ana", json=ANSWER).status_code == 428
    assert (
        call(app, "POST", "/v1/tasks/t-1/assign", "ana", json={"assignee": "ana"}, headers={"if-match": '"1"'}).headers["etag"]
        == '"2"'
    )
    stale = call(app, "POST", "/v1/tasks/t-1/answer", "ana", json=ANSWER, headers={"if-match": '"1"'})
    assert (stale.status_code, stale.json()["current"]["assignee"]) == (412, "ana")
    wrong = call(app, "POST", "/v1/tasks/t-1/answer", "ana", json={"verdict": "shrug"}, headers={"if-match": '"2"'})
    assert (wrong.status_code, wrong.json()["detail"]) == (422, "verdict: expected one of block, dismiss; found 'shrug'")
    first = call(app, "POST", "/v1/tasks/t-1/answer", "ana", json=ANSWER, headers={"if-match": '"2"'})
    assert (first.status_code, first.json()["task"]["answered_by"]) == (200, "ana")
    late = call(app, "POST", "/v1/tasks/t-1/answer", "ada", json={"verdict": "dismiss"}, headers={"if-match": '"3"'})
    assert (late.status_code, late.json()["current"]["verdict"]) == (409, "block")
    assert ledger.look(lambda c: c.scalars(select(decision.c.verdict).where(decision.c.flag_id == "flag-3")).all()) == ["block"]


def test_two_answers_at_once_make_one_decision(app: FastAPI, ledger: Ledger) -> None:
    import httpx2

    from tests.agents.api.serving import AS

    async def main() -> list[int]:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://t") as client:
            calls = [client.post("/v1/tasks/t-1/answer", json={"verdict": verdict}, headers={**AS["ana"], "if-match": '"1"'})
                     for verdict in ("block", "dismiss") * 4]  # fmt: skip
            return [answer.status_code for answer in await asyncio.gather(*calls)]

    found = asyncio.run(main())
    assert sorted(set(found)) == [200, 409] and found.count(200) == 1


def test_a_signed_link_answers_and_looking_at_it_does_not(app: FastAPI, ledger: Ledger) -> None:
    links = Links("https://tocsin.example", b"k" * 32)
    url = links.link("t-1", "analysts", NOW + 60 * SECOND).removeprefix("https://tocsin.example")
    assert call(app, "GET", url, None).status_code == 200
    assert call(app, "GET", url + "x", None).status_code == 403
    assert call(app, "GET", "/tasks/t-1", None).status_code == 403
    other = links.token(Grant("t-2", "analysts", NOW + 60 * SECOND))
    assert call(app, "GET", f"/tasks/t-1?token={other}", None).status_code == 403
    over = links.token(Grant("t-1", "analysts", NOW))
    assert call(app, "POST", f"/tasks/t-1?token={over}", None, content="verdict=block").status_code == 403
    assert call(app, "POST", url, None, content="verdict=<script>").status_code == 422
    assert call(app, "POST", url, None, content="verdict=block&note=ok").status_code == 200
    again = call(app, "POST", url, None, content="verdict=dismiss")
    assert again.status_code == 409 and "block, by link:analysts" in again.text
    assert "default-src 'none'" in again.headers["content-security-policy"]


def test_deliveries_endpoints_silences_budgets(app: FastAPI, ledger: Ledger) -> None:
    [dead] = call(app, "GET", "/v1/deliveries", params={"state": "dead"}).json()["items"]
    assert call(app, "POST", f"/v1/deliveries/{dead['key']}/retry", "ana").json()["state"] == "ready"
    assert call(app, "POST", f"/v1/deliveries/{dead['key']}/retry", "ana").status_code == 409
    assert call(app, "POST", "/v1/deliveries/none/retry", "ana").status_code == 404
    assert call(app, "POST", "/v1/endpoints/bank", json={"enabled": False}).json()["state"] == "disabled"
    assert call(app, "POST", "/v1/endpoints/other", json={"enabled": False}).status_code == 404
    made = call(
        app, "POST", "/v1/silences", "ana", json={"matchers": "severity = 'low'", "until": "2099-01-01T00:00:00Z", "comment": "x"}
    )
    assert made.status_code == 201
    assert call(app, "DELETE", made.headers["location"], "ana").status_code == 204
    assert call(app, "DELETE", made.headers["location"], "ana").status_code == 404
    for bad in ({"matchers": "severity = "}, {"until": "2001-01-01T00:00:00Z"}, {"until": "soon"}, {"comment": ""}, {"more": 1}):
        given = {"matchers": "true", "until": "2099-01-01T00:00:00Z", "comment": "x", **bad}
        assert call(app, "POST", "/v1/silences", "ana", json=given).status_code == 422
    assert call(app, "GET", "/v1/budgets").json()[0]["remaining"] == "2.500000000"
    kinds = ledger.look(lambda c: c.scalars(select(audit.c.kind)).all())
    assert {"retry", "endpoint", "silence"} <= set(kinds)


def test_large_and_unmeasured_bodies_are_refused(app: FastAPI) -> None:
    assert call(app, "POST", "/v1/silences", content=b"x" * 70_000).status_code == 413
    assert call(app, "GET", "/nowhere").json()["status"] == 404
    assert call(app, "GET", "/v1/flags?limt=1").json()["detail"].startswith("limt: expected one of cursor, limit")


def test_probes_and_metrics_need_no_token(app: FastAPI) -> None:
    assert [call(app, "GET", path, None).status_code for path in ("/healthz", "/readyz", "/metrics")] == [200, 200, 200]
    assert "tocsin_retry_depth" in call(app, "GET", "/metrics", None).text


async def _take(feed: Feed, last: str | None, count: int) -> list[Event]:
    found: list[Event] = []
    async for event in feed.follow(last):
        if event is not None:
            found.append(event)
        if len(found) == count:
            break
    return found


def test_events_go_on_where_they_were_and_a_gap_is_told(ledger: Ledger) -> None:
    feed = Feed(ledger, FixedClock(NOW))

    async def main() -> None:
        await feed.look()
        for number in range(10, 14):
            decide(ledger, number, [])
        await feed.look()
        everything = await _take(feed, f"{feed.epoch}-0", feed._number)
        last = [int(event.id.partition("-")[2]) for event in everything]
        assert last == list(range(1, feed._number + 1))
        assert {event.kind for event in everything} == {"flag", "decision", "task"}
        assert await _take(feed, everything[-3].id, 2) == everything[-2:]
        for gone in ("other-5", f"{feed.epoch}-999", "nonsense"):
            [event] = await _take(feed, gone, 1)
            assert (event.kind, event.id) == ("resync", everything[-1].id)
        following = asyncio.create_task(_take(feed, None, 2))
        await asyncio.sleep(0)
        decide(ledger, 20, [])
        while not following.done():
            await feed.look()
        assert [event.kind for event in following.result()] == ["decision", "flag"]

    asyncio.run(main())


def test_who_was_away_for_too_long_is_told_once(ledger: Ledger) -> None:
    feed = Feed(ledger, FixedClock(NOW))
    for _ in range(KEPT + 5):
        feed._number += 1
        feed._kept.append(Event(f"{feed.epoch}-{feed._number}", "flag", {}))
    [event] = asyncio.run(_take(feed, f"{feed.epoch}-3", 1))
    assert event.kind == "resync"


def test_events_over_a_socket(tmp_path: Path, ledger: Ledger) -> None:
    """As a browser reads them, from a real server."""
    import httpx2

    from agents.api.context import Context
    from agents.api.server import Server
    from tests.agents.api.serving import AS, TOKENS, policy

    async def main() -> list[str]:
        clock = FixedClock(NOW)
        feed = Feed(ledger, clock)
        server = Server(
            Context(ledger, policy(tmp_path), clock, Tokens.from_environment({"TOCSIN_API_TOKENS": TOKENS}, None), feed),
            "127.0.0.1",
            0,
        )
        running = [asyncio.create_task(server.run()), asyncio.create_task(feed.run())]
        lines: list[str] = []
        async with httpx2.AsyncClient(timeout=30) as client:
            url = f"http://127.0.0.1:{server.port}/v1/events"
            assert (await client.get(url)).status_code == 401
            async with client.stream("GET", url, headers={**AS["vera"], "last-event-id": "old-1"}) as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                async for line in answer.aiter_lines():
                    lines.append(line)
                    if line == "event: resync":
                        change_once(ledger)
                    if line == "event: decision":
                        break
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        return lines

    def change_once(ledger: Ledger) -> None:
        decide(ledger, 50, [])

    lines = asyncio.run(main())
    assert lines.index("event: resync") < lines.index("event: decision")
    assert any(line.startswith("id: ") for line in lines)


@pytest.mark.parametrize("given", ["", "vera:viewer:short", "vera:king:viewer-token-000000", ":viewer:viewer-token-000000"])
def test_tokens_that_are_none(given: str) -> None:
    with pytest.raises(KeyMissing, match="TOCSIN_API_TOKENS"):
        Tokens.from_environment({"TOCSIN_API_TOKENS": given}, None)


def test_tokens_from_files(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("# who may what\nvera:viewer:viewer-token-000000\n")
    found = Tokens.from_environment({"TOCSIN_API_TOKENS_FILE": str(tmp_path / "tokens")}, None)
    caller = found.caller("viewer-token-000000")
    assert caller is not None and (caller.name, caller.role) == ("vera", "viewer")
    assert found.caller("viewer-token-00000") is None and "viewer-token" not in repr(found)
    local = Tokens.from_environment({}, tmp_path / "api.token")
    made = local.caller((tmp_path / "api.token").read_text())
    assert made is not None and made.role == "admin" and (tmp_path / "api.token").stat().st_mode & 0o077 == 0
    with pytest.raises(KeyMissing, match="cannot be read"):
        Tokens.from_environment({"TOCSIN_API_TOKENS_FILE": str(tmp_path / "none")}, None)
