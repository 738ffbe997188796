"""What is refused although each variable for itself is well-formed: secrets that anybody knows, plain text, leftovers."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from config.settings import MODULES
from config.settings.environment.fields import example_of, is_needed, is_secret
from config.settings.environment.sections import ROOT
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
#: How a secret is made, which somebody may paste instead of its output.
_COMMAND = "openssl rand"
#: How key ids of Razorpay begin; every browser that pays gets to know them.
_KEY_ID = ("rzp_live_", "rzp_test_")
#: Directories of the system with all that is in them, and those that hold other programs' directories.
_SYSTEM_TREES = (
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr/bin", "/usr/sbin",
)  # fmt: skip
_SHARED_DIRECTORIES = (
    "/", "/home", "/media", "/mnt", "/opt", "/root", "/srv", "/usr", "/usr/lib", "/usr/local", "/usr/share", "/var", "/var/cache",
    "/var/lib", "/var/log", "/var/run", "/var/www", "/tmp", "/var/tmp",  # noqa: S108
)  # fmt: skip


def find_unsafe_settings(environment: "Environment", *, module: str) -> list[Problem]:
    """
    Return the variables that are refused, each with what is wrong with it.

    :param module: DJANGO_SETTINGS_MODULE, if it is set
    """
    problems = [*_other_module(environment, module), *_insecure_secrets(environment), *_equal_secrets(environment)]
    problems += _served_files(environment)
    problems += _own_replica(environment)
    if environment.is_strict:
        problems += _unset(environment)
        problems += _published_secrets(environment)
        problems += _addresses(environment)
        problems += _plain_text(environment)
        problems += _dropped_logs(environment)
    if environment.ENVIRONMENT == "production":
        problems += _rehearsals(environment)
    return problems


def _other_module(environment: "Environment", module: str) -> Iterator[Problem]:
    """Refuse the settings of another environment, which would undo these checks; a shop's own module may build upon ours."""
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
        elif secret.startswith(_KEY_ID):
            yield name, "holds a key id, which is no secret"
        elif _COMMAND in secret or secret == example_of(type(environment).model_fields[name]):
            yield name, "holds words that describe a secret, not the secret"


def _equal_secrets(environment: "Environment") -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, secret in _secrets(environment):
        if (owner := owners.setdefault(secret, name)) != name:
            yield name, f"holds the same secret as {owner}"


def _own_replica(environment: "Environment") -> Iterator[Problem]:
    database, replica = environment.DATABASE_URL, environment.DATABASE_REPLICA_URL
    if replica is None:
        return
    if (replica.host, replica.port) == (database.host, database.port):
        yield "DATABASE_REPLICA_URL", "names the server of DATABASE_URL, which is no replica of itself"
    elif replica.name != database.name:
        yield "DATABASE_REPLICA_URL", f"must name the database {database.name!r}, as DATABASE_URL does"


def _unset(environment: "Environment") -> Iterator[Problem]:
    for name, field in type(environment).model_fields.items():
        if is_needed(field, environment=environment.ENVIRONMENT) and name not in environment.given:
            yield name, "is not set"


def _published_secrets(environment: "Environment") -> Iterator[Problem]:
    for name, secret in _secrets(environment):
        if any(part in secret for part in _PUBLISHED):
            yield name, "is published in Bahi's repository, so it is not secret"
    if _EXAMPLE_KEY_ID in environment.RAZORPAY_KEY_ID:
        yield "RAZORPAY_KEY_ID", "is the example of .env.example; take yours from Razorpay's dashboard."


def _addresses(environment: "Environment") -> Iterator[Problem]:
    """Find hosts that are anybody's, and addresses at which anybody on the way can read and change what is said."""
    if "*" in environment.ALLOWED_HOSTS:
        yield "ALLOWED_HOSTS", "must not be '*'"
    elif "ALLOWED_HOSTS" in environment.given:
        yield from _hosts(environment)
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


