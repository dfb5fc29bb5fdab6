"""One call per reader to a provider's API, through Anymail and one kept connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import requests
from anymail.exceptions import AnymailAPIError, AnymailError, AnymailRecipientsRefused, AnymailUnsupportedFeature
from django.core.mail import get_connection
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from workers.routes import base

TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class _Provider:
    backend: str
    user: str
    """The Anymail setting that the user part of the URL gives."""
    password: str = ""
    host: str = ""
    has_metadata: bool = True
    """Without it, the token that events bring back travels as a tag."""
    options: tuple[str, ...] = ()


PROVIDERS = {
    "mailgun": _Provider("mailgun", "api_key", host="sender_domain", options=("api_url",)),
    "mailjet": _Provider("mailjet", "api_key", "secret_key", options=("api_url",)),
    "postmark": _Provider("postmark", "server_token", options=("api_url", "message_stream")),
    "sendgrid": _Provider("sendgrid", "api_key", options=("api_url",)),
    "resend": _Provider("resend", "api_key", options=("api_url",)),
    "brevo": _Provider("brevo", "api_key", options=("api_url",)),
    "mailersend": _Provider("mailersend", "api_token", has_metadata=False, options=("api_url",)),
    "mandrill": _Provider("mandrill", "api_key", options=("api_url",)),
    "ses": _Provider("amazon_ses", "", options=("configuration_set_name",)),
}
ACCOUNT_CODES = frozenset({401, 402, 403})


class AnymailSingle:
    """`postmark://TOKEN@`, `mailgun://KEY@your.domain`, `mailjet://KEY:SECRET@`, `ses://KEY:SECRET@region`, …"""

    capabilities = base.Capabilities(takes="message", asks_before_each=True)
    options: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, name: str, url: str) -> None:
        kind = url.partition(":")[0]
        provider = PROVIDERS[kind]
        address = base.read(url, options=self.options | {*provider.options, "timeout"})
        self.name, self.kind, self.rate, self.address = name, kind, address.number("rate", 0), address
        self._arguments = _arguments(provider, address)
        self._backend: Any = None
        self._has_metadata = provider.has_metadata
        self._path = f"anymail.backends.{provider.backend}.EmailBackend"

    def open(self) -> None:
        if self._backend is None:
            self._backend = get_connection(self._path, **self._arguments)
            self._backend.open()

    def eight_bit(self) -> bool:
        return True

    def send(self, letter: base.Letter, *, deadline: float = base.NO_DEADLINE) -> base.Result:
        if letter.message is None:
            raise ValueError("This route takes messages, not bytes.")
        self.open()
        if not self._has_metadata:
            _as_tags(letter.message)
        base.in_time(deadline)
        try:
            self._backend.send_messages([letter.message])
        except AnymailRecipientsRefused:
            return _status(letter.message)
        except AnymailAPIError as error:
            return self._failed(error)
        except AnymailUnsupportedFeature as error:
            raise base.Refused(f"This provider cannot send such a mail: {base.without_addresses(str(error))}") from None
        except AnymailError as error:
            return base.Result(
                "refused", detail=f"The message cannot be given to this provider: {type(error).__name__}"
            )
        return _status(letter.message)

    def close(self) -> None:
        if self._backend is not None:
            self._backend.close()
        self._backend = None

    def _failed(self, error: AnymailAPIError) -> base.Result:
        """An error does not mean that nothing was sent, unless we know that nobody heard us."""
        status = error.status_code
        if status is None:
            self.close()
            if never_connected(error):
                raise base.TryLater("The provider does not answer.") from None
            return base.Result("uncertain", detail="The provider gave no answer.", trouble=True)
        words = base.without_addresses(message_of(error.response))
        if status == 429:
            return base.Result("deferred", "429", words, slow_down=True)
        if status in ACCOUNT_CODES:
            raise base.Refused(f"{status} {words}")
        if 400 <= status < 500:
            return base.Result("refused", str(status), words)
        return base.Result("uncertain", str(status), words, trouble=True)


def _as_tags(message: Any) -> None:
    if hasattr(message, "metadata"):
        message.tags = list(message.metadata.values())
        del message.metadata


def never_connected(error: BaseException) -> bool:
    """The connection itself failed, so that the provider cannot have read anything."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    seen: BaseException | None = error.__cause__
    reasons = seen.args[0] if seen is not None and seen.args else None
    reason = reasons.reason if isinstance(reasons, MaxRetryError) else reasons
    return isinstance(reason, (NewConnectionError, ConnectTimeoutError))


def message_of(response: Any) -> str:
    """What the provider says in words: they call it Message, message, error or errors."""
    try:
        said = response.json()
    except (ValueError, AttributeError):
        return getattr(response, "reason", "") or ""
    if isinstance(said, dict):
        for key in ("Message", "message", "error", "ErrorMessage", "detail"):
            if isinstance(said.get(key), str):
                return str(said[key])
    return getattr(response, "reason", "") or ""


def _status(message: Any) -> base.Result:
    """Anymail's account of the one recipient."""
    account = message.anymail_status
    states = {str(state) for state in account.status or ()}
    one = next(iter(account.recipients.values()), None)
    provider_id = str(getattr(one, "message_id", None) or "")[:200]
    code = ", ".join(sorted(states))[:20]
    if states and states <= {"sent", "queued"}:
        return base.Result("accepted", code, provider_id=provider_id)
    if states & {"invalid", "rejected", "failed"}:
        return base.Result("refused", code, "The provider does not send to this address.", provider_id)
    return base.Result("uncertain", code or "unknown", "The provider's answer does not say.", provider_id)


def _arguments(provider: _Provider, address: base.Address) -> dict[str, Any]:
    given: dict[str, Any] = {name: address.option(name) for name in provider.options if address.option(name)}
    if address.kind == "ses":
        return {**given, "client_params": _ses(address)}
    if not address.user:
        raise base.wrong(f"{address.kind} has no key", f"Write {address.kind}://KEY@.")
    given |= {provider.user: address.user, "timeout": address.number("timeout", TIMEOUT_S)}
    if provider.password:
        given[provider.password] = address.password
    if provider.host and address.host:
        given[provider.host] = address.host
    return given


def _ses(address: base.Address) -> dict[str, str]:
    """Without keys, boto3 finds them itself (instance role, profile)."""
    params = {"region_name": address.host} if address.host else {}
    if address.user:
        params |= {"aws_access_key_id": address.user, "aws_secret_access_key": address.password}
    return params
