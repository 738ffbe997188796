"""The customers of a generated shop: each follows from its number, so that none has to be remembered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from devtools.generate.copies import Values
from devtools.generate.identifiers import base_of, id_values, mix
from devtools.generate.patterns import FRACTION_MS
from devtools.generate.plays import DELHI, HOME, KARNATAKA, STATES

_FIRST: Final = (
    "Aarav", "Aditi", "Ajay", "Amit", "Ananya", "Anil", "Anjali", "Arjun", "Asha", "Bala", "Chitra", "Deepa", "Deepak", "Divya",
    "Farhan", "Gaurav", "Gita", "Harish", "Imran", "Isha", "Jyoti", "Karan", "Kavita", "Kiran", "Lakshmi", "Mahesh", "Manoj",
    "Meera", "Mohan", "Nandini", "Neha", "Nikhil", "Pooja", "Prakash", "Priya", "Rahul", "Rajesh", "Ramesh", "Rekha", "Ritu",
    "Rohan", "Sachin", "Sana", "Sandeep", "Sanjay", "Shalini", "Simran", "Sneha", "Sunil", "Sunita", "Suresh", "Swati", "Tara",
    "Uday", "Usha", "Varun", "Vijay", "Vikram", "Yash", "Zoya",
)  # fmt: skip
_LAST: Final = (
    "Agarwal", "Bhat", "Bose", "Chauhan", "Chopra", "Das", "Deshmukh", "Dutta", "Gandhi", "Ghosh", "Gowda", "Gupta", "Iyer", "Jain",
    "Joshi", "Kapoor", "Khan", "Kulkarni", "Kumar", "Mehta", "Menon", "Mishra", "Nair", "Naidu", "Pandey", "Patel", "Patil", "Pillai",
    "Rao", "Reddy", "Roy", "Saxena", "Shah", "Sharma", "Shetty", "Singh", "Sinha", "Thakur", "Varma", "Yadav",
)  # fmt: skip
_STREETS: Final = (
    "Gandhi Road", "Station Road", "Temple Street", "Lake View Road", "Market Road", "Park Street", "Ring Road", "School Lane",
)  # fmt: skip
#: City and PIN code by state; the first is of where the seller is.
PLACES: Final = {HOME: ("Pune", "411030"), KARNATAKA: ("Bengaluru", "560001"), DELHI: ("New Delhi", "110001")}
#: Of four customers, two live in the seller's state.
_STATE_OF: Final = (HOME, KARNATAKA, HOME, DELHI)
#: The most customers that have phone numbers of their own.
MOST: Final = 2_999_999_999
_FIRST_PHONE: Final = 7_000_000_000


@dataclass(frozen=True)
class Marks:
    """What the customer of the played orders is called, so that it is found again in any text."""

    name: str
    first_name: str
    phone: str
    email: str
    line1: str

    @property
    def exact(self) -> dict[str, str]:
        """The texts with the names of their holes."""
        return {
            self.name: "c_name", self.first_name: "c_first", self.phone: "c_phone", self.phone.removeprefix("+"): "c_digits",
            self.email: "c_email", self.line1: "c_line1",
        }  # fmt: skip


def marks_of(state: str) -> Marks:
    """Return what the played customer of a state is called."""
    at = STATES.index(state)
    return Marks(
        f"Zqfirst{at} Zqlast{at}", f"Zqfirst{at}", f"+91999990000{at}", f"zqmail{at}@example.com", f"Zqhouse{at} Road"
    )


class People:
    """
    The customers, who signed up one after another before the shop's first order.

    :param begin: the second at which the first did
    :param seconds: in how many seconds all did
    """

    def __init__(self, count: int, *, begin: int, seconds: int, seed: int) -> None:
        self.count = count
        self._begin, self._seconds, self._seed = begin, seconds, seed

    def state_of(self, number: int) -> str:
        """Return the state that a customer lives in."""
        return _STATE_OF[number % len(_STATE_OF)]

    def signed_up_at(self, number: int) -> int:
        """Return the second at which a customer signed up."""
        return self._begin + number * self._seconds // self.count

    def bits_of(self, number: int) -> int:
        """Return the free bits of the ids of a customer's rows."""
        return mix(self._seed, "customer", number)

    def fill(self, values: Values, number: int) -> None:
        """Add the values of the holes that are about a customer."""
        value = base_of(self.signed_up_at(number) * 1000 + FRACTION_MS, 0) + self.bits_of(number)
        first, last = _FIRST[number % len(_FIRST)], _LAST[number // len(_FIRST) % len(_LAST)]
        phone = str(_FIRST_PHONE + number)
        values |= id_values("cu", value)
        values["c_first"], values["c_name"] = first, f"{first} {last}"
        values["c_phone"], values["c_digits"] = f"+91{phone}", f"91{phone}"
        values["c_email"] = f"{first.lower()}.{last.lower()}.{number}@example.com"
        values["c_line1"] = f"{number % 397 + 1} {_STREETS[number % len(_STREETS)]}"
