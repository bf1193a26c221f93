"""The AniLibria v2 surface: an envelope with specific error codes, and messages in Russian."""

from datetime import UTC, datetime

from app.api.anilibria import routers
from app.api.surface import Body, Failure, Surface

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


def _body(failure: Failure) -> Body:
    code = failure.reason or failure.code
    return {
        "success": False,
        "error": {
            "code": code,
            "message": _MESSAGES.get(code) or _MESSAGES.get(failure.code, failure.message),
            "details": failure.details,
        },
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "request_id": failure.request_id,
    }


ANILIBRIA = Surface("anilibria", ("/api/anilibria/v2",), _body, routers, invalid_status=400)
