"""Database triggers that protect consent records on SQLite and PostgreSQL, also from direct SQL.

A `ConsentText` never changes: subscribers agreed to its text, and a new wording is a new version (C-01).
A `ConsentEvent` is never deleted. Only its personal fields may change, and only to blank (C-02, C-08).

A migration that rebuilds one of these tables (SQLite does so for most changes) drops its triggers. Such a migration
calls `remove` first and `install` last. A structure test asserts that the triggers exist.
"""

from __future__ import annotations

from typing import Any

TRIGGER_NAMES = frozenset({"consent_text_fixed", "consent_event_fixed", "consent_event_kept"})
TABLES = {
    "consent_text_fixed": "subscribers_consenttext",
    "consent_event_fixed": "subscribers_consentevent",
    "consent_event_kept": "subscribers_consentevent",
}
TEXT_COLUMNS = (
    *("id", "newsletter_id", "purpose", "language", "version", "text", "button", "privacy_url", "privacy_hash"),
    "valid_from",
)
EVENT_COLUMNS = (
    *("id", "subscription", "newsletter_id", "purpose", "action", "consent_text_id", "form_slug", "language"),
    *("personal_digest", "actor", "evidence", "occurred_at", "key_id", "mac"),
)
TEXT_MESSAGE = "a consent text never changes; publish a new version"
EVENT_MESSAGE = "a consent event never changes; only page, ip and agent may be blanked"
DELETE_MESSAGE = "a consent event is never deleted"


def _unchanged_condition(columns: tuple[str, ...]) -> str:
    return " AND ".join(f"NEW.{column} IS OLD.{column}" for column in columns)


SQLITE = (
    f"""CREATE TRIGGER consent_text_fixed BEFORE UPDATE ON subscribers_consenttext
    WHEN NOT ({_unchanged_condition(TEXT_COLUMNS)})
    BEGIN SELECT RAISE(ABORT, '{TEXT_MESSAGE}'); END""",
    f"""CREATE TRIGGER consent_event_fixed BEFORE UPDATE ON subscribers_consentevent
    WHEN NOT ({_unchanged_condition(EVENT_COLUMNS)}
        AND (NEW.page_url = OLD.page_url OR NEW.page_url = '')
        AND (NEW.ip IS OLD.ip OR NEW.ip IS NULL)
        AND (NEW.user_agent = OLD.user_agent OR NEW.user_agent = ''))
    BEGIN SELECT RAISE(ABORT, '{EVENT_MESSAGE}'); END""",
    f"""CREATE TRIGGER consent_event_kept BEFORE DELETE ON subscribers_consentevent
    BEGIN SELECT RAISE(ABORT, '{DELETE_MESSAGE}'); END""",
)
POSTGRESQL = (
    f"""CREATE OR REPLACE FUNCTION consent_text_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF to_jsonb(NEW) IS DISTINCT FROM to_jsonb(OLD) THEN
            RAISE EXCEPTION '{TEXT_MESSAGE}' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$""",
    f"""CREATE OR REPLACE FUNCTION consent_event_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF to_jsonb(NEW) - '{{page_url,ip,user_agent}}'::text[] IS DISTINCT FROM
           to_jsonb(OLD) - '{{page_url,ip,user_agent}}'::text[]
           OR NEW.page_url NOT IN (OLD.page_url, '')
           OR (NEW.ip IS NOT NULL AND NEW.ip IS DISTINCT FROM OLD.ip)
           OR NEW.user_agent NOT IN (OLD.user_agent, '') THEN
            RAISE EXCEPTION '{EVENT_MESSAGE}' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$""",
    f"""CREATE OR REPLACE FUNCTION consent_event_kept() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '{DELETE_MESSAGE}' USING ERRCODE = 'restrict_violation';
    END $$""",
    """CREATE TRIGGER consent_text_fixed BEFORE UPDATE ON subscribers_consenttext
    FOR EACH ROW EXECUTE FUNCTION consent_text_fixed()""",
    """CREATE TRIGGER consent_event_fixed BEFORE UPDATE ON subscribers_consentevent
    FOR EACH ROW EXECUTE FUNCTION consent_event_fixed()""",
    """CREATE TRIGGER consent_event_kept BEFORE DELETE ON subscribers_consentevent
    FOR EACH ROW EXECUTE FUNCTION consent_event_kept()""",
)


def install(connection: Any) -> None:
    with connection.cursor() as cursor:
        for statement in SQLITE if connection.vendor == "sqlite" else POSTGRESQL:
            cursor.execute(statement)


def remove(connection: Any) -> None:
    with connection.cursor() as cursor:
        for name, table in TABLES.items():
            on = "" if connection.vendor == "sqlite" else f" ON {table}"
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")


def missing_triggers(connection: Any) -> frozenset[str]:
    """Return the names of triggers that the running database does not have, or has disabled."""
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if connection.vendor == "sqlite"
        else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return TRIGGER_NAMES - {name for (name,) in cursor.fetchall()}
