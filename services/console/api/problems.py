"""Every error as RFC 9457 problem+json: what, where, remedy. One handler; never a traceback, never a secret."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request

from services.console.configuration.problems import ConfigurationProblems
from shared.domain.errors import AutomatorError, ConfigurationError, Permanent, Transient
from shared.domain.value import Document
from shared.store.rates import TooOften

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5


class Cause(Document):
    """One of several things that are wrong."""

    what: str
    where: str = ""
    remedy: str = ""


class Problem(Document):
    """What every error looks like. `code` is a stable word for programs, `type` the same as a URI."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    where: str = ""
    remedy: str = ""
    problems: tuple[Cause, ...] = ()


class Refused(AutomatorError):
    """The request cannot be done, with its HTTP status."""

    def __init__(
        self, status: int, what: str, *, where: str = "", remedy: str = "", code: str, also: Mapping[str, str] = {}
    ) -> None:
        super().__init__(what, where=where, remedy=remedy, code=code)
        self.status = status
        self.also = dict(also)


STATUS: Mapping[str, int] = {
    "conflict": 409,
    "nothing_waits": 409,
    "mailbox_not_active": 409,
    "import_under_way": 409,
    "not_counted": 409,
    "count_replaced": 409,
    "idempotency_key_busy": 409,
    "idempotency_key_reused": 422,
    "not_storable": 422,
    "too_large": 422,
    "raw_missing": 404,
    "unknown_mailbox": 404,
    "unknown_user": 404,
    "link_invalid": 404,
    "unknown_mail": 404,
    "not_replayable": 409,
    "secret_bound_elsewhere": 422,
    "secret_missing": 422,
    "secret_unreadable": 422,
    "key_file_missing": 503,
    "key_file_unreadable": 503,
    "key_file_invalid": 503,
    "key_invalid": 503,
    "secret_key_missing": 503,
}
"""The HTTP status of errors of the layers below, by their code; others by their fate."""


async def handle(_: Request, error: Exception) -> JSONResponse:
    """The one handler. What it does not know is a 500 that says nothing but that."""
    match error:
        case AutomatorError():
            return _ours(error)
        case RequestValidationError():
            causes = [_cause(one["loc"], one["msg"]) for one in error.errors()]
            return answer(422, "the request is not valid", code="invalid", causes=causes)
        case HTTPException():
            also = dict(error.headers or {})
            code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
            return answer(error.status_code, str(error.detail), code=code, also=also)
        case _:
            remedy = "this is a fault of the program: please report it"
            return answer(500, "internal error", code="internal_error", remedy=remedy)


def answer(
    status: int,
    what: str,
    *,
    code: str,
    where: str = "",
    remedy: str = "",
    causes: Iterable[Cause] = (),
    also: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A problem as a response."""
    problem = Problem(
        type=f"urn:mail-automator:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=what,
        code=code,
        where=where,
        remedy=remedy,
        problems=tuple(causes),
    )
    headers = dict(also or {})
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_SECONDS)
    return JSONResponse(problem.model_dump(mode="json", by_alias=True), status, headers, MEDIA_TYPE)


def _ours(error: AutomatorError) -> JSONResponse:
    match error:
        case Refused():
            return answer(
                error.status, error.what, code=error.code, where=error.where, remedy=error.remedy, also=error.also
            )
        case TooOften():
            also = {"Retry-After": str(error.seconds)}
            return answer(429, error.what, code=error.code, remedy=error.remedy, also=also)
        case ConfigurationProblems():
            causes = [Cause(what=one.what, where=one.where, remedy=one.remedy) for one in error.problems]
            return answer(422, "the configuration does not hold together", code="invalid", causes=causes)
        case _:
            return answer(status_of(error), error.what, code=error.code, where=error.where, remedy=error.remedy)


def status_of(error: AutomatorError) -> int:
    """The HTTP status of an error of the layers below."""
    if error.code in STATUS:
        return STATUS[error.code]
    match error:
        case Transient():
            return 503
        case Permanent() | ConfigurationError():
            return 422
        case _:
            return 500


def _cause(loc: tuple[int | str, ...], message: str) -> Cause:
    return Cause(what=message, where=".".join(map(str, loc)))
