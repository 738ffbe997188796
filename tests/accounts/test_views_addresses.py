from typing import Any

import pytest

from apps.accounts import selectors, services
from apps.accounts.models import Address, User
from apps.accounts.services.addresses import TooManyAddresses
from apps.core import clock, ids
from apps.core.events import SYSTEM
from apps.core.models import Event
from tests.factories.accounts import make_address
from tests.factories.catalog import make_registration

pytestmark = pytest.mark.django_db
URL = "/api/v1/me/addresses"
BODY = {
    "name": "Asha Rao", "company": "Rao Textiles", "phone": "98765 43210", "line1": "12 MG Road", "line2": "2nd floor",
    "city": "Bengaluru", "state": "29", "pin": "560001", "gstin": "29aagcb7383j1z4",
}  # fmt: skip


def code_of(response: Any) -> str:
    return str(response.json()["error"]["code"])


class TestCreate:
    def test_adds_an_address_with_everything_normalised(self, owner: User, client_of: Any) -> None:
        response = client_of(owner).post(URL, BODY, format="json")

        body = response.json()
        assert (response.status_code, response.headers["Location"]) == (201, f"{URL}/{body['id']}")
        expected = {
            **BODY,
            "phone": "+919876543210",
            "gstin": "29AAGCB7383J1Z4",
            "state_name": "Karnataka",
            "country": "IN",
        }
        assert {name: body[name] for name in expected} == expected
        assert (body["object"], body["is_default"], body["version"]) == ("address", True, 1)
        event = Event.objects.get()
        assert event.type == "accounts.address.added"
        assert event.changes == {
            "id": str(ids.decode("addr", body["id"])),
            "user_id": str(owner.pk),
            "state": "29",
            "is_default": True,
            "removed_at": None,
            "metadata": {},
            "personal_fields": ["city", "company", "gstin", "line1", "line2", "name", "phone", "pin"],
        }

    def test_the_second_is_default_only_if_asked(self, owner: User, client_of: Any) -> None:
        client = client_of(owner)
        first, second, third = (
            client.post(URL, {**BODY, "is_default": is_default}, format="json").json()
            for is_default in (False, False, True)
        )

        assert [first["is_default"], second["is_default"], third["is_default"]] == [True, False, True]
        assert Address.objects.filter(is_default=True).count() == 1
        assert Event.objects.filter(type="accounts.address.updated").count() == 1

    def test_the_same_request_with_the_same_key_adds_one(self, owner: User, client_of: Any) -> None:
        client = client_of(owner)

        answers = [client.post(URL, BODY, format="json", HTTP_IDEMPOTENCY_KEY="address-1").json() for _ in range(2)]

        assert answers[0] == answers[1]
        assert Address.objects.count() == 1

    @pytest.mark.parametrize(
        ("change", "code", "param"),
        [
            ({"state": "28"}, "invalid_address", "state"),
            ({"state": "XX"}, "invalid_address", "state"),
            ({"state": "२९"}, "invalid_address", "state"),
            ({"pin": "056001"}, "invalid_address", "pin"),
            ({"pin": 560001}, "invalid", "pin"),
            ({"gstin": "29AAGCB7383J1Z5"}, "invalid_address", "gstin"),
            ({"gstin": "27AAPFU0939F1ZV"}, "invalid_address", "gstin"),
            ({"phone": "+14155552671"}, "phone", "phone"),
            ({"name": "   "}, "blank", "name"),
            ({"gstin": "29ABCXE1234F1ZR"}, "invalid_address", "gstin"),
            ({"gstin": "29ABCPE0000F1ZL"}, "invalid_address", "gstin"),
            ({"line1": "a" * 301}, "max_length", "line1"),
            ({"line1": "a" * 101}, "invalid_address", "line1"),
            ({"line2": "2A"}, "invalid_address", "line2"),
            ({"name": "Om"}, "invalid_address", "name"),
            ({"name": 'Asha "Ashu" Rao'}, "invalid_address", "name"),
            ({"company": "Rao\\Sons"}, "invalid_address", "company"),
            ({"city": "Ub"}, "invalid_address", "city"),
            ({"city": "a" * 101}, "invalid_address", "city"),
            ({"state": "27", "gstin": ""}, "pin_state_mismatch", "pin"),
            ({"pin": "396191", "state": "", "gstin": ""}, "pin_state_mismatch", "state"),
            ({"line1": "a\x1b[2J"}, "control", "line1"),
            ({"city": None}, "null", "city"),
            ({"is_default": "maybe"}, "invalid", "is_default"),
            ({"user": "cus_1"}, "unknown_field", "user"),
        ],
    )
    def test_refuses_what_is_wrong_by_field(
        self, owner: User, client_of: Any, change: dict[str, Any], code: str, param: str
    ) -> None:
        response = client_of(owner).post(URL, {**BODY, **change}, format="json")

        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (400, code, param)
        assert not Address.objects.exists()

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            (
                {"name": "Om"},
                "The name has 2 characters; a GST invoice needs at least 3. Write it out in full.",
            ),
            (
                {"line1": "a" * 120},
                "The first address line has 120 characters; a GST invoice allows at most 100. Shorten it.",
            ),
            (
                {"company": 'The "Best" Shop'},
                "The company's name has a quotation mark (\") or a backslash (\\), which a GST invoice cannot contain. Remove it.",
            ),
            (
                {"state": "27", "gstin": ""},
                "PIN code 560001 belongs to Karnataka (29), not to Maharashtra (27). Correct the PIN code or the state.",
            ),
        ],
    )
    def test_refusal_says_what_to_change(
        self, owner: User, client_of: Any, change: dict[str, Any], sentence: str
    ) -> None:
        response = client_of(owner).post(URL, {**BODY, **change}, format="json")

        assert (response.status_code, response.json()["error"]["message"]) == (400, sentence)
        assert (Address.objects.count(), Event.objects.count()) == (0, 0)

    @pytest.mark.parametrize(
        ("state", "pin", "is_accepted"),
        [
            ("27", "560001", False),
            ("36", "530001", False),
            ("36", "500001", True),
            ("26", "396191", True),
            ("24", "396191", True),
            ("38", "194101", True),
            ("27", "912345", True),
        ],
    )
    def test_state_must_be_one_of_the_pin(
        self, owner: User, client_of: Any, state: str, pin: str, is_accepted: bool
    ) -> None:
        body = {**BODY, "gstin": "", "state": state, "pin": pin}

        response = client_of(owner).post(URL, body, format="json")

        assert response.status_code == (201 if is_accepted else 400)
        assert Address.objects.count() == is_accepted

    @pytest.mark.parametrize("given", [{}, {"state": ""}])
    def test_state_may_be_left_out_where_the_pin_has_one(
        self, owner: User, client_of: Any, given: dict[str, str]
    ) -> None:
        body = {name: value for name, value in BODY.items() if name != "state"}

        created = client_of(owner).post(URL, {**body, **given}, format="json")

        assert (created.status_code, created.json()["state"], created.json()["state_name"]) == (201, "29", "Karnataka")
        assert created.json()["warnings"] == []

    def test_derived_state_must_be_that_of_the_gstin(self, owner: User, client_of: Any) -> None:
        body = {name: value for name, value in BODY.items() if name != "state"}

        response = client_of(owner).post(URL, {**body, "gstin": "27ABCPE1234FAZ2"}, format="json")

        error = response.json()["error"]
        assert (response.status_code, error["param"]) == (400, "gstin")
        assert error["details"] == [{"param": "gstin", "code": "gstin_of_another_state"}]

    def test_unknown_pin_is_accepted_with_a_warning(self, owner: User, client_of: Any) -> None:
        response = client_of(owner).post(URL, {**BODY, "pin": "599001"}, format="json")

        assert (response.status_code, response.json()["warnings"]) == (
            201,
            [
                {
                    "code": "unknown_pin_prefix",
                    "param": "pin",
                    "message": "No PIN code that we know begins with 599. Check the PIN code. The parcel may not arrive.",
                }
            ],
        )

    def test_gstin_of_the_shop_is_refused(self, owner: User, client_of: Any) -> None:
        make_registration()
        body = {**BODY, "city": "Pune", "state": "27", "pin": "411001", "gstin": "27aapfu0939f1zv"}

        response = client_of(owner).post(URL, body, format="json")

        assert (response.status_code, code_of(response)) == (400, "gstin_belongs_to_seller")
        assert (Address.objects.count(), Event.objects.count()) == (0, 0)

    def test_names_in_indian_scripts_and_markup_are_kept_as_they_are(self, owner: User, client_of: Any) -> None:
        for name in ("आशा राव", "ஆஷா", "<img onerror=x>", "{{7*7}} %s", "👩‍👩‍👧 Rao"):
            assert client_of(owner).post(URL, {**BODY, "name": name}, format="json").json()["name"] == name

    def test_there_is_a_limit(self, owner: User) -> None:
        for _ in range(50):
            make_address(owner)
        fields = services.AddressFields(name="Asha", line1="B", city="Bengaluru", state="29", pin="560001")

        with pytest.raises(TooManyAddresses):
            services.add_address(user_id=owner.pk, fields=fields, actor=SYSTEM, now=clock.now())


