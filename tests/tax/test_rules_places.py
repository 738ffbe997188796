"""GSTIN, states and the place of supply."""

from typing import Any

import pytest
from stdnum.in_ import gstin as stdnum_gstin

from apps.tax.rules import (
    STATES,
    GstinKind,
    GstinRefusal,
    PlaceReason,
    SupplyType,
    Treatment,
    check_gstin,
    gstin_check_character,
    gstin_state,
    is_pin,
    is_registered_person,
    is_supply_state,
    pan_of,
    place_of_supply,
    state_name,
    supply_type,
    treatment_for,
)

INTRA, UT, INTER = SupplyType.INTRA_STATE, SupplyType.INTRA_UT, SupplyType.INTER_STATE

VALID = [
    "27AAPFU0939F1ZV",
    "29ABCPE1234F1Z7",
    "07ABCCE1234F1Z4",
    "24ABCFK5678L2ZU",
    "09ABCHR9876K1Z6",
    "19ABCTS4321M1Z5",
    "04ABCPE1234F1ZJ",
    "38ABCCL1111A1ZA",
    "27ABCPE1234FAZ2",
    "32ABCAX7777B1ZC",
]
GSTIN_MAHARASHTRA, GSTIN_KARNATAKA = VALID[0], VALID[1]


def with_check(body: str) -> str:
    return body + gstin_check_character(body)


UIN = with_check("0717UNO00157UN")
OIDAR = with_check("9917USA29001OS")


class TestGstin:
    @pytest.mark.parametrize("gstin", VALID)
    def test_accepts_a_valid_number(self, gstin: Any) -> None:
        check = check_gstin(gstin)

        assert (check.is_valid, check.gstin, check.kind, check.refusal) == (True, gstin, GstinKind.NORMAL, None)

    @pytest.mark.parametrize(
        ("gstin", "refusal"),
        [
            ("27AAPFU0939F1ZA", GstinRefusal.WRONG_CHECK_CHARACTER),
            ("27AAPFU0939F1Z", GstinRefusal.WRONG_LENGTH),
            ("27AAPFU0939F1ZVX", GstinRefusal.WRONG_LENGTH),
            ("00AAPFU0939F1ZB", GstinRefusal.UNKNOWN_STATE),
            ("39AAPFU0939F1ZQ", GstinRefusal.UNKNOWN_STATE),
            ("27AAPFU0993F1ZV", GstinRefusal.WRONG_CHECK_CHARACTER),
            ("27AAPFUO939F1ZV", GstinRefusal.WRONG_PAN),
            ("27ABCXE1234F1ZV", GstinRefusal.UNKNOWN_PAN_HOLDER),
            ("27ABCPE0000F1ZP", GstinRefusal.WRONG_PAN_SERIAL),
            ("27AAPFU0939F0ZW", GstinRefusal.WRONG_ENTITY),
            ("27AAPFU0939F1KP", GstinRefusal.WRONG_FOURTEENTH_CHARACTER),
            ("29ABCPE1234F1Z8", GstinRefusal.WRONG_CHECK_CHARACTER),
            ("29AWGPV7107B1Z1", GstinRefusal.WRONG_CHECK_CHARACTER),
            ("01AMBPG7773M002", GstinRefusal.WRONG_ENTITY),
            ("", GstinRefusal.WRONG_LENGTH),
            ("27AAPFU0939F1-V", GstinRefusal.WRONG_CHARACTERS),
            ("27AAPFU0939F1Zſ", GstinRefusal.WRONG_CHARACTERS),
            ("२७AAPFU0939F1ZV", GstinRefusal.WRONG_CHARACTERS),
            (with_check("25AAPFU0939F1Z"), GstinRefusal.RETIRED_STATE),
            (with_check("28AAPFU0939F1Z"), GstinRefusal.RETIRED_STATE),
            (with_check("96AAPFU0939F1Z"), GstinRefusal.UNKNOWN_STATE),
            (with_check("99AAPFU0939F1Z"), GstinRefusal.UNKNOWN_STATE),
        ],
    )
    def test_says_why_a_number_is_refused(self, gstin: Any, refusal: Any) -> None:
        check = check_gstin(gstin)

        assert (check.is_valid, check.kind, check.refusal) == (False, None, refusal)

    def test_normalises_blanks_and_case(self) -> None:
        assert check_gstin(" 27aapfu0939f1zv ").gstin == GSTIN_MAHARASHTRA

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            ("97AAPFU0939F1Z", GstinKind.NORMAL),
            ("07DELA12345A1D", GstinKind.TAX_DEDUCTOR),
            ("27AAPFU0939F1C", GstinKind.TAX_COLLECTOR),
            ("0717UNO00157UN", GstinKind.UIN),
            ("0717ABC00157ON", GstinKind.UIN),
            ("2917ABC00157NR", GstinKind.NON_RESIDENT),
            ("9917USA29001OS", GstinKind.OIDAR),
        ],
    )
    def test_accepts_the_other_kinds_of_registration(self, body: Any, kind: Any) -> None:
        assert check_gstin(with_check(body)).kind is kind

    def test_accepts_government_departments(self) -> None:
        bodies = [f"07DELA{number:05d}B0Z" for number in range(0, 100_000, 997)]
        numbers = [with_check(body) for body in bodies if gstin_check_character(body).isdigit()]

        assert numbers
        assert {check_gstin(number).kind for number in numbers} == {GstinKind.GOVERNMENT}

    def test_every_single_wrong_character_is_found(self) -> None:
        for position in range(15):
            for character in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ":
                if character == GSTIN_MAHARASHTRA[position]:
                    continue
                mistyped = GSTIN_MAHARASHTRA[:position] + character + GSTIN_MAHARASHTRA[position + 1 :]
                assert not check_gstin(mistyped).is_valid

    @pytest.mark.parametrize("gstin", [number for number in VALID if not number.startswith("38")])
    def test_agrees_with_another_implementation(self, gstin: Any) -> None:
        assert stdnum_gstin.is_valid(gstin)

    def test_computes_the_check_character(self) -> None:
        assert gstin_check_character("27AAPFU0939F1Z") == "V"

    def test_reads_state_and_pan(self) -> None:
        assert gstin_state(GSTIN_KARNATAKA) == "29"
        assert pan_of(GSTIN_KARNATAKA) == "ABCPE1234F"
        assert pan_of(UIN) is None
        assert gstin_state(OIDAR) == "99"

    @pytest.mark.parametrize("read", [gstin_state, pan_of, is_registered_person])
    def test_reads_nothing_from_a_wrong_number(self, read: Any) -> None:
        with pytest.raises(ValueError, match="wrong_check_character"):
            read("27AAPFU0939F1ZA")

    def test_uin_holder_is_not_a_registered_person(self) -> None:
        assert is_registered_person(GSTIN_MAHARASHTRA)
        assert not is_registered_person(UIN)


