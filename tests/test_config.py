"""Settings: every rule, one-line errors, and `.env.example`."""

import json
import re
import warnings
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.engine import make_url

from app.config import Settings, SettingsError, load_settings

LONG = "x" * 32
OTHER = "y" * 32
EXAMPLE = Path(__file__).parents[1] / ".env.example"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment without settings, and a folder without a ``.env``."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def given(environment: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        environment.setenv(name, value)
    return load_settings()


def connect_arguments(settings: Settings) -> dict[str, Any]:
    """The arguments asyncpg would be called with."""
    asyncpg: Any = dialect
    arguments: dict[str, Any] = asyncpg().create_connect_args(make_url(settings.database))[1]
    return arguments


def test_settings_load_without_any_variable(environment: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    assert settings.upload_dir == Path(".anisync/uploads/avatars")
    assert settings.allowed_origins == []
    assert settings.auto_migrate is True
    assert settings.demo_user is False


@pytest.mark.parametrize(
    ("wanted", "name"), [("database", "DATABASE_URL"), ("redis", "REDIS_URL"), ("secret", "SECRET_KEY")]
)
def test_a_missing_setting_is_named_on_first_use(
    environment: pytest.MonkeyPatch, wanted: str, name: str
) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} is not set: .+"):
        getattr(load_settings(), wanted)


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        (
            "postgresql://u:p@h:5433/db",
            {"host": "h", "port": 5433, "user": "u", "password": "p", "database": "db"},
        ),
        ("postgres://u@h/db", {"host": "h", "user": "u", "database": "db"}),
        ("postgresql+asyncpg://u@h/db", {"host": "h", "user": "u", "database": "db"}),
        ("postgresql://u:p%40%2F@h/db", {"host": "h", "user": "u", "password": "p@/", "database": "db"}),
        ("postgresql://u@[::1]:5432/db", {"host": "::1", "port": 5432, "user": "u", "database": "db"}),
        (
            "postgresql://u@h/db?sslmode=require",
            {"host": "h", "user": "u", "database": "db", "ssl": "require"},
        ),
        (
            "postgresql://u@h/db?ssl=verify-full",
            {"host": "h", "user": "u", "database": "db", "ssl": "verify-full"},
        ),
        ("postgresql://u@/db?host=/a%20b/run", {"host": "/a b/run", "user": "u", "database": "db"}),
        (
            "postgresql://u@/db?host=/run&port=6000",
            {"host": "/run", "port": 6000, "user": "u", "database": "db"},
        ),
    ],
)
def test_database_urls_reach_asyncpg(
    environment: pytest.MonkeyPatch, url: str, arguments: dict[str, Any]
) -> None:
    settings = given(environment, DATABASE_URL=url)
    assert settings.database.startswith("postgresql+asyncpg://")
    assert connect_arguments(settings) == arguments
    assert given(environment, DATABASE_URL=settings.database).database == settings.database


@pytest.mark.parametrize(
    ("parts", "arguments"),
    [
        (
            {"DB_HOST": "db", "DB_NAME": "a", "DB_USER": "u"},
            {"host": "db", "port": 5432, "database": "a", "user": "u"},
        ),
        (
            {
                "DB_HOST": "db",
                "DB_PORT": "6000",
                "DB_NAME": "a b",
                "DB_USER": "u@x",
                "DB_PASSWORD": "p:/@?#%",
            },
            {"host": "db", "port": 6000, "database": "a b", "user": "u@x", "password": "p:/@?#%"},
        ),
        (
            {"DB_HOST": "/run/a b", "DB_NAME": "a", "DB_USER": "u"},
            {"host": "/run/a b", "port": 5432, "database": "a", "user": "u"},
        ),
        (
            {"DB_HOST": "fe80::1", "DB_NAME": "a", "DB_USER": "u"},
            {"host": "fe80::1", "port": 5432, "database": "a", "user": "u"},
        ),
    ],
)
def test_the_database_url_is_built_from_its_parts(
    environment: pytest.MonkeyPatch, parts: dict[str, str], arguments: dict[str, Any]
) -> None:
    assert connect_arguments(given(environment, **parts)) == arguments


def test_the_database_url_takes_precedence_over_its_parts(environment: pytest.MonkeyPatch) -> None:
    settings = given(environment, DATABASE_URL="postgresql://u@one/a", DB_HOST="two")
    assert connect_arguments(settings)["host"] == "one"


@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SECRET"])
def test_both_names_of_the_secret_are_accepted(environment: pytest.MonkeyPatch, name: str) -> None:
    assert given(environment, **{name: LONG}).secret == LONG


def test_both_names_may_be_set_to_the_same_secret(environment: pytest.MonkeyPatch) -> None:
    assert given(environment, SECRET_KEY=LONG, JWT_SECRET=LONG).secret == LONG


