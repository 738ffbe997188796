"""
Where a supply is made, and so which heads of tax it bears (IGST Act 2017, sections 7 to 13).

Knows the cases that an order can have: goods delivered, sent to somebody else or collected, services with the general
rule, export and special economic zones. Not goods installed at a site, nor services tied to a building, an event or
a journey, which no order of a shop describes.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from apps.tax.rules.computation import SupplyType, Treatment
from apps.tax.rules.gstin import gstin_state, is_registered_person
from apps.tax.rules.territories import EXPORT_CODE, STATES, is_supply_state, state_name


class PlaceReason(StrEnum):
    """Why a place is the place of supply."""

    GOODS_DELIVERED = "goods_delivered"
    GOODS_SENT_TO_ANOTHER = "goods_sent_to_another"
    GOODS_COLLECTED = "goods_collected"
    CONSUMER_DELIVERY_ADDRESS = "consumer_delivery_address"
    CONSUMER_BILLING_ADDRESS = "consumer_billing_address"
    CONSUMER_WITHOUT_ADDRESS = "consumer_without_address"
    SERVICE_TO_REGISTERED = "service_to_registered"
    SERVICE_TO_ADDRESS = "service_to_address"
    SERVICE_WITHOUT_ADDRESS = "service_without_address"
    EXPORT_OF_GOODS = "export_of_goods"
    EXPORT_OF_SERVICES = "export_of_services"
    SPECIAL_ECONOMIC_ZONE = "special_economic_zone"


_LAW: Final = {
    PlaceReason.GOODS_DELIVERED: ("10(1)(a)", "The goods are delivered to the registered buyer in {state}."),
    PlaceReason.GOODS_SENT_TO_ANOTHER: (
        "10(1)(b)",
        "The goods are sent elsewhere on the direction of the registered buyer, whose place of business is in {state}.",
    ),
    PlaceReason.GOODS_COLLECTED: ("10(1)(c)", "The registered buyer collects the goods in {state}."),
    PlaceReason.CONSUMER_DELIVERY_ADDRESS: (
        "10(1)(ca)",
        "The buyer is not registered and the delivery address is in {state}.",
    ),
    PlaceReason.CONSUMER_BILLING_ADDRESS: (
        "10(1)(ca)",
        "The buyer is not registered and the address on the invoice is in {state}.",
    ),
    PlaceReason.CONSUMER_WITHOUT_ADDRESS: (
        "10(1)(ca)",
        "The buyer is not registered and no address is recorded, so the seller's state counts: {state}.",
    ),
    PlaceReason.SERVICE_TO_REGISTERED: ("12(2)(a)", "The buyer of the service is registered in {state}."),
    PlaceReason.SERVICE_TO_ADDRESS: (
        "12(2)(b)(i)",
        "The buyer of the service is not registered and the address on record is in {state}.",
    ),
    PlaceReason.SERVICE_WITHOUT_ADDRESS: (
        "12(2)(b)(ii)",
        "The buyer of the service is not registered, without address on record: the seller's state counts: {state}.",
    ),
    PlaceReason.EXPORT_OF_GOODS: ("11(b)", "The goods leave India."),
    PlaceReason.EXPORT_OF_SERVICES: ("13(2)", "The recipient of the service is outside India."),
    PlaceReason.SPECIAL_ECONOMIC_ZONE: (
        "7(5)(b)",
        "A supply to or by a special economic zone is inter-State; this one is made in {state}.",
    ),
}
_EXPORTS: Final = frozenset({PlaceReason.EXPORT_OF_GOODS, PlaceReason.EXPORT_OF_SERVICES})


@dataclass(frozen=True, slots=True)
class PlaceOfSupply:
    """The state of supply (96 for an export), why it is so, and the heads of tax that follow."""

    state: str
    reason: PlaceReason
    supply: SupplyType
    is_zero_rated: bool = False

    @property
    def section(self) -> str:
        """The section of the law."""
        return f"IGST Act 2017, section {_LAW[self.reason][0]}"

    @property
    def explanation(self) -> str:
        """One sentence for people."""
        return _LAW[self.reason][1].format(state=state_name(self.state))


def supply_type(supplier_state: str, place: str) -> SupplyType:
    """
    Return the heads of a supply from one state to a place, special economic zones aside.

    :raises ValueError: if a seller cannot be in that state, or the place does not exist
    """
    _require_state(supplier_state)
    if place != EXPORT_CODE:
        _require_state(place)
    if supplier_state != place:
        return SupplyType.INTER_STATE
    return SupplyType.INTRA_UT if STATES[place].levies_utgst else SupplyType.INTRA_STATE


def place_of_supply(
    *,
    supplier_state: str,
    is_goods: bool = True,
    buyer_gstin: str | None = None,
    bill_to_state: str | None = None,
    ship_to_state: str | None = None,
    ships_to_buyer_itself: bool = False,
    is_collected: bool = False,
    buyer_in_sez: bool = False,
    supplier_in_sez: bool = False,
) -> PlaceOfSupply:
    """
    Decide the place of supply. States are two-digit codes, 96 an address abroad, None what is not recorded.

    Goods for a registered buyer that go to another state than that of its GSTIN count as sent to somebody else on its
    direction, unless `ships_to_buyer_itself`. For a buyer without registration the delivery address goes before the
    billing address (circular 209/3/2024). The holder of a UIN is no registered person.

    :raises ValueError: if a state or the GSTIN is not valid
    """
    _require_state(supplier_state)
    for address in (bill_to_state, ship_to_state):
        if address is not None and address != EXPORT_CODE:
            _require_state(address)
    registered_in = gstin_state(buyer_gstin) if buyer_gstin and is_registered_person(buyer_gstin) else None

    if not is_goods:
        state, reason = _place_of_service(supplier_state, registered_in, bill_to_state or ship_to_state)
    elif registered_in is not None:
        delivery = None if is_collected else ship_to_state or registered_in
        state, reason = _place_of_goods_for_business(
            supplier_state, registered_in, delivery, ships_to_buyer_itself=ships_to_buyer_itself
        )
    else:
        state, reason = _place_of_goods_for_consumer(
            supplier_state, bill_to_state, ship_to_state, is_collected=is_collected
        )

    if reason in _EXPORTS:
        return PlaceOfSupply(state, reason, SupplyType.INTER_STATE, is_zero_rated=True)
    if buyer_in_sez or supplier_in_sez:
        # Zero-rated is only what goes into a zone (section 16); what comes out of one bears IGST.
        return PlaceOfSupply(state, PlaceReason.SPECIAL_ECONOMIC_ZONE, SupplyType.INTER_STATE, buyer_in_sez)
    return PlaceOfSupply(state, reason, supply_type(supplier_state, state))


def treatment_for(place: PlaceOfSupply, *, has_lut: bool, is_reverse_charge: bool = False) -> Treatment:
    """Return who pays the tax: a zero-rated supply goes without payment if the seller has a letter of undertaking."""
    if place.is_zero_rated:
        return Treatment.ZERO_RATED_WITHOUT_PAYMENT if has_lut else Treatment.ZERO_RATED_WITH_PAYMENT
    return Treatment.REVERSE_CHARGE if is_reverse_charge else Treatment.REGULAR


def _place_of_goods_for_business(
    supplier_state: str, registered_in: str, delivery: str | None, *, ships_to_buyer_itself: bool
) -> tuple[str, PlaceReason]:
    if delivery is None:
        return supplier_state, PlaceReason.GOODS_COLLECTED
    if delivery == EXPORT_CODE:
        return EXPORT_CODE, PlaceReason.EXPORT_OF_GOODS
    if delivery != registered_in and not ships_to_buyer_itself:
        return registered_in, PlaceReason.GOODS_SENT_TO_ANOTHER
    return delivery, PlaceReason.GOODS_DELIVERED


def _place_of_goods_for_consumer(
    supplier_state: str, bill_to: str | None, ship_to: str | None, *, is_collected: bool
) -> tuple[str, PlaceReason]:
    # A visitor from abroad who takes the goods along in the shop makes no export of it.
    if bill_to == EXPORT_CODE and is_collected:
        bill_to = None
    delivery = None if is_collected else ship_to
    if (delivery or bill_to) == EXPORT_CODE:
        return EXPORT_CODE, PlaceReason.EXPORT_OF_GOODS
    if delivery is not None:
        return delivery, PlaceReason.CONSUMER_DELIVERY_ADDRESS
    if bill_to is not None:
        return bill_to, PlaceReason.CONSUMER_BILLING_ADDRESS
    return supplier_state, PlaceReason.CONSUMER_WITHOUT_ADDRESS


def _place_of_service(supplier_state: str, registered_in: str | None, address: str | None) -> tuple[str, PlaceReason]:
    if registered_in is not None:
        return registered_in, PlaceReason.SERVICE_TO_REGISTERED
    if address == EXPORT_CODE:
        return EXPORT_CODE, PlaceReason.EXPORT_OF_SERVICES
    if address is not None:
        return address, PlaceReason.SERVICE_TO_ADDRESS
    return supplier_state, PlaceReason.SERVICE_WITHOUT_ADDRESS


def _require_state(code: str) -> None:
    if not is_supply_state(code):
        raise ValueError(f"nobody is registered in state {code!r}")
