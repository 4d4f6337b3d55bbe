"""What may be wrong with user and password where a server refuses both without a reason. Pure."""

from shared.sasl.values import Credentials


def other_form(user: str) -> str:
    """What to try where Exchange, which knows its users in two ways, refuses this user name."""
    if "\\" in user:
        return r"or try the other form of the user name, user@domain (UPN), instead of DOMAIN\user"
    return r"or try the other form of the user name, DOMAIN\user, instead of user@domain (UPN)"


def odd_password(credentials: Credentials) -> str:
    """A remark on a password with control characters; empty for all others.

    They are carried as they are. Seen in practice: Dovecot refuses tabs and line breaks in passwords unread, and most
    got there by a paste or a file of two lines.
    """
    if any(ord(one) < 0x20 or ord(one) == 0x7F for one in credentials.secret.get_secret_value()):
        return "the password holds control characters, such as tabs or line breaks, which some servers refuse"
    return ""
