from typing import Any

import pytest

from apps.accounts.models import User
from apps.core.models import Event
from tests.factories.accounts import make_staff, make_user

pytestmark = pytest.mark.django_db
URL = "/api/v1/customers"


def ids_of(response: Any) -> list[str]:
    return [row["id"] for row in response.json()["data"]]


@pytest.fixture
def asha(owner: User) -> User:
    User.objects.filter(pk=owner.pk).update(email="asha.owner@example.in")
    return owner


class TestListCustomers:
    def test_support_sees_masked_contacts(self, support: User, asha: User, client_of: Any) -> None:
        [row] = client_of(support).get(URL, {"q": "owner"}).json()["data"]

        assert (row["id"], row["object"], row["name"]) == (asha.public_id, "customer", "Asha Owner")
        assert (row["phone"], row["email"], row["is_masked"]) == ("+91******3210", "a***@example.in", True)
        assert (row["is_active"], row["is_staff"]) == (True, False)

    def test_who_manages_people_sees_them_whole(self, administrator: User, asha: User, client_of: Any) -> None:
        [row] = client_of(administrator).get(URL, {"q": "owner"}).json()["data"]

        assert (row["phone"], row["email"], row["is_masked"]) == ("+919876543210", "asha.owner@example.in", False)

    @pytest.mark.parametrize(
        "params",
        [
            {"phone": "+919876543210"},
            {"phone": "98765 43210"},
            {"phone": "098765-43210"},
            {"email": "Asha.Owner@example.in"},
            {"q": "98765 43210"},
            {"q": "ASHA.owner@example.in"},
            {"q": "98765/43210"},
            {"q": "sha Own"},
        ],
    )
    def test_one_is_found_by_what_people_type(
        self, support: User, asha: User, stranger: User, client_of: Any, params: dict[str, str]
    ) -> None:
        assert ids_of(client_of(support).get(URL, params)) == [asha.public_id]

    @pytest.mark.parametrize("params", [{"phone": "9999999999"}, {"email": "nobody@example.in"}, {"q": "9876"}])
    def test_a_part_of_a_number_or_another_one_finds_nobody(
        self, support: User, asha: User, client_of: Any, params: dict[str, str]
    ) -> None:
        assert ids_of(client_of(support).get(URL, params)) == []

    @pytest.mark.parametrize(
        ("params", "code", "message"),
        [
            ({"phone": "12"}, "invalid_phone", "phone must be a mobile number, such as +919876543210 or 98765 43210."),
            ({"email": "asha"}, "invalid_email", "email must be an e-mail address, such as asha@example.in."),
            ({"q": "a"}, "query_length_out_of_range", "q must have 2 to 100 characters."),
            ({"name": "Asha"}, "unknown_parameter", "There is no parameter name."),
            ({"phone__startswith": "+919"}, "unknown_parameter", "There is no parameter phone__startswith."),
        ],
    )
    def test_what_cannot_be_read_is_refused(
        self, support: User, client_of: Any, params: dict[str, str], code: str, message: str
    ) -> None:
        response = client_of(support).get(URL, params)

        assert response.status_code == 400
        error = response.json()["error"]
        assert (error["code"], error["message"]) == (code, message)

    def test_staff_are_people_too(self, support: User, client_of: Any) -> None:
        [row] = client_of(support).get(URL, {"email": support.email}).json()["data"]

        assert (row["id"], row["object"], row["is_staff"]) == (support.public_id, "customer", True)

    def test_pages_hold_everybody_once(self, support: User, client_of: Any) -> None:
        made = {make_user(name=f"Buyer {number}").public_id for number in range(5)}
        client = client_of(support)

        seen: list[str] = []
        page = client.get(URL, {"q": "buyer", "limit": 2}).json()
        while True:
            seen += [row["id"] for row in page["data"]]
            if not page["has_more"]:
                break
            page = client.get(URL, {"q": "buyer", "limit": 2, "cursor": page["next_cursor"]}).json()

        assert len(seen) == 5
        assert set(seen) == made

    def test_query_count_is_constant(self, support: User, client_of: Any, count_queries: Any) -> None:
        client = client_of(support)
        make_user(name="Buyer")
        with count_queries() as one:
            assert len(client.get(URL, {"q": "buyer", "limit": 100}).json()["data"]) == 1
        for _ in range(49):
            make_user(name="Buyer")
        with count_queries() as fifty:
            assert len(client.get(URL, {"q": "buyer", "limit": 100}).json()["data"]) == 50

        assert len(one) == len(fifty)

    def test_customers_may_not_list_them(self, stranger: User, asha: User, client_of: Any) -> None:
        assert client_of(stranger).get(URL).status_code == 403

    def test_staff_without_the_permission_may_not_list_them(self, catalogue_manager: User, client_of: Any) -> None:
        assert client_of(catalogue_manager).get(URL).status_code == 403

    def test_nobody_reads_them_signed_out(self, anonymous: Any) -> None:
        assert anonymous.get(URL).status_code == 401


class TestGetCustomer:
    def test_support_reads_one_with_masked_contacts(self, support: User, asha: User, client_of: Any) -> None:
        response = client_of(support).get(f"{URL}/{asha.public_id}")

        assert response.status_code == 200
        assert (response.json()["phone"], response.json()["is_masked"]) == ("+91******3210", True)
        assert "password" not in response.json()

    def test_finance_is_masked_too(self, asha: User, client_of: Any) -> None:
        body = client_of(make_staff("finance")).get(f"{URL}/{asha.public_id}").json()

        assert (body["email"], body["is_masked"]) == ("a***@example.in", True)

    def test_what_was_read_by_one_is_not_what_another_has(
        self, support: User, administrator: User, asha: User, client_of: Any
    ) -> None:
        masked, whole = (client_of(staff).get(f"{URL}/{asha.public_id}")["ETag"] for staff in (support, administrator))

        assert masked != whole

    def test_the_customer_themselves_may_not(self, asha: User, client_of: Any) -> None:
        assert client_of(asha).get(f"{URL}/{asha.public_id}").status_code == 403

    @pytest.mark.parametrize("customer_id", ["cus_00000000000000000000000000", "ord_00000000000000000000000000", "1"])
    def test_one_that_is_not_there_is_not_found(self, support: User, client_of: Any, customer_id: str) -> None:
        assert client_of(support).get(f"{URL}/{customer_id}").status_code == 404

    def test_reading_changes_nothing(self, support: User, asha: User, client_of: Any) -> None:
        before = Event.objects.count()

        client_of(support).get(f"{URL}/{asha.public_id}")

        assert Event.objects.count() == before
