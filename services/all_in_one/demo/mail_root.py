"""Where a private Dovecot keeps its mail, and as whom: Dovecot never serves mail as root (that is built in).

Started by root, the mail belongs to Debian's user `mail`, who must be able to reach it: below a home of mode 0700 he
cannot. Then the folder holds a link to a place below /var/tmp, and places whose link is gone are removed.
"""

import contextlib
import os
import pwd
import shutil
import tempfile
from pathlib import Path
from typing import Final

MAIL_USER: Final = "mail"
_ELSEWHERE: Final = Path("/var/tmp")  # noqa: S108 - only through mkdtemp
_PREFIX: Final = "mail-automator-mail-"
_LINK: Final = ".link"


def mail_owner() -> tuple[int, int]:
    """User and group id of the mail's owner: ourselves, or `mail` where we are root."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    entry = pwd.getpwnam(MAIL_USER)
    return entry.pw_uid, entry.pw_gid


def mail_root(folder: Path, owner: tuple[int, int]) -> Path:
    """The folder for all mail: `folder/mail`, or what it links to. Made, and given to its owner."""
    link = folder / "mail"
    if os.geteuid() != 0 or _reachable(folder):
        link.mkdir(exist_ok=True)
    elif not link.exists():
        _sweep(owner[0])
        link.unlink(missing_ok=True)
        _place(link)
    root = link.resolve()
    if root.stat().st_uid != owner[0]:
        os.chown(root, *owner)
    return root


def _reachable(folder: Path) -> bool:
    """Whether everybody may pass through this folder and all above it."""
    return all(one.stat().st_mode & 0o001 for one in (folder, *folder.parents))


def _place(link: Path) -> None:
    place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_ELSEWHERE))
    (place / _LINK).write_text(str(link))
    link.symlink_to(place)


def _sweep(owner: int) -> None:
    """Remove places of ours that no link leads to any more: their data folder was deleted."""
    for place in _ELSEWHERE.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            link = Path((place / _LINK).read_text())
            if place.stat().st_uid == owner and link.resolve() != place:
                shutil.rmtree(place)
