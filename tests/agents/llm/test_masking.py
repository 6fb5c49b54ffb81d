"""Nothing personal leaves, everything comes back."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.ledger.keyfile import KeyMissing
from agents.llm.cleaning import clean_text
from agents.llm.masking import mask, unknown_tokens, unmask
from agents.llm.personal import is_card, is_iban, personal
from agents.llm.sealing import Sealer
from tests.agents.llm.flags import MARKS, card_number, flag, iban


def shown(text: str) -> str:
    """A text as it is shown in a flag's title."""
    found = flag()
    found["data"]["pattern"]["title"] = text
    return str(mask(found, MARKS).flag["data"]["pattern"]["title"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("card 4111 1111 1111 1111 declined", "card <CARD_1> declined"),
        ("4111-1111-1111-1111/5500005555555559", "<CARD_1>/<CARD_2>"),
        ("x4111111111111111y", "x<CARD_1>y"),
        ("4111111111111111 and 4111111111111111", "<CARD_1> and <CARD_1>"),
        ("４１１１１１１１１１１１１１１１", "<CARD_1>"),
        ("4111\u200b1111\u200b1111\u200b1111", "<CARD_1>"),
        ("4111111111111112", "4111111111111112"),
        ("1700000000000000", "1700000000000000"),
        ("IBAN DE89 3704 0044 0532 0130 00 of", "IBAN <IBAN_1> of"),
        ("de89370400440532013000", "<IBAN_1>"),
        ("GB82WEST12345698765432,", "<IBAN_1>,"),
        ("DE88370400440532013000", "DE88370400440532013000"),
        ("write to anna.müller+x@bank.example.com!", "write to <EMAIL_1>!"),
        ("call +49 170 1234567 now", "call <PHONE_1> now"),
        ("call 0241 9876543", "call <PHONE_1>"),
        ("2024-01-02T03:04:05.000006Z 0.0012345678 12:30", "2024-01-02T03:04:05.000006Z 0.0012345678 12:30"),
        ("I am <CARD_1>", "I am (CARD_1)"),
    ],
)
def test_free_text(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_marked_values_wherever_they_stand() -> None:
    found = flag(
        {"holder": "Anna Maria Müller", "account": 77123456, "amount": "3.00", "note": "for anna  MARIA müller, account 77123456"},
        {"holder": "Jo", "mail": None, "note": "Jo and Mrs Müller"},
        features={"last_mail": "not an address"},
        reasons=[{"expression": "x", "value": 77123456, "holds": True}],
    )
    masked = mask(found, MARKS)
    first, second = (event["fields"] for event in masked.flag["data"]["evidence"])
    assert first == {"holder": "<NAME_1>", "account": "<ACCOUNT_1>", "amount": "3.00", "note": "for <NAME_1>, account <ACCOUNT_1>"}
    assert second == {"holder": "<NAME_2>", "mail": None, "note": "Jo and Mrs <NAME_1>"}
    assert masked.flag["data"]["features"] == {"last_mail": "<EMAIL_1>"}
    assert masked.flag["data"]["reasons"][0]["value"] == "<ACCOUNT_1>"
    assert unmask("<NAME_1> paid <CARD_9>", masked.tokens) == "Anna Maria Müller paid <CARD_9>"
    assert unknown_tokens("<NAME_1> <CARD_9>", masked.tokens) == ["<CARD_9>"]


def test_planted_by_the_thousand() -> None:
    chance = random.Random(5)
    digits = lambda n: "".join(chance.choice("0123456789") for _ in range(n))  # noqa: E731
    for i in range(1000):
        pan = card_number(chance.choice("3456") + digits(chance.choice((13, 14, 14, 14))))
        account = iban(chance.choice(("DE", "GB", "FR", "NL")), chance.choice(("WEST", "3704")) + digits(14))
        mail = f"user{i}.{digits(3)}@mail{i % 7}.example"
        name = f"Given{i}x Family{i}y"
        assert is_card(pan) and is_iban(account)
        grouped = " ".join(account[j : j + 4] for j in range(0, len(account), 4))
        found = flag({"holder": name, "pan": pan, "mail": mail, "note": f"{name}: {grouped} / {pan[:4]}-{pan[4:8]}-{pan[8:12]}-{pan[12:]}, {mail}"},
                     {"note": f"{account}; {name.upper()}; {pan}; <{mail}>"})  # fmt: skip
        text = json.dumps(mask(found, MARKS).flag)
        for planted in (pan, account, grouped, mail, name, name.upper(), f"Family{i}y", pan[4:12]):
            assert planted not in text, (planted, text)


@given(st.text(max_size=80))
def test_cleaning_leaves_nothing_that_hides(text: str) -> None:
    result = clean_text(text)
    assert result.isprintable() or not result
    assert not any(char in result for char in "\u202e\u2066\u200b\x00\x1b\n")
    assert clean_text(result) == result


@given(st.text(alphabet="0123456789 -./", max_size=60))
def test_found_pieces_are_apart_and_true(text: str) -> None:
    found = personal(text)
    assert all(a.end <= b.start for a, b in zip(found, found[1:], strict=False))
    for each in found:
        digits = "".join(char for char in text[each.start : each.end] if char.isdigit())
        assert each.kind == "PHONE" or is_card(digits)


def test_sealing(tmp_path: Path) -> None:
    file = tmp_path / "mask.key"
    sealer = Sealer.from_environment({}, file)
    sealed = sealer.seal({"<NAME_1>": "Anna"})
    assert b"Anna" not in sealed and file.stat().st_mode & 0o077 == 0
    assert Sealer.from_environment({}, file).open(sealed) == {"<NAME_1>": "Anna"}
    old = file.read_text()
    from cryptography.fernet import Fernet

    new = Fernet.generate_key().decode()
    rotated = Sealer.from_environment({"TOCSIN_MASK_KEY": f"{new}, {old}"}, None)
    assert rotated.open(sealed) == {"<NAME_1>": "Anna"}
    assert Sealer([new]).open(sealed) is None
    with pytest.raises(KeyMissing, match="TOCSIN_MASK_KEY: expected 32 bytes"):
        Sealer(["short"])
    with pytest.raises(KeyMissing, match="found none"):
        Sealer.from_environment({}, None)
