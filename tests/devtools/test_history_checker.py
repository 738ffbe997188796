"""The history checker: a journal in which something was lost or doubled is found, and one in which all went well is not."""

from typing import Any

import pytest

from devtools.history.checker import read_history
from tests.support.journals import (
    VARIANT,
    JournalBuilder,
    a_gateway_payment,
    a_gateway_refund,
    a_paid_order,
    a_payment,
    a_placed_order,
    a_refund,
    a_refunded_order,
    an_order,
)


@pytest.fixture
def journal() -> JournalBuilder:
    return JournalBuilder()


class TestNothingWrong:
    def test_an_empty_run(self, journal: JournalBuilder) -> None:
        assert journal.find() == []

    def test_orders_payments_and_refunds_that_agree(self, journal: JournalBuilder) -> None:
        a_refunded_order(journal)
        a_placed_order(journal, 2)
        a_paid_order(journal, 3)

        assert journal.find() == []

    def test_an_order_that_was_sent_again_and_replayed(self, journal: JournalBuilder) -> None:
        a_placed_order(journal)
        journal.do("op-1", "place_order", 201, an_order(), replayed=True)

        assert journal.find() == []

    def test_an_order_without_an_answer_that_is_not_there(self, journal: JournalBuilder) -> None:
        journal.do("op-1", "place_order", None, request={"lines": [], "note": "op-1"})

        assert journal.find() == []

    def test_an_order_without_an_answer_that_is_there_once(self, journal: JournalBuilder) -> None:
        journal.do("op-1", "place_order", None, request={"lines": [], "note": "op-1"})
        journal.final["orders"].append(an_order())
        journal.final["variants"][0]["reserved"] = 2

        assert journal.find() == []

    def test_an_expired_order_holds_no_units(self, journal: JournalBuilder) -> None:
        a_placed_order(journal).update(status="expired", version=2)
        journal.final["variants"][0]["reserved"] = 0

        assert journal.find() == []

    def test_units_that_were_dispatched_are_neither_on_hand_nor_held(self, journal: JournalBuilder) -> None:
        row = a_paid_order(journal)
        row.update(status="in_fulfilment")
        row["lines"][0]["dispatched"] = 2
        journal.final["variants"][0].update(on_hand=8, reserved=0)

        assert journal.find() == []

    def test_an_automatic_refund_of_the_gateway_is_none_of_ours(self, journal: JournalBuilder) -> None:
        journal.final["gateway_refunds"].append(a_gateway_refund(automatic=True))
        journal.final["gateway_refunds"].append(a_gateway_refund(2, status="failed"))

        assert journal.find() == []


