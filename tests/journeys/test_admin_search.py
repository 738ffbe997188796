"""The one search box of the back office: what people type, who finds what, and what it costs."""

import json
import re
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from apps.accounts.models import Address, User
from apps.catalog.models import Variant
from apps.core.admin_search import SHOWN
from apps.invoicing.models import Invoice
from apps.orders.models import Order
from apps.payments.models import Dispute, Payment, PaymentAttempt, Refund
from apps.settlements.models import Settlement
from tests.factories.accounts import make_address, make_staff, make_user
from tests.factories.catalog import make_product, make_variant
from tests.factories.notifications import NOON, make_attempt_of, make_invoice_of, make_order_of, make_refund_of
from tests.factories.payments import make_exception, make_settlement

pytestmark = pytest.mark.django_db

URL = "/admin/search/"
ROLES = ("support", "finance", "catalogue_manager", "admin")
SALES = {"support", "finance", "admin"}


def browser_of(user: Any) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


def names_in(browser: Client, term: str) -> dict[str, list[str]]:
    """The names that a search shows, by the titles above them."""
    answer = browser.get(URL, {"q": term})
    assert answer.status_code == 200, term
    sections = re.findall(r"(?s)<section.*?<h2[^>]*>(.*?)</h2>(.*?)</section>", answer.content.decode())
    found = {
        unescape(title): [
            unescape(name) for name in re.findall(r'(?s)<a href="/admin/[^"]*/change/"[^>]*>(.*?)</a>', rows)
        ]
        for title, rows in sections
    }
    return {title: names for title, names in found.items() if names}


@pytest.fixture
def shop(reference_data: None) -> dict[str, Any]:
    asha = make_user(phone="+919876543210", name="Asha Rao", email="asha@example.com")
    make_address(asha, name="Meera Iyer", company="Iyer Textiles", phone="+919000011111")
    bala = make_user(phone="+919812345678", name="Bala Krishnan")
    variant = make_variant(product=make_product(name="Pashmina stole"), title="M")
    first = make_order_of(asha, number="ORD-2627-000123")
    second = make_order_of(asha, number="ORD-2627-001123")
    third = make_order_of(bala, number="ORD-2627-000042")
    attempt = make_attempt_of(first, gateway_payment_id="pay_29QQoUBi66xm2f", rrn="322206890934")
    type(attempt.payment).objects.filter(pk=attempt.payment_id).update(gateway_order_id="order_9A33XWu170gUtm")
    refund = make_refund_of(second, gateway_refund_id="rfnd_FP8QHiV938haTz", arn="10000000000000")
    make_settlement(gateway_settlement_id="setl_7IZKKI4Pnt2kEe", utr="1568176960vxp0rj", amount=117_900)
    dispute = Dispute.objects.create(
        order=first, payment=attempt.payment, attempt=attempt, gateway_dispute_id="disp_Esz7KAitoYM7PJ", amount=117_900,
        phase="chargeback", status="open", opened_at=NOON,
    )  # fmt: skip
    make_exception(entity_id="pay_29QQoUBi66xm2f")
    invoice = make_invoice_of(first, number="INV260000507")
    return {
        "asha": asha, "bala": bala, "variant": variant, "first": first, "second": second, "third": third, "attempt": attempt,
        "refund": refund, "dispute": dispute, "invoice": invoice,
    }  # fmt: skip


