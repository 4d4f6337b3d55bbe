"""Full subject match.

On: only mail whose subject is one of the keywords is taken. Case, width and blanks do not count, and reply and forward
prefixes (`Re:`, `AW:`, `回复:` …) are taken off first. A subject that merely contains a keyword is rejected. Mail that
answers a mail of ours is taken whatever its subject. Off: any subject will do.
"""

from services.filter.rules.rule import Facts, Rule, step
from shared.domain.decision import Reason, Step, Verdict
from shared.domain.email import Email
from shared.domain.mailbox import MailboxSpec
from shared.mail.subject import normalise_subject

NAME = Reason.SUBJECT_NO_MATCH


def check(mail: Email, config: MailboxSpec, facts: Facts) -> Step:
    """Reject a subject that is none of the keywords."""
    if not config.domains.full_subject_match:
        return step(NAME, Verdict.OFF, "Any subject is taken.")
    if facts.answers_ours:
        return step(NAME, Verdict.PASSED, "It answers a mail of ours, so its subject need not match.")
    subject = normalise_subject(mail.subject)
    keywords = {normalise_subject(one): one for one in config.domains.subject_keywords}
    if subject in keywords:
        written = keywords[subject]
        return step(NAME, Verdict.PASSED, f"The subject is the keyword “{written}”.", subject=subject, keyword=written)
    part = next((written for word, written in keywords.items() if word and word in subject), None)
    if part is not None:
        sentence = f"The subject only contains the keyword “{part}”; it must be the whole subject."
        return step(NAME, Verdict.REJECTED, sentence, subject=subject, keyword=part)
    return step(NAME, Verdict.REJECTED, "The subject is none of the keywords.", subject=subject)


RULE = Rule(NAME, __doc__, check)
