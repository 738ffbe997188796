"""What is refused although each variable for itself is well-formed: secrets that anybody knows, plain text, leftovers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from config.settings import MODULES
from config.settings.environment.fields import is_needed, is_secret
from config.settings.environment.servers import is_this_machine

if TYPE_CHECKING:
    from config.settings.environment import Environment

#: A variable, and what is wrong with it: the rest of the sentence that its name begins.
Problem = tuple[str, str]

#: Parts of the secrets that stand in this repository: of the sandbox, the tests, the image and `.env.example`.
_PUBLISHED = (
    "sandbox", "for tests alone", "only-to-collect-static-files", "test_key_secret", "abcdefghijklmnopqrstuvwxyz",
)  # fmt: skip
#: Stands for the letters of a key id in `.env.example`.
_EXAMPLE_KEY_ID = "A1b2C3d4E5f6G7"
_INSECURE = "django-insecure-"


def find_refusals(environment: "Environment", *, module: str) -> list[Problem]:
    """
    Return the variables that are refused, each with what is wrong with it.

    :param module: DJANGO_SETTINGS_MODULE, if it is set
    """
    problems = [*_other_module(environment, module), *_insecure_secrets(environment), *_equal_secrets(environment)]
    if environment.is_strict:
        problems += _unset(environment)
        problems += _published_secrets(environment)
        problems += _addresses(environment)
        problems += _plain_text(environment)
    if environment.ENVIRONMENT == "production":
        problems += _rehearsals(environment)
    return problems


def _other_module(environment: "Environment", module: str) -> Iterator[Problem]:
    """Settings of another environment would undo what is checked for this one; a shop's own module may build upon ours."""
    wanted = MODULES[environment.ENVIRONMENT]
    is_base = module == "config.settings.base" and not environment.is_strict
    if module.startswith("config.settings.") and module != wanted and not is_base:
        mismatch = f"must be {wanted} where ENVIRONMENT is {environment.ENVIRONMENT}, but it is {module!r}"
        yield "DJANGO_SETTINGS_MODULE", f"{mismatch}; for example DJANGO_SETTINGS_MODULE={wanted}."


def _secrets(environment: "Environment") -> Iterator[tuple[str, str]]:
    """Yield each secret that is set, with the name of its variable; URLs are no secrets, though they may hold one."""
    for name, field in type(environment).model_fields.items():
        value = getattr(environment, name)
        if is_secret(field) and isinstance(value, str | list):
            yield from ((name, secret) for secret in ([value] if isinstance(value, str) else value) if secret)


def _insecure_secrets(environment: "Environment") -> Iterator[Problem]:
    for name, secret in _secrets(environment):
        if _INSECURE in secret:
            yield name, f"holds a key that Django marked as insecure ({_INSECURE})"


def _equal_secrets(environment: "Environment") -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, secret in _secrets(environment):
        if (owner := owners.setdefault(secret, name)) != name:
            yield name, f"holds the same secret as {owner}"


def _unset(environment: "Environment") -> Iterator[Problem]:
    for name, field in type(environment).model_fields.items():
        if is_needed(field, environment=environment.ENVIRONMENT) and name not in environment.given:
            yield name, "is not set"


def _published_secrets(environment: "Environment") -> Iterator[Problem]:
    for name, secret in _secrets(environment):
        if any(part in secret for part in _PUBLISHED):
            yield name, "is published in Bahi's repository, so that anybody knows it"
    if _EXAMPLE_KEY_ID in environment.RAZORPAY_KEY_ID:
        yield "RAZORPAY_KEY_ID", "is the example of .env.example; take yours from Razorpay's dashboard."


def _addresses(environment: "Environment") -> Iterator[Problem]:
    """Find hosts that are anybody's, and addresses at which anybody on the way can read and change what is said."""
    if "*" in environment.ALLOWED_HOSTS:
        yield "ALLOWED_HOSTS", "must not be '*'"
    if "PUBLIC_URL" in environment.given and not environment.PUBLIC_URL.startswith("https://"):
        yield "PUBLIC_URL", f"must begin with https://, but it is {environment.PUBLIC_URL!r}"
    for name in ("RAZORPAY_BASE_URL", "MSG91_BASE_URL"):
        url = getattr(environment, name)
        is_rehearsal = environment.ENVIRONMENT == "staging" and _may_be_plain(environment, urlsplit(url).hostname or "")
        if not url.startswith("https://") and not is_rehearsal:
            yield name, f"must begin with https://, but it is {url!r}"
    for origin in environment.CORS_ALLOWED_ORIGINS:
        if not origin.startswith("https://"):
            yield "CORS_ALLOWED_ORIGINS", f"must begin with https://, but one is {origin!r}"


def _plain_text(environment: "Environment") -> Iterator[Problem]:
    """Find the servers that would get passwords and personal data in plain text over a network."""
    database, redis, mail = environment.DATABASE_URL, environment.REDIS_URL, environment.EMAIL_URL
    for name, host, is_encrypted in (
        ("DATABASE_URL", database.host, database.is_encrypted),
        ("REDIS_URL", redis.host, redis.is_encrypted),
        ("EMAIL_URL", mail.host, mail.use_tls or mail.use_ssl),
    ):
        if not is_encrypted and not _may_be_plain(environment, host):
            yield name, f"would talk to {host} in plain text, and PLAINTEXT_HOSTS does not name that host"


def _may_be_plain(environment: "Environment", host: str) -> bool:
    return is_this_machine(host) or host in environment.PLAINTEXT_HOSTS


def _rehearsals(environment: "Environment") -> Iterator[Problem]:
    if environment.RAZORPAY_KEY_ID.startswith("rzp_test_"):
        yield "RAZORPAY_KEY_ID", "is a test key, which is for staging"
    if environment.SANDBOX_URL:
        yield "SANDBOX_URL", "is for staging and must be empty in production; for example SANDBOX_URL=."
