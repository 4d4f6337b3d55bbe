"""The filter rules, in the order in which they are asked. The first that rejects a mail ends the evaluation."""

from services.filter.rules import (
    aligned_sender,
    approved_domains,
    automatic_mail,
    blocked_sender,
    duplicates,
    full_subject_match,
    own_loop,
    to_address,
)

RULES = (
    own_loop.RULE,
    blocked_sender.RULE,
    approved_domains.RULE,
    aligned_sender.RULE,
    automatic_mail.RULE,
    to_address.RULE,
    full_subject_match.RULE,
    duplicates.RULE,
)
