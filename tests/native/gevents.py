"""gevent: many stacks at one place, switched by its hub wherever a greenlet waits: in Python, inside of callbacks from C, in the hub
itself, in its pool of threads. Each block has a size of its own; printed at the end: {size: [is it on its thread's own stack, [the
Python functions of that stack, outermost first]]}."""
import functools
import json
import random

import gevent
import gevent.event
import gevent.pool
import gevent.queue
import telling
from calling import by_map, by_sorted, through

told, kept = {}, []
counter = 700000


def leaf():
    global counter
    counter += 100
    hold, names = telling.block(counter, kept)
    told[counter] = [gevent.getcurrent().parent is None, names]
    hold()
    return 0


def work(seed, rounds, wait):
    """Allocates and waits, at another depth each time, before and after each wait."""
    chance = random.Random(seed)

    def both():
        leaf()
        wait()
        leaf()

    for _ in range(rounds):
        through(chance, chance.randrange(4), both)
        leaf()


def spawned():
    """Several in turn; each comes back at what others have left of the C stack."""
    gevent.joinall([gevent.spawn(work, seed, 3, functools.partial(gevent.sleep, 0)) for seed in range(4)], raise_error=True)


def queued():
    """Two that wait for each other, and a pool's map in which greenlets make greenlets."""
    there, back = gevent.queue.Queue(), gevent.queue.Queue()

    def answer():
        for item in there:
            by_map(leaf)
            back.put(item)

    other = gevent.spawn(answer)
    work(7, 2, lambda: (there.put(1), back.get()))
    there.put(StopIteration)
    other.join()
    gevent.pool.Pool(2).map(lambda seed: gevent.spawn(work, seed, 1, functools.partial(gevent.sleep, 0)).join(), [21, 22, 23])


def timed_out():
    """An exception thrown into a greenlet that waits below a callback from C."""
    def waits():
        try:
            by_sorted(gevent.event.Event().wait)
        except gevent.Timeout:
            leaf()

    with gevent.Timeout(0.001):
        waits()
    gevent.spawn(lambda: gevent.with_timeout(0.001, gevent.event.Event().wait, timeout_value=leaf())).join()


def in_hub():
    """What the hub calls runs on its stack; where it was started from is another."""
    gevent.get_hub().loop.run_callback(leaf)
    gevent.sleep(0.001)
    timer = gevent.get_hub().loop.timer(0.001)
    timer.start(leaf)
    gevent.sleep(0.01)


def in_threads():
    """A worker of the hub's pool of threads, which makes a greenlet there."""
    gevent.get_hub().threadpool.apply(by_map, (leaf,))


for each in spawned, queued, timed_out, in_hub:
    each()
    gevent.spawn(each).join()
in_threads()
leaf()
print(json.dumps(told))
