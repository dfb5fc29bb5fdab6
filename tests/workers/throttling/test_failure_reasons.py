"""Mailbox providers and failure reasons: the two tables that decide who waits and for how long."""

from __future__ import annotations

import pytest

from workers.routes import SendResult
from workers.throttling import failure_reasons, mailbox_providers


@pytest.mark.parametrize(
    ("email", "lane"),
    [
        ("siti@gmail.com", "gmail"),
        ("siti@GoogleMail.com", "gmail"),
        ("budi@hotmail.co.uk", "microsoft"),
        ("budi@outlook.co.id", "microsoft"),
        ("budi@live.nl", "microsoft"),
        ("budi@msn.com", "microsoft"),
        ("ayu@yahoo.co.id", "yahoo"),
        ("ayu@yahoo.com.sg", "yahoo"),
        ("ayu@yahoo.com", "yahoo"),
        ("ayu@ymail.com", "yahoo"),
        ("ayu@aol.de", "yahoo"),
        ("dewi@icloud.com", "apple"),
        ("dewi@me.com", "apple"),
        ("dewi@privaterelay.appleid.com", "apple"),
        ("rudi@Kantor.example.", "kantor.example"),
        ("rudi@live.kantor.example", "live.kantor.example"),
        ("rudi@notyahoo.com", "notyahoo.com"),
        ("rudi@mail.yahoo.example.com", "mail.yahoo.example.com"),
        ("", ""),
    ],
)
def test_s46_each_address_belongs_to_one_lane(email, lane):
    assert mailbox_providers.provider_key(email) == lane


def test_lanes_that_are_no_large_service_are_others():
    assert [mailbox_providers.group_of(lane) for lane in ("yahoo", "kantor.example")] == ["yahoo", "other"]
    assert [mailbox_providers.display_name(lane) for lane in ("microsoft", "kantor.example")] == [
        "Outlook, Hotmail",
        "kantor.example",
    ]