def test_the_length_of_a_secret_is_in_bytes(environment: pytest.MonkeyPatch) -> None:
    assert given(environment, SECRET_KEY="ы" * 16).secret == "ы" * 16


def test_debug_warns_and_allows_a_short_secret(environment: pytest.MonkeyPatch) -> None:
    with pytest.warns(UserWarning, match="DEBUG is on"):
        assert given(environment, DEBUG="true", SECRET_KEY="short").secret == "short"


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("https://a.example.org", ["https://a.example.org"]),
        (
            " https://a.example.org , http://localhost:3000 ,",
            ["https://a.example.org", "http://localhost:3000"],
        ),
        (
            '["https://a.example.org", "http://b.example.org"]',
            ["https://a.example.org", "http://b.example.org"],
        ),
        ("[]", []),
        ("HTTPS://A.Example.org", ["https://a.example.org"]),
    ],
)
def test_origins_are_a_comma_separated_list_or_an_array(
    environment: pytest.MonkeyPatch, text: str, origins: list[str]
) -> None:
    assert given(environment, ALLOWED_ORIGINS=text).allowed_origins == origins


def test_the_trailing_slash_of_an_origin_is_dropped_with_a_warning(environment: pytest.MonkeyPatch) -> None:
    with pytest.warns(
        UserWarning, match="ALLOWED_ORIGINS: the trailing slash of https://a.example.org/ was removed"
    ):
        settings = given(environment, ALLOWED_ORIGINS="https://a.example.org/")
    assert settings.allowed_origins == ["https://a.example.org"]


