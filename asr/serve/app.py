"""The service as an ASGI application: its routes, and what stands before them."""

from typing import Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from asr.errors import AsrError, AudioError, BundleError
from asr.serve.errors import Refusal, error_response
from asr.serve.guard import Guard
from asr.serve.metrics import CONTENT_TYPE
from asr.serve.page import router as page_router
from asr.serve.pool import Pool
from asr.serve.records import LOG, Records
from asr.serve.service import Service, service_of
from asr.serve.settings import ServeSettings
from asr.serve.stream import router as stream_router
from asr.serve.transcriptions import router as transcriptions_router

_CODES: Final = {404: "not_found", 405: "method_not_allowed", 408: "stalled", 413: "too_large", 503: "too_much_held"}
_SILENT: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}

_router = APIRouter()


def create_app(settings: ServeSettings, pool: Pool) -> FastAPI:
    """The application of a service; it listens nowhere by itself, and closes nothing."""
    service = Service(settings, pool)
    routers = (_router, transcriptions_router, stream_router, page_router)
    paths = (getattr(route, "path", "") for router in routers for route in router.routes)
    routes = frozenset(path for path in paths if "{" not in path)
    middleware = [Middleware(Records, service=service, routes=routes)]
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
        form_limits={"max_files": 1, "max_fields": 100, "max_part_size": 1 << 20},
        telemetry=_SILENT,
    )
    app.state.service = service
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(AsrError, _unusable)
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
    _count(request, error.code)
    return error.response()


def _count(request: Request, code: str) -> None:
    """Let metrics and log say for what a request was refused."""
    service_of(request).metrics.refusals.labels(code).inc()
    request.state.record["code"] = code


async def _unusable(request: Request, error: Exception) -> JSONResponse:
    """A recording or commands that cannot be used; a bundle is no business of the client's."""
    if isinstance(error, BundleError):
        LOG.error("the bundle cannot be used", extra={"keys": {"reason": str(error)}})
        request.state.record["code"] = "bundle"
        return error_response(500, "the model of this service cannot do it, and its log says why", "bundle")
    field = "file" if isinstance(error, AudioError) else "commands"
    _count(request, f"invalid_{field}")
    return error_response(400, str(error), f"invalid_{field}", parameter=field)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code)
    if code in ("stalled", "too_large", "too_much_held"):
        _count(request, code)
    return error_response(error.status_code, str(error.detail), code, headers=error.headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """The first of what is wrong with the fields of a request."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    request.state.record["code"] = "invalid_value"
    if first["type"] == "json_invalid":
        return error_response(400, "body: found no JSON, wanted an object of it", "invalid_value")
    field = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path")) or None
    if first["type"] == "missing":
        what = "found none, wanted one"
    elif field == "file":
        what = "found a text, wanted a file, as `curl -F file=@recording.wav` sends it"
    else:
        what = first["msg"]
    return error_response(400, f"{field or 'body'}: {what}", "invalid_value", parameter=field)
