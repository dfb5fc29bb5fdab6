"""The ledger of sending: the plan (batches), the claims on it, the record (deliveries), and every transition of them.

    Issue   scheduled -begin-> sending -finish-> sent        sending <-pause, resume-> paused -cancel-> cancelled
    Batch   waiting -claim-> claimed -record-> done          claimed -(lease over)-> uncertain -settle-> waiting or done

Each transition is one conditional UPDATE. Batches store the counts of outcomes; these counts change in the transaction
that writes the deliveries, so `DeliveryCounts` is consistent at any moment. Code in this package uses the database
only: no network, no files.

Callers: `workers.sending` plans, claims and records; `workers.provider_events` applies reported events;
`workers.studio` and `manage.py` read counts and call the transitions of editors.

Order of locks, in every transaction that takes more than one of them: the advisory lock of the issue (`locks`), the
issue's row, the claimed or settled batch, delivery rows by subscription id, the counters of batches by id, the route,
its domain limits. Batches that are locked after a route are locked with SKIP LOCKED.
"""

from workers.ledger.claiming import claim, claimable_batches, extend_lease, register_routes, sendable_scope
from workers.ledger.counts import count_deliveries, uncertain_deliveries
from workers.ledger.entries import (
    LEASE_S,
    ChangedSinceApproval,
    Claim,
    DeliveryCounts,
    LeaseLost,
    LedgerEntry,
    StatusSummary,
)
from workers.ledger.follow_up import KINDS as MISSED_KINDS
from workers.ledger.follow_up import MissedCounts, NobodyMissed, count_missed, send_to_missed
from workers.ledger.ids import BATCH_SIZE, pack, unpack
from workers.ledger.planning import begin, plan, plan_resend, plan_retries
from workers.ledger.recording import apply_events, record, resolve_uncertain
from workers.ledger.settling import (
    NO_ANSWER,
    claims_without_spool,
    expire_leases,
    settle_lost_host,
    settle_spool,
    settle_without_spool,
)
from workers.ledger.transitions import (
    MIN_SAMPLE,
    cancel,
    check_thresholds,
    finish,
    hold_back,
    last_resumed_at,
    pause,
    postpone,
    resume,
    return_to_draft,
)

__all__ = [
    "resolve_uncertain",
    "BATCH_SIZE",
    "begin",
    "cancel",
    "ChangedSinceApproval",
    "Claim",
    "claim",
    "claimable_batches",
    "LedgerEntry",
    "count_deliveries",
    "DeliveryCounts",
    "expire_leases",
    "extend_lease",
    "finish",
    "plan_retries",
    "sendable_scope",
    "apply_events",
    "hold_back",
    "check_thresholds",
    "LEASE_S",
    "LeaseLost",
    "MIN_SAMPLE",
    "MissedCounts",
    "count_missed",
    "MISSED_KINDS",
    "NO_ANSWER",
    "NobodyMissed",
    "pack",
    "pause",
    "plan",
    "postpone",
    "record",
    "resume",
    "last_resumed_at",
    "register_routes",
    "plan_resend",
    "send_to_missed",
    "settle_spool",
    "settle_lost_host",
    "settle_without_spool",
    "return_to_draft",
    "uncertain_deliveries",
    "unpack",
    "claims_without_spool",
    "StatusSummary",
]
