"""One shape for every error answer: `{"error": {type, code, value, rule, remedy, message}}`."""

from __future__ import annotations

import traceback
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from medssl.core.errors import AccessError, InputError, MedSSLError, NotFoundError, ResourceError, StateError
from medssl.server.gate.access import TooLarge

STATUS = ((NotFoundError, 404), (InputError, 400), (StateError, 409), (ResourceError, 507), (AccessError, 403))


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(MedSSLError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unknown)


def answer(error: MedSSLError, status: int, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The error as JSON."""
    return JSONResponse({"error": error.as_dict()}, status, headers)


def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, MedSSLError)
    return answer(error, next((status for kind, status in STATUS if isinstance(error, kind)), 500))


def _invalid(request: Request, error: Exception) -> Response:
    """The first thing that is wrong with a request: a rule of the protocol that is broken, a name or a type."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    rule = first.get("ctx", {}).get("error")
    if isinstance(rule, MedSSLError):
        return _known(request, rule)
    kind, where = first["type"], ".".join(str(part) for part in first["loc"][1:]) or "body"
    if kind == "json_invalid":
        refusal = InputError("body", f"is not JSON ({first['ctx']['error']})", "Send a JSON object")
    elif kind == "missing":
        refusal = InputError(where, "is missing", "Give it a value", code="field-missing")
    elif kind == "unexpected_keyword_argument":
        refusal = InputError(where, "is unknown", "/docs lists the names that are known")
    else:
        refusal = InputError(f"{where} = {first.get('input')!r}"[:300], first["msg"], "See /docs")
    return answer(refusal, 400)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, TooLarge):
        return answer(error.error, error.status_code)
    kind = NotFoundError if error.status_code == 404 else InputError
    refusal = kind(f"{request.method} {request.url.path}", str(error.detail), "See /docs")
    return answer(refusal, error.status_code, error.headers)


def _gone(request: Request, error: Exception) -> Response:
    """The client has left in the midst of its request: nobody reads this, and it is no fault of the server."""
    return answer(InputError("request", "broke off", "Send it again", code="request-broken-off"), 400)


def _unknown(request: Request, error: Exception) -> Response:
    traceback.print_exception(error)
    remedy = "Its log has the details"
    return answer(MedSSLError(f"{type(error).__name__}: {error}", "was not expected by the server", remedy), 500)
