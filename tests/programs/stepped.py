"""stepped.py stepper.so ROUNDS: Python of many kinds, single-stepped by tests/programs/stepper.so.c. Prints a sum, whether it is
that of a run without steps, and how many of the handlers failed."""
import ctypes, sys
lib = ctypes.PyDLL(sys.argv[1])
rounds = int(sys.argv[2])

def generator(n):
    for i in range(n):
        yield [i]

class Base:
    def __init__(self, x):
        self.x = x
    def __del__(self):
        self.x = None

class Derived(Base):
    def __init__(self, x):
        super().__init__(x)
    def __call__(self, *args, **kwargs):
        return sum(args) + len(kwargs)

def recurse(n):
    return n and recurse(n - 1) + 1

async def coroutine(n):
    return n

def driven(n):
    try:
        coroutine(n).send(None)
    except StopIteration as stop:
        return stop.value

def work(n):
    total = 0
    for i in range(n):
        total += sum(item[0] for item in generator(5))
        total += Derived(i)(1, 2, a=3)
        total += recurse(6)
        total += len(sorted([3, 2, 1], key=lambda x: -x))
        total += driven(4)
        total += len(eval(codes[i])(i))
        try:
            int("x")
        except ValueError as error:
            total += len(error.args)
        total += len("%s %r" % (i, [i] * 9))
    return total

codes = [compile("lambda x: [x] * 3", "made%d" % i, "eval") for i in range(rounds + 2)]
work(1)
lib.on()
result = work(rounds)
lib.off()
print(result, result == work(rounds), lib.errors())
print(lib.steps(), file=sys.stderr)