class TestWhatPeopleType:
    @pytest.fixture
    def browser(self, administrator: Any, shop: Any) -> Client:
        return browser_of(administrator)

    def test_a_person_is_found_by_a_phone_in_any_writing(self, browser: Client) -> None:
        writings = (
            "+919876543210",
            "9876543210",
            "98765 43210",
            "+91-98765-43210",
            "098765 43210",
            "(+91) 98765-43210",
            "919876543210",
        )
        found = {"People": ["Asha Rao"], "Orders": ["ORD-2627-001123", "ORD-2627-000123"]}

        assert [names_in(browser, typed) for typed in writings] == [found] * len(writings)

    def test_a_person_is_found_by_the_phone_of_an_address(self, browser: Client) -> None:
        assert names_in(browser, "90000 11111")["People"] == ["Asha Rao"]

    def test_an_order_is_found_by_its_number_or_last_digits(self, browser: Client) -> None:
        expected = {
            "000123": ["ORD-2627-000123"], "123": ["ORD-2627-000123", "ORD-2627-001123"], "1123": ["ORD-2627-001123"],
            "42": ["ORD-2627-000042"], "#42": ["ORD-2627-000042"], "2": [], "2627-000123": ["ORD-2627-000123"],
            "2627000123": ["ORD-2627-000123"], "ord-2627-0000": ["ORD-2627-000042"], "ORD-2627-001123": ["ORD-2627-001123"],
            "ord - 2627 - 001123": ["ORD-2627-001123"], "ord-2627-42": ["ORD-2627-000042"], "999999": [], "ORD-2627-000999": [],
        }  # fmt: skip

        assert {typed: names_in(browser, typed).get("Orders", []) for typed in expected} == expected

    def test_a_person_is_found_by_words_of_a_name(self, browser: Client) -> None:
        expected = {
            "asha": ["Asha Rao"], "rao ash": ["Asha Rao"], "ASHA RAO": ["Asha Rao"], "meera": ["Asha Rao"], "iyer tex": ["Asha Rao"],
            "bala": ["Bala Krishnan"], "krish": ["Bala Krishnan"], "hna": [], "asha bala": [], "'; drop": [], "a & !b | (c": [],
        }  # fmt: skip

        assert {typed: names_in(browser, typed).get("People", []) for typed in expected} == expected

    def test_orders_are_found_by_their_buyer(self, browser: Client) -> None:
        assert names_in(browser, "bala krishnan") == {"People": ["Bala Krishnan"], "Orders": ["ORD-2627-000042"]}

    def test_a_person_is_found_by_an_e_mail_address(self, browser: Client) -> None:
        for typed in ("asha@example.com", " ASHA@Example.com "):
            assert names_in(browser, typed)["People"] == ["Asha Rao"]

    def test_an_invoice_is_found_by_its_number(self, browser: Client, shop: Any) -> None:
        number = shop["invoice"].number

        for typed in (number, number.lower(), number[:-2]):
            assert names_in(browser, typed) == {"Invoices and credit notes": [number]}

    def test_an_invoice_is_found_by_its_last_digits(self, browser: Client) -> None:
        for typed in ("260000507", "26 0000507", "0000507", "507", "#507"):
            assert names_in(browser, typed) == {"Invoices and credit notes": ["INV260000507"]}, typed
        assert rows_of(browser, "invoicing/invoice", "260000507") == 1
        assert [names_in(browser, typed) for typed in ("260000508", "60000507", "5071234567890")] == [{}, {}, {}]

    def test_a_business_is_found_by_its_gstin(self, browser: Client, shop: Any) -> None:
        Address.objects.filter(user=shop["asha"]).update(gstin="29AAGCB7383J1Z4")
        found = {"People": ["Asha Rao"], "Orders": ["ORD-2627-001123", "ORD-2627-000123"]}

        assert names_in(browser, "29AAGCB7383J1Z4") == names_in(browser, " 29aagcb7383 j1z4 ") == found
        assert rows_of(browser, "invoicing/invoice", "29AAGCB7383J1Z4") == 1
        assert names_in(browser, "29AAGCB7383J1Z") == {}

    def test_money_is_found_by_ids_of_the_gateway(self, browser: Client, shop: Any) -> None:
        payment, refund = shop["attempt"].payment.public_id, shop["refund"].number

        assert names_in(browser, "pay_29QQoUBi66xm2f") == {
            "Payments": [payment], "Payment attempts": ["pay_29QQoUBi66xm2f"], "Exceptions": ["pay_29QQoUBi66xm2f"],
        }  # fmt: skip
        assert names_in(browser, "order_9A33XWu170gUtm") == {"Payments": [payment]}
        assert names_in(browser, "rfnd_FP8QHiV938haTz") == {"Refunds": [refund]}
        assert names_in(browser, "disp_Esz7KAitoYM7PJ") == {"Disputes": ["disp_Esz7KAitoYM7PJ"]}
        assert names_in(browser, "setl_7IZKKI4Pnt2kEe") == {"Settlements": ["setl_7IZKKI4Pnt2kEe"]}

    def test_money_is_found_by_references_of_banks(self, browser: Client, shop: Any) -> None:
        refund = shop["refund"]
        Refund.objects.filter(pk=refund.pk).update(transfer_reference="HDFCR52026112812345678")

        assert names_in(browser, "1568176960VXP0RJ") == {"Settlements": ["setl_7IZKKI4Pnt2kEe"]}
        assert names_in(browser, "322206890934") == {"Payment attempts": ["pay_29QQoUBi66xm2f"]}
        assert names_in(browser, "10000000000000") == {"Refunds": [refund.number]}
        assert names_in(browser, "hdfcr52026112812345678") == {"Refunds": [refund.number]}

    def test_anything_is_found_by_its_public_id(self, browser: Client, shop: Any) -> None:
        assert names_in(browser, shop["first"].public_id) == {"Orders": ["ORD-2627-000123"]}
        assert names_in(browser, shop["asha"].public_id)["People"] == ["Asha Rao"]
        assert names_in(browser, shop["attempt"].public_id) == {"Payment attempts": ["pay_29QQoUBi66xm2f"]}
        assert names_in(browser, shop["refund"].number) == {"Refunds": [shop["refund"].number]}

    def test_goods_are_found_by_sku_and_by_words(self, browser: Client, shop: Any) -> None:
        sku = shop["variant"].sku

        Variant.objects.filter(pk=shop["variant"].pk).update(sku="Krt-4954767-M")
        assert names_in(browser, "4954767") == names_in(browser, "krt-4954767") == {"Variants": ["Krt-4954767-M"]}
        assert names_in(browser, "495476") == {}
        Variant.objects.filter(pk=shop["variant"].pk).update(sku=sku)
        assert names_in(browser, sku.lower()) == {"Variants": [sku]}
        assert names_in(browser, "stole pashmina") == {"Products": ["Pashmina stole"]}

    def test_the_box_of_the_menu_and_of_a_script_lead_here(self, browser: Client) -> None:
        assert 'action="/admin/search/"' in browser.get("/admin/").content.decode()
        assert browser.get(URL, {"s": "ORD-2627-000042"}).content.decode().count("/admin/orders/order/") >= 1


