"""Errors as problem documents (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

TYPE = "application/problem+json"
log = structlog.get_logger("tocsin.api")


class ProblemDocument(BaseModel):
    """What went wrong. ``current``: how the thing is now, where that is why."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None
    current: dict[str, Any] | None = None


class Problem(Exception):
    """An answer other than the one asked for."""

    def __init__(
        self, status: int, detail: str, *, current: dict[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.detail, self.current, self.headers = status, detail, current, dict(headers or {})
        super().__init__(detail)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documents these statuses, and those that any call may end in."""
    content = {TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    every = sorted({*statuses, 400, 401, 403, 422})
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in every}


def install(app: FastAPI) -> None:
    """Make every error a problem document; what nobody foresaw is logged by its kind and told as nothing."""

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> JSONResponse:
        return _answer(error.status, error.detail, headers=error.headers, current=error.current)

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        return _answer(error.status_code, str(error.detail), headers=dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        errors = [{"where": [*each["loc"]], "what": each["msg"]} for each in error.errors()]
        return _answer(422, "the request is not as the API describes it", errors=jsonable_encoder(errors))

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        log.error("request_failed", method=request.method, route=request.url.path, error=type(error).__name__)
        return _answer(500, "an error of Tocsin's own; its log has it")


def _answer(status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    given = {name: value for name, value in more.items() if value is not None}
    return JSONResponse({**document, **given}, status, headers=dict(headers or {}), media_type=TYPE)
