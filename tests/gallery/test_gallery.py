"""Every chart of the gallery, event by event and as a contract."""

from __future__ import annotations

import pytest

from settlesim.chart import Chart, Event
from settlesim.chart.outcome import Outcome
from settlesim.chart.report import Verdict
from settlesim.errors import RejectedError
from settlesim.gallery import CHARTS, count, donut, order, order_with_review, signup
from settlesim.gallery.order import CardDeclinedError
from settlesim.settling import CallStatus, Settling
from tests.settling.driving import finish, finished


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_every_chart_keeps_the_settling_contract(chart: Chart) -> None:
    """Each gallery chart is proved, with all its functions bound."""
    chart.require("guard", "assign", "service")
    report = chart.check()
    assert report.verdict is Verdict.PROVED
    assert report.longest == {"count": 3, "signup": 2, "order": 2, "donut": 7}[chart.name]


@pytest.mark.parametrize(
    ("chart", "codes"),
    [(count, ["SET205"]), (signup, []), (order, []), (donut, [])],
    ids=["count", "signup", "order", "donut"],
)
def test_findings_of_the_gallery_are_the_known_ones(chart: Chart, codes: list[str]) -> None:
    """Only ``count``, which starts as the original does, has a finding."""
    assert [each.code for each in chart.check().findings] == codes


def test_the_first_count_only_enters_even() -> None:
    """COUNT on a new key leads from ``idle`` to ``even`` and calls nothing."""
    settlement = finished(count, "COUNT")
    assert settlement.outcome is Outcome.RESOLVED
    assert settlement.before.configuration == ("idle",)
    assert settlement.after.configuration == ("even",)
    assert settlement.after.context == {"count": 0}
    assert settlement.after.revision == 1
    assert settlement.path == (("idle",), ("even",))
    assert (settlement.edges, settlement.calls) == ((0,), ())


def test_a_further_count_runs_two_services_and_adds_two() -> None:
    """From ``even`` each COUNT goes round and counts twice."""
    first = finished(count, "COUNT").after
    settling = Settling(count, first, "COUNT", key="c")
    assert settling.configuration == ("counting_even",)
    (pending,) = settling.pending
    assert (pending.id, pending.number, pending.service) == ("counting_even.0", 1, "wait")
    assert (pending.input, pending.timeout, pending.context) == (None, None, {"count": 0})
    assert pending.event == Event("COUNT")
    settling.done("counting_even.0", seconds=1.0)
    assert settling.settlement is None
    assert settling.context == {"count": 1}
    assert settling.configuration == ("odd",)
    settling.done("odd.0", seconds=1.0)
    settlement = settling.settlement
    assert settlement is not None
    assert settlement.key == "c"
    assert settlement.path == (("even",), ("counting_even",), ("odd",), ("even",))
    assert settlement.after.context == {"count": 2}
    assert settlement.after.revision == 2
    assert [step.trigger for step in settlement.microsteps] == [
        "COUNT",
        "done.invoke.counting_even.0",
        "done.invoke.odd.0",
    ]
    assert [step.context for step in settlement.microsteps] == [
        {"count": 0},
        {"count": 1},
        {"count": 2},
    ]
    assert [(call.invocation, call.status, call.seconds) for call in settlement.calls] == [
        ("counting_even.0", CallStatus.DONE, 1.0),
        ("odd.0", CallStatus.DONE, 1.0),
    ]
    assert settling.calls == settlement.calls
    assert settling.microsteps == settlement.microsteps


@pytest.mark.parametrize("answers", [(OSError(),), (None, OSError())], ids=["first", "second"])
def test_a_count_that_fails_leaves_the_number_as_it_was(answers: tuple[object, ...]) -> None:
    """Whichever of the two services fails, the count is what it was before."""
    first = finished(count, "COUNT").after
    settlement = finished(count, "COUNT", *answers, snapshot=first)
    assert settlement.after.configuration == ("even",)
    assert settlement.after.context == {"count": 0}
    assert settlement.calls[-1].status is CallStatus.ERROR
    assert settlement.calls[-1].error == "OSError"


