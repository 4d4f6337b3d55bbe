"""Finds the durable steps in source text: writes to the store, confirmed publishes, acknowledgements, IMAP changes, the
SMTP dot. Which methods of the store write is read off the store itself.

A step is followed if a `crash_point(...)` comes after it and before the next one. What a function leaves unfollowed at
its end its callers must follow: those in the same module, or those that call it by a name that is a step itself.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
STORE = ROOT / "shared/store"
WRITES = frozenset({"insert", "insert_many", "update", "update_all", "update_each", "change", "delete", "bump", "take"})
"""How the parts of the store write: by `Collection`, and by its generation and its counters."""
STORE_BY_OTHER_NAMES = {
    "claims": "fingerprints",
    "counts": "budgets",
    "retries": "ledger",
}
"""What services call parts of the store; otherwise they call them as `Store` does."""
OTHERS: Mapping[str, frozenset[str]] = {
    "broker": frozenset({"publish", "publish_all"}),
    "publisher": frozenset({"publish_fetched"}),
    "delivery": frozenset({"ack", "reject", "give_back"}),
    "session": frozenset({"mark_seen", "flag", "move", "delete"}),
    "handler": frozenset({"settle"}),
}
"""Steps that are not the store's, by who is asked for them. A handler's `settle` is the end of its work: the consume
loop follows it."""
NOT_STEPS = {
    "mark_keys.marks": "made once, by whoever comes first, at the start: nothing came before it",
    "runtime.reappearance_accepted": "a question; where nothing is known of a mailbox yet it leaves an empty document",
}
"""Calls that may write, and need no point."""
NOT_THE_STORE = frozenset(
    {
        *(f"{name}.close" for name in ("broker", "line", "parser", "people", "session", "store", "worker")),
        *(f"{name}.look" for name in ("accounts", "follower", "lanes", "totals", "unread")),
        *(f"keeper.{name}" for name in ("release", "renew")),
        "renewals.renew",
        *(f"hold.{name}" for name in ("count", "settle")),
        "effects.settle",
        "free.take",
        "intake.take",
        "notifier.take",
        "session.marks",
    }
)
"""Methods called like one of the store that belong to something else. Where they take durable steps, these have points
of their own."""
OWN = frozenset({"_reply", "_store", "_into"})
"""Steps of a session of IMAP or SMTP with itself: the answer to the final dot; a flag; a copy or move."""


Function = ast.AsyncFunctionDef | ast.FunctionDef


@dataclass(frozen=True)
class Step:
    """A durable step: the function that it is in, what is called, and in which line."""

    function: str
    call: str
    line: int


def store_writes() -> Mapping[str, frozenset[str]]:
    """The public writing methods of each part of the store, by the name that it has in `Store`."""
    classes = {
        one.name: one
        for file in STORE.glob("*.py")
        for one in ast.walk(ast.parse(file.read_text()))
        if isinstance(one, ast.ClassDef)
    }
    parts: dict[str, frozenset[str]] = {}
    for one in ast.walk(classes["Store"]):
        match one:
            case ast.Assign(
                targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=ast.Call(func=ast.Name(id=made))
            ) if made in classes:
                writing = _writing(classes[made])
                parts[name] = frozenset(method for method in writing if not method.startswith("_"))
    return {name: methods for name, methods in parts.items() if methods}


def _writing(of: ast.ClassDef) -> frozenset[str]:
    """The methods of a class of the store that write, themselves or through others of the class."""
    methods = {one.name: one for one in of.body if isinstance(one, ast.AsyncFunctionDef)}
    found: set[str] = set()
    while more := {name for name, one in methods.items() if name not in found and _writes(one, found)}:
        found |= more
    return frozenset(found)


def _writes(method: ast.AsyncFunctionDef, writing: set[str]) -> bool:
    for one in ast.walk(method):
        match one:
            case ast.Await(value=ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name))):
                if name in writing:
                    return True
            case ast.Await(value=ast.Call(func=ast.Attribute(attr=name))) if name in WRITES:
                return True
            case _:
                continue
    return False


class Lint:
    """Looks through modules for steps without a crash point."""

    def __init__(self) -> None:
        self._steps: dict[str, frozenset[str]] = {**store_writes(), **OTHERS}
        self._steps |= {name: self._steps[part] for name, part in STORE_BY_OTHER_NAMES.items()}
        self.names = frozenset[str]().union(*self._steps.values())

    def unfollowed(self, source: str) -> list[Step]:
        """The steps in a module that no crash point follows."""
        return _Module(ast.parse(source), self).unfollowed()

    def strangers(self, source: str) -> frozenset[str]:
        """Whoever is asked, awaited, for something that is called like a step of the store, and is not known as a part
        of the store: `receiver.method`."""
        found: set[str] = set()
        for one in ast.walk(ast.parse(source)):
            match one:
                case ast.Await(value=ast.Call(func=ast.Attribute(value=value, attr=name))):
                    receiver = _last(value)
                    if name in self.names and name not in self._steps.get(receiver, ()) and receiver != "self":
                        found.add(f"{receiver}.{name}")
                case _:
                    continue
        return frozenset(found) - NOT_THE_STORE

    def step(self, call: ast.Call) -> str:
        """The step that a call is, as `receiver.method`; empty if it is none."""
        match call.func:
            case ast.Attribute(value=ast.Name(id="self"), attr=name) if name in OWN:
                return f"self.{name}"
            case ast.Attribute(value=value, attr=name) if name in self._steps.get(_last(value), ()):
                called = f"{_last(value)}.{name}"
                return "" if called in NOT_STEPS else called
            case _:
                return ""


class _Module:
    """A module's functions, by name, and what each leaves unfollowed at its end."""

    def __init__(self, tree: ast.Module, lint: Lint) -> None:
        self._lint = lint
        self._functions: dict[str, list[Function]] = {}
        methods = [one for part in ast.walk(tree) if isinstance(part, ast.ClassDef) for one in part.body]
        for one in ast.walk(tree):
            if isinstance(one, Function):
                name = f"self.{one.name}" if one in methods else one.name
                self._functions.setdefault(name, []).append(one)
        self._left: dict[str, list[Step]] = {}
        self._called: set[str] = set()
        self._bad: list[Step] = []

    def unfollowed(self) -> list[Step]:
        for name in self._functions:
            self._left_by(name)
        ends = [step for name, left in self._left.items() if not self._handed_on(name) for step in left]
        return sorted({*self._bad, *ends}, key=lambda one: one.line)

    def _handed_on(self, name: str) -> bool:
        return name in self._called or name.removeprefix("self.") in self._lint.names

    def _left_by(self, name: str) -> list[Step]:
        if name not in self._left:
            self._left[name] = []  # what calls itself hands on nothing more
            flows = [_Flow(self, one) for one in self._functions[name]]
            self._left[name] = [step for flow in flows for step in flow.left]
            self._bad += [step for flow in flows for step in flow.bad]
        return self._left[name]

    def is_step(self, call: ast.Call) -> str:
        """The name of the step that a call is, itself or through a function of this module; empty if it is none."""
        if step := self._lint.step(call):
            return step
        match call.func:
            case ast.Attribute(value=ast.Name(id="self"), attr=attribute):
                name = f"self.{attribute}"
            case ast.Name(id=name):
                pass
            case _:
                return ""
        self._called.add(name)
        return name if name in self._functions and self._left_by(name) else ""


