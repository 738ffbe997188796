"""Pure rules of log-in: what a phone number and an address look like, how codes are hashed, how often what may be tried."""

import hashlib
import hmac
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

import phonenumbers
from email_validator import validate_email

from apps.accounts.states import SendFailure, SendStatus
from apps.tax import rules as tax

CODE_LENGTH: Final = 6
CODE_PATTERN: Final = re.compile(rf"\A[0-9]{{{CODE_LENGTH}}}\Z")
CODE_TTL: Final = timedelta(minutes=5)
MAX_ATTEMPTS: Final = 5
RESEND_INTERVAL: Final = timedelta(seconds=30)
#: How long a sender of a code has to itself; well above the time-outs of the gateways.
LEASE: Final = timedelta(seconds=45)
MAX_ADDRESSES: Final = 50
#: Up to this number of attempts the window slides; a higher limit counts in fixed windows.
MAX_SLIDING_WINDOW_HITS: Final = 100

#: Numbers that were let in once are found, whatever countries new accounts come from today.
KNOWN_COUNTRIES: Final = frozenset(phonenumbers.SUPPORTED_REGIONS)

_INDIAN_MOBILE: Final = re.compile(r"\+91[6-9][0-9]{9}")
_TYPED_PHONE: Final = re.compile(r"[0-9+][0-9 ().-]{6,22}[0-9]")
_MOBILE_TYPES: Final = frozenset(
    {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}
)

#: The country code of Indian numbers.
_INDIA = 91


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A number of attempts within a time, for one key."""

    key: str
    allowed: int
    window: timedelta


@dataclass(frozen=True, slots=True)
class OtpRequestLimits:
    """The rate limits of codes that an installation may choose; those of a phone are fixed."""

    per_network_per_hour: int
    per_prefix_per_day: int
    per_day: int


# Phones and e-mail addresses ------------------------------------------------------------------------------------------


def normalise_phone(text: str, *, countries: Collection[str] = ("IN",)) -> str:
    """
    Return a mobile number as it is stored, E.164; without a country code it is Indian.

    Indian numbers are judged by their first digit and length, since the metadata of number series lags behind.

    :raises ValueError: if it is no mobile number of one of these countries (ISO 3166 codes)
    """
    text = text.strip(" ")
    if not _TYPED_PHONE.fullmatch(text):
        raise ValueError("not a phone number")
    try:
        number = phonenumbers.parse(text, "IN")
    except phonenumbers.NumberParseException as error:
        raise ValueError("not a phone number") from error
    e164 = str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    if number.country_code == _INDIA:
        is_ours = "IN" in countries and _INDIAN_MOBILE.fullmatch(e164) is not None
    else:
        is_ours = (
            phonenumbers.region_code_for_number(number) in countries
            and phonenumbers.is_valid_number(number)
            and phonenumbers.number_type(number) in _MOBILE_TYPES
        )
    if not is_ours:
        raise ValueError("not a mobile number that we send to")
    return e164


def normalise_email(text: str) -> str:
    """
    Return an e-mail address as it is stored: lower case, the domain in its ASCII form.

    Quoted local parts, address literals, letters outside ASCII before the @ and domains that are not on the Internet, such
    as shop.local, are refused: hardly any mailbox has them, and look-alikes do. No name server is asked.

    :raises ValueError: if it is no such address
    """
    found = validate_email(text.strip(" "), allow_smtputf8=False, check_deliverability=False, strict=True)
    return str(found.ascii_email).lower()


# Codes ----------------------------------------------------------------------------------------------------------------


def hash_code(*, pepper: str, challenge: str, purpose: str, destination: str, code: str) -> str:
    """Return the keyed hash of a code (HMAC-SHA256, hex), bound to its challenge, purpose and destination."""
    text = f"{challenge}\n{purpose}\n{destination}\n{code}"
    return hmac.new(pepper.encode(), text.encode(), hashlib.sha256).hexdigest()


def requested_at(expires_at: datetime) -> datetime:
    """Return when a code was requested, from when it expires."""
    return expires_at - CODE_TTL


def matches_code(*, pepper: str, challenge: str, purpose: str, destination: str, code: str, code_hash: str) -> bool:
    """Test a code against the keyed hash of the one that was sent, in the same time whatever it is."""
    wanted = hash_code(pepper=pepper, challenge=challenge, purpose=purpose, destination=destination, code=code)
    return hmac.compare_digest(wanted, code_hash)


#: The sentences that say why a code was not sent and what to do, by the reason of its failure.
SEND_FAILURE_MESSAGES: Final[dict[str, str]] = {
    SendFailure.REJECTED: "We could not send a code to this phone number or e-mail address. Check it, or use another one.",
    SendFailure.PROVIDER_UNAVAILABLE: "The code could not be sent now. Request a new one, or use your password.",
    "no_answer": "We do not know whether the code was sent. If it does not arrive, request a new one.",
    "not_sent_in_time": "The code was not sent before it expired. Request a new one.",
}


def derive_send_status(*, status: str, failure: str, is_expired: bool) -> tuple[SendStatus, str]:
    """Return how far the sending of a code has come, and what is wrong with it as a key of SEND_FAILURE_MESSAGES, or nothing."""
    if status == SendStatus.UNKNOWN:
        return SendStatus.UNKNOWN, "no_answer"
    if status == SendStatus.QUEUED and is_expired:
        return SendStatus.FAILED, failure or "not_sent_in_time"
    if status == SendStatus.FAILED:
        return SendStatus.FAILED, failure or SendFailure.REJECTED
    return SendStatus(status), failure


# Sessions -------------------------------------------------------------------------------------------------------------


def refresh_expiry(*, started_at: datetime, now: datetime, lifetime: timedelta, family_lifetime: timedelta) -> datetime:
    """Return until when a refresh token made now is good: for its lifetime, but never beyond that of all tokens of its log-in."""
    return min(now + lifetime, started_at + family_lifetime)


# Budgets --------------------------------------------------------------------------------------------------------------


def client_network(ip: str) -> str:
    """Return the network that counts as one caller: the address itself, of IPv6 its /64."""
    address = ip_address(ip)
    return str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else str(address)


def pseudonym(*, pepper: str, text: str) -> str:
    """Return what stands for a phone or an e-mail address in the key of a rate limit."""
    return hmac.new(pepper.encode(), f"rate-limit\n{text}".encode(), hashlib.sha256).hexdigest()[:32]


def code_rate_limits(
    *, destination: str, purpose: str, ip: str, peppers: Sequence[str], limits: OtpRequestLimits
) -> tuple[RateLimit, ...]:
    """
    Return the rate limits of a code: of its destination, network, number series and day. India's pumping frauds ask for all.

    What is counted under an earlier pepper counts on, so that a new one gives nobody more attempts.
    """
    rate_limits = [
        *destination_rate_limits(destination=destination, purpose=purpose, peppers=peppers),
        RateLimit(f"code:ip:{client_network(ip)}", limits.per_network_per_hour, timedelta(hours=1)),
        RateLimit("code:all", limits.per_day, timedelta(days=1)),
    ]
    if destination.startswith("+"):
        series = [pseudonym(pepper=pepper, text=destination[:-4]) for pepper in peppers]
        rate_limits += [RateLimit(f"code:series:{key}", limits.per_prefix_per_day, timedelta(days=1)) for key in series]
    return tuple(rate_limits)


def destination_rate_limits(*, destination: str, purpose: str, peppers: Sequence[str]) -> tuple[RateLimit, ...]:
    """Return the rate limits of a code's destination, which are restored for a code that was not sent."""
    rate_limits: list[RateLimit] = []
    for pepper in peppers:
        who = pseudonym(pepper=pepper, text=destination)
        rate_limits += [
            RateLimit(f"code:interval:{purpose}:{who}", 1, RESEND_INTERVAL),
            RateLimit(f"code:10min:{who}", 3, timedelta(minutes=10)),
            RateLimit(f"code:day:{who}", 10, timedelta(days=1)),
        ]
    return tuple(rate_limits)