def test_signup_waits_and_verifies() -> None:
    """A code is sent, a wrong one is ignored, three messages are the most, the right one ends."""
    first = finished(signup, Event("SIGN_UP", {"email": "a@b.c"}), {"code": "x"}).after
    assert first.configuration == ("waiting",)
    assert first.context == {"email": "a@b.c", "code": "x", "mails": 1}
    wrong = finished(signup, Event("VERIFY", {"code": "y"}), snapshot=first)
    assert wrong.outcome is Outcome.IGNORED
    again = finished(signup, "RESEND", {"code": "y"}, snapshot=first).after
    third = finished(signup, "RESEND", {"code": "z"}, snapshot=again).after
    assert third.context["mails"] == 3
    assert finished(signup, "RESEND", snapshot=third).outcome is Outcome.IGNORED
    right = finished(signup, Event("VERIFY", {"code": "z"}), snapshot=third)
    assert (right.outcome, right.after.configuration) == (Outcome.DONE, ("verified",))
    assert finished(signup, "EXPIRE", snapshot=third).after.configuration == ("expired",)


@pytest.mark.parametrize("data", [None, "text", {}])
def test_signup_without_an_address_takes_the_example_one(data: object) -> None:
    """SIGN_UP needs no data, and VERIFY without data is ignored."""
    first = finished(signup, Event("SIGN_UP", data), {"code": "x"}).after
    assert first.context["email"] == "someone@example.org"
    assert finished(signup, Event("VERIFY", data), snapshot=first).outcome is Outcome.IGNORED


def test_a_message_that_can_not_be_sent_is_rejected() -> None:
    """The instance is not even saved as signed up."""
    settlement = finished(signup, "SIGN_UP", TimeoutError("smtp"))
    assert settlement.outcome is Outcome.REJECTED
    assert not settlement.saved


def test_an_order_is_paid_and_shipped() -> None:
    """The results of two services are kept."""
    paid = finished(order, "PAY", {"charge": "c1"}).after
    assert (paid.configuration, paid.context["charge"]) == (("paid",), "c1")
    shipped = finished(order, "SHIP", {"label": "l1"}, snapshot=paid)
    assert (shipped.outcome, shipped.after.context["label"]) == (Outcome.DONE, "l1")
    assert finished(order, "SHIP", OSError(), snapshot=paid).after.configuration == ("paid",)


def test_an_order_that_is_cancelled_is_refunded_if_it_was_paid() -> None:
    """A refund forgets the charge; a failed one leaves the order paid, to be cancelled again."""
    paid = finished(order, "PAY", {"charge": "c1"}).after
    refunded = finished(order, "CANCEL", None, snapshot=paid)
    assert [call.service for call in refunded.calls] == ["refund_card"]
    assert (refunded.outcome, refunded.after.configuration) == (Outcome.DONE, ("refunded",))
    assert refunded.after.context["charge"] is None
    failed = finished(order, "CANCEL", OSError(), snapshot=paid)
    assert (failed.outcome, failed.after.configuration) == (Outcome.RESOLVED, ("paid",))
    cancelled = finished(order, "CANCEL")
    assert (cancelled.after.configuration, cancelled.calls) == (("cancelled",), ())


def test_a_declined_card_rejects_and_says_so_when_asked() -> None:
    """REJECTED is a value; ``raise_if_rejected`` makes an error of it."""
    settlement = finished(order, "PAY", CardDeclinedError("no"))
    assert settlement.outcome is Outcome.REJECTED
    assert settlement.after.configuration == ("declined",)
    assert settlement.after.revision == settlement.before.revision == 0
    with pytest.raises(RejectedError, match="'PAY' was rejected in declined") as info:
        settlement.raise_if_rejected()
    assert info.value.settlement is settlement
    paid = finished(order, "PAY", {"charge": "c"})
    assert paid.raise_if_rejected() is paid