class TestWhatIsNotFound:
    def test_any_text_is_answered(self, administrator: Any, shop: Any) -> None:
        browser = browser_of(administrator)

        for typed in (
            "", " ", "\x00", "%", "_", "\\", "'", '"', "(", "a", "*:*", "&|!", "😀", "x" * 5000, "+", "@", "@@", "ord_", "pay_x",
            "--", "0" * 99, "A" * 99, "<script>alert(1)</script>", "آشا", "1e999", "null", "a" * 40 + "1", "'':*", "आशा", "x:y&z",
        ):  # fmt: skip
            answer = browser.get(URL, {"q": typed})
            assert answer.status_code == 200, typed
            assert "<script>alert(1)</script>" not in answer.content.decode()

    def test_an_empty_result_says_what_can_be_typed(self, administrator: Any, shop: Any) -> None:
        page = unescape(browser_of(administrator).get(URL, {"q": "no such thing"}).content.decode())

        assert "Nothing that you may look at is found by “no such thing”" in page
        assert "A person's name, whole phone number, whole e-mail address or GSTIN" in page
        assert "The UTR of a settlement, as the bank statement shows it" in page

    def test_the_box_of_who_sees_orders_names_orders(self, support: Any) -> None:
        page = browser_of(support).get("/admin/").content.decode()

        assert 'placeholder="Order, phone, name …"' in page
        assert 'placeholder="Order number or its last digits, phone, name, e-mail, SKU …"' in page

    def test_a_dispute_and_any_public_id_are_named_among_what_can_be_typed(self, administrator: Any) -> None:
        text = browser_of(administrator).get(URL).content.decode()

        assert "The gateway&#x27;s id of a dispute, such as disp_…" in text
        assert text.count("The public id of any of these, such as ord_… or pay_…") == 1

    def test_role_sees_what_it_can_search(self, catalogue_manager: Any, shop: Any) -> None:
        page = browser_of(catalogue_manager).get(URL).content.decode()

        assert "A SKU, its beginning or a part of it between dashes" in page
        assert "phone number" not in page
        assert page.count('placeholder="SKU, product …"') == 2


