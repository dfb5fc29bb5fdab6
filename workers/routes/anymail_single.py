"""Send one message a call through Anymail, over persistent connections and with a few calls at once.

The result is read from Anymail's status of the recipient or from the provider's error. An error does not mean that
nothing was sent, unless no connection was made.
"""

from __future__ import annotations

import re
import threading
import time
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import requests
from anymail.exceptions import AnymailAPIError, AnymailError, AnymailRecipientsRefused, AnymailUnsupportedFeature
from django.core.mail import get_connection
from django.utils.module_loading import import_string
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, SSLError

from workers.providers import PROVIDERS, Provider
from workers.routes import base, message_lookup

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

TIMEOUT_S = 20.0
DEFAULT_THREADS = 4
MAX_THREADS = 16
MAX_IDLE_S = 20.0
"""The provider may have closed a connection that was idle this long, so it is opened again."""
RETRY_DELAYS_S = (0.5, 2.0)
"""Waits before an unanswered call is repeated under its key, if the provider is idempotent."""


ACCOUNT_CODES = frozenset({401, 402, 403, 404})
_ACCOUNT = re.compile(
    r"account|credit|\bfrom\b|sender|not allowed|verif|signature|api.?key|token|approv|suspend|paused|billing|plan\b",
    re.IGNORECASE,
)
TOO_MANY_RECIPIENTS = re.compile(
    r"(too many|maximum|limit|exceed)\w*\b.{0,60}\brecipients?|recipients?\b.{0,60}(limit|exceed|maximum|too many)",
    re.IGNORECASE,
)
_READER = re.compile(r"\bto\b.{0,20}(address|email|field|valid)|valid.{0,20}\bto\b|recipient", re.IGNORECASE)


