"""The URLs of Postgres, Redis and the mail server, in the terms of Django and Celery."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote, urlencode, urlunsplit

from pydantic import BeforeValidator

from config.settings.environment.values import is_host, quoted, split_url

_DATABASE_OPTIONS = frozenset(
    {"sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslnegotiation", "channel_binding", "gssencmode",
     "target_session_attrs", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"}
)  # fmt: skip
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_ENCRYPTED = ("require", "verify-ca", "verify-full")
#: The scheme of EMAIL_URL -> the port that it means, STARTTLS, TLS from the first byte.
_MAIL_SCHEMES = {
    "smtp": (25, False, False),
    "smtp+tls": (587, True, False),
    "smtps": (465, False, True),
    "smtp+ssl": (465, False, True),
}
#: Of a server with TLS: three paths of files, and whether its certificate is checked, which nobody may switch off.
_REDIS_OPTIONS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs"})
_LOCAL = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|::1|/.*", re.IGNORECASE)


@dataclass(frozen=True)
class Database:
    """What DATABASE_URL names; a host that begins with a slash is the directory of a Unix socket."""

    name: str
    user: str
    password: str
    host: str
    port: str
    options: dict[str, str]

    @property
    def is_encrypted(self) -> bool:
        return self.options.get("sslmode") in _ENCRYPTED


@dataclass(frozen=True)
class MailServer:
    """What EMAIL_URL names."""

    host: str
    port: int
    user: str
    password: str
    use_tls: bool
    use_ssl: bool


@dataclass(frozen=True)
class RedisServer:
    """What REDIS_URL names: its URL as the cache takes it, and as Celery does."""

    url: str
    broker_url: str
    host: str
    is_encrypted: bool


def is_this_machine(host: str) -> bool:
    """Return whether a host is this machine itself, or the directory of a Unix socket."""
    return _LOCAL.fullmatch(host) is not None


def read_database(text: Any) -> Any:
    """
    Return the database that a URL such as postgres://user:password@host:5432/name?sslmode=require names.

    :raises ValueError: if it does not name one host and one database, or has an option that is not known
    """
    parts = split_url(text, ("postgres", "postgresql"))
    host, name, options = unquote(parts.hostname or ""), unquote(parts.path[1:]), _read_options(parts.query)
    if "," in host:
        raise ValueError("names several hosts, and Bahi connects to one")
    if host.startswith("/"):
        host = unquote(parts.netloc.rpartition("@")[2].partition(":")[0])  # `hostname` is in lower case
    elif not is_host(host) and ":" not in host:
        raise ValueError("names no host")
    if not name or "/" in name:
        raise ValueError("names no database behind its host")
    _refuse_unknown(options, _DATABASE_OPTIONS)
    if (mode := options.get("sslmode")) is not None and mode not in _SSL_MODES:
        raise ValueError(f"has an sslmode that is none of {', '.join(_SSL_MODES)}")
    return Database(
        name=name,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        host=host,
        port=str(parts.port or ""),
        options=options,
    )


def read_redis(text: Any) -> Any:
    """
    Return the server that a URL such as rediss://user:password@host:6379/0 or unix:///directory/socket?db=0 names.

    :raises ValueError: if it names no host or socket, or a database that is not a number, or has an option that is not known
    """
    parts = split_url(text, ("redis", "rediss", "unix"))
    options = _read_options(parts.query)
    if parts.scheme == "unix":
        _refuse_unknown(options, {"db"})
        if not parts.path.startswith("/"):
            raise ValueError("names no socket")
        if not (database := options.pop("db", "0")).isdigit():
            raise ValueError("names a database that is not a number")
        return RedisServer(
            text, f"redis+socket://{unquote(parts.path)}?virtual_host={database}", "/", is_encrypted=False
        )
    host = parts.hostname or ""
    if not is_host(host) and ":" not in host:
        raise ValueError("names no host")
    if parts.path.strip("/") and not parts.path.strip("/").isdigit():
        raise ValueError("names a database that is not a number")
    _refuse_unknown(options, _REDIS_OPTIONS if parts.scheme == "rediss" else ())
    if options.get("ssl_cert_reqs", "required") != "required":
        raise ValueError("must not switch off the check of the server's certificate (ssl_cert_reqs)")
    if parts.scheme == "rediss":
        options["ssl_cert_reqs"] = "required"  # without it Celery would not check the server's certificate
    url = urlunsplit(parts._replace(query=urlencode(options, safe="/")))
    return RedisServer(url, url, host, is_encrypted=parts.scheme == "rediss")


def _read_options(query: str) -> dict[str, str]:
    """
    Return the options of a URL.

    :raises ValueError: if one is there twice, of which each library would take another
    """
    options = parse_qsl(query, keep_blank_values=True)
    if len(dict(options)) < len(options):
        raise ValueError("has an option twice")
    return dict(options)


def _refuse_unknown(options: Collection[str], known: Collection[str]) -> None:
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(f"has the option {quoted(unknown[0])}, which is not known")


def read_mail_server(text: Any) -> Any:
    """
    Return the mail server that a URL such as smtp+tls://user:password@host:587 names.

    :raises ValueError: if it names no host, or is of another scheme
    """
    parts = split_url(text, tuple(_MAIL_SCHEMES))
    host = parts.hostname or ""
    if not is_host(host) and ":" not in host:
        raise ValueError("names no host")
    if parts.path.strip("/") or parts.query:
        raise ValueError("must end with its host and port")
    port, use_tls, use_ssl = _MAIL_SCHEMES[parts.scheme]
    return MailServer(
        host=host,
        port=parts.port or port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        use_tls=use_tls,
        use_ssl=use_ssl,
    )


DatabaseUrl = Annotated[Database, BeforeValidator(read_database)]
RedisUrl = Annotated[RedisServer, BeforeValidator(read_redis)]
MailUrl = Annotated[MailServer, BeforeValidator(read_mail_server)]