class TestOrders:
    def test_an_acknowledged_order_that_is_lost(self, journal: JournalBuilder) -> None:
        a_placed_order(journal)
        journal.final["orders"].clear()
        journal.final["variants"][0]["reserved"] = 0

        assert journal.kinds() == ["order_lost"]

    @pytest.mark.parametrize("status", [201, None])
    def test_one_order_that_is_there_twice(self, journal: JournalBuilder, status: int | None) -> None:
        request = {"lines": [{"variant_id": VARIANT, "quantity": 2}], "note": "op-1"}
        journal.do("op-1", "place_order", status, an_order() if status else None, request=request)
        journal.final["orders"] += [an_order(), an_order(2, note="op-1")]
        journal.final["variants"][0]["reserved"] = 4

        assert journal.kinds() == ["order_doubled"]

    @pytest.mark.parametrize(
        "changed", [{"total_amount": 50_100}, {"customer_id": "cus_2"}, {"number": "ORD-2627-000009"}]
    )
    def test_an_order_that_is_not_as_it_was_acknowledged(
        self, journal: JournalBuilder, changed: dict[str, Any]
    ) -> None:
        a_placed_order(journal).update(changed)

        assert journal.kinds() == ["order_changed"]

    def test_an_order_of_other_lines_than_requested(self, journal: JournalBuilder) -> None:
        request = {"lines": [{"variant_id": VARIANT, "quantity": 3}], "note": "op-1"}
        journal.do("op-1", "place_order", 201, an_order(), request=request)
        journal.final["orders"].append(an_order())
        journal.final["variants"][0]["reserved"] = 2

        assert journal.kinds() == ["order_changed"]

    def test_a_refused_order_that_exists(self, journal: JournalBuilder) -> None:
        journal.do("op-1", "place_order", 409, {"error": {"code": "insufficient_stock"}}, request={"lines": []})
        journal.final["orders"].append(an_order())
        journal.final["variants"][0]["reserved"] = 2

        assert journal.kinds() == ["refused_order_exists"]

    def test_a_conflict_with_a_running_request_is_no_refusal(self, journal: JournalBuilder) -> None:
        journal.do("op-1", "place_order", 409, {"error": {"code": "request_in_flight"}}, request={"lines": []})
        journal.final["orders"].append(an_order())
        journal.final["variants"][0]["reserved"] = 2

        assert journal.kinds() == []

    def test_an_order_that_nobody_requested(self, journal: JournalBuilder) -> None:
        journal.final["orders"].append(an_order(note="nobody"))
        journal.final["variants"][0]["reserved"] = 2

        assert journal.kinds() == ["order_unrequested"]

    def test_a_number_that_two_orders_have(self, journal: JournalBuilder) -> None:
        first = a_placed_order(journal)
        request = {"lines": first["lines"], "note": "op-2"}
        second = {**an_order(2), "number": first["number"]}
        journal.do("op-2", "place_order", 201, second, request=request)
        journal.final["orders"].append(second)
        journal.final["variants"][0]["reserved"] = 4

        assert journal.kinds() == ["order_number_doubled"]

    def test_a_cancellation_that_is_lost(self, journal: JournalBuilder) -> None:
        a_placed_order(journal).update(version=2)
        journal.do("cancel-1", "cancel_order", 200, {"id": "ord_1"}, request={})

        assert journal.kinds() == ["cancellation_lost"]

    def test_a_repetition_with_another_answer(self, journal: JournalBuilder) -> None:
        a_placed_order(journal)
        journal.do("op-1", "place_order", 201, an_order(total_amount=1), replayed=True)

        assert journal.kinds() == ["replay_differs"]

    def test_a_repetition_that_takes_effect_again(self, journal: JournalBuilder) -> None:
        a_placed_order(journal)
        journal.do("op-1", "place_order", 201, an_order(), replayed=False)

        assert journal.kinds() == ["effect_repeated"]

    def test_a_repetition_that_is_refused(self, journal: JournalBuilder) -> None:
        a_placed_order(journal)
        journal.do("op-1", "place_order", 409, {"error": {"code": "insufficient_stock"}})

        assert journal.kinds() == ["replay_differs"]


class TestUnits:
    @pytest.mark.parametrize(("on_hand", "kind"), [(9, "units_lost"), (11, "units_doubled")])
    def test_units_on_hand_that_nobody_moved(self, journal: JournalBuilder, on_hand: int, kind: str) -> None:
        journal.final["variants"][0]["on_hand"] = on_hand

        assert journal.kinds() == [kind]

    @pytest.mark.parametrize(("reserved", "kind"), [(0, "reservation_lost"), (4, "reservation_not_released")])
    def test_reserved_units_that_are_not_what_orders_hold(
        self, journal: JournalBuilder, reserved: int, kind: str
    ) -> None:
        a_placed_order(journal)
        journal.final["variants"][0]["reserved"] = reserved

        assert journal.kinds() == [kind]

    def test_more_units_than_there_are(self, journal: JournalBuilder) -> None:
        for number in range(1, 7):
            a_placed_order(journal, number)

        assert journal.kinds() == ["oversold"]

    @pytest.mark.parametrize("on_hand", [13, 12])
    def test_an_adjustment_counts_once(self, journal: JournalBuilder, on_hand: int) -> None:
        journal.do("adjust-1", "adjust_stock", 201, {"id": "mov_1"}, request={"variant_id": VARIANT, "quantity": 3})
        journal.final["variants"][0]["on_hand"] = on_hand

        assert journal.kinds() == ([] if on_hand == 13 else ["units_lost"])

    @pytest.mark.parametrize(("on_hand", "kinds"), [(10, []), (7, []), (6, ["units_lost"]), (13, ["units_doubled"])])
    def test_an_adjustment_of_unknown_outcome_counts_once_at_most(
        self, journal: JournalBuilder, on_hand: int, kinds: list[str]
    ) -> None:
        journal.do("adjust-1", "adjust_stock", None, request={"variant_id": VARIANT, "quantity": -3})
        journal.final["variants"][0]["on_hand"] = on_hand

        assert journal.kinds() == kinds

    def test_a_variant_that_is_gone(self, journal: JournalBuilder) -> None:
        journal.final["variants"].clear()

        assert journal.kinds() == ["variant_lost"]