class _Flow:
    """What happens in a function from its beginning to its end. `left` are the steps that nothing follows when it is
    left, `bad` those that another step follows."""

    def __init__(self, module: _Module, function: Function) -> None:
        self._module = module
        self._function = function.name
        self.left: list[Step] = []
        self.bad: list[Step] = []
        self.left += self._block(function.body, [])

    def _block(self, body: Sequence[ast.stmt], open_: list[Step]) -> list[Step]:
        for statement in body:
            open_ = self._statement(statement, open_)
        return open_

    def _statement(self, one: ast.stmt, open_: list[Step]) -> list[Step]:
        match one:
            case ast.AsyncFunctionDef() | ast.FunctionDef() | ast.ClassDef():
                return open_
            case ast.If():
                open_ = self._expression(one.test, open_)
                return _joined(open_, [self._block(one.body, open_), self._block(one.orelse, open_)])
            case ast.Match():
                open_ = self._expression(one.subject, open_)
                return _joined(open_, [self._block(case.body, open_) for case in one.cases])
            case ast.Try():
                ways = [[*one.body, *one.orelse], *(handler.body for handler in one.handlers)]
                return self._block(one.finalbody, _joined(open_, [self._block(way, open_) for way in ways]))
            case ast.For() | ast.AsyncFor() | ast.While() | ast.With() | ast.AsyncWith():
                for head in ast.iter_child_nodes(one):
                    open_ = open_ if isinstance(head, ast.stmt) else self._expression(head, open_)
                return self._block([*one.body, *getattr(one, "orelse", ())], open_)
            case ast.Return():
                self.left += self._expression(one, open_)
                return []
            case _:
                return self._expression(one, open_)

    def _expression(self, one: ast.AST, open_: list[Step]) -> list[Step]:
        calls = [call for call in ast.walk(one) if isinstance(call, ast.Call)]
        for call in sorted(calls, key=lambda call: (call.end_lineno or 0, call.end_col_offset or 0)):
            if isinstance(call.func, ast.Name) and call.func.id == "crash_point":
                open_ = []
            elif step := self._module.is_step(call):
                self.bad += open_
                open_ = [Step(self._function, step, call.lineno)]
        return open_


def _joined(before: list[Step], ways: Sequence[list[Step]]) -> list[Step]:
    """What is open after one of several ways was taken: what no way followed, and what each left open itself."""
    kept = [step for step in before if all(step in way for way in ways)]
    return kept + [step for way in ways for step in way if step not in before]


def _last(receiver: ast.expr) -> str:
    """The last word of who is asked: `ledger` for `self._store.ledger` and for `self._ledger`."""
    match receiver:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lstrip("_")
        case _:
            return ""
