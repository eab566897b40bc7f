"""The contracts bite: a store or a queue that is wrong fails the tests of what it breaks."""

from __future__ import annotations

import pytest

from tests.documents import ROOT

pytest_plugins = ["pytester"]

BROKEN = {
    "TestBlindStore": {
        "test_stale_save_is_refused_and_writes_nothing",
        "test_first_save_of_a_key_that_exists_is_refused",
        "test_later_save_of_a_key_that_does_not_exist_is_refused",
        "test_a_transaction_without_a_new_state_is_compared_too",
        "test_a_save_from_a_state_that_was_deleted_and_created_anew_is_refused",
        "test_exactly_one_of_many_racing_saves_wins_each_revision",
        "test_stale_delete_is_refused_and_deletes_nothing",
        "test_delete_of_an_unknown_key_agrees_only_with_revision_zero",
        "test_snapshot_that_is_not_the_next_revision_is_refused",
        "test_snapshot_that_could_not_be_read_back_as_it_is_is_refused",
        "test_part_that_the_store_does_not_keep_is_refused",
        "test_it_does_what_a_dict_of_snapshots_does",
    },
    "TestForgettingStore": {
        "test_a_whole_transaction_changes_everything_together",
        "test_an_event_that_was_marked_is_not_applied_again",
        "test_a_transaction_of_which_one_part_is_refused_changes_nothing",
    },
    "TestHalvingStore": {
        "test_a_commit_with_an_expired_receipt_changes_nothing",
        "test_it_does_what_a_small_model_of_sqs_does",
    },
    "TestUnordered": {
        "test_one_batch_has_the_heads_of_several_groups",
        "test_the_group_whose_head_waited_longest_is_served_first",
        "test_a_clock_that_steps_back_hides_no_message_that_was_never_received",
        "test_it_does_what_a_small_model_of_sqs_does",
    },
    "TestLenientQueue": {
        "test_an_expired_receipt_says_what_it_is_about",
        "test_only_the_last_receipt_is_good",
        "test_a_message_is_deleted_once",
        "test_visibility_can_be_extended_and_ended",
        "test_it_does_what_a_small_model_of_sqs_does",
    },
    "TestImpatientQueue": {"test_timers_of_unknown_delays_are_kept"},
}
KEPT = {
    "TestBlindStore": {"test_what_was_saved_is_loaded", "test_keys_are_sorted_by_code_point"},
    "TestForgettingStore": {"test_stale_save_is_refused_and_writes_nothing"},
    "TestHalvingStore": {"test_a_repeated_send_is_accepted_once"},
    "TestUnordered": {"test_a_message_is_received_as_it_was_sent"},
    "TestLenientQueue": {"test_a_repeated_send_is_accepted_once"},
    "TestImpatientQueue": {"test_a_timer_sends_its_message_when_it_is_due_and_once"},
}


LATE = {("TestHalvingStore", "test_it_does_what_a_small_model_of_sqs_does")}
"""What needs the most examples; another test of the same class finds it too."""
TESTS = {(name, test) for name in BROKEN for test in BROKEN[name] | KEPT[name]}


@pytest.mark.parametrize(
    "tests",
    [
        pytest.param(TESTS - LATE, id="most"),
        pytest.param(LATE, id="late", marks=pytest.mark.nightly),
    ],
)
def test_what_is_broken_is_found_by_its_name(
    pytester: pytest.Pytester, tests: set[tuple[str, str]]
) -> None:
    """And what the wrong ones do right passes."""
    # In this process, whose plugins are loaded already.
    options = ["-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist"]
    plain = ["-c", str(ROOT / "pyproject.toml"), "-o", "addopts=--import-mode=importlib"]
    script = ROOT / "tests" / "testing" / "wrong_stores.py"
    ids = [f"{script}::{name}::{test}" for name, test in sorted(tests)]
    done = pytester.inline_run(*ids, *options, *plain)
    outcomes: dict[tuple[str, str], set[str]] = {}
    for report in done.getreports("pytest_runtest_logreport"):
        if report.when == "call" and not report.skipped:
            _, name, test = report.nodeid.split("[")[0].split("::")
            outcomes.setdefault((name, test), set()).add(report.outcome)
    assert outcomes.keys() == tests
    for (name, test), found in outcomes.items():
        assert ("failed" in found) == (test in BROKEN[name]), (name, test)
