"""Many stacks at one place: greenlets, switched inside of callbacks from C, from other depths each time. Each block has a size of
its own; printed at the end: {size: [is it on the thread's own stack, [the Python functions of that stack, outermost first]]}."""
import functools
import json
import random
import threading

import greenlet
import telling
from calling import by_map, by_sorted, through

told, kept = {}, []
counter = 700000


def leaf():
    global counter
    counter += 100
    hold, names = telling.block(counter, kept)
    told[counter] = [greenlet.getcurrent().parent is None, names]
    hold()
    return 0


def work(seed, back, rounds):
    """Allocates and switches back, at another depth each time, before and after each switch."""
    chance = random.Random(seed)

    def both():
        leaf()
        back()
        leaf()

    for _ in range(rounds):
        through(chance, chance.randrange(4), both)
        leaf()


def drive(seed, rounds):
    """Several greenlets in turn, each resumed from other depths of this one's stack than before."""
    chance, me = random.Random(seed), greenlet.getcurrent()
    workers = [greenlet.greenlet(functools.partial(work, seed * 10 + i, me.switch, rounds)) for i in range(3)]
    while workers:
        worker = chance.choice(workers)
        through(chance, chance.randrange(5), worker.switch)
        through(chance, chance.randrange(3), leaf)
        workers = [each for each in workers if not each.dead]


def nested():
    """A greenlet that drives others."""
    greenlet.greenlet(lambda: drive(7, 3)).switch()


def machine_code(size):
    """No Python function in the greenlet at all."""
    told[size] = [False, []]
    kept.append(greenlet.greenlet(bytearray).switch(size))


def thrown():
    main = greenlet.getcurrent()

    def catches():
        try:
            main.switch()
        except ValueError:
            leaf()

    worker = greenlet.greenlet(catches)
    worker.switch()
    by_sorted(lambda: worker.throw(ValueError))


def traced():
    """The tracing function runs in the greenlet that was switched to."""
    greenlet.settrace(lambda event, pair: leaf())
    drive(5, 2)
    greenlet.settrace(None)


drive(1, 4)
by_map(nested)
by_sorted(lambda: machine_code(910000))
thrown()
traced()
thread = threading.Thread(target=drive, args=(3, 3))
thread.start()
thread.join()
leaf()
print(json.dumps(told))
