"""The API as an ASGI application; probes and metrics beside it."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from agents.api import problems
from agents.api.context import Context, understood
from agents.api.events import events
from agents.api.flags import flags
from agents.api.links import links
from agents.api.operations import operations
from agents.api.tasks import tasks
from agents.telemetry import metrics

LARGEST = 65_536
"""Bytes of a request's body."""


def api(context: Context) -> FastAPI:
    """The application over one process's ledger."""
    app = FastAPI(
        title="Tocsin responder", version="1", docs_url=None, redoc_url=None, responses=problems.responses(413),
        description="Flags and how they were answered. Every error is a problem document (RFC 9457).",
    )  # fmt: skip
    app.state.context = context
    problems.install(app)
    app.middleware("http")(_bounded)
    for router in (flags, tasks, operations, events, links):
        app.include_router(router, dependencies=[Depends(understood)])
    _probes(app, context)
    _with_problems(app)
    return app


def _probes(app: FastAPI, context: Context) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> PlainTextResponse:
        return PlainTextResponse("running")

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> PlainTextResponse:
        try:
            async with asyncio.timeout(5):
                await context.ledger.read(lambda connection: connection.execute(text("SELECT 1")).scalar())
        except (SQLAlchemyError, TimeoutError) as error:
            return PlainTextResponse(f"the ledger does not answer: {type(error).__name__}", 503)
        return PlainTextResponse("ready")

    @app.get("/metrics", include_in_schema=False)
    async def scrape() -> Response:
        return Response(
            await asyncio.to_thread(metrics.exposed, context.ledger, context.clock), media_type=CONTENT_TYPE_PLAIN_0_0_4
        )


async def _bounded(request: Request, following: Any) -> Any:
    """No body larger than ours ever is; chunked ones have no length to look at and are refused."""
    length = request.headers.get("content-length")
    if "transfer-encoding" in request.headers or (length is not None and (not length.isdecimal() or int(length[:12]) > LARGEST)):
        document = {
            "type": "about:blank",
            "title": "Content Too Large",
            "status": 413,
            "detail": f"expected at most {LARGEST} bytes, their number told",
        }
        return JSONResponse(document, 413, media_type=problems.TYPE)
    answer = await following(request)
    answer.headers.setdefault("cache-control", "no-store")
    answer.headers["x-content-type-options"] = "nosniff"
    return answer


def _with_problems(app: FastAPI) -> None:
    """Documents the problem document that all errors are."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        found = made()
        schema = problems.ProblemDocument.model_json_schema()
        found.setdefault("components", {}).setdefault("schemas", {})["ProblemDocument"] = schema
        return found

    app.openapi = openapi  # type: ignore[method-assign]
