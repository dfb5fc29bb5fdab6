"""Arguments of Anymail's backend for Amazon SES."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from workers.routes import base

TIMEOUT_S = 20.0


def backend_arguments(address: base.RouteUrl) -> dict[str, Any]:
    """Read `ses://KEY:SECRET@region`. Without keys boto3 finds them itself (instance role, profile)."""
    name = "configuration_set_name"
    given = {name: address.option(name)} if address.option(name) else {}
    return {**given, "client_params": _client_params(address)}


def _client_params(address: base.RouteUrl) -> dict[str, Any]:
    if find_spec("boto3") is None:
        remedy = "Run pip install --require-hashes --requirement requirements-ses.txt, here and for every worker."
        raise base.mail_url_error("ses needs boto3, which is not installed", remedy)
    timeout = address.number("timeout", TIMEOUT_S)
    # boto3 repeats a call without an answer by default. SES has no idempotency key, so that could send a mail twice.
    config = {"retries": {"total_max_attempts": 1}, "connect_timeout": timeout, "read_timeout": timeout}
    params: dict[str, Any] = {"config": config}
    if address.host:
        params["region_name"] = address.host
    if address.user:
        params |= {"aws_access_key_id": address.user, "aws_secret_access_key": address.password}
    if endpoint := address.option("endpoint"):
        params["endpoint_url"] = endpoint
    return params
