"""Send to many readers in one call: the provider fills in each reader's values.

One answer stands for many readers, and an error does not mean that nothing was sent. So each answer is read for each
reader: accepted, refused, deferred, uncertain, or None, which means that the provider refused the whole call.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from anymail.backends import mailgun, mailjet, sendgrid
from anymail.backends.base import BasePayload
from anymail.exceptions import AnymailAPIError, AnymailError, AnymailNotSupportedWarning
from anymail.utils import EmailAddress, parse_address_list
from django.core.mail import EmailMultiAlternatives
from django.utils.module_loading import import_string

from workers.routes import anymail_single, base, message_lookup

Results = list[base.SendResult | None]
UNCLEAR_ANSWER = "The provider's answer does not say."


# --- Anymail without parsing what is parsed already --------------------------------------------------------------------


def _addresses(given: Sequence[Any], field: str | None = None) -> list[EmailAddress]:
    """Skip parsing for EmailAddress objects: it would be half of the work for each reader."""
    if all(isinstance(address, EmailAddress) for address in given):
        return list(given)
    parsed: list[EmailAddress] = parse_address_list(given, field=field)
    return parsed


_ATTRIBUTES = tuple(
    (name, combine, _addresses if name == "to" else convert)
    for name, combine, convert in BasePayload.base_message_attrs
)
_MERGED = tuple(
    (name, None, None) if name in {"merge_data", "merge_metadata"} else (name, combine, convert)
    for name, combine, convert in BasePayload.anymail_message_attrs
)
"""Attributes without conversion: values of readers are never lazy translations or defaults."""


class _MailgunPayload(mailgun.MailgunPayload):  # type: ignore[misc]
    base_message_attrs = _ATTRIBUTES
    anymail_message_attrs = _MERGED

    def get_request_params(self, api_url: str) -> dict[str, Any]:
        """Use multipart/form-data, which needs no percent-encoding of the bodies."""
        params: dict[str, Any] = super().get_request_params(api_url)
        fields = params.pop("data")
        pairs = [(name, value) for name, given in fields.items() for value in _each(given)]
        return {**params, "files": [(name, (None, value)) for name, value in pairs] + list(params["files"] or ())}


def _each(given: Any) -> Sequence[Any]:
    return given if isinstance(given, list) else [given]


class MailgunBackend(mailgun.EmailBackend):  # type: ignore[misc]
    def build_message_payload(self, message: Any, defaults: Any) -> _MailgunPayload:
        return _MailgunPayload(message, defaults, self)


class _MailjetPayload(mailjet.MailjetPayload):  # type: ignore[misc]
    base_message_attrs = _ATTRIBUTES
    anymail_message_attrs = _MERGED

    def set_merge_metadata(self, merge_metadata: Mapping[str, Mapping[str, str]]) -> None:
        """Set CustomID too, by which Mailjet's messages can be looked up."""
        super().set_merge_metadata(merge_metadata)
        for message in self.data["Messages"]:
            message["CustomID"] = merge_metadata[message["To"][0]["Email"]][message_lookup.METADATA_KEY]


class MailjetBackend(mailjet.EmailBackend):  # type: ignore[misc]
    def build_message_payload(self, message: Any, defaults: Any) -> _MailjetPayload:
        return _MailjetPayload(message, defaults, self)


class _SendGridPayload(sendgrid.SendGridPayload):  # type: ignore[misc]
    base_message_attrs = _ATTRIBUTES
    anymail_message_attrs = _MERGED


class SendGridBackend(sendgrid.EmailBackend):  # type: ignore[misc]
    def __init__(self, **arguments: Any) -> None:
        """Suppress Anymail's warning that SendGrid is untested; docs/add-a-provider.md says so."""
        with warnings.catch_warnings(action="ignore", category=AnymailNotSupportedWarning):
            super().__init__(**arguments)

    def build_message_payload(self, message: Any, defaults: Any) -> _SendGridPayload:
        return _SendGridPayload(message, defaults, self)


# --- reading answers -------------------------------------------------------------------------------------------------


def _json(response: Any) -> Any:
    try:
        return response.json()
    except (ValueError, AttributeError):
        return None


def read_mailgun(response: Any, count: int) -> Results | None:
    """Mailgun: one id for the whole call, or a refusal of the whole call."""
    said = _json(response)
    if not 200 <= response.status_code < 300:
        return None
    if not isinstance(said, dict) or not isinstance(said.get("id"), str):
        return [base.SendResult("uncertain", str(response.status_code), UNCLEAR_ANSWER, is_outage=True)] * count
    return [base.SendResult("accepted", "queued", provider_id=said["id"][:200])] * count


def read_sendgrid(response: Any, count: int) -> Results | None:
    """SendGrid: 202 and an id in a header; or errors, some of which name the reader's place."""
    if response.status_code == 202:
        return [base.SendResult("accepted", "202", provider_id=response.headers.get("X-Message-Id", "")[:200])] * count
    if response.status_code == 400:
        return _refused_recipients(_json(response), count)
    return None