class TestPin:
    @pytest.mark.parametrize(
        ("text", "is_right"),
        [
            ("411001", True),
            ("011001", False),
            ("41100", False),
            ("4110011", False),
            ("41100a", False),
            ("४११००१", False),
        ],
    )
    def test_is_six_digits_not_beginning_with_zero(self, text: Any, is_right: Any) -> None:
        assert is_pin(text) is is_right


class TestStates:
    def test_utgst_is_levied_where_there_is_no_legislature(self) -> None:
        assert {code for code, state in STATES.items() if state.levies_utgst and state.is_active} == {
            "04", "26", "31", "35", "38", "97",
        }  # fmt: skip

    def test_supply_states(self) -> None:
        expected = {f"{code:02d}" for code in range(1, 39)} - {"25", "28"} | {"97"}

        assert {code for code in STATES if is_supply_state(code)} == expected
        assert not is_supply_state("39")

    def test_every_code_is_two_digits_with_a_name_of_its_own(self) -> None:
        assert all(len(code) == 2 and code.isdigit() and state.code == code for code, state in STATES.items())
        assert len({state.name for state in STATES.values()}) == len(STATES) == 41

    @pytest.mark.parametrize(("code", "name"), [("27", "Maharashtra"), ("96", "Other Countries"), ("38", "Ladakh")])
    def test_names(self, code: Any, name: Any) -> None:
        assert state_name(code) == name

    def test_an_unknown_code_has_no_name(self) -> None:
        with pytest.raises(ValueError, match="39"):
            state_name("39")


