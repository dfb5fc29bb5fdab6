"""`manage.py check --deploy` with the settings a production host has: no warning may remain."""

import os
import subprocess
import sys
import tempfile

PRODUCTION = {
    "SITE_URL": "https://news.example",
    "SECRET_KEY": "a-long-production-key-with-0123456789-and-more-characters",
    "MAIL_URL": "smtp://user:password@mail.example:587",
    "DATABASE_URL": "postgres://warta:secret@db.example:5432/warta",
    "BROKER_URL": "amqp://warta:secret@mq.example:5672//",
}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, **PRODUCTION, "VAR_DIR": folder}
        command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