def log_in_rate_limits(*, identity: str, ip: str, peppers: Sequence[str]) -> tuple[RateLimit, ...]:
    """
    Return the rate limits of an attempt with a password, whether there is such an account or not.

    What is counted under an earlier pepper counts on, so that a new one gives nobody more attempts.
    """
    rate_limits = [RateLimit(f"login:ip:{client_network(ip)}", 5, timedelta(minutes=1))]
    for pepper in peppers:
        rate_limits += _attempt_rate_limits(pseudonym(pepper=pepper, text=identity))
    return tuple(rate_limits)


def known_device_rate_limits(*, device_id: str, user_id: str) -> tuple[RateLimit, ...]:
    """Return the rate limits of an attempt on a device that the user (a public id) has logged in on: strangers cannot use them up."""
    return _attempt_rate_limits(f"{device_id}:{user_id}")


def _attempt_rate_limits(who: str) -> tuple[RateLimit, ...]:
    return (
        RateLimit(f"login:minute:{who}", 5, timedelta(minutes=1)),
        RateLimit(f"login:hour:{who}", 20, timedelta(hours=1)),
    )


# Addresses ------------------------------------------------------------------------------------------------------------

#: What an e-invoice carries of an address; what is left out may be empty.
ADDRESS_TEXTS: Final = {
    "name": tax.NAME_LIMITS,
    "company": tax.NAME_LIMITS,
    "line1": tax.ADDRESS_LINE1_LIMITS,
    "line2": tax.ADDRESS_LINE2_LIMITS,
    "city": tax.PLACE_LIMITS,
}
_OPTIONAL: Final = frozenset({"company", "line2"})


@dataclass(frozen=True, slots=True)
class AddressTextError:
    """A text of an address that an e-invoice does not carry: its field, why, and the bounds that it must keep."""

    field: str
    refusal: tax.TextRefusal
    limits: tax.TextLimits


def find_address_text_error(texts: Mapping[str, str]) -> AddressTextError | None:
    """Return the first text of an address, by field, that no e-invoice carries, or None."""
    for field, limits in ADDRESS_TEXTS.items():
        text = texts[field]
        if not text and field in _OPTIONAL:
            continue
        refusal = tax.check_text(text, limits)
        if refusal is not None:
            return AddressTextError(field, refusal, limits)
    return None


def find_address_error(*, state: str, pin: str, gstin: str) -> tuple[str, str] | None:
    """
    Return the field of an Indian address that is wrong and a code that says why, or None.

    The state may be empty: then it is the PIN code's, and the GSTIN is judged by its form alone.
    """
    if state and not tax.is_supply_state(state):
        return "state", "unknown_state"
    if not tax.is_pin(pin):
        return "pin", "not_a_pin"
    if not gstin:
        return None
    check = tax.check_gstin(gstin)
    if check.refusal is not None:
        return "gstin", str(check.refusal)
    if state and tax.gstin_state(gstin) != state:
        return "gstin", "gstin_of_another_state"
    return None


def find_address_warnings(*, pin: str) -> tuple[tuple[str, str], ...]:
    """Return the fields of an address that was accepted and should be looked at again, each with a code that says why."""
    return () if tax.is_known_pin_prefix(pin) else (("pin", "unknown_pin_prefix"),)
