"""The operations services: health and metrics."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from app.container.foundation import Foundation
from app.services.health import HealthService
from app.services.metrics import MetricsService
from app.utils.background import start_loop
from app.utils.db import migrations
from app.utils.db.database import Database


@dataclass(frozen=True)
class OperationServices:
    health: HealthService
    metrics: MetricsService


@asynccontextmanager
async def build_operations(base: Foundation) -> AsyncIterator[OperationServices]:
    async with AsyncExitStack() as stack:
        # a separate connection: a busy pool must not make the process look unhealthy
        db = Database.connect(base.settings.database, pool_size=1, max_overflow=0, statement_timeout=1)
        stack.push_async_callback(db.close)
        health = HealthService(db, base.redis, wanted=migrations.head_revision())
        stack.push_async_callback(health.close)
        metrics = MetricsService(base.db)
        stack.push_async_callback(metrics.close)
        noting = start_loop(metrics.update_periodically, "figures of the pool")
        stack.callback(noting.cancel)
        yield OperationServices(health=health, metrics=metrics)
