"""Every arrow of sending: the plan (batches), who holds which part of it, and the record (deliveries).

    Issue   scheduled -begin-> sending -finish-> sent        sending <-pause, resume-> paused -cancel-> cancelled
    Batch   waiting -claim-> claimed -record-> done          claimed -(lease over)-> uncertain -settle-> waiting or done

Each arrow is one conditional UPDATE. The counts of outcomes stand on the batches and move in the transaction that
writes or raises the deliveries, so that `equation` adds up at any moment. Nothing here talks to a network.
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
