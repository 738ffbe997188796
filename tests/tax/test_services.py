from datetime import date

import pytest
from django.db import connection

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.tax import rules, selectors, services
from apps.tax.models import Registration, RegistrationNotFound, TaxRate
from tests.factories.catalog import make_registration

pytestmark = pytest.mark.django_db

PUNE = {
    "gstin": "27AAPFU0939F1ZV",
    "legal_name": "Bahi Demo Traders LLP",
    "address_line1": "4 Laxmi Road",
    "city": "Pune",
    "pin": "411030",
}


@pytest.fixture
def rates() -> None:
    services.set_up_reference_data(now=clock.now())


def rate_of(tax_class: str, day: date) -> int:
    return selectors.get_rates(tax_classes=[tax_class], on=day)[tax_class]


def violations(invariant: str) -> list[dict[str, object]]:
    [result] = audit.run(now=clock.now(), only=[invariant]).results
    assert not result.error
    return result.rows


class TestReferenceData:
    def test_holds_every_rate_of_the_rules_on_every_day_that_one_changes(self, rates: None) -> None:
        for reference in rules.REFERENCE_RATES:
            assert rate_of(reference.tax_class, reference.valid_from) == reference.rate

    def test_may_be_set_up_again(self, rates: None) -> None:
        before = set(TaxRate.objects.values_list("pk", "rate", "valid_from", "valid_to", "updated_at"))

        services.set_up_reference_data(now=clock.now())

        assert set(TaxRate.objects.values_list("pk", "rate", "valid_from", "valid_to", "updated_at")) == before

    def test_keeps_what_an_operator_has_set_since(self, rates: None) -> None:
        services.set_rate(tax_class="gst_18", rate=500, valid_from=date(2027, 4, 1), actor=SYSTEM, now=clock.now())

        services.set_up_reference_data(now=clock.now())

        assert rate_of("gst_18", date(2027, 3, 31)) == 1800
        assert rate_of("gst_18", date(2027, 4, 1)) == 500

    def test_corrects_changed_rates_and_closes_ended_ones(self, rates: None) -> None:
        TaxRate.objects.filter(tax_class="gst_18", valid_to__isnull=True).delete()
        TaxRate.objects.filter(tax_class="gst_18").update(rate=1, valid_to=None)

        services.set_up_reference_data(now=clock.now())

        assert rate_of("gst_18", date(2025, 9, 21)) == 1800
        assert rate_of("gst_18", date(2025, 9, 22)) == 1800
        assert TaxRate.objects.filter(tax_class="gst_18", valid_to__isnull=True).count() == 1


class TestRates:
    def test_change_at_midnight_of_their_day(self, rates: None) -> None:
        assert rate_of("gst_5_was_18", date(2025, 9, 21)) == 1800
        assert rate_of("gst_5_was_18", date(2025, 9, 22)) == 500

    def test_several_are_read_in_one_query(self, rates: None, django_assert_num_queries: object) -> None:
        with django_assert_num_queries(1):  # type: ignore[operator]
            found = selectors.get_rates(tax_classes=["gst_5", "gst_18", "exempt"], on=date(2026, 11, 21))

        assert found == {"gst_5": 500, "gst_18": 1800, "exempt": 0}

    def test_of_an_unknown_class_or_before_gst_are_refused(self, rates: None) -> None:
        with pytest.raises(selectors.NoRateForTaxClass, match="luxury"):
            selectors.get_rates(tax_classes=["gst_5", "luxury"], on=date(2026, 11, 21))
        with pytest.raises(selectors.NoRateForTaxClass):
            selectors.get_rates(tax_classes=["gst_5"], on=date(2017, 6, 30))

    def test_a_new_one_ends_the_one_before(self, rates: None) -> None:
        services.set_rate(tax_class="gst_5", rate=1800, valid_from=date(2027, 1, 1), actor=SYSTEM, now=clock.now())

        assert rate_of("gst_5", date(2026, 12, 31)) == 500
        assert rate_of("gst_5", date(2027, 1, 1)) == 1800
        assert violations("TAX-01") == []

    def test_a_new_class_begins_with_one(self, rates: None) -> None:
        services.set_rate(tax_class="gst_0_10", rate=10, valid_from=date(2026, 1, 1), actor=SYSTEM, now=clock.now())

        assert selectors.is_tax_class("gst_0_10", on=date(2026, 1, 1))
        assert not selectors.is_tax_class("gst_0_10", on=date(2025, 12, 31))

    @pytest.mark.parametrize(
        ("rate", "day", "error"),
        [
            (1234, date(2027, 1, 1), services.RateNotAllowed),
            (1200, date(2027, 1, 1), services.RateNotAllowed),
            (500, date(2025, 9, 22), services.TaxRateOverlaps),
            (500, date(2024, 1, 1), services.TaxRateOverlaps),
        ],
    )
    def test_invalid_or_overlapping_rates_change_nothing(
        self, rates: None, rate: int, day: date, error: type[Exception]
    ) -> None:
        before = set(TaxRate.objects.values_list("pk", "rate", "valid_to"))

        with pytest.raises(error):
            services.set_rate(tax_class="gst_18", rate=rate, valid_from=day, actor=SYSTEM, now=clock.now())

        assert set(TaxRate.objects.values_list("pk", "rate", "valid_to")) == before