class TestByRole:
    def expected(self, role: str, shop: Any) -> dict[str, dict[str, list[str]]]:
        """What each role finds, exactly."""
        asha = {"People": ["Asha Rao"], "Orders": ["ORD-2627-001123", "ORD-2627-000123"]}
        money = {"Payments": [shop["attempt"].payment.public_id], "Payment attempts": ["pay_29QQoUBi66xm2f"]}
        exceptions = {"Exceptions": ["pay_29QQoUBi66xm2f"]} if role in ("finance", "admin") else {}
        settlements = {"Settlements": ["setl_7IZKKI4Pnt2kEe"]} if role in ("finance", "admin") else {}
        sales: dict[str, dict[str, list[str]]] = {
            "9876543210": asha, "asha": asha, "asha@example.com": asha, "000042": {"Orders": ["ORD-2627-000042"]},
            shop["invoice"].number: {"Invoices and credit notes": [shop["invoice"].number]},
            "pay_29QQoUBi66xm2f": {**money, **exceptions},
            "rfnd_FP8QHiV938haTz": {"Refunds": [shop["refund"].number]},
            "disp_Esz7KAitoYM7PJ": {"Disputes": ["disp_Esz7KAitoYM7PJ"]},
            "1568176960vxp0rj": settlements,
            shop["asha"].public_id: asha,
        }  # fmt: skip
        goods = {shop["variant"].sku: {"Variants": [shop["variant"].sku]}, "pashmina": {"Products": ["Pashmina stole"]}}
        return {**(sales if role in SALES else {term: {} for term in sales}), **goods}

    @pytest.mark.parametrize("role", ROLES)
    def test_a_role_finds_what_its_pages_show(self, role: str, shop: Any) -> None:
        browser, expected = browser_of(make_staff(role)), self.expected(role, shop)

        assert {term: names_in(browser, term) for term in expected} == expected

    @pytest.mark.parametrize("role", ROLES)
    def test_every_hit_opens(self, role: str, shop: Any) -> None:
        browser = browser_of(make_staff(role))

        for term in self.expected(role, shop):
            page = browser.get(URL, {"q": term}).content.decode()
            for href in re.findall(r'<li[^>]*>\s*<a href="(/admin/[^"]+/change/)"', page):
                assert browser.get(href).status_code == 200, href

    def test_staff_without_a_role_find_nothing(self, shop: Any) -> None:
        nobody = make_staff("support")
        nobody.groups.clear()
        browser = browser_of(nobody)

        assert names_in(browser, "asha") == {}
        assert "Your roles open no page that can be searched." in browser.get(URL, {"q": "asha"}).content.decode()

    def test_customers_and_strangers_stay_outside(self, shop: Any) -> None:
        for browser in (browser_of(shop["asha"]), Client()):
            answer = browser.get(URL, {"q": "asha"})
            assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/")

    def test_nobody_is_found_by_a_part_of_a_phone_or_an_e_mail(self, support: Any, shop: Any) -> None:
        browser = browser_of(support)

        for part in ("98765", "+9198765", "43210", "asha@", "asha@example", "example.com", "987654321", "9876543211"):
            assert "People" not in names_in(browser, part), part

    def test_support_reads_contacts_masked(self, support: Any, administrator: Any, shop: Any) -> None:
        User.objects.filter(pk=shop["bala"].pk).update(name="")

        masked = browser_of(support).get(URL, {"q": "asha"}).content.decode()
        nameless = browser_of(support).get(URL, {"q": "000042"}).content.decode()
        whole = browser_of(administrator).get(URL, {"q": "asha"}).content.decode()

        assert "+919876543210" not in masked
        assert "asha@example.com" not in masked
        assert "+91******3210 · a***@example.com" in masked
        assert "+919812345678" not in nameless
        assert "+91******5678" in nameless
        assert "+919876543210 · asha@example.com" in whole

    def test_who_may_not_see_people_finds_no_order_by_them(self, shop: Any) -> None:
        from django.contrib.auth.models import Permission

        packer = make_staff("support")
        packer.groups.clear()
        packer.user_permissions.add(Permission.objects.get(codename="view_order"))

        assert names_in(browser_of(packer), "9876543210") == {}
        assert names_in(browser_of(packer), "000123") == {"Orders": ["ORD-2627-000123"]}


