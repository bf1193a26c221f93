"""Accounts: authentication, sessions, passwords, registration, profiles, API tokens and the audit trail."""

from app.services.accounts.audit import audit, count_event
from app.services.accounts.authentication import API_TOKEN_PREFIX, AuthenticationService
from app.services.accounts.blacklist import Blacklist
from app.services.accounts.demo import DEMO_NAME, DEMO_PASSWORD
from app.services.accounts.login_throttle import Attempt, LoginThrottle, subject_of
from app.services.accounts.password_hashing import PasswordHasher
from app.services.accounts.password_rules import check_new_password
from app.services.accounts.reauthentication import KNOWN_FOR, Reauthentication
from app.services.accounts.registration import RegistrationService
from app.services.accounts.token_issuer import TokenIssuer

__all__ = [
    "API_TOKEN_PREFIX",
    "DEMO_NAME",
    "DEMO_PASSWORD",
    "KNOWN_FOR",
    "Attempt",
    "AuthenticationService",
    "Blacklist",
    "LoginThrottle",
    "PasswordHasher",
    "Reauthentication",
    "RegistrationService",
    "TokenIssuer",
    "audit",
    "check_new_password",
    "count_event",
    "subject_of",
]