@pytest.mark.parametrize(
    ("code", "detail", "outcome", "cause"),
    [
        ("450 4.2.0", "Greylisted, see postgrey help", "deferred", failure_reasons.GREYLISTED),
        ("451 4.7.1", "Greylisting in action, please come back later", "deferred", failure_reasons.GREYLISTED),
        ("450 4.7.28", "unusual rate of mail", "deferred", failure_reasons.THROTTLED),
        ("421 4.7.0", "Our system has detected an unusual rate", "deferred", failure_reasons.THROTTLED),
        ("421", "too many messages", "deferred", failure_reasons.THROTTLED),
        ("451 4.7.650", "The mail server has been temporarily rate limited", "deferred", failure_reasons.THROTTLED),
        ("429", "Too many requests", "deferred", failure_reasons.ACCOUNT_THROTTLED),
        ("454", "Throttling failure: Maximum sending rate exceeded.", "deferred", failure_reasons.ACCOUNT_THROTTLED),
        ("454", "Throttling failure: Daily message quota exceeded.", "deferred", failure_reasons.QUOTA),
        ("550 5.4.5", "Daily user sending limit exceeded", "refused", failure_reasons.QUOTA),
        ("452 4.2.2", "over quota", "deferred", failure_reasons.MAILBOX_FULL),
        ("552 5.2.2", "The mailbox is full", "refused", failure_reasons.MAILBOX_FULL),
        ("450 4.2.1", "receiving mail at a rate", "deferred", failure_reasons.MAILBOX_BUSY),
        ("451 4.3.0", "Temporary server error", "deferred", failure_reasons.UNAVAILABLE),
        ("451", "", "deferred", failure_reasons.UNAVAILABLE),
        ("450", "", "deferred", failure_reasons.LATER),
        ("", "", "deferred", failure_reasons.LATER),
        ("421 4.7.23", "no PTR record", "deferred", failure_reasons.AUTHENTICATION),
        ("421 4.7.32", "From header is not aligned", "deferred", failure_reasons.AUTHENTICATION),
        ("550 5.7.27", "SPF did not pass", "refused", failure_reasons.AUTHENTICATION),
        ("550 5.7.26", "unauthenticated", "refused", failure_reasons.AUTHENTICATION),
        ("550 5.7.515", "Access denied, sender does not meet the level", "refused", failure_reasons.AUTHENTICATION),
        ("550 5.7.1", "Message rejected as spam", "refused", failure_reasons.POLICY),
        ("550 5.7.1", "SPF check failed", "refused", failure_reasons.AUTHENTICATION),
        ("554", "blocked using zen.spamhaus.org", "refused", failure_reasons.POLICY),
        ("550 5.1.1", "no such user, see our policy", "refused", failure_reasons.UNKNOWN_ADDRESS),
        ("550", "", "refused", failure_reasons.UNKNOWN_ADDRESS),
        ("550 5.5.0", "Requested action not taken: mailbox unavailable", "refused", failure_reasons.UNKNOWN_ADDRESS),
        ("5.1.3", "The address cannot be written", "refused", failure_reasons.UNKNOWN_ADDRESS),
        ("550 5.2.1", "The account is disabled", "refused", failure_reasons.CLOSED_ADDRESS),
        ("406", "Inactive recipient", "refused", failure_reasons.CLOSED_ADDRESS),
        ("552 5.3.4", "Message too big", "refused", failure_reasons.TOO_LARGE),
        ("400", "", "refused", failure_reasons.OTHER),
        ("422", "Invalid 'To' address: '…'.", "refused", failure_reasons.UNKNOWN_ADDRESS),
        ("400", "to parameter is not a valid address", "refused", failure_reasons.UNKNOWN_ADDRESS),
        ("mj-0013", "Recipient address is invalid", "refused", failure_reasons.UNKNOWN_ADDRESS),
        (
            "422",
            "You tried to send to a recipient that has been marked as inactive.",
            "refused",
            failure_reasons.CLOSED_ADDRESS,
        ),
        ("400", "The subject line is invalid", "refused", failure_reasons.OTHER),
    ],
)
def test_s42_each_answer_has_its_cause(code, detail, outcome, cause):
    assert failure_reasons.classify(code, detail, outcome=outcome).name == cause.name


def test_every_cause_that_may_be_deferred_has_an_end():
    every = [cause for cause in vars(failure_reasons).values() if isinstance(cause, failure_reasons.FailureReason)]

    assert len(every) > 10
    assert all(1 <= len(cause.retry_s) <= 6 and list(cause.retry_s) == sorted(cause.retry_s) for cause in every)
    assert all(sum(cause.retry_s) <= 24 * failure_reasons.HOUR for cause in every)


def test_only_a_used_up_account_is_tried_again_after_a_final_no():
    assert failure_reasons.outcome_to_record(failure_reasons.QUOTA, "refused") == "deferred"
    assert failure_reasons.outcome_to_record(failure_reasons.AUTHENTICATION, "refused") == "refused"


def test_whom_an_answer_slows():
    at_mail = SendResult("deferred", "421 4.7.0", asks_to_slow_down=True, is_route_wide=True)
    at_rcpt = SendResult("deferred", "421 4.7.0", asks_to_slow_down=True)
    strange = SendResult("deferred", "299", asks_to_slow_down=True)

    assert failure_reasons.slow_down_scope(failure_reasons.THROTTLED, at_mail) == "route"
    assert failure_reasons.slow_down_scope(failure_reasons.THROTTLED, at_rcpt) == "domain"
    assert failure_reasons.slow_down_scope(failure_reasons.LATER, strange) == "route"
    assert failure_reasons.slow_down_scope(failure_reasons.GREYLISTED, at_rcpt) == ""
    assert failure_reasons.slow_down_scope(failure_reasons.POLICY, SendResult("deferred", "421 4.7.0")) == "domain"
    assert failure_reasons.slow_down_scope(failure_reasons.POLICY, SendResult("refused", "550 5.7.1")) == ""
    assert failure_reasons.slow_down_scope(failure_reasons.MAILBOX_FULL, SendResult("deferred", "452 4.2.2")) == ""