class TestChange:
    def patch(self, client: Any, address: Address, body: dict[str, Any], version: int | None = None) -> Any:
        etag = f'"v{address.version if version is None else version}"'
        return client.patch(f"{URL}/{address.public_id}", body, format="json", HTTP_IF_MATCH=etag)

    def test_changes_what_is_named(self, owner: User, client_of: Any) -> None:
        address = make_address(owner)

        body = self.patch(client_of(owner), address, {"line2": "3rd floor"}).json()

        assert (body["line2"], body["line1"], body["version"]) == ("3rd floor", "12 MG Road", 1)
        assert Event.objects.get().changes == {"personal_fields": ["line2"]}

    def test_makes_it_the_default_in_place_of_the_former(self, owner: User, client_of: Any) -> None:
        former, address = make_address(owner, is_default=True), make_address(owner)

        assert self.patch(client_of(owner), address, {"is_default": True}).json()["is_default"]

        former.refresh_from_db()
        assert (former.is_default, former.version) == (False, 1)

    def test_unchanged_address_records_no_event(self, owner: User, client_of: Any) -> None:
        response = self.patch(client_of(owner), make_address(owner), {"city": "Bengaluru"})

        assert (response.status_code, Event.objects.count()) == (200, 0)

    def test_new_pin_brings_its_state(self, owner: User, client_of: Any) -> None:
        address = make_address(owner)

        body = self.patch(client_of(owner), address, {"pin": "411001", "city": "Pune"}).json()

        assert (body["state"], body["pin"], body["version"]) == ("27", "411001", 1)

    def test_new_pin_that_the_state_shares_keeps_it(self, owner: User, client_of: Any) -> None:
        address = make_address(owner, state="26", pin="396191")

        assert self.patch(client_of(owner), address, {"pin": "396001"}).json()["state"] == "26"

    @pytest.mark.parametrize(
        ("changes", "param"),
        [({"pin": "411001", "state": "29"}, "pin"), ({"state": "27"}, "pin"), ({"pin": "396191"}, "state")],
    )
    def test_pin_and_state_that_do_not_fit_are_refused(
        self, owner: User, client_of: Any, changes: dict[str, str], param: str
    ) -> None:
        address = make_address(owner)

        error = self.patch(client_of(owner), address, changes).json()["error"]

        address.refresh_from_db()
        assert (error["code"], error["param"]) == ("pin_state_mismatch", param)
        assert (address.state, address.pin, address.version, Event.objects.count()) == ("29", "560001", 0, 0)

    def test_a_state_that_no_longer_fits_the_gstin_is_refused(self, owner: User, client_of: Any) -> None:
        address = make_address(owner, gstin="29AAGCB7383J1Z4")

        response = self.patch(client_of(owner), address, {"state": "27"})

        assert (response.status_code, response.json()["error"]["param"]) == (400, "gstin")

    def test_needs_the_version_that_was_seen(self, owner: User, client_of: Any) -> None:
        address, client = make_address(owner), client_of(owner)

        missing = client.patch(f"{URL}/{address.public_id}", {"city": "X"}, format="json")
        stale = self.patch(client, address, {"city": "X"}, version=4)

        assert (missing.status_code, stale.status_code) == (428, 412)
        address.refresh_from_db()
        assert address.city == "Bengaluru"

    def test_a_change_in_between_is_refused_under_the_lock_too(self, owner: User) -> None:
        address = make_address(owner)

        with pytest.raises(Exception, match="has changed"):
            services.change_address(
                user_id=owner.pk, address_id=address.pk, changes={"city": "X"}, version=5, actor=SYSTEM, now=clock.now()
            )


