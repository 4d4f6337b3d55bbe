"""Which deliveries of a channel may be acknowledged together."""

import random

from shared.broker.delivery import Tags


def test_a_batch_from_the_start_ends_with_its_last() -> None:
    assert Tags().ended_up_to({1, 2, 3}) == 3


def test_what_another_task_holds_stands_in_the_way() -> None:
    tags = Tags()
    assert tags.ended_up_to({2, 3}) == 0
    assert tags.ended_up_to({1, 3}) == 1
    tags.end([2])
    assert tags.ended_up_to({1, 3}) == 3


def test_the_last_of_the_batch_is_named_and_not_one_that_is_ended_already() -> None:
    """RabbitMQ closes a channel that acknowledges the same tag twice."""
    tags = Tags()
    tags.end([2, 3])
    assert tags.ended_up_to({1}) == 1


def test_nothing_is_remembered_of_what_is_ended_in_its_turn_or_twice() -> None:
    """A process would grow by it, mail by mail."""
    tags = Tags()
    for tag in range(1, 100):
        tags.end([tag])
        tags.end([tag])
    assert vars(tags)["_ended"] == set()


def test_no_message_is_ended_that_was_not_of_a_batch() -> None:
    """Whatever comes in whatever order: up to the tag, everything is ended or of the batch."""
    chance = random.Random(7)
    for _ in range(300):
        tags, ended, left = Tags(), set[int](), list(range(1, 40))
        while left:
            batch = {chance.choice(left[:12]), *left[: chance.randint(0, 5)]}
            highest = tags.ended_up_to(batch)
            assert set(range(1, highest + 1)) <= ended | batch
            assert highest in batch or not highest
            tags.end(batch)
            ended |= batch
            left = [one for one in left if one not in batch]
        assert tags.ended_up_to({40}) == 40
