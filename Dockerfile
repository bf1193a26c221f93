# syntax=docker/dockerfile:1

# One image for the API, the worker and the scheduler. It holds no servers: PostgreSQL and Valkey are given.

FROM python:3.14-slim AS build
RUN pip install --no-cache-dir --disable-pip-version-check uv==0.13.8
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /srv/anisync
COPY pyproject.toml uv.lock README.md ./
# The dependencies change less often than the code, so they are a layer of their own.
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --locked --no-default-groups --no-install-project
COPY alembic.ini ./
COPY migrations migrations
COPY app app
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --locked --no-default-groups

FROM python:3.14-slim
RUN groupadd --gid 10001 anisync \
    && useradd --uid 10001 --gid anisync --no-create-home --shell /usr/sbin/nologin anisync \
    && install --directory --owner=anisync --group=anisync --mode=0750 /var/lib/anisync
COPY --from=build /srv/anisync /srv/anisync
ENV PATH=/srv/anisync/.venv/bin:$PATH ANISYNC_HOME=/var/lib/anisync PYTHONUNBUFFERED=1
WORKDIR /srv/anisync
USER 10001:10001
VOLUME /var/lib/anisync
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]
CMD ["anisync", "api", "--host", "0.0.0.0", "--port", "8000"]
