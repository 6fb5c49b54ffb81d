"""Lists in pages: the newest first, each page with a cursor to the next."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel
from sqlalchemy import ColumnElement, and_, or_

from agents.api.problems import Problem

Cursor = Annotated[str | None, Query(max_length=400, description="`next` of the page before.")]


class Page(BaseModel):
    """Some items; ``next``: the cursor to those after them, null at the end."""

    items: list[dict[str, Any]]
    next: str | None


def page(rows: Sequence[Any], most: int, place: Callable[[Any], tuple[int, str]], shown: Callable[[Any], dict[str, Any]]) -> Page:
    """Of ``most`` rows and perhaps one more, a page; ``place``: time and id, by which they are ordered."""
    kept = rows[:most]
    following = base64.urlsafe_b64encode(json.dumps(place(kept[-1])).encode()).decode() if len(rows) > most else None
    return Page(items=[shown(row) for row in kept], next=following)


def after(cursor: str | None) -> tuple[int, str] | None:
    """The place that a cursor stands for.

    Raises:
        Problem: 422 for what is none.
    """
    if not cursor:
        return None
    try:
        time, id_ = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        if type(time) is int and type(id_) is str and 0 <= time < 2**62:
            return time, id_
    except (ValueError, TypeError, binascii.Error):
        pass
    raise Problem(422, "cursor: expected `next` of the page before")


def beyond(place: tuple[int, str] | None, time: ColumnElement[int], id_: ColumnElement[str]) -> list[ColumnElement[bool]]:
    """The condition on rows that follow a place, the newest first."""
    return [] if place is None else [or_(time < place[0], and_(time == place[0], id_ < place[1]))]
