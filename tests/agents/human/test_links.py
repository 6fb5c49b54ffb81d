"""Signed links."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.human.links import BadLink, Grant, Links
from agents.ledger.keyfile import KeyMissing

LINKS = Links("https://tocsin.example", b"0123456789abcdef")


def test_a_link_opens_its_task_until_it_is_due() -> None:
    link = LINKS.link("t1", "analysts", 100)
    address, token = link.split("?token=")
    assert address == "https://tocsin.example/tasks/t1"
    assert LINKS.read(token, "t1", 99) == Grant("t1", "analysts", 100)
    with pytest.raises(BadLink, match="the link is over: the task was due"):
        LINKS.read(token, "t1", 100)
    with pytest.raises(BadLink, match="expected a link to this task"):
        LINKS.read(token, "t2", 1)


@pytest.mark.parametrize("change", [lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), lambda t: "A" + t, lambda t: t.split(".")[0],
                                    lambda t: "", lambda t: "é.ü", lambda t: Links("x", b"another key 1234").token(Grant("t1", "a", 100))])  # fmt: skip
def test_changed_tokens_open_nothing(change: object) -> None:
    token = LINKS.token(Grant("t1", "a", 100))
    with pytest.raises(BadLink, match="its signature does not fit"):
        LINKS.read(change(token), "t1", 1)  # type: ignore[operator]


def test_keys(tmp_path: Path) -> None:
    assert Links.from_environment({}, tmp_path / "k") is None
    url = {"TOCSIN_URL": "https://x.example/"}
    made, again = (Links.from_environment(url, tmp_path / "link.key") for _ in range(2))
    assert made is not None and made == again and made.address == "https://x.example" and "key" not in repr(made)
    assert (tmp_path / "link.key").stat().st_mode & 0o077 == 0
    with pytest.raises(KeyMissing, match="TOCSIN_LINK_KEY: expected a key"):
        Links.from_environment(url, None)
    with pytest.raises(KeyMissing, match="at least 16 characters; found 5"):
        Links.from_environment({**url, "TOCSIN_LINK_KEY": "short"}, None)
