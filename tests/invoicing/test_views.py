import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F
from rest_framework.test import APIClient

from apps.core import ids
from apps.invoicing.models import Invoice
from tests.factories.invoicing import NOON, Goods, make_invoice, make_paid_order, make_rendered_invoice

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]

URL = "/api/v1/invoices"
Clients = Callable[[Any], APIClient]


class TestList:
    def test_lists_own_invoices_newest_first(self, owner: Any, stranger: Any, client_of: Clients) -> None:
        first, second = make_invoice(owner), make_rendered_invoice(owner)
        make_invoice(stranger)

        answer = client_of(owner).get(URL)

        assert answer.status_code == 200
        body = answer.json()
        assert [item["id"] for item in body["data"]] == [second.public_id, first.public_id]
        assert body["object"] == "list"
        assert not body["has_more"]
        assert body["data"][0]["pdf_url"] == f"{URL}/{second.public_id}/pdf"
        assert body["data"][1]["pdf_url"] is None
        assert (body["data"][1]["total_amount"], body["data"][1]["currency"]) == (117_900, "INR")
        assert "lines" not in body["data"][0]
        assert answer["Cache-Control"] == "private, no-store"

    def test_finance_sees_all_invoices(self, owner: Any, stranger: Any, finance: Any, client_of: Clients) -> None:
        both = {make_invoice(owner).public_id, make_invoice(stranger).public_id}
        assert {item["id"] for item in client_of(finance).get(URL).json()["data"]} == both

    def test_other_staff_see_nothing(self, owner: Any, catalogue_manager: Any, client_of: Clients) -> None:
        make_invoice(owner)
        assert client_of(catalogue_manager).get(URL).json()["data"] == []

    def test_requires_authentication(self, anonymous: APIClient) -> None:
        assert anonymous.get(URL).status_code == 401

    def test_paginates_in_both_directions(self, owner: Any, client_of: Clients) -> None:
        made = [make_invoice(owner).public_id for _ in range(5)][::-1]
        client = client_of(owner)

        first = client.get(URL, {"limit": 2}).json()
        second = client.get(URL, {"limit": 2, "cursor": first["next_cursor"]}).json()
        back = client.get(URL, {"limit": 2, "cursor": second["prev_cursor"]}).json()

        assert [item["id"] for item in first["data"] + second["data"]] == made[:4]
        assert back["data"] == first["data"]

    def test_narrows_by_order_and_number(self, owner: Any, client_of: Clients) -> None:
        wanted, _ = make_invoice(owner), make_invoice(owner)
        client = client_of(owner)
        order = ids.encode("ord", wanted.order_id)

        assert [item["id"] for item in client.get(URL, {"order_id": order}).json()["data"]] == [wanted.public_id]
        assert [item["id"] for item in client.get(URL, {"number": wanted.number.lower()}).json()["data"]] == [
            wanted.public_id
        ]
        assert client.get(URL, {"number": "INV269999999"}).json()["data"] == []

    def test_filters_do_not_reveal_others(self, owner: Any, stranger: Any, client_of: Clients) -> None:
        theirs = make_invoice(stranger)
        client = client_of(owner)
        assert client.get(URL, {"order_id": ids.encode("ord", theirs.order_id)}).json()["data"] == []
        assert client.get(URL, {"number": theirs.number}).json()["data"] == []

    def test_narrows_by_time(self, owner: Any, client_of: Clients) -> None:
        first, second = make_invoice(owner), make_invoice(owner, now=NOON + timedelta(milliseconds=1))
        client = client_of(owner)
        at = second.created_at.isoformat()

        def listed(**params: str) -> list[str]:
            return [
                item["id"]
                for item in client.get(URL, {f"created_at[{name}]": text for name, text in params.items()}).json()[
                    "data"
                ]
            ]

        assert listed(gte=at) == [second.public_id]
        assert listed(gt=at) == []
        assert listed(lt=at) == [first.public_id]
        assert listed(lte=at, gt="2020-01-01T00:00:00Z") == [second.public_id, first.public_id]

    @pytest.mark.parametrize(
        ("params", "code", "param"),
        [
            ({"status": "issued"}, "unknown_parameter", "status"),
            ({"order_id": "inv_06dzxr5m7k3vh9q0t2w4y6b8ca"}, "invalid_filter", "order_id"),
            ({"created_at[gte]": "yesterday"}, "invalid_filter", "created_at[gte]"),
            ({"created_at[gte]": "2026-11-21T05:30:00"}, "invalid_filter", "created_at[gte]"),
            ({"created_at[lt]": "0001-01-01T00:00:00+14:00"}, "invalid_filter", "created_at[lt]"),
            ({"sort": "number"}, "invalid_sort", "sort"),
            ({"sort": ""}, "invalid_sort", "sort"),
            ({"number": ""}, "invalid_filter", "number"),
            ({"number": "INV 26"}, "invalid_filter", "number"),
            ({"number": "INV26000000000001"}, "invalid_filter", "number"),
            ({"limit": "0"}, "invalid_limit", "limit"),
            ({"cursor": "abc"}, "invalid_cursor", "cursor"),
        ],
    )
    def test_invalid_filters_are_refused(
        self, owner: Any, client_of: Clients, params: dict[str, str], code: str, param: str
    ) -> None:
        answer = client_of(owner).get(URL, params)
        assert answer.status_code == 400
        assert (answer.json()["error"]["code"], answer.json()["error"]["param"]) == (code, param)

    def test_refuses_a_cursor_of_another_list(self, owner: Any, client_of: Clients) -> None:
        invoices = [make_invoice(owner) for _ in range(2)]
        client = client_of(owner)
        cursor = client.get(URL, {"limit": 1}).json()["next_cursor"]
        answer = client.get(URL, {"cursor": cursor, "number": invoices[0].number})
        assert answer.json()["error"]["code"] == "invalid_cursor"

    def test_query_count_is_constant(self, owner: Any, client_of: Clients, count_queries: Callable[[], Any]) -> None:
        client = client_of(owner)
        make_rendered_invoice(owner)
        with count_queries() as one:
            client.get(URL, {"limit": 100})
        for _ in range(49):
            make_invoice(owner)
        with count_queries() as fifty:
            assert len(client.get(URL, {"limit": 100}).json()["data"]) == 50
        assert len(one) == len(fifty)
        assert len(one) <= 3

    def test_answers_304_to_whoever_has_it(self, owner: Any, client_of: Clients) -> None:
        make_invoice(owner)
        client = client_of(owner)
        tag = client.get(URL)["ETag"]
        assert client.get(URL, headers={"If-None-Match": tag}).status_code == 304
        make_invoice(owner)
        assert client.get(URL, headers={"If-None-Match": tag}).status_code == 200


