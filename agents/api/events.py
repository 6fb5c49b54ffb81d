"""Server-sent events: what happens, with resume by Last-Event-ID."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent

from agents.api.context import PLAIN, Here, Viewer
from agents.api.problems import responses

events = APIRouter(prefix="/v1", tags=["events"])


@events.get("/events", response_class=EventSourceResponse, responses=responses())
async def follow(
    here: Here, _: Viewer, last_event_id: Annotated[str | None, Header(max_length=60, pattern=PLAIN)] = None
) -> AsyncIterator[ServerSentEvent]:
    """Flags, decisions and tasks as they happen; ``resync`` when what came in between is not known here any more."""
    async for event in here.feed.follow(last_event_id):
        if event is None:
            yield ServerSentEvent(comment="quiet")
        else:
            yield ServerSentEvent(id=event.id, event=event.kind, data=event.data)
