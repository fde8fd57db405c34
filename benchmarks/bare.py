"""What the API is measured against: a bare FastAPI route with one Redis round trip."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from redis.asyncio import Redis

_redis: Redis = Redis.from_url(os.environ.get("CLOUD_REDIS_URL", "redis://127.0.0.1:6379/0"))


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await _redis.aclose()


app = FastAPI(lifespan=_lifespan)


@app.post("/bare", status_code=201)
async def bare(request: Request) -> dict[str, Any]:
    """Read the body, make one round trip, answer."""
    body = await request.body()
    return {"bytes": len(body), "count": await _redis.incr("bare")}