class AnymailSingleRoute:
    """`postmark://TOKEN@`, `resend://KEY@`, `ses://KEY:SECRET@region`, …; `?threads=8` for more calls at once."""

    options: ClassVar[frozenset[str]] = frozenset({"threads"})

    def __init__(self, name: str, url: str) -> None:
        kind = url.partition(":")[0]
        self.provider = provider = PROVIDERS[kind]
        address = base.parse_url(url, options=self.options | {*provider.options, "timeout"})
        self.name, self.kind, self.rate, self.address = name, kind, address.number("rate", 0), address
        self.account = address.account
        threads = min(MAX_THREADS, int(address.number("threads", DEFAULT_THREADS)) or 1)
        self.capabilities = base.Capabilities(takes="message", window=threads, asks_before_each=True)
        self._arguments = _arguments(provider, address)
        self._path = provider.backend
        self._own, self._backends = threading.local(), list[Any]()
        self._pool: ThreadPoolExecutor | None = None
        self._strange = 0

    def open(self) -> None:
        self._backend()

    def eight_bit(self) -> bool:
        return True

    def api_url(self) -> str:
        return f"{(self.address.option('api_url') or self.provider.api_url).rstrip('/')}/"

    def look_up(
        self, mark: str, tokens: Sequence[str], *, since: datetime, until: float = base.NO_DEADLINE
    ) -> base.LookUpResult:
        function: message_lookup.LookUpFunction = import_string(self.provider.look_up)
        return function(self, mark, tokens, since, until)

    def begin(
        self,
        letter: base.OutgoingMessage,
        *,
        deadline: float = base.NO_DEADLINE,
        may_leave: Callable[[], bool] = base.always,  # each message has a thread, so none waits
    ) -> Future[base.SendResult]:
        """Call `send` in a pool thread with its own connection."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.capabilities.window, thread_name_prefix=self.name)
        return self._pool.submit(self.send, letter, deadline=deadline)

    def finished(self, flying: Collection[Future[base.SendResult]], *, wait: bool) -> set[Future[base.SendResult]]:
        return futures.wait(flying, timeout=None if wait else 0, return_when=futures.FIRST_COMPLETED).done

    def send(self, letter: base.OutgoingMessage, *, deadline: float = base.NO_DEADLINE) -> base.SendResult:
        """Send one message. An unanswered call is repeated under its key, which returns the first call's result.

        If a repeated call is deferred, the first may still have arrived. If the provider takes too long, the call is
        not repeated here but later (`workers.sending.reconciliation`), before the task reaches its time limit.
        """
        until = min(deadline, base.boottime() + TIMEOUT_S)
        result = first = self._offer(letter, deadline)
        if not self.provider.is_idempotent:
            return first
        for wait in RETRY_DELAYS_S:
            if result.outcome != "uncertain" or base.boottime() + wait >= until:
                break
            time.sleep(wait)
            try:
                result = self._offer(letter, deadline)
            except (base.RouteUnavailable, base.AccountRefused, base.DeadlineExceeded):
                break  # the first call may have arrived
        return first if result.outcome == "deferred" else result

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
        for backend in self._backends:
            backend.close()
        self._own, self._backends, self._pool = threading.local(), [], None

    # --- one call ---

    def _offer(self, letter: base.OutgoingMessage, deadline: float) -> base.SendResult:
        message: Any = letter.message
        if message is None:
            raise ValueError("This route takes messages, not bytes.")
        provider, backend = self.provider, self._backend()
        if not provider.has_metadata:
            _as_tags(message)
        if provider.may_track:
            message.track_clicks = message.track_opens = False
        if provider.is_idempotent:
            backend.session.headers["Idempotency-Key"] = letter.message_id.strip("<>")
        base.check_deadline(deadline)
        try:
            backend.send_messages([message])
        except AnymailRecipientsRefused:
            return _result_from_status(message)
        except AnymailAPIError as error:
            return self._failed(error)
        except AnymailUnsupportedFeature as error:
            raise base.AccountRefused(
                f"This provider cannot send such a mail: {base.redact_addresses(str(error))}"
            ) from None
        except AnymailError as error:
            words = f"The message cannot be given to this provider: {type(error).__name__}"
            return base.SendResult("refused", detail=words)
        self._strange = 0
        return _result_from_status(message)

    def _backend(self) -> Any:
        """This thread's backend, with an open connection."""
        own, now = self._own, base.boottime()
        if getattr(own, "backend", None) is None:
            own.backend = get_connection(self._path, **self._arguments)
            self._backends.append(own.backend)
        elif now - own.used_at > MAX_IDLE_S:
            own.backend.close()
        own.backend.open()
        own.used_at = now
        return own.backend

    def _failed(self, error: AnymailAPIError) -> base.SendResult:
        status, words = _status_and_text(error)
        if status is None:
            self._backend().close()
            if never_connected(error):
                raise base.RouteUnavailable("The provider does not answer.") from None
            return base.SendResult("uncertain", detail="The provider gave no answer.", is_outage=True)
        if status == 409 and self.provider.is_idempotent:
            return _result_for_known_key(error, words)
        if status == 429:
            wait_s = base.parse_retry_after(getattr(error.response, "headers", {}))
            return base.SendResult("deferred", "429", words, asks_to_slow_down=True, retry_after_s=wait_s)
        if status in ACCOUNT_CODES or (status == 500 and _is_account_refusal(error)):
            raise base.AccountRefused(f"{status} {words}")
        if 400 <= status < 500 and status != 408:
            return self._declined(status, words)
        return base.SendResult("uncertain", str(status), words, is_outage=True)

    def _declined(self, status: int, words: str) -> base.SendResult:
        """Tell whether a refused call concerns its reader or the account. A second unknown reason counts for the account."""
        if _READER.search(words) and not TOO_MANY_RECIPIENTS.search(words):
            return base.SendResult("refused", str(status), words)
        self._strange += 1
        if self._strange > 1 or _ACCOUNT.search(words) or TOO_MANY_RECIPIENTS.search(words):
            raise base.AccountRefused(f"{status} {words}")
        return base.SendResult("deferred", str(status), words)


# --- reading answers -------------------------------------------------------------------------------------------------


