"""Who does it, where nobody said a name."""

import getpass
import os


def os_user() -> str:
    """Who is at the keyboard, also behind sudo."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user that this machine does not know
        return f"uid {os.getuid()}"
