"""The order in which a worker looks at its queues, and how much of each the broker is given."""

from collections import Counter

from apps.core.queues import MAX_HINTS, MESSAGES_PER_FAIR_TURN, PASS_HINTS, HintBudget, PriorityCycle

OURS = ["buyer", "money", "documents", "messages", "exports", "housekeeping"]


def cycle_of(*queues: str) -> PriorityCycle:
    cycle = PriorityCycle()
    cycle.update(queues)
    return cycle


def take(cycle: PriorityCycle, waiting: Counter[str]) -> str:
    """Take a message as Redis does: from the first queue that has one."""
    queue = next(queue for queue in cycle.consume(len(OURS)) if waiting[queue])
    waiting[queue] -= 1
    return cycle.rotate(queue)


class TestPriorityCycle:
    def test_queues_come_in_the_order_of_the_map(self) -> None:
        cycle = cycle_of(*sorted(OURS), "of.another.program")

        assert cycle.consume(7) == [*OURS, "of.another.program"]

    def test_what_a_buyer_waits_for_is_taken_before_a_backlog(self) -> None:
        cycle, waiting = cycle_of(*OURS), Counter(buyer=3, documents=1_000, messages=1_000)

        assert [take(cycle, waiting) for _ in range(4)] == ["buyer", "buyer", "buyer", "documents"]

    def test_a_flood_leaves_every_other_queue_a_share(self) -> None:
        cycle, waiting = cycle_of(*OURS), Counter(dict.fromkeys(OURS, 10_000))

        taken = Counter(take(cycle, waiting) for _ in range(50 * MESSAGES_PER_FAIR_TURN))

        assert taken == {"buyer": 450, "money": 10, "documents": 10, "messages": 10, "exports": 10, "housekeeping": 10}

    def test_the_share_of_an_empty_queue_goes_to_the_next(self) -> None:
        cycle, waiting = cycle_of(*OURS), Counter(money=1_000, housekeeping=1_000)

        taken = Counter(take(cycle, waiting) for _ in range(5 * MESSAGES_PER_FAIR_TURN))

        assert taken == {"money": 46, "housekeeping": 4}

    def test_a_worker_of_one_queue_looks_at_that(self) -> None:
        cycle = cycle_of("documents")

        for _ in range(2 * MESSAGES_PER_FAIR_TURN):
            assert cycle.consume(1) == [cycle.rotate("documents")]


class TestHintBudget:
    def test_there_is_none_before_the_broker_was_looked_at(self) -> None:
        budget = HintBudget({})

        assert not budget.take("buyer")
        assert (budget.waiting, budget.can_send_waiting) == ({"buyer"}, False)

    def test_a_pass_sends_few_hints_of_each_queue(self) -> None:
        budget = HintBudget({"documents": MAX_HINTS, "buyer": MAX_HINTS})

        sent = sum(budget.take("documents") for _ in range(10 * PASS_HINTS))

        assert (sent, budget.take("buyer"), budget.can_send_waiting) == (PASS_HINTS, True, True)
        budget.begin_pass()
        assert budget.count_left("documents") == PASS_HINTS

    def test_all_passes_together_send_no_more_than_the_broker_takes(self) -> None:
        budget, sent = HintBudget({"documents": PASS_HINTS + 1}), 0

        for _ in range(5):
            budget.begin_pass()
            sent += sum(budget.take("documents") for _ in range(PASS_HINTS))

        assert (sent, budget.can_send_waiting) == (PASS_HINTS + 1, False)

    def test_a_queue_waits_until_fewer_were_claimed_than_asked_for(self) -> None:
        budget = HintBudget({"documents": 10, "messages": 10})

        budget.mark_waiting({"documents": 5, "messages": 3}, {"documents": 5, "messages": 5})
        assert budget.waiting == {"documents"}
        budget.mark_waiting({}, {"documents": 5})

        assert budget.waiting == set()
