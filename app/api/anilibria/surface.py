"""The AniLibria v2 surface: an envelope with specific error codes, and messages in Russian."""

from datetime import UTC, datetime
from typing import Any

from app.api.anilibria import routers
from app.api.surface import Body, Failure, Surface
from app.errors import FieldCode

_MESSAGES = {
    "VALIDATION_ERROR": "Неверные параметры запроса",
    "AUTH_ERROR": "Требуется авторизация",
    "PERMISSION_DENIED": "Недостаточно прав",
    "NOT_FOUND": "Не найдено",
    "METHOD_NOT_ALLOWED": "Метод не поддерживается",
    "CONFLICT_ERROR": "Конфликт с уже сохранёнными данными",
    "PRECONDITION_FAILED": "Объект изменился с момента чтения",
    "PAYLOAD_TOO_LARGE": "Слишком большой запрос",
    "UNSUPPORTED_MEDIA": "Такой тип содержимого не поддерживается",
    "RATE_LIMITED": "Слишком много запросов, попробуйте позже",
    "INTERNAL_ERROR": "Внутренняя ошибка сервера",
    "SERVICE_UNAVAILABLE": "Сервис временно недоступен",
    "UPSTREAM_ERROR": "Ошибка внешнего сервиса",
    "UPSTREAM_UNAVAILABLE": "Внешний сервис недоступен",
    "UPSTREAM_TIMEOUT": "Внешний сервис не ответил вовремя",
    "UPSTREAM_DISABLED": "Внешний сервис не настроен",
    "TITLE_NOT_FOUND": "Тайтл с указанным ID не найден",
}
_FIELD_MESSAGES: dict[FieldCode, str] = {
    "required": "Обязательный параметр",
    "wrong_type": "Неверный тип значения",
    "too_small": "Значение слишком мало",
    "too_large": "Значение слишком велико",
    "too_short": "Слишком короткое значение",
    "too_long": "Слишком длинное значение",
    "not_allowed": "Недопустимое значение",
    "repeated": "Параметр указан несколько раз",
    "unknown": "Неизвестный параметр",
}
_BOUNDS = {"min": "минимум {}", "max": "максимум {}", "allowed": "допустимо: {}"}


def _body(failure: Failure) -> Body:
    code = failure.reason or failure.code
    return {
        "success": False,
        "error": {
            "code": code,
            "message": _MESSAGES.get(code) or _MESSAGES.get(failure.code, failure.message),
            "details": _details(failure.details),
        },
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "request_id": failure.request_id,
    }


def _details(details: Any) -> Any:
    """The same with the messages of fields in Russian."""
    if not isinstance(details, dict) or not isinstance(details.get("errors"), list):
        return details
    errors = [{**error, "message": _field_message(error)} for error in details["errors"]]
    fields: dict[str, list[str]] = {}
    for error in errors:
        fields.setdefault(error["field"], []).append(error["message"])
    return {**details, "fields": fields, "errors": errors}


def _field_message(error: dict[str, Any]) -> str:
    message = _FIELD_MESSAGES.get(error["code"], "Недопустимое значение")
    bounds = [
        text.format(", ".join(map(str, value)) if isinstance(value, list) else value)
        for name, text in _BOUNDS.items()
        if (value := error["params"].get(name)) is not None
    ]
    return f"{message}: {'; '.join(bounds)}" if bounds else message


ANILIBRIA = Surface("anilibria", ("/api/anilibria/v2",), _body, routers, invalid_status=400)
