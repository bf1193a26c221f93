"""Settings from the environment and ``.env``; an invalid one ends the start with a one-line message."""

import ipaddress
import json
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.utils.mail_server import MailServer

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsError(Exception):
    """A setting is missing or invalid; the message names it and the remedy."""


class Settings(BaseSettings):
    """All settings; field names are the environment variables, case-insensitive."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        env_ignore_empty=True,
        populate_by_name=True,
    )

    # storage
    database_url: str | None = None
    db_host: str | None = None
    db_port: Annotated[int, Field(ge=1, le=65535)] = 5432
    db_name: str | None = None
    db_user: str | None = None
    db_password: SecretStr | None = None
    db_pool_size: Annotated[int, Field(ge=1, le=200)] = 5
    db_max_overflow: Annotated[int, Field(ge=0, le=200)] = 10
    db_pool_recycle: Annotated[int, Field(ge=-1)] = 1800
    db_pool_pre_ping: bool = True
    auto_migrate: bool = True
    redis_url: str | None = None
    anisync_home: Path = Path(".anisync")
    upload_dir: Path | None = None

    # accounts
    secret_key: SecretStr | None = Field(None, validation_alias=AliasChoices("secret_key", "SECRET_KEY"))
    jwt_secret: SecretStr | None = None
    secret_key_previous: SecretStr | None = None
    access_token_expire_minutes: Annotated[int, Field(ge=1, le=1440)] = 15
    refresh_token_expire_days: Annotated[int, Field(ge=1, le=365)] = 7
    session_max_days: Annotated[int, Field(ge=1, le=3650)] = 90
    algorithm: Literal["HS256", "HS384", "HS512"] = "HS256"
    demo_user: bool = False
    registration: Literal["open", "closed"] = "open"

    # HTTP
    allowed_origins: Annotated[list[str], NoDecode] = []
    trusted_proxies: Annotated[list[Network], NoDecode] = []
    metrics_token: SecretStr | None = None
    internal_service_token: SecretStr | None = None
    internal_service_token_previous: SecretStr | None = None
    public_base_url: str | None = None
    app_url: str | None = None
    debug: bool = False
    access_log: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    # mail; without a server mails are written to the log
    smtp_url: SecretStr | None = None
    mail_from: str = "AniSync <anisync@localhost>"

    # upstreams
    jikan_base_url: str = "https://api.jikan.moe/v4"
    anilist_base_url: str = "https://graphql.anilist.co"
    anilist_oauth_url: str = "https://anilist.co/api/v2/oauth"
    anilibria_base_url: str = "https://anilibria.top/api/v1"
    mangadex_base_url: str = "https://api.mangadex.org"
    hianime_base_url: str | None = None
    anilibria_poll_seconds: Annotated[float, Field(ge=1, le=86_400)] = 60
    websocket_max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    node_service_url: str | None = None
    anilist_client_id: str | None = None
    anilist_client_secret: SecretStr | None = None

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: Any) -> Any:
        return _listed(value)

    @field_validator("allowed_origins")
    @classmethod
    def _check_origins(cls, origins: list[str]) -> list[str]:
        return [_origin(origin) for origin in origins]

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_proxies(cls, value: Any) -> Any:
        return _listed(value)

    @field_validator(
        "jikan_base_url", "anilist_base_url", "anilist_oauth_url", "mangadex_base_url", "hianime_base_url",
        "node_service_url", "public_base_url", "app_url",
    )  # fmt: skip
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        return None if url is None else _http_url(url)

    @field_validator("anilibria_base_url")
    @classmethod
    def _check_urls(cls, urls: str) -> str:
        checked = [_http_url(url) for url in _listed(urls)]
        if not checked:
            raise ValueError("contains no URL")
        return ",".join(checked)

    @field_validator("smtp_url")
    @classmethod
    def _check_smtp_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            MailServer.of(url.get_secret_value())
        return url

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, url: str | None) -> str | None:
        return None if url is None else _asyncpg_url(url)

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("use redis://host:6379/0, rediss://… or unix:///path/to/socket")
        return url

    @model_validator(mode="after")
    def _join(self) -> "Settings":
        self._join_secret()
        self._join_database()
        if self.upload_dir is None:
            self.upload_dir = self.anisync_home / "uploads" / "avatars"
        if self.debug:
            warnings.warn("DEBUG is on: never use it on a public server.", stacklevel=2)
        return self

    def _join_secret(self) -> None:
        first, second = self.secret_key, self.jwt_secret
        if first and second and first.get_secret_value() != second.get_secret_value():
            raise ValueError("SECRET_KEY and JWT_SECRET are both set and differ: keep one of them")
        secret = first or second
        if secret and len(secret.get_secret_value().encode()) < 32 and not self.debug:
            name = "SECRET_KEY" if first else "JWT_SECRET"
            raise ValueError(f"{name} is shorter than 32 bytes: make one with `openssl rand -hex 32`")
        self.secret_key = secret

    def _join_database(self) -> None:
        if self.database_url or not self.db_host:
            return
        missing = [name.upper() for name in ("db_name", "db_user") if getattr(self, name) is None]
        if missing:
            raise ValueError(f"DB_HOST is set, so {' and '.join(missing)} must be set too")
        password = self.db_password.get_secret_value() if self.db_password else ""
        login = quote(self.db_user or "", safe="") + (f":{quote(password, safe='')}" if password else "")
        name = quote(self.db_name or "", safe="")
        if self.db_host.startswith("/"):  # the folder of a unix socket
            location = f"/{name}?host={quote(self.db_host, safe='')}&port={self.db_port}"
        else:
            host = f"[{self.db_host}]" if ":" in self.db_host else self.db_host
            location = f"{host}:{self.db_port}/{name}"
        self.database_url = f"postgresql+asyncpg://{login}@{location}"

    @property
    def page_url(self) -> str | None:
        """The URL of the page that mails link to: ``APP_URL``, or our own page if its address is known."""
        return self.app_url or self.public_base_url

    @property
    def upload_folder(self) -> Path:
        """The folder of the avatars."""
        return self.upload_dir or self.anisync_home / "uploads" / "avatars"

    @property
    def secret(self) -> str:
        """The signing key; raises :class:`SettingsError` if it is not set."""
        if self.secret_key is None:
            raise SettingsError("SECRET_KEY is not set: make one with `openssl rand -hex 32`")
        return self.secret_key.get_secret_value()

    @property
    def database(self) -> str:
        """The asyncpg URL; raises :class:`SettingsError` if it is not set."""
        if self.database_url is None:
            raise SettingsError("DATABASE_URL is not set: set it, or start with `anisync up`")
        return self.database_url

    @property
    def redis(self) -> str:
        """The Redis URL; raises :class:`SettingsError` if it is not set."""
        if self.redis_url is None:
            raise SettingsError("REDIS_URL is not set: set it, or start with `anisync up`")
        return self.redis_url


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; raises :class:`SettingsError` with one line that says what to fix."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(fault) for fault in error.errors())) from None
    except (OSError, UnicodeError) as error:
        raise SettingsError(f".env cannot be read as UTF-8 text: {error}") from None


def _explain(fault: Any) -> str:
    where = str(fault["loc"][0]).upper() if fault["loc"] else ""
    text = str(fault["msg"]).removeprefix("Value error, ")
    return f"{where}: {text}" if where else text


def _listed(value: Any) -> Any:
    """Parse a comma-separated list or a JSON array."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError("looks like a JSON array but is not valid JSON") from None
    return [part.strip() for part in value.split(",") if part.strip()]


