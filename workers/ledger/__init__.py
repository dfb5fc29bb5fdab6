"""Every arrow of sending: the plan (batches), who holds which part of it, and the record (deliveries).

    Issue   scheduled -begin-> sending -finish-> sent        sending <-pause, resume-> paused -cancel-> cancelled
    Batch   waiting -claim-> claimed -record-> done          claimed -(lease over)-> uncertain -settle-> waiting or done

Each arrow is one conditional UPDATE. The counts of outcomes stand on the batches and move in the transaction that
writes or raises the deliveries, so that `equation` adds up at any moment. Nothing here talks to a network.
"""

from workers.ledger.claiming import claim, claimable, extend, goes, routes_of_mail_url
from workers.ledger.counts import equation, uncertain
from workers.ledger.entries import LEASE_S, Changed, Claim, Entry, Equation, LeaseLost, Word
from workers.ledger.follow_up import KINDS as MISSED_KINDS
from workers.ledger.follow_up import Missed, NobodyMissed, missed, send_to_missed
from workers.ledger.ids import BATCH_SIZE, pack, unpack
from workers.ledger.planning import begin, follow_up, plan, send_again
from workers.ledger.recording import answer, hear, record
from workers.ledger.settling import NO_ANSWER, expire, settle, settle_lost, settle_without_spool, without_spool
from workers.ledger.transitions import (
    LEAST_SAMPLE,
    cancel,
    finish,
    hold_back,
    judge,
    pause,
    postpone,
    resume,
    resumed_at,
    take_back,
)

__all__ = [
    "answer",
    "BATCH_SIZE",
    "begin",
    "cancel",
    "Changed",
    "Claim",
    "claim",
    "claimable",
    "Entry",
    "equation",
    "Equation",
    "expire",
    "extend",
    "finish",
    "follow_up",
    "goes",
    "hear",
    "hold_back",
    "judge",
    "LEASE_S",
    "LeaseLost",
    "LEAST_SAMPLE",
    "Missed",
    "missed",
    "MISSED_KINDS",
    "NO_ANSWER",
    "NobodyMissed",
    "pack",
    "pause",
    "plan",
    "postpone",
    "record",
    "resume",
    "resumed_at",
    "routes_of_mail_url",
    "send_again",
    "send_to_missed",
    "settle",
    "settle_lost",
    "settle_without_spool",
    "take_back",
    "uncertain",
    "unpack",
    "without_spool",
    "Word",
]
