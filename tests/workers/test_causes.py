"""Which mail service, which cause: the two tables that decide who waits and for how long."""

from __future__ import annotations

import pytest

from workers import causes, mailboxes
from workers.routes import Result


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
    assert mailboxes.lane_of(email) == lane


def test_lanes_that_are_no_large_service_are_others():
    assert [mailboxes.group_of(lane) for lane in ("yahoo", "kantor.example")] == ["yahoo", "other"]
    assert [mailboxes.name_of(lane) for lane in ("microsoft", "kantor.example")] == [
        "Outlook, Hotmail",
        "kantor.example",
    ]


@pytest.mark.parametrize(
    ("code", "detail", "outcome", "cause"),
    [
        ("450 4.2.0", "Greylisted, see postgrey help", "deferred", causes.GREYLISTED),
        ("451 4.7.1", "Greylisting in action, please come back later", "deferred", causes.GREYLISTED),
        ("450 4.7.28", "unusual rate of mail", "deferred", causes.THROTTLED),
        ("421 4.7.0", "Our system has detected an unusual rate", "deferred", causes.THROTTLED),
        ("421", "too many messages", "deferred", causes.THROTTLED),
        ("451 4.7.650", "The mail server has been temporarily rate limited", "deferred", causes.THROTTLED),
        ("429", "Too many requests", "deferred", causes.ACCOUNT_THROTTLED),
        ("454", "Throttling failure: Maximum sending rate exceeded.", "deferred", causes.ACCOUNT_THROTTLED),
        ("454", "Throttling failure: Daily message quota exceeded.", "deferred", causes.QUOTA),
        ("550 5.4.5", "Daily user sending limit exceeded", "refused", causes.QUOTA),
        ("452 4.2.2", "over quota", "deferred", causes.MAILBOX_FULL),
        ("552 5.2.2", "The mailbox is full", "refused", causes.MAILBOX_FULL),
        ("450 4.2.1", "receiving mail at a rate", "deferred", causes.MAILBOX_BUSY),
        ("451 4.3.0", "Temporary server error", "deferred", causes.UNAVAILABLE),
        ("451", "", "deferred", causes.UNAVAILABLE),
        ("450", "", "deferred", causes.LATER),
        ("", "", "deferred", causes.LATER),
        ("421 4.7.23", "no PTR record", "deferred", causes.AUTHENTICATION),
        ("421 4.7.32", "From header is not aligned", "deferred", causes.AUTHENTICATION),
        ("550 5.7.27", "SPF did not pass", "refused", causes.AUTHENTICATION),
        ("550 5.7.26", "unauthenticated", "refused", causes.AUTHENTICATION),
        ("550 5.7.515", "Access denied, sender does not meet the level", "refused", causes.AUTHENTICATION),
        ("550 5.7.1", "Message rejected as spam", "refused", causes.POLICY),
        ("550 5.7.1", "SPF check failed", "refused", causes.AUTHENTICATION),
        ("554", "blocked using zen.spamhaus.org", "refused", causes.POLICY),
        ("550 5.1.1", "no such user, see our policy", "refused", causes.UNKNOWN_ADDRESS),
        ("550", "", "refused", causes.UNKNOWN_ADDRESS),
        ("550 5.5.0", "Requested action not taken: mailbox unavailable", "refused", causes.UNKNOWN_ADDRESS),
        ("5.1.3", "The address cannot be written", "refused", causes.UNKNOWN_ADDRESS),
        ("550 5.2.1", "The account is disabled", "refused", causes.CLOSED_ADDRESS),
        ("406", "Inactive recipient", "refused", causes.CLOSED_ADDRESS),
        ("552 5.3.4", "Message too big", "refused", causes.TOO_LARGE),
        ("400", "", "refused", causes.OTHER),
        ("422", "Invalid 'To' address: '…'.", "refused", causes.UNKNOWN_ADDRESS),
        ("400", "to parameter is not a valid address", "refused", causes.UNKNOWN_ADDRESS),
        ("mj-0013", "Recipient address is invalid", "refused", causes.UNKNOWN_ADDRESS),
        ("422", "You tried to send to a recipient that has been marked as inactive.", "refused", causes.CLOSED_ADDRESS),
        ("400", "The subject line is invalid", "refused", causes.OTHER),
    ],
)
def test_s42_each_answer_has_its_cause(code, detail, outcome, cause):
    assert causes.of(code, detail, outcome=outcome).name == cause.name


def test_every_cause_that_may_be_deferred_has_an_end():
    every = [cause for cause in vars(causes).values() if isinstance(cause, causes.Cause)]

    assert len(every) > 10
    assert all(1 <= len(cause.retry_s) <= 6 and list(cause.retry_s) == sorted(cause.retry_s) for cause in every)
    assert all(sum(cause.retry_s) <= 24 * causes.HOUR for cause in every)


def test_only_a_used_up_account_is_tried_again_after_a_final_no():
    assert causes.outcome_of(causes.QUOTA, "refused") == "deferred"
    assert causes.outcome_of(causes.AUTHENTICATION, "refused") == "refused"


def test_whom_an_answer_slows():
    at_mail = Result("deferred", "421 4.7.0", slow_down=True, for_all=True)
    at_rcpt = Result("deferred", "421 4.7.0", slow_down=True)
    strange = Result("deferred", "299", slow_down=True)

    assert causes.slows(causes.THROTTLED, at_mail) == "route"
    assert causes.slows(causes.THROTTLED, at_rcpt) == "lane"
    assert causes.slows(causes.LATER, strange) == "route"
    assert causes.slows(causes.GREYLISTED, at_rcpt) == ""
    assert causes.slows(causes.POLICY, Result("deferred", "421 4.7.0")) == "lane"
    assert causes.slows(causes.POLICY, Result("refused", "550 5.7.1")) == ""
    assert causes.slows(causes.MAILBOX_FULL, Result("deferred", "452 4.2.2")) == ""