LOCAL_ORIGINS = ("http://localhost:*", "http://127.0.0.1:*")  # of a page under development, on any port


def _origin(origin: str) -> str:
    if origin in LOCAL_ORIGINS:
        return origin
    if "*" in origin:
        raise ValueError("`*` is not allowed because requests carry credentials: list the exact origins")
    if origin.endswith("/"):
        warnings.warn(f"ALLOWED_ORIGINS: the trailing slash of {origin} was removed.", stacklevel=2)
        origin = origin.rstrip("/")
    parts = urlsplit(origin)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path or parts.query:
        raise ValueError(f"{origin!r} is not an origin like https://app.example.org")
    return origin.lower()


def _http_url(url: str) -> str:
    url = url.strip().rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ValueError(f"{url!r} is not an http(s) URL")
    return url


# Query options of a libpq URL that asyncpg supports, with asyncpg's names for them.
_URL_OPTIONS = {"sslmode": "ssl", "ssl": "ssl", "host": "host", "port": "port"}
_TLS_MODES = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}


def _asyncpg_url(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgresql", "postgres", "postgresql+asyncpg"}:
        raise ValueError("use postgresql://user:password@host:5432/name")
    location, _, query = rest.partition("?")
    options = [_url_option(name, value) for name, value in parse_qsl(query, keep_blank_values=True)]
    return f"postgresql+asyncpg://{location}" + (f"?{urlencode(options, safe='/')}" if options else "")


def _url_option(name: str, value: str) -> tuple[str, str]:
    if name not in _URL_OPTIONS:
        raise ValueError(f"remove {name}: the only supported URL options are {', '.join(_URL_OPTIONS)}")
    if _URL_OPTIONS[name] == "ssl" and value not in _TLS_MODES:
        raise ValueError(f"{name} must be one of {', '.join(sorted(_TLS_MODES))}")
    return _URL_OPTIONS[name], value