class TestPayments:
    def test_a_captured_payment_that_we_do_not_know(self, journal: JournalBuilder) -> None:
        journal.final["gateway_payments"].append(a_gateway_payment(9))

        assert journal.kinds() == ["capture_lost"]

    def test_a_captured_payment_that_we_take_for_a_failed_one(self, journal: JournalBuilder) -> None:
        a_placed_order(journal)
        journal.final["payments"].append(a_payment(captured=False))
        journal.final["gateway_payments"].append(a_gateway_payment())

        assert journal.kinds() == ["capture_lost"]

    def test_a_captured_payment_that_is_in_two_payments(self, journal: JournalBuilder) -> None:
        a_paid_order(journal).update(paid_amount=100_000)
        journal.final["payments"].append(a_payment(id="pay_2"))

        assert journal.kinds() == ["capture_doubled", "capture_not_posted"]

    def test_a_capture_that_the_gateway_does_not_know(self, journal: JournalBuilder) -> None:
        a_paid_order(journal)
        journal.final["gateway_payments"].clear()

        assert journal.kinds() == ["capture_invented"]

    def test_a_payment_that_was_only_authorised_is_no_capture(self, journal: JournalBuilder) -> None:
        journal.final["gateway_payments"].append(a_gateway_payment(status="authorized", captured_at=None))

        assert journal.kinds() == []

    def test_a_capture_of_another_amount(self, journal: JournalBuilder) -> None:
        a_paid_order(journal)
        journal.final["gateway_payments"][0]["amount"] = 50_100

        assert journal.kinds() == ["capture_changed"]

    def test_a_capture_with_the_wrong_order(self, journal: JournalBuilder) -> None:
        a_paid_order(journal)
        journal.final["gateway_payments"][0]["order_id"] = "order_G7"

        assert journal.kinds() == ["capture_misplaced"]

    def test_a_payment_of_an_order_that_is_gone(self, journal: JournalBuilder) -> None:
        journal.final["payments"].append(a_payment(captured=False))

        assert journal.kinds() == ["payment_without_order"]

    def test_an_acknowledged_payment_that_is_lost(self, journal: JournalBuilder) -> None:
        journal.do("pay-1", "start_payment", 202, a_payment(captured=False), request={})

        assert journal.kinds() == ["payment_lost"]

    def test_an_order_whose_paid_amount_is_not_what_was_captured(self, journal: JournalBuilder) -> None:
        a_paid_order(journal).update(paid_amount=60_000)

        assert journal.kinds() == ["capture_not_posted", "order_paid_amount_differs"]

    def test_a_confirmed_order_that_nobody_paid(self, journal: JournalBuilder) -> None:
        a_placed_order(journal).update(status="confirmed", version=2)

        assert journal.kinds() == ["confirmed_unpaid", "invoice_missing"]

    def test_a_paid_order_that_waits(self, journal: JournalBuilder) -> None:
        a_paid_order(journal).update(status="pending_payment")

        assert journal.kinds() == ["paid_unconfirmed"]

    def test_a_capture_that_was_posted_twice(self, journal: JournalBuilder) -> None:
        a_paid_order(journal)
        journal.final["ledger"] *= 2

        assert journal.kinds() == ["capture_posted_twice"]

    def test_a_ledger_that_does_not_sum_to_zero(self, journal: JournalBuilder) -> None:
        a_paid_order(journal)
        journal.final["ledger"].pop()

        assert journal.kinds() == ["ledger_not_zero"]