def test_proxies_are_addresses_and_networks(environment: pytest.MonkeyPatch) -> None:
    settings = given(environment, TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8,::1")
    assert settings.trusted_proxies == [ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("::1")]


def test_several_hosts_of_anilibria(environment: pytest.MonkeyPatch) -> None:
    settings = given(environment, ANILIBRIA_BASE_URL="https://a.example.org/api/v1/, https://b.example.org")
    assert settings.anilibria_base_url == "https://a.example.org/api/v1,https://b.example.org"


@pytest.mark.parametrize("url", ["redis://h:6379/0", "rediss://u:p@h/1", "unix:///run/valkey.sock?db=2"])
def test_redis_urls(environment: pytest.MonkeyPatch, url: str) -> None:
    assert given(environment, REDIS_URL=url).redis == url


BAD = [
    ({"DATABASE_URL": "mysql://u@h/db"}, "DATABASE_URL: use postgresql://"),
    ({"DATABASE_URL": "h/db"}, "DATABASE_URL: use postgresql://"),
    ({"DATABASE_URL": "postgresql+psycopg://u@h/db"}, "DATABASE_URL: use postgresql://"),
    (
        {"DATABASE_URL": "postgresql://u@h/db?sslmode=maybe"},
        "DATABASE_URL: sslmode must be one of allow, disable",
    ),
    (
        {"DATABASE_URL": "postgresql://u@h/db?channel_binding=require"},
        "DATABASE_URL: remove channel_binding",
    ),
    ({"DATABASE_URL": "postgresql://u@h/db?sslrootcert=/a"}, "DATABASE_URL: remove sslrootcert"),
    ({"DB_HOST": "db"}, "DB_HOST is set, so DB_NAME and DB_USER must be set too"),
    ({"DB_HOST": "db", "DB_NAME": "a"}, "DB_HOST is set, so DB_USER must be set too"),
    ({"DB_PORT": "0"}, "DB_PORT: "),
    ({"DB_PORT": "65536"}, "DB_PORT: "),
    ({"DB_PORT": "many"}, "DB_PORT: "),
    ({"DB_POOL_SIZE": "0"}, "DB_POOL_SIZE: "),
    ({"DB_MAX_OVERFLOW": "-1"}, "DB_MAX_OVERFLOW: "),
    ({"DB_POOL_PRE_PING": "perhaps"}, "DB_POOL_PRE_PING: "),
    ({"REDIS_URL": "http://h"}, "REDIS_URL: use redis://"),
    ({"REDIS_URL": "localhost:6379"}, "REDIS_URL: use redis://"),
    ({"SECRET_KEY": LONG, "JWT_SECRET": OTHER}, "SECRET_KEY and JWT_SECRET are both set and differ"),
    ({"SECRET_KEY": "x" * 31}, "SECRET_KEY is shorter than 32 bytes: make one with"),
    ({"JWT_SECRET": "x" * 31}, "JWT_SECRET is shorter than 32 bytes: make one with"),
    ({"ALGORITHM": "none"}, "ALGORITHM: "),
    ({"ALGORITHM": "RS256"}, "ALGORITHM: "),
    ({"ACCESS_TOKEN_EXPIRE_MINUTES": "0"}, "ACCESS_TOKEN_EXPIRE_MINUTES: "),
    ({"REFRESH_TOKEN_EXPIRE_DAYS": "a week"}, "REFRESH_TOKEN_EXPIRE_DAYS: "),
    ({"ALLOWED_ORIGINS": "*"}, "ALLOWED_ORIGINS: `*` is not allowed"),
    ({"ALLOWED_ORIGINS": "https://a.example.org,*"}, "ALLOWED_ORIGINS: `*` is not allowed"),
    ({"ALLOWED_ORIGINS": '["*"]'}, "ALLOWED_ORIGINS: `*` is not allowed"),
    ({"ALLOWED_ORIGINS": "https://*.example.org"}, "ALLOWED_ORIGINS: `*` is not allowed"),
    ({"ALLOWED_ORIGINS": '["https://a.example.org"'}, "ALLOWED_ORIGINS: looks like a JSON array"),
    ({"ALLOWED_ORIGINS": "[1]"}, "ALLOWED_ORIGINS: "),
    ({"ALLOWED_ORIGINS": "app.example.org"}, "ALLOWED_ORIGINS: 'app.example.org' is not an origin"),
    ({"ALLOWED_ORIGINS": "https://a.example.org/app"}, "ALLOWED_ORIGINS: "),
    ({"TRUSTED_PROXIES": "proxy.example.org"}, "TRUSTED_PROXIES: "),
    ({"TRUSTED_PROXIES": "10.0.0.1/8"}, "TRUSTED_PROXIES: "),
    ({"JIKAN_BASE_URL": "api.jikan.moe"}, "JIKAN_BASE_URL: 'api.jikan.moe' is not an http(s) URL"),
    ({"JIKAN_BASE_URL": "file:///etc/passwd"}, "JIKAN_BASE_URL: "),
    ({"HIANIME_BASE_URL": "ftp://h"}, "HIANIME_BASE_URL: "),
    ({"ANILIBRIA_BASE_URL": "https://a.example.org,b"}, "ANILIBRIA_BASE_URL: 'b' is not an http(s) URL"),
    ({"ANILIBRIA_BASE_URL": ","}, "ANILIBRIA_BASE_URL: contains no URL"),
    ({"PUBLIC_BASE_URL": "example.org"}, "PUBLIC_BASE_URL: "),
    ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL: "),
    ({"DEBUG": "loudly"}, "DEBUG: "),
    ({"AUTO_MIGRATE": "2"}, "AUTO_MIGRATE: "),
]


@pytest.mark.parametrize(("variables", "text"), BAD, ids=[" ".join(case) for case, _ in BAD])
def test_invalid_settings_are_reported_in_one_line(
    environment: pytest.MonkeyPatch, variables: dict[str, str], text: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        given(environment, **variables)
    assert text in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert LONG not in str(refusal.value)


def test_all_invalid_settings_are_reported_together(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"DB_PORT: .+; REDIS_URL: "):
        given(environment, DB_PORT="many", REDIS_URL="nowhere")


def test_empty_variables_count_as_unset(environment: pytest.MonkeyPatch) -> None:
    empty = {name.upper(): "" for name in Settings.model_fields}
    assert given(environment, **empty).model_dump() == Settings(_env_file=None).model_dump()


def test_the_environment_takes_precedence_over_the_env_file(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("DB_POOL_SIZE=7\nlog_level=ERROR\nSOMETHING_ELSE=1\n# ALGORITHM=HS512\n")
    settings = given(environment, LOG_LEVEL="WARNING")
    assert (settings.db_pool_size, settings.log_level, settings.algorithm) == (7, "WARNING", "HS256")


def test_a_binary_env_file_is_reported(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"SECRET_KEY=\xff\xfe")
    with pytest.raises(SettingsError, match=r"^\.env cannot be read as UTF-8 text"):
        load_settings()


def test_secrets_are_not_shown(environment: pytest.MonkeyPatch) -> None:
    secret_names = [name for name in Settings.model_fields if re.search("secret|password|token$", name)]
    values = {name.upper(): LONG for name in secret_names}
    settings = given(environment, **values)
    assert len(secret_names) >= 7
    assert LONG not in repr(settings)
    assert LONG not in str(settings.model_dump())


def example_lines() -> dict[str, str]:
    found = re.findall(r"^#?([A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE)
    assert len(found) == len({name for name, _ in found})
    return dict(found)


def written(default: Any) -> str:
    """A default as written in the file."""
    if default is None or default == [] or default is PydanticUndefined:
        return ""
    return json.dumps(default) if isinstance(default, bool) else str(default)


def test_the_example_lists_every_setting_with_its_default() -> None:
    assert example_lines() == {
        name.upper(): written(field.default) for name, field in Settings.model_fields.items()
    }


def test_the_example_explains_and_changes_nothing(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = EXAMPLE.read_text().splitlines()
    assert all(line.startswith("#") or not line for line in lines)
    (tmp_path / ".env").write_text("\n".join(f"{name}={value}" for name, value in example_lines().items()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_settings().model_dump() == Settings(_env_file=None).model_dump()
