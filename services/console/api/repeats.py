"""Idempotency-Key: the same create sent twice is done once and answered twice."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi.responses import JSONResponse, Response

from shared.store.client import Store

_KEPT = ("etag", "location")


async def once(
    store: Store, who: str, key: str | None, request: bytes, work: Callable[[], Awaitable[JSONResponse]]
) -> Response:
    """Do the work, or give the answer it gave under this key. What fails is not kept: it may be tried again."""
    if key is None:
        return await work()
    before = await store.idempotency.begin(who, key, request)
    if before is not None:
        return _again(before)
    try:
        answer = await work()
    except BaseException:
        await store.idempotency.forget(who, key)
        raise
    headers = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
    await store.idempotency.finish(
        who, key, {"status": answer.status_code, "headers": headers, "body": bytes(answer.body).decode()}
    )
    return answer


def _again(answer: Mapping[str, Any]) -> Response:
    headers: dict[str, str] = {**answer["headers"], "Idempotent-Replayed": "true"}
    return Response(str(answer["body"]), int(answer["status"]), headers, "application/json")