class TestRefunds:
    def test_a_refund_of_the_gateway_that_we_do_not_know(self, journal: JournalBuilder) -> None:
        a_paid_order(journal)
        journal.final["gateway_refunds"].append(a_gateway_refund())

        assert journal.kinds() == ["refund_lost"]

    def test_one_refund_that_the_gateway_made_twice(self, journal: JournalBuilder) -> None:
        a_refunded_order(journal)
        journal.final["gateway_refunds"].append(a_gateway_refund(2, notes={"refund": "rfnd_1"}))

        assert journal.kinds() == ["refund_doubled", "refund_lost"]

    def test_one_refund_of_the_gateway_that_is_in_two_of_ours(self, journal: JournalBuilder) -> None:
        a_refunded_order(journal).update(refunded_amount=20_000)
        journal.final["refunds"].append(a_refund(2, gateway_refund_id="rfnd_G1"))

        assert journal.kinds() == ["refund_recorded_twice"]

    def test_a_processed_refund_that_the_gateway_did_not_make(self, journal: JournalBuilder) -> None:
        a_refunded_order(journal)
        journal.final["gateway_refunds"].clear()

        assert journal.kinds() == ["refund_invented"]

    def test_a_bank_transfer_is_not_the_gateways(self, journal: JournalBuilder) -> None:
        a_refunded_order(journal)
        journal.final["refunds"][0].update(gateway_refund_id=None, transfer_reference="UTR1")
        journal.final["gateway_refunds"].clear()

        assert journal.kinds() == []

    def test_a_refund_of_another_amount(self, journal: JournalBuilder) -> None:
        a_refunded_order(journal)
        journal.final["gateway_refunds"][0]["amount"] = 10_100

        assert journal.kinds() == ["refund_changed"]

    def test_a_refund_that_was_processed_and_is_not_with_us(self, journal: JournalBuilder) -> None:
        a_refunded_order(journal).update(refunded_amount=0)
        journal.final["refunds"][0]["status"] = "pending"

        assert journal.kinds() == ["refund_unfinished"]

    def test_more_refunded_than_was_captured(self, journal: JournalBuilder) -> None:
        a_refunded_order(journal).update(refunded_amount=60_000)
        journal.final["refunds"].append(a_refund(2, amount=50_000))
        journal.final["gateway_refunds"].append(a_gateway_refund(2, amount=50_000))

        assert journal.kinds() == ["refund_exceeds_payment", "refunds_exceed_order"]

    def test_an_acknowledged_request_that_is_lost(self, journal: JournalBuilder) -> None:
        a_paid_order(journal)
        journal.do("refund-1", "request_refund", 202, {"object": "list", "data": [a_refund(version=1)]}, request={})

        assert journal.kinds() == ["refund_request_lost"]

    def test_a_note_that_was_added_to_is_still_the_requests(self, journal: JournalBuilder) -> None:
        a_refunded_order(journal)
        journal.final["refunds"][0]["note"] = "refund-1; the order is cancelled"

        assert journal.kinds() == []

    def retry(self, journal: JournalBuilder, of: str, status: int | None, answer: Any = None) -> None:
        attempt = journal.intend(f"retry-{of}", "retry_refund", {}, path=f"/refunds/{of}/retry")
        journal.answer(f"retry-{of}", attempt, status, answer)

    def let_it_fail_and_be_retried(self, journal: JournalBuilder) -> None:
        """The gateway fails the refund of a request, and a retry of it, which has its note, is processed."""
        a_refunded_order(journal)
        journal.final["refunds"] = [a_refund(status="failed"), a_refund(2, note="refund-1")]
        journal.final["gateway_refunds"] = [a_gateway_refund(status="failed"), a_gateway_refund(2)]

    @pytest.mark.parametrize(
        ("status", "answer"), [(202, a_refund(2, status="pending", version=1)), (None, None)], ids=["known", "unknown"]
    )
    def test_a_retry_of_a_failed_refund_is_no_second_refund(
        self, journal: JournalBuilder, status: int | None, answer: Any
    ) -> None:
        self.let_it_fail_and_be_retried(journal)
        self.retry(journal, "rfnd_1", status, answer)

        assert journal.kinds() == []

    @pytest.mark.parametrize(("of", "status"), [("rfnd_1", 409), ("rfnd_9", None)], ids=["refused", "of another"])
    def test_a_retry_that_explains_nothing(self, journal: JournalBuilder, of: str, status: int | None) -> None:
        self.let_it_fail_and_be_retried(journal)
        self.retry(journal, of, status, {"error": {"code": "refund_not_retryable"}} if status else None)

        assert journal.kinds() == ["refund_request_doubled"]

    def test_one_retry_that_made_two(self, journal: JournalBuilder) -> None:
        self.let_it_fail_and_be_retried(journal)
        journal.final["refunds"].append(
            a_refund(3, note="refund-1", status="requires_approval", gateway_refund_id=None)
        )
        self.retry(journal, "rfnd_1", None)

        assert journal.kinds() == ["refund_request_doubled"]

    def test_a_request_that_made_a_second_refund(self, journal: JournalBuilder) -> None:
        a_refunded_order(journal)
        journal.final["refunds"].append(
            a_refund(2, note="refund-1", status="requires_approval", gateway_refund_id=None)
        )

        assert journal.kinds() == ["refund_request_doubled"]

    def test_a_refused_request_that_made_a_refund(self, journal: JournalBuilder) -> None:
        a_paid_order(journal)
        journal.do("refund-1", "request_refund", 409, {"error": {"code": "refund_exceeds_payment"}}, request={})
        journal.final["refunds"].append(a_refund(status="requires_approval", gateway_refund_id=None))

        assert journal.kinds() == ["refused_refund_exists"]

    def test_an_approval_that_is_lost(self, journal: JournalBuilder) -> None:
        a_refunded_order(journal).update(refunded_amount=0)
        journal.final["gateway_refunds"].clear()
        journal.final["refunds"][0].update(status="requires_approval", gateway_refund_id=None)

        assert journal.kinds() == ["decision_lost", "status_went_back"]

    def test_a_rejection_that_is_lost(self, journal: JournalBuilder) -> None:
        a_refunded_order(journal)
        journal.do("reject-1", "reject_refund", 200, {"id": "rfnd_1"}, request={})

        assert journal.kinds() == ["decision_lost"]

    def test_an_order_whose_refunded_amount_is_not_what_was_refunded(self, journal: JournalBuilder) -> None:
        a_refunded_order(journal).update(refunded_amount=10_001)

        assert journal.kinds() == ["order_refunded_amount_differs"]


