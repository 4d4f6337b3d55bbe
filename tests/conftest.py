"""The one fixture layer: real servers, each private to the session or to a test; the watch over secrets; the order."""

pytest_plugins = (
    "tests.support.canary",
    "tests.support.broker",
    "tests.support.dovecot",
    "tests.support.embedded_store",
    "tests.support.order",
    "tests.support.rabbitmq",
)