def _status_and_text(error: AnymailAPIError) -> tuple[int | None, str]:
    """HTTP status and text; boto3's errors hold them in other fields."""
    answer = getattr(error.__cause__, "response", None)
    if error.status_code is None and isinstance(answer, dict):
        status = (answer.get("ResponseMetadata") or {}).get("HTTPStatusCode")
        told = answer.get("Error") or {}
        return status, base.redact_addresses(f"{told.get('Code', '')} {told.get('Message', '')}")
    return error.status_code, base.redact_addresses(error_message(error.response))


def _result_for_known_key(error: AnymailAPIError, words: str) -> base.SendResult:
    """A different body under the same key proves that the first call arrived. It is uncertain while still processed."""
    if "concurrent" in str(_json(error.response).get("name", "")):
        return base.SendResult("uncertain", "409", words)
    return base.SendResult("accepted", "409", words)


def _is_account_refusal(error: AnymailAPIError) -> bool:
    """Mandrill answers 500 where others answer 4xx; the error's name says that nothing was sent."""
    names = {"Invalid_Key", "PaymentRequired", "Unknown_Subaccount", "ValidationError"}
    return _json(error.response).get("name") in names


def _as_tags(message: Any) -> None:
    if hasattr(message, "metadata"):
        message.tags = list(message.metadata.values())
        del message.metadata


def never_connected(error: BaseException) -> bool:
    """Whether no connection was made, so that the provider cannot have read anything."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    seen: BaseException | None = error.__cause__
    if type(seen).__name__ in {
        "EndpointConnectionError",
        "ConnectTimeoutError",
    }:  # of botocore, which may not be installed
        return True
    reasons = seen.args[0] if seen is not None and seen.args else None
    reason = reasons.reason if isinstance(reasons, MaxRetryError) else reasons
    if isinstance(reason, SSLError):
        return "CERTIFICATE_VERIFY_FAILED" in str(reason)  # other TLS errors may come during an answer
    return isinstance(reason, (NewConnectionError, ConnectTimeoutError))


def _json(response: Any) -> dict[str, Any]:
    try:
        said = response.json()
    except (ValueError, AttributeError):
        return {}
    return said if isinstance(said, dict) else {}


def error_message(response: Any) -> str:
    """The text of an error: providers call it Message, message, error or errors."""
    said = _json(response)
    for key in ("Message", "message", "error", "ErrorMessage", "detail"):
        if isinstance(said.get(key), str):
            return str(said[key])
    errors = said.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return " ".join(str(errors[0][key]) for key in ("field", "message") if errors[0].get(key))
    return getattr(response, "reason", "") or ""


def _result_from_status(message: Any) -> base.SendResult:
    """The result by Anymail's status of the recipient. Without a message id the provider has accepted nothing."""
    account = message.anymail_status
    states = {str(state) for state in account.status or ()}
    one = next(iter(account.recipients.values()), None)
    provider_id = str(getattr(one, "message_id", None) or "")[:200]
    code = ", ".join(sorted(states))[:20]
    if states & {"invalid", "rejected", "failed"}:
        return base.SendResult("refused", code, "The provider does not send to this address.", provider_id)
    if states and states <= {"sent", "queued"} and provider_id:
        return base.SendResult("accepted", code, provider_id=provider_id)
    return base.SendResult("uncertain", code or "unknown", "The provider's answer does not say.", provider_id)


# --- settings --------------------------------------------------------------------------------------------------------


def _arguments(provider: Provider, address: base.RouteUrl) -> dict[str, Any]:
    if provider.arguments:
        arguments: dict[str, Any] = import_string(provider.arguments)(address)
        return arguments
    given: dict[str, Any] = {name: address.option(name) for name in provider.options if address.option(name)}
    if not address.user:
        raise base.mail_url_error(f"{address.kind} has no key", f"Write {address.kind}://KEY@.")
    if provider.host and not address.host:
        raise base.mail_url_error(f"{address.kind} names no domain", f"Write {address.kind}://KEY@your.domain.")
    given |= {provider.user: address.user, "timeout": address.number("timeout", TIMEOUT_S)}
    if provider.password:
        given[provider.password] = address.password
    if provider.host:
        given[provider.host] = address.host
    return given