class TestRegistrations:
    def test_take_their_state_from_the_number(self) -> None:
        made = services.add_registration(**{**PUNE, "gstin": " 27aapfu0939f1zv "}, actor=SYSTEM, now=clock.now())

        assert (made.gstin, made.state, made.is_default) == ("27AAPFU0939F1ZV", "27", True)
        assert selectors.get_default_registration() == made
        assert selectors.get_registration(made.pk) == made

    def test_without_one_nothing_can_be_sold(self) -> None:
        with pytest.raises(selectors.NoDefaultRegistration):
            selectors.get_default_registration()
        with pytest.raises(RegistrationNotFound):
            selectors.get_registration(make_registration().pk.__class__(int=0))

    def test_a_new_default_takes_the_place_of_the_old(self) -> None:
        old = make_registration()
        new = services.add_registration(
            **{**PUNE, "gstin": with_check_character("29AAPFU0939F1Z"), "city": "Bengaluru", "pin": "560001"},
            actor=SYSTEM,
            now=clock.now(),
        )

        assert selectors.get_default_registration() == new
        services.set_default_registration(registration_id=old.pk, actor=SYSTEM, now=clock.now())
        assert selectors.get_default_registration() == old
        assert Registration.objects.filter(is_default=True).get() == old

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"gstin": "27AAPFU0939F1ZW"}, services.InvalidGstin),
            ({"gstin": "nonsense"}, services.InvalidGstin),
            ({"pin": "01103"}, services.InvalidPin),
            ({"pin": "560001"}, selectors.PinStateMismatch),
            ({"gstin": "27ABCXE1234F1ZV"}, services.InvalidGstin),
            ({"legal_name": "AB"}, services.InvalidRegistrationText),
            ({"trade_name": 'The "Best" Shop'}, services.InvalidRegistrationText),
            ({"address_line1": "a" * 101}, services.InvalidRegistrationText),
            ({"address_line2": "4A"}, services.InvalidRegistrationText),
            ({"city": "Pu"}, services.InvalidRegistrationText),
            ({"invoice_prefix": "CRN"}, services.InvoicePrefixNotAllowed),
            ({"invoice_prefix": "inv"}, services.InvoicePrefixNotAllowed),
            ({"invoice_prefix": "0IN"}, services.InvoicePrefixNotAllowed),
            ({"invoice_prefix": ""}, services.InvoicePrefixNotAllowed),
        ],
    )
    def test_invalid_numbers_are_refused(self, change: dict[str, str], error: type[Exception]) -> None:
        with pytest.raises(error):
            services.add_registration(**{**PUNE, **change}, actor=SYSTEM, now=clock.now())

        assert not Registration.objects.exists()

    def test_duplicates_are_refused(self) -> None:
        make_registration()

        with pytest.raises(services.RegistrationExists):
            services.add_registration(**PUNE, actor=SYSTEM, now=clock.now())

        assert Registration.objects.get().is_default

    def test_keep_their_number_when_the_address_is_corrected(self) -> None:
        registration = make_registration()

        services.update_registration(
            registration_id=registration.pk,
            changes={"city": "Mumbai", "pin": "400001", "gstin": "x", "state": "29"},
            actor=SYSTEM,
            now=clock.now(),
        )
        with pytest.raises(services.InvalidPin):
            services.update_registration(
                registration_id=registration.pk, changes={"pin": "1"}, actor=SYSTEM, now=clock.now()
            )
        for changes, error in (
            ({"pin": "560001"}, selectors.PinStateMismatch),
            ({"legal_name": "Bahi\\Demo"}, services.InvalidRegistrationText),
        ):
            with pytest.raises(error):
                services.update_registration(
                    registration_id=registration.pk, changes=changes, actor=SYSTEM, now=clock.now()
                )

        registration.refresh_from_db()
        assert (registration.city, registration.pin) == ("Mumbai", "400001")
        assert (registration.gstin, registration.state) == ("27AAPFU0939F1ZV", "27")


class TestInvariants:
    def test_finds_overlapping_rates(self, rates: None) -> None:
        assert violations("TAX-01") == []
        TaxRate.objects.filter(tax_class="gst_5", valid_from=date(2017, 7, 1)).update(valid_to=date(2025, 9, 22))

        assert [row["tax_class"] for row in violations("TAX-01")] == ["gst_5"]

    def test_finds_open_rate_before_another(self, rates: None) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX one_open_rate_per_class")
        TaxRate.objects.filter(tax_class="gst_18", valid_from=date(2017, 7, 1)).update(valid_to=None)

        assert [row["tax_class"] for row in violations("tax_rates_do_not_overlap")] == ["gst_18"]

    def test_finds_second_default_registration(self) -> None:
        make_registration()
        assert violations("TAX-02") == []
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX one_default_registration")
        other = with_check_character("29AAPFU0939F1Z")
        make_registration(gstin=other, state="29")

        assert sorted(str(row["gstin"]) for row in violations("TAX-02")) == ["27AAPFU0939F1ZV", other]

    def test_finds_state_that_differs_from_gstin(self) -> None:
        make_registration(state="29")

        assert [row["gstin"] for row in violations("one_default_registration")] == ["27AAPFU0939F1ZV"]


def with_check_character(body: str) -> str:
    return body + rules.gstin_check_character(body)
