"""What is said to a client whose request is refused, in the form of OpenAI's API."""

import math
from collections.abc import Mapping

from fastapi.responses import JSONResponse
from pydantic import BaseModel

from asr.errors import AsrError

_KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class ErrorKeys(BaseModel):
    """What an error says of itself."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """An error as OpenAI's clients read it."""

    error: ErrorKeys


class Refusal(AsrError):
    """A request that is not carried out: its status, why, and for how many seconds to keep away where that helps."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        *,
        parameter: str | None = None,
        retry_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.parameter, self.retry_seconds = status, code, parameter, retry_seconds

    def response(self) -> JSONResponse:
        """What the client is answered."""
        headers = {} if self.retry_seconds is None else {"Retry-After": str(math.ceil(self.retry_seconds))}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return error_response(self.status, str(self), self.code, parameter=self.parameter, headers=headers)


class Busy(Refusal):
    """So many wait already that no more are taken."""

    def __init__(self, message: str, code: str = "queue_full") -> None:
        super().__init__(503, message, code, retry_seconds=1)


def error_response(
    status: int,
    message: str,
    code: str | None,
    *,
    parameter: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An answer with an ``ErrorBody``."""
    kind = _KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")
    body = ErrorBody(error=ErrorKeys(message=message, type=kind, param=parameter, code=code))
    return JSONResponse(body.model_dump(), status, headers=dict(headers or {}))
