"""Sending rates and their limits.

`rate_limit` holds the rate and the circuit breaker of each route; `domain_limits` the limits of single mailbox
providers; `mailbox_providers` groups addresses by provider; `failure_reasons` classifies answers.

Not here: waiting between two messages (`workers.sending.claim_sender`) and a provider's own request limit
(`workers.routes`). Callers: `workers.ledger.claiming` and `workers.sending`.
"""