def _hosts(environment: "Environment") -> Iterator[Problem]:
    for host in environment.ALLOWED_HOSTS:
        if host.startswith(".") and "." not in host[1:]:
            yield "ALLOWED_HOSTS", f"must not allow every host of a top-level domain, but one is {host!r}"
    public = urlsplit(environment.PUBLIC_URL).hostname or ""
    if "PUBLIC_URL" in environment.given and not any(
        f".{public}".endswith(host) if host.startswith(".") else _without_brackets(host) == public
        for host in map(str.lower, environment.ALLOWED_HOSTS)
    ):
        yield "ALLOWED_HOSTS", f"must name the host of PUBLIC_URL, {public}; for example ALLOWED_HOSTS={public}."


def _without_brackets(host: str) -> str:
    return host.removeprefix("[").removesuffix("]")


def _plain_text(environment: "Environment") -> Iterator[Problem]:
    """Find the servers that would get passwords and personal data in plain text over a network."""
    database, redis, mail = environment.DATABASE_URL, environment.REDIS_URL, environment.EMAIL_URL
    replica = environment.DATABASE_REPLICA_URL or database
    for name, host, is_encrypted in (
        ("DATABASE_URL", database.host, database.is_encrypted),
        ("DATABASE_REPLICA_URL", replica.host, replica.is_encrypted or replica is database),
        ("REDIS_URL", redis.host, redis.is_encrypted),
        ("EMAIL_URL", mail.host, mail.use_tls or mail.use_ssl),
    ):
        if not is_encrypted and not _may_be_plain(environment, host):
            yield name, f"would connect to {host} in plain text, and PLAINTEXT_HOSTS does not name that host"
    is_direct = environment.TRUSTED_PROXY_HOPS == 0 and not is_this_machine(_without_brackets(environment.HOST))
    if is_direct and not environment.SECURE_SSL_REDIRECT:
        reason = "without a proxy (TRUSTED_PROXY_HOPS=0) passwords would cross the network in plain text"
        yield "SECURE_SSL_REDIRECT", f"must be true where HOST is {environment.HOST!r}: {reason}"


def _may_be_plain(environment: "Environment", host: str) -> bool:
    return is_this_machine(host) or host in environment.PLAINTEXT_HOSTS


def _dropped_logs(environment: "Environment") -> Iterator[Problem]:
    """Refuse a level that drops warnings: the security log, and calls of the gateway that failed."""
    if environment.LOG_LEVEL in ("ERROR", "CRITICAL"):
        yield (
            "LOG_LEVEL",
            f"must be DEBUG, INFO or WARNING, but it is {environment.LOG_LEVEL!r}, which drops the security log",
        )


def _served_files(environment: "Environment") -> Iterator[Problem]:
    """Everybody may read what is in STATIC_ROOT, without a log-in."""
    static, documents = environment.STATIC_ROOT, environment.DOCUMENTS_DIR.resolve()
    if static is None:
        return
    for path in dict.fromkeys((static, static.resolve())):
        in_system = any(path.is_relative_to(tree) for tree in _SYSTEM_TREES) or str(path) in _SHARED_DIRECTORIES
        if in_system or path.parent == Path("/home") or ROOT.is_relative_to(path):
            yield "STATIC_ROOT", f"must be a directory for these files alone, but it is {str(static)!r}"
            return
    if documents.is_relative_to(static.resolve()) or static.resolve().is_relative_to(documents):
        yield "STATIC_ROOT", "and DOCUMENTS_DIR must not contain one another, because everybody may read STATIC_ROOT"


def _rehearsals(environment: "Environment") -> Iterator[Problem]:
    if "PUBLIC_URL" in environment.given and is_this_machine(urlsplit(environment.PUBLIC_URL).hostname or ""):
        yield "PUBLIC_URL", f"must be an address that customers reach, but it is {environment.PUBLIC_URL!r}"
    if environment.RAZORPAY_KEY_ID.startswith("rzp_test_"):
        yield "RAZORPAY_KEY_ID", "is a test key, which is for staging"
    if environment.SANDBOX_URL:
        yield "SANDBOX_URL", "is for staging and must be empty in production; for example SANDBOX_URL=."
