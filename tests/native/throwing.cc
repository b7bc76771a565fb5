// Exceptions for adversary.c: destructors that look at the stack while it is unwound.
extern "C" {
int go(int depth);
void leaf(void);
int throwing(int depth);
}

namespace {
struct Looks {
    ~Looks() { leaf(); }
};

__attribute__((noinline)) int inner(int d)
{
    Looks here;
    go(d);
    if (d & 1)
        throw d;
    return d;
}
} // namespace

int throwing(int d)
{
    try {
        Looks here;
        return inner(d);
    } catch (int e) {
        leaf();
        return e + go(d / 2);
    }
}