class TestRead:
    def test_returns_the_whole_invoice(self, owner: Any, client_of: Clients) -> None:
        goods = (Goods(49_950, 1800, 2), Goods(10_000, 500, 1, "Honey", "04090000"))
        invoice = make_rendered_invoice(owner, goods=goods)

        answer = client_of(owner).get(f"{URL}/{invoice.public_id}")

        body = answer.json()
        assert answer.status_code == 200
        assert answer["ETag"] == '"v2"'
        assert (body["object"], body["number"], body["type"], body["status"]) == (
            "invoice",
            "INV260000001",
            "tax_invoice",
            "issued",
        )
        assert (body["order_id"], body["customer_id"]) == (ids.encode("ord", invoice.order_id), owner.public_id)
        assert (body["invoice_date"], body["financial_year"]) == ("2026-11-21", "2026-27")
        assert (body["taxable_amount"], body["igst_amount"], body["round_off_amount"]) == (109_900, 18_482, 18)
        assert body["total_amount"] == 128_400
        assert body["total_in_words"] == "Rupees One Thousand Two Hundred Eighty-Four Only"
        assert body["place_of_supply"] == {"state": "29", "state_name": "Karnataka"}
        assert (body["seller"]["gstin"], body["buyer"]["state_name"]) == ("27AAPFU0939F1ZV", "Karnataka")
        assert [(line["position"], line["name"], line["tax_rate"], line["igst_amount"]) for line in body["lines"]] == [
            (1, "Handloom cotton kurta", 1800, 17_982),
            (2, "Honey", 500, 500),
        ]
        assert body["hsn_summary"] == [
            {
                "hsn": "04090000", "tax_rate": 500, "taxable_amount": 10_000, "cgst_amount": 0, "sgst_amount": 0,
                "utgst_amount": 0, "igst_amount": 500, "tax_amount": 500,
            },
            {
                "hsn": "61091000", "tax_rate": 1800, "taxable_amount": 99_900, "cgst_amount": 0, "sgst_amount": 0,
                "utgst_amount": 0, "igst_amount": 17_982, "tax_amount": 17_982,
            },
        ]  # fmt: skip
        assert body["pdf_url"] == f"{URL}/{invoice.public_id}/pdf"
        assert (body["version"], body["metadata"]) == (2, {})

    def test_answers_304_until_it_changes(self, owner: Any, client_of: Clients) -> None:
        invoice = make_invoice(owner)
        client = client_of(owner)
        tag = client.get(f"{URL}/{invoice.public_id}")["ETag"]
        assert client.get(f"{URL}/{invoice.public_id}", headers={"If-None-Match": tag}).status_code == 304
        Invoice.objects.filter(pk=invoice.pk).update(version=F("version") + 1)
        assert client.get(f"{URL}/{invoice.public_id}", headers={"If-None-Match": tag}).status_code == 200

    def test_is_not_found_for_a_stranger(self, owner: Any, stranger: Any, client_of: Clients) -> None:
        invoice = make_invoice(owner)
        answer = client_of(stranger).get(f"{URL}/{invoice.public_id}")
        absent = client_of(stranger).get(f"{URL}/{ids.encode('inv', ids.new())}")
        assert answer.status_code == absent.status_code == 404
        assert answer.json()["error"]["code"] == absent.json()["error"]["code"] == "invoice_not_found"

    def test_is_there_for_support(self, owner: Any, support: Any, client_of: Clients) -> None:
        assert client_of(support).get(f"{URL}/{make_invoice(owner).public_id}").status_code == 200

    def test_requires_authentication(self, owner: Any, anonymous: APIClient) -> None:
        assert anonymous.get(f"{URL}/{make_invoice(owner).public_id}").status_code == 401

    @pytest.mark.parametrize("text", ["1", "inv_", "ord_06dzxr5m7k3vh9q0t2w4y6b8ca", "inv_" + "z" * 26, "inv_%00"])
    def test_unknown_ids_are_not_found(self, owner: Any, client_of: Clients, text: str) -> None:
        assert client_of(owner).get(f"{URL}/{text}").status_code == 404

    def test_can_only_be_read(self, owner: Any, client_of: Clients) -> None:
        invoice = make_invoice(owner)
        for method in ("put", "patch", "delete", "post"):
            assert getattr(client_of(owner), method)(f"{URL}/{invoice.public_id}").status_code == 405

    def test_query_count_is_constant(self, owner: Any, client_of: Clients, count_queries: Callable[[], Any]) -> None:
        client = client_of(owner)
        short, long = make_invoice(owner), make_invoice(owner, goods=(Goods(10_000, 500),) * 50)
        with count_queries() as one:
            client.get(f"{URL}/{short.public_id}")
        with count_queries() as fifty:
            assert len(client.get(f"{URL}/{long.public_id}").json()["lines"]) == 50
        assert len(one) == len(fifty) <= 4


