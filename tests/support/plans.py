"""How the embedded store answers questions: by which index, or by reading everything.

    python -m tests.support.plans FOLDER < MESSAGES

FOLDER is the data of a store that does not run, MESSAGES what it was asked (MongoDB's wire protocol, one message behind
the other). Each is asked again; for each of its statements that reads more than was asked for, prints the command and
the plan. A process of its own: what it takes from `services.all_in_one` stays taken.
"""

import importlib
import re
import struct
import sys
from collections.abc import Iterator
from typing import Any

GROWING = ("mails", "tickets", "sightings", "mail_words", "outbound", "raw", "articles", "fingerprints")
"""Collections that hold a document for each mail, or more."""
READING = ("find", "update", "delete", "findAndModify", "aggregate", "count", "distinct")
_ESTIMATE = re.compile(r"SELECT COUNT\(1\) FROM \w+$")
"""What neosqlite asks before each aggregation, to choose its way."""


def whole(data: bytes) -> bool:
    """Whether these bytes of a wire are one message (its header begins with its length)."""
    return len(data) > 16 and struct.unpack_from("<i", data)[0] == len(data)


def main() -> None:
    """Print them, and last how many commands were asked."""
    importlib.import_module("nx_27017.nx_27017")
    importlib.import_module("services.all_in_one.embedded_shortcuts").take()
    wire: Any = importlib.import_module("nx_27017.wire_protocol")
    handler: Any = importlib.import_module("nx_27017.handler").NeoSQLiteHandler
    server = handler(sys.argv[1], data_dir=sys.argv[1], journal_mode="WAL")
    asked = 0
    for message in _messages(sys.stdin.buffer.read()):
        parsed = wire.OP_MSG.parse(message)
        command = dict(parsed["sections"])["body"]
        if any(name in command for name in READING):
            asked += 1
            for fault in _faults(server, parsed, command["$db"]):
                print(" ".join(f"{key}={value!r:.300}" for key, value in command.items() if key[0] != "$"), "|", fault)
    print(asked)


def _messages(data: bytes) -> Iterator[bytes]:
    while data:
        size = struct.unpack_from("<i", data)[0]
        yield data[:size]
        data = data[size:]


def _faults(server: Any, message: dict[str, Any], name: str) -> Iterator[str]:
    database = server.get_database(name).db
    statements: list[str] = []
    database.set_trace_callback(statements.append)
    server.handle_command({**message, "_conn_id": "plans"})
    database.set_trace_callback(None)
    for statement in statements:
        if statement.startswith(("SELECT", "WITH", "UPDATE", "DELETE")) and not _ESTIMATE.match(statement.strip()):
            for _, _, _, step in database.execute(f"EXPLAIN QUERY PLAN {statement}"):
                if _reads_much(step, statement):
                    yield f"{step} | {statement[:300]}"


def _reads_much(step: str, statement: str) -> bool:
    """All documents, or all that have None in a field."""
    for name in GROWING:
        if re.match(rf"SCAN {name}\b", step):
            return True
        if by := re.match(rf"SEARCH {name} USING (?:COVERING )?INDEX idx_{name}_(\w+) \(<expr>=\?\)", step):
            path = by[1].replace("_", "[_.]")
            return re.search(rf"'\$\.{path}'\) IS NULL", statement) is not None
    return False


if __name__ == "__main__":
    main()
