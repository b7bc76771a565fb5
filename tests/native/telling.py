"""What programs of tests that tell their own Python stacks share."""
import sys


def block(size, kept):
    """(a function that adds a block of that size to `kept`, the Python functions on the stack when the caller calls it, outermost first). Each
    has a name of its own: equal stacks would be one."""
    here = {"kept": kept}
    exec(f"def leaf{size}(): kept.append(bytearray({size}))", here)
    frame, names = sys._getframe(1), [f"leaf{size}"]
    while frame:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return here[names[0]], names[::-1]
