"""The faults of the operations guide that this system began with, and where the corrected form is proven."""

import pytest

from tests.named import missing, references

STACKS, ALARMS, DAYS = "tests/unit/test_stacks.py", "tests/unit/billing/test_alarms.py", "tests/sim/test_alarm_days.py"
INSIGHTS, CLOUD = "tests/unit/test_insights.py", "tests/unit/test_cloudwatch.py"
SIZE = 39

PROVEN: dict[int, tuple[str, str]] = {
    1: (
        "widgets name no dimensions",
        f"{STACKS}::test_what_graphs_and_alarms_name_is_sent_with_exactly_these_dimensions",
    ),
    2: (
        "shown and never published",
        "tests/unit/test_metrics.py::test_everything_in_the_catalogue_is_emitted_somewhere",
    ),
    3: (
        "an average over publishers",
        "tests/unit/test_worker.py::test_the_active_are_counted_where_the_truth_is_once_a_minute",
    ),
    4: ("days of UTC", "tests/unit/billing/test_ledger.py::test_the_business_day_is_nairobis"),
    5: ("revenue as a metric", "tests/contract/cli/test_report.py::test_the_books_and_the_report_agree"),
    6: ("a Region in the code", f"{STACKS}::test_no_region_is_written_down"),
    7: ("errors of the whole account", f"{ALARMS}::test_what_an_alarm_looks_at_is_sent_with_exactly_these_dimensions"),
    8: ("a metric that breaks a payment", f"{CLOUD}::test_what_cloudwatch_does_not_take_waits_and_is_bounded"),
    9: ("revenue counted twice", f"{INSIGHTS}::test_revenue_by_package_counts_nothing_twice"),
    10: ("GROUP BY BIN(1d)", f"{INSIGHTS}::test_what_metrics_insights_would_not_take"),
    11: ("an alarm on dimensions that nobody sends", f"{ALARMS}::test_other_dimensions_are_another_series"),
    12: ("raw codes as a dimension", f"{CLOUD}::test_an_ordinary_site_costs_at_most_sixty_series"),
    13: ("who cancels is an outage", f"{ALARMS}::test_other_dimensions_are_another_series"),
    14: ("ten in each of two windows", f"{ALARMS}::test_an_alarm_is_on_at_its_fault"),
    15: ("no word on missing data", f"{STACKS}::test_every_alarm_of_the_list_is_there_and_tells_of_its_end"),
    16: ("an average hides the tail", f"{STACKS}::test_the_levels_of_latency_and_errors_are_the_guides"),
    17: ("errors taken for throttling", f"{ALARMS}::test_what_an_alarm_looks_at_is_sent_with_exactly_these_dimensions"),
    18: ("a phone number without its plus", f"{STACKS}::test_a_telephone_number_stays_one"),
    19: ("one stage an account", f"{STACKS}::test_a_stage_has_names_of_its_own"),
    20: ("retention of groups that are not there", f"{STACKS}::test_no_role_may_do_everything_and_each_log_group_ends"),
    21: ("logs as the record", f"{STACKS}::test_what_lies_in_buckets_is_sealed_shut_and_gets_cheaper_or_ends"),
    22: ("persons in logs", "tests/unit/test_log.py::test_in_production_it_is_left_out_and_counted"),
    23: ("like minds case", f"{INSIGHTS}::test_the_guides_own_words_find_nothing"),
    24: ("aws logs tail", f"{INSIGHTS}::test_the_readmes_questions_have_answers_on_one_box"),
    25: ("npm run generate-report", "tests/unit/test_runbooks.py::test_a_command_exists_and_takes_what_it_is_given"),
    26: ("quotas taken for headroom", f"{STACKS}::test_no_page_or_script_has_the_guides_wrong_commands"),
    27: ("backups of one table, never restored", f"{STACKS}::test_tables_are_those_of_the_code_and_can_be_restored"),
    28: ("a cost report that does not run", f"{STACKS}::test_no_page_or_script_has_the_guides_wrong_commands"),
    29: ("a sum taken for a rate", f"{STACKS}::test_no_page_or_script_has_the_guides_wrong_commands"),
    30: ("a rollback that changes nothing", f"{STACKS}::test_a_new_version_that_fails_is_taken_back"),
    31: (
        "more concurrency under errors",
        "tests/contract/billing/test_workers.py::test_a_refusal_slows_the_bucket_down",
    ),
    32: (
        "a fail-over without a fence",
        "tests/contract/cli/test_regions.py::test_a_region_is_frozen_and_opened_and_its_processes_obey",
    ),
    33: ("a trail that does not record", f"{STACKS}::test_the_trail_is_checked_and_sees_who_writes_to_the_books"),
    34: ("a log group that logs nothing", f"{STACKS}::test_no_role_may_do_everything_and_each_log_group_ends"),
    35: ("X-Ray's own SDK", f"{STACKS}::test_no_page_or_script_has_the_guides_wrong_commands"),
    36: (
        "times that nobody lives in",
        "tests/unit/billing/portal/test_pages.py::test_the_public_page_tells_what_is_so_with_both_times",
    ),
    37: ("a scan for a number", "tests/contract/test_access_patterns.py::test_requests_are_those_of_the_table"),
    38: ("what was not watched at all", f"{DAYS}::test_a_fault_of_an_evening_wakes_by_its_own_alarms_and_no_others"),
    39: (
        "money by an edit in a table",
        "tests/contract/billing/test_refunds.py::test_above_the_limit_a_second_person_decides_and_the_right_ends_with_it",
    ),
}


@pytest.mark.parametrize("number", sorted(PROVEN))
def test_a_corrected_fault_is_proven_by_a_test_that_is_there(number: int) -> None:
    says, where = PROVEN[number]
    assert references(where) == [where], says
    assert missing([where]) == [], says


def test_none_is_left_out() -> None:
    assert sorted(PROVEN) == list(range(1, SIZE + 1))