class TestSupplyType:
    @pytest.mark.parametrize(
        ("supplier", "place", "expected"),
        [
            ("27", "27", INTRA),
            ("27", "29", INTER),
            ("04", "04", UT),
            ("04", "03", INTER),
            ("07", "07", INTRA),
            ("34", "34", INTRA),
            ("01", "01", INTRA),
            ("38", "38", UT),
            ("97", "97", UT),
            ("27", "96", INTER),
        ],
    )
    def test_follows_from_the_two_states(self, supplier: Any, place: Any, expected: Any) -> None:
        assert supply_type(supplier, place) is expected

    @pytest.mark.parametrize(("supplier", "place"), [("96", "27"), ("27", "28"), ("27", "39"), ("", "27")])
    def test_refuses_states_without_registrations(self, supplier: Any, place: Any) -> None:
        with pytest.raises(ValueError, match="nobody"):
            supply_type(supplier, place)


class TestPlaceOfGoods:
    @pytest.mark.parametrize(
        ("addresses", "state", "reason", "supply"),
        [
            ({"ship_to_state": "27"}, "27", PlaceReason.CONSUMER_DELIVERY_ADDRESS, INTRA),
            ({"ship_to_state": "29", "bill_to_state": "27"}, "29", PlaceReason.CONSUMER_DELIVERY_ADDRESS, INTER),
            ({"bill_to_state": "33"}, "33", PlaceReason.CONSUMER_BILLING_ADDRESS, INTER),
            ({}, "27", PlaceReason.CONSUMER_WITHOUT_ADDRESS, INTRA),
            ({"is_collected": True, "bill_to_state": "29"}, "29", PlaceReason.CONSUMER_BILLING_ADDRESS, INTER),
            ({"is_collected": True}, "27", PlaceReason.CONSUMER_WITHOUT_ADDRESS, INTRA),
            ({"is_collected": True, "bill_to_state": "96"}, "27", PlaceReason.CONSUMER_WITHOUT_ADDRESS, INTRA),
            ({"ship_to_state": "29", "bill_to_state": "96"}, "29", PlaceReason.CONSUMER_DELIVERY_ADDRESS, INTER),
            ({"ship_to_state": "07", "buyer_gstin": UIN}, "07", PlaceReason.CONSUMER_DELIVERY_ADDRESS, INTER),
        ],
    )
    def test_for_a_consumer_is_the_recorded_address(self, addresses: Any, state: Any, reason: Any, supply: Any) -> None:
        place = place_of_supply(supplier_state="27", **addresses)

        assert (place.state, place.reason, place.supply, place.is_zero_rated) == (state, reason, supply, False)
        assert place.section == "IGST Act 2017, section 10(1)(ca)"

    @pytest.mark.parametrize(
        ("addresses", "state", "reason", "supply", "section"),
        [
            ({"ship_to_state": "29"}, "29", PlaceReason.GOODS_DELIVERED, INTER, "10(1)(a)"),
            ({}, "29", PlaceReason.GOODS_DELIVERED, INTER, "10(1)(a)"),
            ({"ship_to_state": "33"}, "29", PlaceReason.GOODS_SENT_TO_ANOTHER, INTER, "10(1)(b)"),
            ({"ship_to_state": "27"}, "29", PlaceReason.GOODS_SENT_TO_ANOTHER, INTER, "10(1)(b)"),
            (
                {"ship_to_state": "27", "ships_to_buyer_itself": True},
                "27",
                PlaceReason.GOODS_DELIVERED,
                INTRA,
                "10(1)(a)",
            ),
            ({"is_collected": True, "ship_to_state": "29"}, "27", PlaceReason.GOODS_COLLECTED, INTRA, "10(1)(c)"),
        ],
    )
    def test_for_a_registered_buyer_depends_on_where_the_goods_go(
        self, addresses: Any, state: Any, reason: Any, supply: Any, section: Any
    ) -> None:
        place = place_of_supply(supplier_state="27", buyer_gstin=GSTIN_KARNATAKA, bill_to_state="29", **addresses)

        assert (place.state, place.reason, place.supply) == (state, reason, supply)
        assert place.section == f"IGST Act 2017, section {section}"

    @pytest.mark.parametrize("buyer", [{}, {"buyer_gstin": GSTIN_KARNATAKA}])
    def test_of_an_export_is_abroad(self, buyer: Any) -> None:
        place = place_of_supply(supplier_state="27", ship_to_state="96", **buyer)

        assert (place.state, place.reason, place.supply) == ("96", PlaceReason.EXPORT_OF_GOODS, INTER)
        assert place.is_zero_rated

    def test_sent_to_the_foreign_billing_address_is_an_export(self) -> None:
        assert place_of_supply(supplier_state="27", bill_to_state="96").state == "96"

    def test_within_a_union_territory_bears_utgst(self) -> None:
        assert place_of_supply(supplier_state="04", ship_to_state="04").supply is UT


