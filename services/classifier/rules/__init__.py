"""The classification rules, in the order in which they choose. The department needs what the two before it chose."""

from services.classifier.rules import department, priority, process, service

RULES = (
    service.RULE,
    process.RULE,
    department.RULE,
    priority.RULE,
)
