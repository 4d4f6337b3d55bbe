"""The filter's decision: may this mail become a ticket? Pure: no clock, driver, log or environment.

Two beats, because a fingerprint may be claimed only for a mail that passed every rule before `duplicates`: `screen`
asks all others, `settle` asks that one when the fingerprints are known. `decide` is both at once.
"""

from dataclasses import dataclass, replace

from services.filter.rules import RULES
from services.filter.rules.rule import STAGE, Beat, Facts, Rule
from shared.domain.decision import ODDITIES, Overruling, Reason, Step, Verdict
from shared.domain.email import Email
from shared.domain.mailbox import Mailbox
from shared.domain.marks import Marks
from shared.mail.flags import explained


@dataclass(frozen=True, slots=True)
class FilterDecision:
    """What the filter says. `rejected` is the reason of the first rule that rejected, None if the mail may pass;
    `sentence` is for people; `duplicate_of` the mail_id that it repeats; `trace` each rule that was asked."""

    rejected: Reason | None
    sentence: str
    duplicate_of: str | None
    trace: tuple[Step, ...]


_PASSED = "It passed every rule of the mailbox."


def oddities(mail: Email) -> tuple[Step, ...]:
    """What the parser found odd, as the first line of the trace; nothing for a mail as it should be."""
    if not mail.flags:
        return ()
    sentence = explained(mail.flags) or "Something about it is odd."
    return (
        Step(
            stage="parser",
            rule=ODDITIES,
            verdict=Verdict.PASSED,
            sentence=sentence,
            looked_at={"flags": ", ".join(mail.flags)},
        ),
    )


def gather(mail: Email, own_addresses: frozenset[str], marks: Marks | None) -> Facts:
    """What the rules may know of a mail before its fingerprints are claimed. Without `marks` (a simulation that has no
    store) no mark is known, genuine or forged."""
    if marks is None:
        return Facts(own_addresses)
    based = {one.address: marks.base_address(one.address) for one in mail.recipients}
    return Facts(
        own_addresses,
        own_loop_marker=marks.is_loop_marker(mail.loop_marker),
        answers_ours=bool(marks.of(mail)),
        forged_mark=marks.forged(mail),
        base_addresses={address: base for address, base in based.items() if base != address},
    )


def screen(mail: Email, mailbox: Mailbox, facts: Facts) -> FilterDecision:
    """The first beat: every rule that needs no fingerprint, up to the first that rejects."""
    screened = _ask(Beat.SCREEN, mail, mailbox, facts)
    return replace(screened, trace=oddities(mail) + screened.trace)


def settle(screened: FilterDecision, mail: Email, mailbox: Mailbox, facts: Facts) -> FilterDecision:
    """The second beat, for a mail that was not rejected: the rules that need `facts.duplicate_of`."""
    if screened.rejected is not None:
        return screened
    settled = _ask(Beat.SETTLE, mail, mailbox, facts)
    return replace(settled, trace=screened.trace + settled.trace)


def overrule(screened: FilterDecision, order: Overruling | None) -> FilterDecision:
    """The same decision without its rejection, if somebody ordered that the mail passes; the trace says who and why."""
    if order is None or screened.rejected is None:
        return screened
    sentence = f"{order.who} ordered that it passes all the same: {order.why}"
    looked_at = {"rejected": screened.rejected.value, "who": order.who, "why": order.why}
    step = Step(stage=STAGE, rule="overruled", verdict=Verdict.PASSED, sentence=sentence, looked_at=looked_at)
    return FilterDecision(None, sentence, None, (*screened.trace, step))


def decide(mail: Email, mailbox: Mailbox, facts: Facts) -> FilterDecision:
    """Both beats: the decision where everything is known already (simulation, back-testing, tests)."""
    return settle(screen(mail, mailbox, facts), mail, mailbox, facts)


def explain(mail: Email, mailbox: Mailbox, facts: Facts) -> FilterDecision:
    """The same decision, with the verdict of every rule in the trace, also of those after the first that rejects."""
    steps = tuple(rule.check(mail, mailbox.spec, facts) for rule in RULES)
    explained_by_rules = _conclude(tuple(zip(RULES, steps, strict=True)))
    return replace(explained_by_rules, trace=oddities(mail) + explained_by_rules.trace)


def _ask(beat: Beat, mail: Email, mailbox: Mailbox, facts: Facts) -> FilterDecision:
    asked: list[tuple[Rule, Step]] = []
    for rule in RULES:
        if rule.beat is beat:
            asked.append((rule, rule.check(mail, mailbox.spec, facts)))
            if asked[-1][1].verdict is Verdict.REJECTED:
                break
    return _conclude(tuple(asked))


def _conclude(asked: tuple[tuple[Rule, Step], ...]) -> FilterDecision:
    trace = tuple(step for _, step in asked)
    for rule, step in asked:
        if step.verdict is Verdict.REJECTED:
            return FilterDecision(rule.reason, step.sentence, None, trace)
    diverted = next((step for step in trace if step.verdict is Verdict.DIVERTED), None)
    if diverted is not None:
        return FilterDecision(None, diverted.sentence, diverted.looked_at["duplicate_of"], trace)
    return FilterDecision(None, _PASSED, None, trace)