class TestPdf:
    def test_comes_as_an_attachment(self, owner: Any, client_of: Clients, documents: Path) -> None:
        invoice = make_rendered_invoice(owner)

        answer = client_of(owner).get(f"{URL}/{invoice.public_id}/pdf")

        content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
        assert answer.status_code == 200
        assert content == (documents / invoice.file.path).read_bytes()
        assert answer["Content-Type"] == "application/pdf"
        assert answer["Content-Disposition"] == 'attachment; filename="INV260000001.pdf"'
        assert answer["Content-Length"] == str(len(content))
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Cache-Control"] == "private, no-store"
        assert answer["ETag"] == f'"{hashlib.sha256(content).hexdigest()}"'

    def test_comes_to_whoever_accepts_only_pdf(self, owner: Any, stranger: Any, client_of: Clients) -> None:
        invoice = make_rendered_invoice(owner)
        url, accept = f"{URL}/{invoice.public_id}/pdf", {"Accept": "application/pdf"}
        assert client_of(owner).get(url, headers=accept).status_code == 200
        refusal = client_of(stranger).get(url, headers=accept)
        assert (refusal.status_code, refusal["Content-Type"]) == (404, "application/json")

    def test_answers_304_to_whoever_has_it(self, owner: Any, client_of: Clients) -> None:
        invoice = make_rendered_invoice(owner)
        tag = f'"{invoice.file.sha256}"'
        answer = client_of(owner).get(f"{URL}/{invoice.public_id}/pdf", headers={"If-None-Match": tag})
        assert (answer.status_code, answer["ETag"]) == (304, tag)

    def test_is_a_409_with_a_time_while_it_is_being_made(self, owner: Any, client_of: Clients) -> None:
        answer = client_of(owner).get(f"{URL}/{make_invoice(owner).public_id}/pdf")
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "document_not_ready"
        assert answer["Retry-After"] == "2"

    def test_is_a_503_when_the_file_is_not_what_was_stored(
        self, owner: Any, client_of: Clients, documents: Path
    ) -> None:
        invoice = make_rendered_invoice(owner)
        (documents / invoice.file.path).write_bytes(b"forged")
        answer = client_of(owner).get(f"{URL}/{invoice.public_id}/pdf")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "document_corrupted")

    def test_is_not_found_for_a_stranger(self, owner: Any, stranger: Any, client_of: Clients) -> None:
        rendered, waiting = make_rendered_invoice(owner), make_invoice(owner)
        for invoice in (rendered, waiting):
            answer = client_of(stranger).get(f"{URL}/{invoice.public_id}/pdf")
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "invoice_not_found")

    def test_is_there_for_finance(self, owner: Any, finance: Any, client_of: Clients) -> None:
        assert client_of(finance).get(f"{URL}/{make_rendered_invoice(owner).public_id}/pdf").status_code == 200

    def test_requires_authentication(self, owner: Any, anonymous: APIClient) -> None:
        assert anonymous.get(f"{URL}/{make_rendered_invoice(owner).public_id}/pdf").status_code == 401


def test_an_order_without_invoice_lists_none(owner: Any, client_of: Clients) -> None:
    order = make_paid_order(owner)
    assert client_of(owner).get(URL, {"order_id": order.public_id}).json()["data"] == []