_PLACE = re.compile(r"personalizations[.\[](\d+)\]?\.to\b")


def _refused_recipients(said: Any, count: int) -> Results | None:
    """SendGrid refuses the whole call for one bad address and names its position."""
    errors = said.get("errors") if isinstance(said, dict) else None
    results: Results = [None] * count
    for error in errors if isinstance(errors, list) else ():
        found = _PLACE.search(str(error.get("field") or "")) if isinstance(error, dict) else None
        if found is None or int(found[1]) >= count:
            return None
        results[int(found[1])] = base.SendResult("refused", "400", base.redact_addresses(str(error.get("message", ""))))
    return results if any(results) else None


def read_mailjet(response: Any, count: int) -> Results | None:
    """Mailjet: an answer for each message, in order, whatever the status of the whole is.

    Raises AccountRefused if each answer says that the account, not the reader, is refused.
    """
    said = _json(response)
    answers = said.get("Messages") if isinstance(said, dict) else None
    if not isinstance(answers, list):
        return None
    if len(answers) != count:
        return [base.SendResult("uncertain", str(response.status_code), UNCLEAR_ANSWER)] * count
    if answers and all(_is_account_refusal(answer) for answer in answers):
        first = _mailjet(answers[0])
        raise base.AccountRefused(f"{first.code} {first.detail}".strip())
    return [_mailjet(answer) for answer in answers]


def _is_account_refusal(answer: Any) -> bool:
    """A key that may not send, or a sender that is not verified: whoever the message is for, it has not left."""
    errors = answer.get("Errors") if isinstance(answer, dict) and answer.get("Status") == "error" else None
    if not errors or not isinstance(errors, list) or not all(isinstance(error, dict) for error in errors):
        return False
    return all(error.get("StatusCode") in {401, 403} or error.get("ErrorRelatedTo") == ["From"] for error in errors)


def _mailjet(answer: Any) -> base.SendResult:
    if not isinstance(answer, dict):
        return base.SendResult("uncertain", detail=UNCLEAR_ANSWER)
    if answer.get("Status") == "success":
        sent: dict[str, Any] = next(iter(answer.get("To") or ()), {})
        return base.SendResult("accepted", "success", provider_id=str(sent.get("MessageID", ""))[:200])
    errors = [error for error in answer.get("Errors") or () if isinstance(error, dict)]
    if answer.get("Status") != "error" or not errors:
        return base.SendResult("uncertain", detail=UNCLEAR_ANSWER)
    status = errors[0].get("StatusCode")
    words = base.redact_addresses(str(errors[0].get("ErrorMessage") or ""))
    code = str(errors[0].get("ErrorCode") or status or "")[:20]
    if status == 429:
        return base.SendResult("deferred", code, words, asks_to_slow_down=True)
    if not isinstance(status, int) or status >= 500:
        return base.SendResult("uncertain", code, words, is_outage=True)
    return base.SendResult("refused", code, words)


# --- the route ---------------------------------------------------------------------------------------------------------

CALLS_BEFORE_GROWTH = 10
"""Successful calls before the next is a tenth larger than the largest accepted one."""
RECIPIENT_ERROR = re.compile(r"\bto'? (parameter|address|field)|recipient|personalizations", re.IGNORECASE)