TERMS = (
    "9876543210", "asha", "asha@example.com", "123", "42", "2627-000123", "ORD-2627-0001", "INV26", "pay_29QQoUBi66xm2f", "322206890934",
    "1568176960vxp0rj", "SKU-00001", "pashmina", "4954767", "ord-2627-42", "260000507", "29AAGCB7383J1Z4",
)  # fmt: skip
#: What grows with the shop; the test fills each with some thousands of rows.
GROWING = {
    model._meta.db_table
    for model in (User, Address, Order, Payment, PaymentAttempt, Refund, Dispute, Settlement, Invoice, Variant)
}


class TestWhatItCosts:
    def test_statements_do_not_grow_with_the_shop(self, administrator: Any, shop: Any, count_queries: Any) -> None:
        browser = browser_of(administrator)

        def statements_of(term: str) -> list[str]:
            with count_queries() as queries:
                browser.get(URL, {"q": term})
            # When a session was last used is written now and then, whatever is asked.
            return [
                query["sql"]
                for query in queries
                if "django_session" not in query["sql"] and "SAVEPOINT" not in query["sql"]
            ]

        frame = statements_of("")
        few = {term: statements_of(term) for term in TERMS}
        for number in range(2 * SHOWN):
            order = make_order_of(shop["asha"], number=f"ORD-2627-1{number:02d}123")
            make_invoice_of(order)
            make_user(name=f"Asha {number}")
        many = {term: statements_of(term) for term in TERMS}

        assert {term: len(many[term]) for term in TERMS if len(many[term]) > len(few[term])} == {}
        assert max(map(len, few.values())) <= len(frame) + 13
        assert not [sql for statements in many.values() for sql in statements if "COUNT(" in sql.upper()]

    def test_so_many_are_shown_and_no_more(self, administrator: Any, shop: Any) -> None:
        for number in range(2 * SHOWN):
            make_order_of(shop["asha"], number=f"ORD-2627-1{number:02d}123")
        browser = browser_of(administrator)

        assert len(names_in(browser, "123")["Orders"]) == SHOWN
        assert names_in(browser, "123")["Orders"][0] == "ORD-2627-000123"
        assert (
            f"There are more than {SHOWN}. Type more to find others." in browser.get(URL, {"q": "123"}).content.decode()
        )

    @pytest.fixture
    def large_shop(self, shop: Any) -> None:
        """Some thousands of rows of what grows, so that reading all of them is dearer than any index."""
        in_time, order_of_copy = (
            "now() - n * interval '1 minute'",
            "(SELECT o.id FROM orders_order o WHERE o.number = 'ORD-2526-' || lpad(n::text, 6, '0'))",
        )
        multiply(
            User,
            shop["bala"],
            phone="'+9170' || (10000000 + n)",
            name="'Person' || n || ' Name' || n",
            created_at=in_time,
        )
        multiply(
            Address, Address.objects.get(company="Iyer Textiles"), name="'Name' || n", phone="'+9180' || (10000000 + n)"
        )
        multiply(Order, shop["third"], number="'ORD-2526-' || lpad(n::text, 6, '0')", created_at=in_time)
        payment_of_copy = "(SELECT p.id FROM payments_payment p WHERE p.gateway_order_id = 'order_x' || n)"
        attempt_of_copy = "(SELECT a.id FROM payments_paymentattempt a WHERE a.gateway_payment_id = 'pay_x' || n)"
        multiply(
            Payment,
            shop["attempt"].payment,
            gateway_order_id="'order_x' || n",
            order_id=order_of_copy,
            created_at=in_time,
        )
        multiply(
            PaymentAttempt, shop["attempt"], gateway_payment_id="'pay_x' || n", rrn="'9' || n", payment_id=payment_of_copy,
            created_at=in_time,
        )  # fmt: skip
        multiply(
            Refund, shop["refund"], number="'R' || n", idempotency_key="'key-of-copy-' || n", gateway_refund_id="'rfnd_x' || n",
            arn="'8' || n", order_id=order_of_copy, payment_id=payment_of_copy, attempt_id=attempt_of_copy, created_at=in_time,
        )  # fmt: skip
        multiply(
            Dispute, shop["dispute"], gateway_dispute_id="'disp_x' || n", order_id=order_of_copy, payment_id=payment_of_copy,
            attempt_id=attempt_of_copy, created_at=in_time,
        )  # fmt: skip
        multiply(
            Settlement,
            Settlement.objects.get(),
            gateway_settlement_id="'setl_x' || n",
            utr="'7' || n",
            settled_at=in_time,
        )
        multiply(
            Invoice,
            shop["invoice"],
            number="'INVX' || n",
            sequence="100000 + n",
            order_id=order_of_copy,
            created_at=in_time,
        )
        multiply(Variant, shop["variant"], sku="'X-' || n")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")

    def test_no_large_table_is_read_whole(self, administrator: Any, large_shop: None, count_queries: Any) -> None:
        browser = browser_of(administrator)
        whole = []

        for term in TERMS:
            with count_queries() as queries:
                browser.get(URL, {"q": term})
            statements = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
            whole += [
                (term, table, sql[:300])
                for sql in statements
                for table in tables_read_whole(plan_of(sql))
                if table in GROWING
            ]

        assert sorted({(term, table) for term, table, _ in whole}) == [], whole[:3]