class TestRemove:
    def test_removed_address_leaves_the_list_and_keeps_its_row(self, owner: User, client_of: Any) -> None:
        address, client = make_address(owner, is_default=True), client_of(owner)

        assert client.delete(f"{URL}/{address.public_id}").status_code == 204

        assert client.get(URL).json()["data"] == []
        assert client.get(f"{URL}/{address.public_id}").status_code == 404
        assert client.delete(f"{URL}/{address.public_id}").status_code == 404
        assert Address.objects.get().removed_at is not None


class TestStrangers:
    def test_stranger_can_neither_read_nor_change_my_addresses(
        self, owner: User, stranger: User, client_of: Any
    ) -> None:
        address, client = make_address(owner), client_of(stranger)

        for public_id in (address.public_id, "addr_" + "0" * 26, owner.public_id, "x", "1"):
            url = f"{URL}/{public_id}"
            answers = [
                client.get(url),
                client.patch(url, {"city": "X"}, format="json", HTTP_IF_MATCH='"v0"'),
                client.delete(url),
            ]
            assert [answer.status_code for answer in answers] == [404] * 3

        assert client.get(URL).json()["data"] == []
        address.refresh_from_db()
        assert (address.city, address.removed_at) == ("Bengaluru", None)

    def test_staff_cannot_read_addresses_of_others_here(self, owner: User, support: User, client_of: Any) -> None:
        assert client_of(support).get(f"{URL}/{make_address(owner).public_id}").status_code == 404

    def test_anonymous_is_asked_to_sign_in(self, owner: User, anonymous: Any) -> None:
        url = f"{URL}/{make_address(owner).public_id}"

        answers = [
            anonymous.get(URL),
            anonymous.post(URL),
            anonymous.get(url),
            anonymous.patch(url),
            anonymous.delete(url),
        ]

        assert [answer.status_code for answer in answers] == [401] * 5


