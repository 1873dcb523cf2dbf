"""The service as an ASGI application: its routes, and what stands before them."""

from typing import Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from asr.serve.errors import Refusal, error_response
from asr.serve.guard import Guard
from asr.serve.metrics import CONTENT_TYPE
from asr.serve.pool import Pool
from asr.serve.records import Records
from asr.serve.service import Service, service_of
from asr.serve.settings import ServeSettings

_CODES: Final = {404: "not_found", 405: "method_not_allowed", 408: "stalled", 413: "too_large"}
_SILENT: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}

_router = APIRouter()


def create_app(settings: ServeSettings, pool: Pool) -> FastAPI:
    """The application of a service; it listens nowhere by itself, and closes nothing."""
    service = Service(settings, pool)
    middleware = [Middleware(Records, service=service)]
    if settings.origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization", "Content-Type"),
        )
        middleware.append(cors)
    middleware.append(Middleware(Guard, service=service))
    app = FastAPI(
        title="asr",
        version="1",
        summary="Offline speech to text, and commands.",
        # Their pages load scripts from other servers; the description itself is at /openapi.json.
        docs_url=None,
        redoc_url=None,
        middleware=middleware,
        max_body_size=settings.max_bytes,
        telemetry=_SILENT,
    )
    app.state.service = service
    app.include_router(_router)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _failed)
    app.add_exception_handler(RequestValidationError, _invalid)
    return app


@_router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether the service answers."""
    return {"status": "ok"}


@_router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """What the service has counted, for Prometheus."""
    return Response(service_of(request).metrics.text(), media_type=CONTENT_TYPE)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    service_of(request).metrics.refusals.labels(error.code).inc()
    return error.response()


async def _failed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code)
    if code in ("stalled", "too_large"):
        service_of(request).metrics.refusals.labels(code).inc()
    message = str(error.detail)
    if code == "too_large":
        message = f"found a body of more than {service_of(request).settings.max_bytes} bytes; send less at a time"
    return error_response(error.status_code, message, code, headers=error.headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """The first of what is wrong with the fields of a request."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path")) or None
    return error_response(400, f"{field or 'body'}: {first['msg']}", "invalid_value", parameter=field)