class TestPlaceOfServices:
    @pytest.mark.parametrize(
        ("buyer", "state", "reason", "section"),
        [
            (
                {"buyer_gstin": GSTIN_KARNATAKA, "bill_to_state": "33"},
                "29",
                PlaceReason.SERVICE_TO_REGISTERED,
                "12(2)(a)",
            ),
            ({"bill_to_state": "33", "ship_to_state": "29"}, "33", PlaceReason.SERVICE_TO_ADDRESS, "12(2)(b)(i)"),
            ({"ship_to_state": "29"}, "29", PlaceReason.SERVICE_TO_ADDRESS, "12(2)(b)(i)"),
            ({}, "27", PlaceReason.SERVICE_WITHOUT_ADDRESS, "12(2)(b)(ii)"),
            ({"bill_to_state": "96"}, "96", PlaceReason.EXPORT_OF_SERVICES, "13(2)"),
        ],
    )
    def test_is_where_the_recipient_is(self, buyer: Any, state: Any, reason: Any, section: Any) -> None:
        place = place_of_supply(supplier_state="27", is_goods=False, **buyer)

        assert (place.state, place.reason) == (state, reason)
        assert place.section == f"IGST Act 2017, section {section}"


class TestSpecialEconomicZone:
    def test_a_supply_into_a_zone_of_the_same_state_is_inter_state_and_zero_rated(self) -> None:
        place = place_of_supply(supplier_state="27", buyer_gstin=GSTIN_MAHARASHTRA, buyer_in_sez=True)

        assert (place.state, place.reason, place.supply) == ("27", PlaceReason.SPECIAL_ECONOMIC_ZONE, INTER)
        assert place.is_zero_rated
        assert place.section == "IGST Act 2017, section 7(5)(b)"

    def test_a_supply_out_of_a_zone_is_inter_state_and_taxed(self) -> None:
        place = place_of_supply(supplier_state="27", ship_to_state="27", supplier_in_sez=True)

        assert (place.supply, place.is_zero_rated) == (INTER, False)


class TestPlaceOfSupply:
    def test_explains_itself_in_a_sentence(self) -> None:
        place = place_of_supply(supplier_state="27", ship_to_state="29")

        assert place.explanation == "The buyer is not registered and the delivery address is in Karnataka."

    @pytest.mark.parametrize(
        "faulty",
        [
            {"supplier_state": "96"},
            {"ship_to_state": "28"},
            {"bill_to_state": "XX"},
            {"buyer_gstin": "27AAPFU0939F1ZA"},
        ],
    )
    def test_refuses_unknown_states_and_gstins(self, faulty: Any) -> None:
        with pytest.raises(ValueError, match=r"nobody|no GSTIN"):
            place_of_supply(**{"supplier_state": "27", **faulty})

    @pytest.mark.parametrize(
        ("ship_to", "has_lut", "is_reverse_charge", "expected"),
        [
            ("96", True, False, Treatment.ZERO_RATED_WITHOUT_PAYMENT),
            ("96", False, True, Treatment.ZERO_RATED_WITH_PAYMENT),
            ("29", True, True, Treatment.REVERSE_CHARGE),
            ("29", True, False, Treatment.REGULAR),
        ],
    )
    def test_decides_who_pays_the_tax(self, ship_to: Any, has_lut: Any, is_reverse_charge: Any, expected: Any) -> None:
        place = place_of_supply(supplier_state="27", ship_to_state=ship_to)

        assert treatment_for(place, has_lut=has_lut, is_reverse_charge=is_reverse_charge) is expected