class AnymailMergeRoute(anymail_single.AnymailSingleRoute):
    """`mailgun://KEY@your.domain`, `mailjet://KEY:SECRET@`, `sendgrid://KEY@`; `?batch=200` for smaller calls."""

    options: ClassVar[frozenset[str]] = frozenset({"batch"})

    def __init__(self, name: str, url: str) -> None:
        super().__init__(name, url)
        merge = self.provider.merge
        if merge is None:
            raise ValueError(f"{self.kind} sends one message a call")
        self._merge, self._path = merge, merge.backend
        self._read: Callable[[Any, int], Results | None] = import_string(merge.read)
        self._arguments |= merge.arguments
        self.syntax, self.keeps_message_ids = merge.syntax, merge.keeps_message_ids
        self.capabilities = base.Capabilities(takes="message", asks_before_each=True)
        most = int(self.address.number("batch", merge.max_recipients)) or 1
        self._most = self.most_at_once = self.at_once = min(merge.max_recipients, most)
        self._went_well = 0

    def send_many(
        self, mailing: base.MergeMessage, parts: Sequence[base.MergeRecipient], *, deadline: float = base.NO_DEADLINE
    ) -> Results:
        """One call; see base.MergeRoute."""
        backend = self._backend()
        twins = _duplicate_addresses(parts)
        chosen = [part for place, part in enumerate(parts) if place not in twins]
        message = self._call(mailing, chosen)
        base.check_deadline(deadline)
        try:
            backend.send_messages([message])
        except AnymailAPIError as error:
            results = self._results_from_error(error, chosen)
        except AnymailError as error:
            raise base.AccountRefused(f"The issue cannot be given to this provider: {type(error).__name__}") from None
        else:
            response = message.anymail_status.esp_response  # type: ignore[attr-defined]
            results = self._read(response, len(chosen)) or _all_uncertain(chosen, str(response.status_code))
        self._adjust_call_size(results)
        if not twins:
            return results
        told = iter(results)
        return [None if place in twins else next(told) for place in range(len(parts))]

    def _call(self, mailing: base.MergeMessage, parts: Sequence[base.MergeRecipient]) -> EmailMultiAlternatives:
        message = EmailMultiAlternatives(
            subject=mailing.subject,
            body=mailing.text,
            to=[_address(part) for part in parts],
            headers=dict(mailing.headers),
        )
        message.from_email = str(_named(mailing.from_name, mailing.from_email))
        message.reply_to = [mailing.reply_to] if mailing.reply_to else []
        message.attach_alternative(mailing.html, "text/html")
        extra: Any = message
        extra.merge_data = {part.recipient: part.values for part in parts}
        extra.merge_metadata = {part.recipient: {message_lookup.METADATA_KEY: part.token} for part in parts}
        extra.merge_headers = {part.recipient: self._headers(mailing, part) for part in parts}
        extra.track_clicks = extra.track_opens = False
        if mailing.mark and self._merge.marks_calls:
            extra.tags = [mailing.mark]
        return message

    def _headers(self, mailing: base.MergeMessage, part: base.MergeRecipient) -> dict[str, str]:
        own = {"Message-ID": part.message_id} if self.keeps_message_ids else {}
        return {**mailing.headers, **part.headers, **own} if self._merge.all_headers else {**part.headers, **own}

    def _results_from_error(self, error: AnymailAPIError, parts: Sequence[base.MergeRecipient]) -> Results:
        """Nothing was sent only if no connection was made or all were refused; otherwise the results are uncertain."""
        count = len(parts)
        status = error.status_code
        if status is None or status == 429 or status >= 500:
            return [self._failed(error)] * count
        if told := self._read(error.response, count):
            return told
        words = base.redact_addresses(anymail_single.error_message(error.response))
        if status == 413 or (400 <= status < 500 and anymail_single.TOO_MANY_RECIPIENTS.search(words)):
            return self._reduce_call_size(count, status, words, lasting=True)
        if status in {400, 422}:
            return self._reduce_call_size(count, status, words, lasting=False)
        if 400 <= status < 500 and status != 408:
            raise base.AccountRefused(f"{status} {words}")
        return _all_uncertain(parts, str(status))

    def _reduce_call_size(self, count: int, status: int, words: str, *, lasting: bool) -> Results:
        """The whole call was refused and nothing sent: halve the next call, down to the one bad address."""
        if count == 1:
            if RECIPIENT_ERROR.search(words) and not lasting:
                return [base.SendResult("refused", str(status), words)]
            if lasting:
                raise base.AccountRefused(f"{status} {words}")
            return [self._declined(status, words)]
        self.at_once = max(1, count // 2)
        if lasting:
            self.most_at_once, self._went_well = self.at_once, 0
        return [None] * count

    def _adjust_call_size(self, results: Results) -> None:
        """Grow after successful calls: double up to the size that was accepted before, then by a tenth."""
        if any(result and result.outcome == "accepted" for result in results):
            self._strange = 0
        if len(results) < self.at_once or not all(result and result.outcome == "accepted" for result in results):
            return
        if self.at_once < self.most_at_once:
            self.at_once = min(self.most_at_once, self.at_once * 2)
            return
        self._went_well += 1
        if self._went_well >= CALLS_BEFORE_GROWTH:
            self.at_once = self.most_at_once = min(self._most, self.most_at_once + max(1, self.most_at_once // 10))
            self._went_well = 0


def _duplicate_addresses(parts: Sequence[base.MergeRecipient]) -> set[int]:
    """Positions of repeated addresses in a call: the provider keys values by address, so copies would mix links."""
    seen, found = set[str](), set[int]()
    for place, part in enumerate(parts):
        key = part.recipient.lower()
        if key in seen:
            found.add(place)
        seen.add(key)
    return found


def _address(part: base.MergeRecipient) -> EmailAddress:
    return _named(part.name, part.recipient)


def _named(name: str, email: str) -> EmailAddress:
    local, _at, domain = email.rpartition("@")
    return EmailAddress(name, username=local, domain=domain)


def _all_uncertain(parts: Sequence[base.MergeRecipient], code: str) -> Results:
    return [base.SendResult("uncertain", code, UNCLEAR_ANSWER, is_outage=True)] * len(parts)
