"""What came lately is remembered in a few bytes, as a dictionary would."""

import random
import tracemalloc

import numpy as np

from taxi_monitor.windows.lately import UNKNOWN, Lately

SIZE = 128


def test_it_remembers_as_a_dictionary_does() -> None:
    chance = random.Random(7)
    lately, known, gone = Lately(SIZE), dict[str, int](), 0
    for step in range(600):
        ids = [f"r{chance.randrange(4 * step + 4)}" for _ in range(chance.choice([1, 2, 40]))]
        numbers = [chance.randrange(1000) for _ in ids]
        forgotten = lately.update(ids, numbers)
        for one, number in zip(ids, numbers, strict=True):
            known[one] = number
        oldest = [known.pop(one) for one in [*known][: len(forgotten)]]
        assert sorted(forgotten.tolist()) == sorted(oldest)
        gone += len(oldest)
        if step % 7 == 0:
            above = chance.randrange(1500)
            lately.renumber(above, step)
            known |= {one: step for one, number in known.items() if number > above}
        assert len(lately) == len(known) <= SIZE + SIZE // 8 + SIZE // 16
        asked = [*known, "never", "r0"]
        expected = [known.get(one, UNKNOWN) for one in asked]
        assert lately.get(asked).tolist() == expected
        assert lately.has(asked).tolist() == [one in known for one in asked]
    assert gone > SIZE


def test_all_can_be_forgotten() -> None:
    lately = Lately(SIZE)
    lately.update(["a"], [1])
    lately.clear()
    assert len(lately) == 0
    assert not lately.has(["a", "b"]).any()
    assert lately.get([]).shape == (0,)


def test_an_id_takes_a_few_bytes() -> None:
    size, step = 50_000, 1000
    tracemalloc.start()
    lately = Lately(size)
    for begin in range(0, 3 * size, step):
        lately.update([f"{number:020}" for number in range(begin, begin + step)], np.arange(step))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(lately) >= size
    assert taken < 40 * size
