"""The two ways in which Exchange knows its users. Pure."""


def other_form(user: str) -> str:
    """What to try where Exchange refuses this user name: a remedy's words."""
    if "\\" in user:
        return r"or try the other form of the user name, user@domain (UPN), instead of DOMAIN\user"
    return r"or try the other form of the user name, DOMAIN\user, instead of user@domain (UPN)"
