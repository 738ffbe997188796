"""Incidents: one open row for a fault however often it is met, closed by the first success, shown to operators."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection

from apps.core import audit, clock, incidents, relay
from apps.core.models import Event, Incident, Outbox
from tests.support.threads import run_together

KIND = "gateway_credentials_rejected"


def report(key: str = "razorpay", detail: str = "HTTP 401: Authentication failed", **later: int) -> None:
    incidents.report_incident(kind=KIND, key=key, detail=detail, now=clock.now() + timedelta(**later))


def recorded_events() -> list[tuple[str, int]]:
    rows = Event.objects.filter(type__startswith="core.incident").order_by("pk")
    return [(event.type, event.version) for event in rows]


@pytest.mark.django_db
class TestReportIncident:
    def test_first_fault_opens_an_incident(self) -> None:
        report()

        incident = Incident.objects.get()
        assert (incident.kind, incident.key, incident.count, incident.resolved_at) == (KIND, "razorpay", 1, None)
        assert incident.first_seen_at == incident.last_seen_at
        assert recorded_events() == [("core.incident.opened", 1)]

    def test_same_fault_again_is_counted_and_keeps_the_last_detail(self) -> None:
        report()
        report(detail="HTTP 403: IP not allowed", minutes=5)

        incident = Incident.objects.get()
        assert (incident.count, incident.detail) == (2, "HTTP 403: IP not allowed")
        assert incident.last_seen_at - incident.first_seen_at >= timedelta(minutes=5)
        assert recorded_events() == [("core.incident.opened", 1)]

    def test_clock_that_is_behind_moves_nothing_back(self) -> None:
        report(minutes=5)
        report()

        incident = Incident.objects.get()
        assert (incident.count, incident.last_seen_at) == (2, incident.first_seen_at)

    def test_another_key_is_another_incident(self) -> None:
        report()
        report("msg91")

        assert incidents.count_open_incidents() == {KIND: 2}

    def test_long_detail_is_cut(self) -> None:
        report(detail="x" * 2_000)

        assert len(Incident.objects.get().detail) == 500


@pytest.mark.django_db
class TestResolveIncident:
    def test_success_closes_it_once(self) -> None:
        report()

        assert incidents.resolve_incident(kind=KIND, key="razorpay", now=clock.now())
        assert not incidents.resolve_incident(kind=KIND, key="razorpay", now=clock.now())

        assert Incident.objects.get().resolved_at is not None
        assert recorded_events() == [("core.incident.opened", 1), ("core.incident.resolved", 2)]

    def test_success_without_an_incident_costs_one_query(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(1):
            assert not incidents.resolve_incident(kind=KIND, key="razorpay", now=clock.now())

    def test_its_events_leave_the_outbox(self) -> None:
        report()
        incidents.resolve_incident(kind=KIND, key="razorpay", now=clock.now())

        relay.claim_outbox(now=clock.now())

        assert Outbox.objects.count() == 0

    def test_fault_after_a_success_opens_a_new_one(self) -> None:
        report()
        incidents.resolve_incident(kind=KIND, key="razorpay", now=clock.now())
        report()

        assert (Incident.objects.count(), incidents.count_open_incidents()) == (2, {KIND: 1})
        assert incidents.resolve_incident(kind=KIND, key="razorpay", now=clock.now())
        assert incidents.count_open_incidents() == {}


@pytest.mark.django_db
class TestOperatorsSeeIncidents:
    def test_metrics_count_the_open_ones(self, client: Any) -> None:
        report()
        report("msg91")

        assert f'bahi_incidents_open{{kind="{KIND}"}} 2.0' in client.get("/metrics").content.decode()

    @pytest.mark.parametrize("role", ["finance", "administrator"])
    def test_dashboard_and_list_show_them(self, request: Any, client: Any, role: str) -> None:
        report()
        cache.clear()
        client.force_login(request.getfixturevalue(role))

        dashboard = client.get("/admin/").content.decode()
        listed = client.get("/admin/core/incident/?state=open").content.decode()

        assert "gateway credentials rejected: razorpay" in dashboard
        assert "HTTP 401: Authentication failed" in listed

    @pytest.mark.parametrize("role", ["support", "catalogue_manager"])
    def test_others_do_not(self, request: Any, client: Any, role: str) -> None:
        report()
        cache.clear()
        client.force_login(request.getfixturevalue(role))

        assert "credentials rejected" not in client.get("/admin/").content.decode()
        assert client.get("/admin/core/incident/").status_code == 403


@pytest.mark.django_db
def test_planted_second_open_incident_is_found(reference_data: None) -> None:
    report()
    assert audit.run(now=clock.now(), only=["INV-53"]).failing == []
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("DROP INDEX one_open_incident_per_kind_and_key")
    Incident.objects.create(kind=KIND, key="razorpay", first_seen_at=clock.now(), last_seen_at=clock.now())

    [result] = audit.run(now=clock.now(), only=["INV-53"]).failing
    assert (result.count, result.rows[0]["open"]) == (1, 2)


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_workers_that_meet_one_fault_at_once_open_one_incident() -> None:
    run_together(*[report] * 4)

    assert list(Incident.objects.values_list("count", flat=True)) == [4]
    assert recorded_events() == [("core.incident.opened", 1)]