class TestLists:
    """Each list finds its rows as the search box does."""

    @pytest.mark.parametrize(
        ("page", "terms"),
        [
            ("payments/payment", ("pay_29QQoUBi66xm2f", "order_9A33XWu170gUtm", "ord-2627-000123", "000123")),
            ("payments/paymentattempt", ("pay_29QQoUBi66xm2f", "322206890934", "ORD-2627-000123", "000123")),
            ("payments/refund", ("rfnd_FP8QHiV938haTz", "10000000000000", "ORD-2627-001123", "1123")),
            ("payments/dispute", ("disp_Esz7KAitoYM7PJ", "pay_29QQoUBi66xm2f", "ORD-2627-000123")),
            ("settlements/settlement", ("setl_7IZKKI4Pnt2kEe", "1568176960VXP0RJ")),
            ("ledger/reconciliationexception", ("pay_29QQoUBi66xm2f",)),
            (
                "invoicing/invoice",
                ("ORD-2627-000123", "000123", "pay_29QQoUBi66xm2f", "98765 43210", "asha", "iyer & textiles"),
            ),
            ("orders/order", ("000042", "42", "ord-2627-000042", "98123 45678", "krishnan bala")),
            ("accounts/user", ("98765 43210", "asha", "iyer & textiles", "90000 11111")),
        ],
    )
    def test_a_row_is_found_by_each_of_its_names(
        self, administrator: Any, shop: Any, page: str, terms: tuple[str, ...]
    ) -> None:
        browser = browser_of(administrator)

        found = {term: rows_of(browser, page, term) for term in terms}
        nothing = {
            term: rows_of(browser, page, term) for term in ("pay_00000000000000", "999999", "%", "no such words")
        }

        assert found == dict.fromkeys(terms, 1)
        assert nothing == dict.fromkeys(nothing, 0)

    def test_orders_are_found_by_the_company_of_an_address(self, support: Any, shop: Any) -> None:
        assert rows_of(browser_of(support), "orders/order", "iyer & textiles") == 2

    @pytest.mark.parametrize("page", ["orders/order", "invoicing/invoice"])
    def test_who_may_not_see_people_finds_no_row_by_them(self, shop: Any, page: str) -> None:
        from django.contrib.auth.models import Permission

        packer = make_staff("support")
        packer.groups.clear()
        packer.user_permissions.set(Permission.objects.filter(codename__in=("view_order", "view_invoice")))

        assert [rows_of(browser_of(packer), page, term) for term in ("asha", "9876543210", "000123")] == [0, 0, 1]

    def test_an_empty_list_leads_to_the_search_box(self, administrator: Any, shop: Any) -> None:
        browser = browser_of(administrator)
        found = unescape(browser.get("/admin/orders/order/", {"q": "INV & 9/9"}).content.decode())
        whole = unescape(browser.get("/admin/settlements/settlementline/").content.decode())

        assert "Nothing in this list is found by “INV & 9/9”." in found
        assert 'href="/admin/search/?q=INV%20%26%209%2F9"' in found
        assert "There is nothing in this list." in whole
        assert "Search everywhere" not in whole

    def test_payments_are_found_by_a_phone_in_any_writing(self, administrator: Any, shop: Any) -> None:
        browser = browser_of(administrator)

        assert rows_of(browser, "payments/payment", "098765 43210") == 2
        assert rows_of(browser, "payments/payment", "98123 45678") == 0


