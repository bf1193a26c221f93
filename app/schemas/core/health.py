"""Schemas of the health checks."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from app.schemas.domain.health import Health


class DatabaseHealthOut(BaseModel):
    """``revision`` is the schema's revision, ``wanted`` the one that this version of the program needs."""

    status: Literal["ok", "error"]
    revision: str | None
    wanted: str


class RedisHealthOut(BaseModel):
    status: Literal["ok", "error"]


class HealthOut(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "status": "ok",
                "database": {"status": "ok", "revision": "20261121_0913", "wanted": "20261121_0913"},
                "redis": {"status": "ok"},
            }
        }
    )

    status: Literal["ok", "degraded", "error"]
    database: DatabaseHealthOut
    redis: RedisHealthOut

    @classmethod
    def of(cls, health: Health) -> "HealthOut":
        schema = health.schema
        return cls(
            status=health.status,
            database=DatabaseHealthOut(
                status="ok" if schema.ready else "error", revision=schema.found, wanted=schema.wanted
            ),
            redis=RedisHealthOut(status="ok" if health.redis else "error"),
        )


class LivenessOut(BaseModel):
    status: Literal["ok"] = "ok"
