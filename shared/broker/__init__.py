"""The only door to RabbitMQ: nothing else imports aio-pika. `topology.py` is the table of exchanges and queues."""