class TestDocuments:
    def test_a_paid_order_without_an_invoice(self, journal: JournalBuilder) -> None:
        a_paid_order(journal)
        journal.final["invoices"][0]["status"] = "cancelled"

        assert journal.kinds() == ["invoice_missing"]

    def test_an_order_that_was_invoiced_twice(self, journal: JournalBuilder) -> None:
        a_paid_order(journal)
        journal.final["invoices"].append({**journal.final["invoices"][0], "number": "INV/2"})

        assert journal.kinds() == ["invoice_doubled"]

    def test_a_number_that_two_invoices_have(self, journal: JournalBuilder) -> None:
        a_paid_order(journal)
        a_paid_order(journal, 2)
        journal.final["invoices"][1]["number"] = journal.final["invoices"][0]["number"]

        assert journal.kinds() == ["invoice_number_doubled"]


class TestReads:
    def test_reads_that_go_on(self, journal: JournalBuilder) -> None:
        row = a_paid_order(journal)
        journal.read("read-1", an_order(version=2))
        journal.read("read-2", dict(row))

        assert journal.find() == []

    def test_a_paid_order_that_is_read_unpaid_later(self, journal: JournalBuilder) -> None:
        row = a_paid_order(journal)
        journal.read("read-1", dict(row))
        journal.read("read-2", an_order())

        assert journal.kinds() == ["paid_amount_fell", "status_went_back", "version_fell"]

    def test_reads_at_the_same_time_have_no_order(self, journal: JournalBuilder) -> None:
        row = a_paid_order(journal)
        first = journal.intend("read-1", "read_order", key=None)
        journal.read("read-2", dict(row))
        journal.answer("read-1", first, 200, an_order())

        assert journal.find() == []

    def test_a_replayed_answer_says_nothing_of_now(self, journal: JournalBuilder) -> None:
        row = a_paid_order(journal)
        journal.read("read-1", dict(row))
        journal.do("op-1", "place_order", 201, an_order(), replayed=True)

        assert journal.find() == []

    def test_a_state_at_the_end_that_is_older_than_a_read(self, journal: JournalBuilder) -> None:
        a_placed_order(journal)
        journal.read("read-1", an_order(version=3))

        assert journal.kinds() == ["version_fell"]

    def test_one_version_with_two_states(self, journal: JournalBuilder) -> None:
        a_placed_order(journal).update(status="expired", version=2)
        journal.final["variants"][0]["reserved"] = 0
        journal.read("read-1", an_order(status="pending_payment", version=2))

        assert journal.kinds() == ["version_ambiguous"]

    def test_a_cancelled_order_does_not_come_back(self, journal: JournalBuilder) -> None:
        row = a_paid_order(journal)
        journal.read("read-1", {**row, "status": "cancelled", "version": 3})

        assert journal.kinds() == ["status_went_back"]

    def test_an_expired_order_may_be_revived(self, journal: JournalBuilder) -> None:
        a_paid_order(journal)
        journal.read("read-1", an_order(status="expired", version=2))

        assert journal.find() == []

    def test_a_capture_that_is_read_once_and_never_again(self, journal: JournalBuilder) -> None:
        a_placed_order(journal)
        journal.final["payments"].append(a_payment(captured=False, version=4))
        journal.read("read-1", a_payment())

        assert journal.kinds() == ["capture_went_back", "status_went_back"]

    def test_objects_in_a_list_are_read_too(self, journal: JournalBuilder) -> None:
        a_placed_order(journal)
        journal.read("read-1", {"object": "list", "data": [an_order(version=3)]})

        assert journal.kinds() == ["version_fell"]


