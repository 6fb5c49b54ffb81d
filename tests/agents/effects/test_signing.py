"""Signatures as Standard Webhooks has them, and verdicts on whatever comes in."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from agents.effects.signing import SecretError, check_secret, signed, verify

NOW = 1_790_000_000_000_000
SECOND = 1_000_000
OLD, NEW = "whsec_" + "a" * 32, "whsec_" + "b" * 32
BODY = json.dumps({"a": "ä"}).encode()


def test_the_specification_s_example() -> None:
    """The published vector."""
    found = signed(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330 * SECOND, b'{"test": 2432232314}'
    )
    assert found["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_several_secrets_sign_and_each_verifies() -> None:
    headers = signed([OLD, NEW], "m", NOW, BODY)
    assert len(headers["webhook-signature"].split()) == 2
    assert [verify([secret], headers, BODY, NOW) for secret in (OLD, NEW, "whsec_" + "c" * 32)] == ["ok", "ok", "no_match"]


def test_the_library_verifies_what_we_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    now = int(time.time()) * SECOND
    assert Webhook(OLD).verify(BODY, signed([NEW, OLD], "m", now, BODY)) == {"a": "ä"}


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "ok"), ({"webhook-id": ""}, "missing"), ({"webhook-signature": ""}, "missing"), ({"webhook-timestamp": "soon"}, "malformed"),
        ({"webhook-timestamp": "١٢"}, "malformed"), ({"webhook-timestamp": "9" * 40}, "malformed"), ({"webhook-id": "other"}, "no_match"),
        ({"webhook-timestamp": str(NOW // SECOND - 301)}, "too_old"), ({"webhook-timestamp": str(NOW // SECOND + 301)}, "too_new"),
        ({"webhook-timestamp": str(NOW // SECOND - 300)}, "no_match"), ({"webhook-signature": "v1"}, "no_match"),
        ({"webhook-signature": "v1,%%% v1,\xe9"}, "no_match"), ({"webhook-signature": "v1a,abc"}, "no_match"),
    ],
)  # fmt: skip
def test_verdicts(change: dict[str, str], verdict: str) -> None:
    assert verify([OLD], {**signed([OLD], "m", NOW, BODY), **change}, BODY, NOW) == verdict


def test_bodies_that_are_no_text_are_malformed_not_an_error() -> None:
    assert verify([OLD], signed([OLD], "m", NOW, BODY), b"\xff", NOW) == "malformed"


@given(st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text()), st.binary())
def test_nothing_that_comes_in_raises_or_passes(headers: dict[str, str], body: bytes) -> None:
    assert verify([OLD], headers, body, NOW) != "ok"


@pytest.mark.parametrize(
    "secret", ["hunter2", "whsec_", "whsec_" + base64.b64encode(b"short").decode(), base64.b64encode(b"x" * 65).decode(), "äöü"]
)
def test_secrets_that_are_none_are_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(SecretError, match="endpoint 'bank'.*openssl rand -base64 32") as error:
        check_secret(secret, "bank")
    assert secret == "whsec_" or secret not in str(error.value)