class TestList:
    @pytest.mark.parametrize("count", [1, 50])
    def test_query_count_is_constant(self, owner: User, client_of: Any, count_queries: Any, count: int) -> None:
        client = client_of(owner)
        for _ in range(count):
            make_address(owner)

        with count_queries() as queries:
            assert len(client.get(f"{URL}?limit=100").json()["data"]) == count
        assert len(queries) == 2

    def test_pages_in_both_directions(self, owner: User, client_of: Any) -> None:
        client = client_of(owner)
        made = [make_address(owner).public_id for _ in range(5)][::-1]

        first = client.get(f"{URL}?limit=2").json()
        second = client.get(f"{URL}?limit=2&cursor={first['next_cursor']}").json()
        back = client.get(f"{URL}?limit=2&cursor={second['prev_cursor']}").json()

        assert [row["id"] for row in first["data"] + second["data"]] == made[:4]
        assert back["data"] == first["data"]

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=101", "limit=x", "cursor=abc", "sort=user__password", "user=1", "limit=1&limit=2"]
    )
    def test_refuses_what_it_does_not_know(self, owner: User, client_of: Any, query: str) -> None:
        assert client_of(owner).get(f"{URL}?{query}").status_code == 400


def test_snapshot_holds_what_an_order_keeps(owner: User) -> None:
    address = make_address(owner, company="Rao Textiles", gstin="29AAGCB7383J1Z4")

    assert selectors.snapshot_address(address) == {
        "name": "Asha Owner", "company": "Rao Textiles", "phone": "+919876543210", "line1": "12 MG Road", "line2": "",
        "city": "Bengaluru", "state": "29", "pin": "560001", "pin_check": "lies_in_state", "gstin": "29AAGCB7383J1Z4",
    }  # fmt: skip
