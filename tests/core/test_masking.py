import time

import pytest

from apps.core.masking import mask, mask_in_data, mask_in_page, mask_in_text


@pytest.mark.parametrize(
    ("contact", "masked"),
    [
        ("+919876512345", "+91******2345"),
        ("9876512345", "+91******2345"),
        ("09876512345", "+91******2345"),
        ("919876512345", "+91******2345"),
        ("+91 98765 12345", "+91******2345"),
        ("+14155550123", "+14*****0123"),
        ("asha.rao@buyers.example", "a***@buyers.example"),
    ],
)
def test_contact_keeps_its_distinguishing_characters(contact: str, masked: str) -> None:
    assert mask(contact) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Call +919876512345.", "Call +91******2345."),
        ("Call 9876512345, or +91 98765 12345", "Call +91******2345, or +91******2345"),
        ("Call 098765 12345, 00919876512345 or 98765-12345.", "Call +91******2345, +91******2345 or +91******2345."),
        ("mail asha.rao@buyers.example now", "mail a***@buyers.example now"),
        ("to wilma.lastname/xq!zz@mailhost.example", "to w***@mailhost.example"),
        ("line 2: 09811122255", "line 2: +91******2255"),
        ("981-112-2255, (0)9811122255, (+91) 98111 22255, 9811 122 255", ", ".join(["+91******2255"] * 4)),
        ("order ORD-2627-000123, ₹1,23,456.50, PIN 560001", "order ORD-2627-000123, ₹1,23,456.50, PIN 560001"),
        ("RRN 987651234567, pay_9876512345abcd, 19876512345", "RRN 987651234567, pay_9876512345abcd, 19876512345"),
    ],
)
def test_contacts_in_a_text(text: str, masked: str) -> None:
    assert mask_in_text(text) == masked


def test_an_apostrophe_of_a_page_hides_no_part_of_an_address() -> None:
    assert mask_in_page("<p>liam.o&#x27;brien@mail.example</p>") == "<p>l***@mail.example</p>"


def test_a_long_text_without_an_address_takes_no_long_time() -> None:
    texts = ["a" * 200_000, "&amp;" * 40_000, "a@" * 100_000, "9 " * 100_000]

    began = time.process_time()

    assert [mask_in_text(text) == text for text in texts] == [True] * 4
    assert time.process_time() - began < 5


def test_data_are_masked_but_for_references_and_what_is_ones_own() -> None:
    own = {"object": "order", "customer_id": "cus_me", "phone": "+919876512345"}
    data = {
        "rrn": "987651234567",
        "utr": "9876512345",
        "phone": "12345678",
        "rows": [{"note": "9876512345"}, own],
        "n": 1,
    }

    assert mask_in_data(data, is_own=lambda row: row.get("customer_id") == "cus_me") == {
        "rrn": "987651234567", "utr": "9876512345", "phone": "123*5678", "rows": [{"note": "+91******2345"}, own], "n": 1,
    }  # fmt: skip


def test_page_is_masked_in_text_and_not_in_forms_and_links() -> None:
    page = (
        '<title>+919876512345</title><a href="?q=9876512345" title="asha@buyers.example">asha@buyers.example</a>'
        '<input value="+919876512345"><textarea>9876512345</textarea><script>let a = "9876512345"</script>me@shop.example'
    )

    assert mask_in_page(page, except_for=frozenset({"me@shop.example"})) == (
        '<title>+91******2345</title><a href="?q=9876512345" title="a***@buyers.example">a***@buyers.example</a>'
        '<input value="+919876512345"><textarea>9876512345</textarea><script>let a = "9876512345"</script>me@shop.example'
    )