def rows_of(browser: Client, page: str, term: str) -> int:
    """How many rows a list shows for a search."""
    answer = browser.get(f"/admin/{page}/", {"q": term})
    assert answer.status_code == 200
    return len(answer.context["cl"].result_list)


def multiply(model: Any, row: Any, **values: str) -> None:
    """Copy a row 4,000 times in the database, with these columns made of the number `n` of each copy."""
    made = {"id": "gen_random_uuid()", **values}
    columns = [field.column for field in model._meta.concrete_fields if field.column not in made]
    table, copied = model._meta.db_table, ", ".join(columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(made)}, {copied}) SELECT {', '.join(made.values())}, {copied}"
            f" FROM {table}, generate_series(1, 4000) n WHERE id = %s",
            [row.pk],
        )


def plan_of(sql: str) -> Any:
    """How the database would answer a statement if reading a whole table were very dear, as it is where all tables are large."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_mergejoin = off")
        cursor.execute("EXPLAIN (FORMAT JSON) " + sql)
        (plan,) = cursor.fetchone()
    return (plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]


def tables_read_whole(node: Any) -> list[str]:
    """The tables of which a plan reads every row: by a scan without an index, or by an index without a condition."""
    is_scan = node["Node Type"] in ("Seq Scan", "Index Scan", "Index Only Scan")
    has_condition = "Index Cond" in node
    here = [node["Relation Name"]] if is_scan and not has_condition else []
    return [*here, *(table for part in node.get("Plans", []) for table in tables_read_whole(part))]