class TestAnswers:
    @pytest.mark.parametrize("status", [500, 502, 504])
    def test_an_error_of_the_server(self, journal: JournalBuilder, status: int) -> None:
        journal.do("read-1", "read_order", status, {"error": {"code": "internal"}}, key=None)

        assert journal.kinds() == ["server_error"]

    @pytest.mark.parametrize(("retry_after", "kinds"), [("5", []), (None, ["retry_after_missing"])])
    def test_an_unavailable_server_says_when_to_come_again(
        self, journal: JournalBuilder, retry_after: str | None, kinds: list[str]
    ) -> None:
        journal.do("read-1", "read_order", 503, {"error": {"code": "unavailable"}}, key=None, retry_after=retry_after)

        assert journal.kinds() == kinds

    def test_a_page_of_a_proxy(self, journal: JournalBuilder) -> None:
        journal.do("read-1", "read_order", 404, "<html>", key=None, json=False)

        assert journal.kinds() == ["not_json"]

    def test_a_violated_invariant(self, journal: JournalBuilder) -> None:
        journal.violated.append({"name": "stock_is_never_oversold", "rows": []})

        assert [anomaly.subject for anomaly in journal.find()] == ["stock_is_never_oversold"]

    def test_a_process_that_ended_by_itself(self, journal: JournalBuilder) -> None:
        journal.end("relay", 1)

        assert [anomaly.sentence for anomaly in journal.find()] == ["relay ended with 1 although nobody had killed it."]


class TestReadHistory:
    def test_a_journal_that_ends_before_its_run_is_not_finished(self, journal: JournalBuilder) -> None:
        a_placed_order(journal)

        assert not read_history(journal.lines).finished
        assert journal.history().finished

    def test_faults_are_counted(self, journal: JournalBuilder) -> None:
        journal.fault("kill_web")
        journal.fault("kill_web")

        assert journal.history().faults == {"kill_web": 2}

    def test_an_attempt_without_an_outcome_has_no_answer(self, journal: JournalBuilder) -> None:
        journal.intend("op-1", "place_order")

        (operation,) = journal.history().operations.values()
        assert operation.is_unknown
        assert [attempt.answered for attempt in operation.attempts] == [None]