def test_baking_waits_for_both_regions() -> None:
    """The donut is fried when dry and wet are both finished, whichever comes last."""
    settling = Settling(donut, None, "BAKE")
    assert settling.configuration == ("making.mixing.dry.sifting", "making.mixing.wet.whisking")
    assert [each.service for each in settling.pending] == ["sift", "whisk"]
    settling.done("making.mixing.wet.whisking.0")
    assert settling.configuration == ("making.mixing.dry.sifting", "making.mixing.wet.whisked")
    assert [each.service for each in settling.pending] == ["sift"]
    settling.done("making.mixing.dry.sifting.0")
    assert [each.service for each in settling.pending] == ["fry"]
    assert settling.microsteps[-1].trigger == "done.state.making.mixing"
    assert settling.pending[0].timeout == 5.0
    settlement = finish(settling, None, None)
    assert settlement.after.configuration == ("ready.plain",)
    assert settlement.after.context == {"minutes": 4, "donuts": 1}
    assert [step.trigger for step in settlement.microsteps] == [
        "BAKE",
        "done.invoke.making.mixing.wet.whisking.0",
        "done.invoke.making.mixing.dry.sifting.0",
        "done.state.making.mixing",
        "done.invoke.making.frying.0",
        "after.making.cooling.0",
    ]


def test_a_broken_sieve_takes_six_seconds_more() -> None:
    """A failed service leads to a delay in one region while the other goes on."""
    settling = Settling(donut, None, "BAKE")
    settling.failed("making.mixing.dry.sifting.0", "the sieve is broken")
    (delay,) = settling.delays
    assert (delay.id, delay.number, delay.seconds) == (
        "making.mixing.dry.sifting_by_hand.0",
        1,
        6.0,
    )
    settling.elapsed(delay.id)
    assert settling.delays == ()
    assert [each.service for each in settling.pending] == ["whisk"]
    settlement = finish(settling, None, RuntimeError("oil"))
    assert (settlement.outcome, settlement.after.configuration) == (Outcome.REJECTED, ("burnt",))


def test_a_settled_compound_lends_its_tag_and_its_events() -> None:
    """GLAZE moves inside ``ready``, EAT leaves it from either child."""
    plain = finished(donut, "BAKE", None, None, None, None).after
    glazed = finished(donut, "GLAZE", snapshot=plain)
    assert (glazed.outcome, glazed.after.configuration) == (Outcome.RESOLVED, ("ready.glazed",))
    for snapshot in (plain, glazed.after):
        eaten = finished(donut, "EAT", snapshot=snapshot)
        assert (eaten.outcome, eaten.after.configuration) == (Outcome.DONE, ("eaten",))
        assert finished(donut, "EAT", snapshot=eaten.after).outcome is Outcome.IGNORED


def test_an_order_with_review_is_the_next_version_of_an_order() -> None:
    """It is proved, it is shipped only when approved, and `paid` alone is gone."""
    chart = order_with_review
    assert (chart.name, chart.version) == (order.name, order.version + 1)
    assert chart.check().verdict is Verdict.PROVED
    assert not chart.check().findings
    gone = [
        each.state for each in order.diff(chart) if each.kind == "removed" and each.about == "state"
    ]
    assert gone == ["paid"]
    reviewed = finished(chart, "PAY", {"charge": 20}).after
    assert reviewed.configuration == ("review",)
    assert finished(chart, "SHIP", snapshot=reviewed).outcome is Outcome.IGNORED
    approved = finished(chart, Event("APPROVE", "ada"), snapshot=reviewed).after
    assert approved.context["reviewer"] == "ada"
    shipped = finished(chart, "SHIP", {"label": "x"}, snapshot=approved)
    assert (shipped.outcome, shipped.after.configuration) == (Outcome.DONE, ("shipped",))
