"""Traces made by hand, byte by byte from format/FORMAT.md and not through the project's own encoder: a second opinion on the format,
and a way to write what no recorder would. LZ4 frames hold their payload uncompressed.
"""
import struct
import zlib

PIECE_MAGIC = 0x184D2A5E
TRACE_ID = 0x0123456789ABCDEF
NO_ID = 0xFFFFFFFF
MALLOC, CALLOC, MMAP, OBJECT_POOLED = 0, 1, 8, 15


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value):
    return (value << 1) ^ (value >> 63) if value < 0 else value << 1


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return varint(len(value)) + value


def piece(body):
    return struct.pack("<II", PIECE_MAGIC, len(body)) + body


def xxh32(data):
    """Of fewer than 16 bytes, seed 0: all that a frame's descriptor needs."""
    mask, prime1, prime2, prime3, prime4, prime5 = 0xFFFFFFFF, 2654435761, 2246822519, 3266489917, 668265263, 374761393
    value = prime5 + len(data) & mask
    rotate = lambda x, bits: (x << bits | x >> (32 - bits)) & mask
    while len(data) >= 4:
        value = rotate(value + struct.unpack("<I", data[:4])[0] * prime3 & mask, 17) * prime4 & mask
        data = data[4:]
    for byte in data:
        value = rotate(value + byte * prime5 & mask, 11) * prime1 & mask
    for shift, prime in ((15, prime2), (13, prime3)):
        value = (value ^ value >> shift) * prime & mask
    return value ^ value >> 16


def frame(payload):
    descriptor = b"\x68\x70" + struct.pack("<Q", len(payload))
    block = struct.pack("<I", len(payload) | 0x80000000) + payload if payload else b""
    return struct.pack("<I", 0x184D2204) + descriptor + bytes([xxh32(descriptor) >> 8 & 0xFF]) + block + bytes(4)


def lz4_literals(data):
    """One LZ4 block that compresses nothing."""
    rest = len(data) - 15
    length = bytes([255]) * (rest // 255) + bytes([rest % 255]) if rest >= 0 else b""
    return bytes([min(len(data), 15) << 4]) + length + data


def names_list(path, build_id, answers):
    """What offsets stand for (FORMAT.md 1.4): answers is {offset: [(function, file, line), …]}, outermost first."""
    words = list(dict.fromkeys(word for frames in answers.values() for function, file, _ in frames for word in (function, file)))
    out, last = text(path) + text(build_id) + varint(len(words)) + b"".join(map(text, words)) + varint(len(answers)), 0
    for offset, frames in sorted(answers.items()):
        out += varint(offset - last) + varint(len(frames))
        for function, file, line in frames:
            out += varint(words.index(function)) + varint(words.index(file)) + varint(line)
        last = offset
    return out


def names_part(listed, trace_id):
    packed = lz4_literals(listed)
    head = struct.pack("<4sHHQII", b"MRNM", 24, 0, trace_id, len(listed), len(packed)) + packed
    return piece(head + struct.pack("<I", zlib.crc32(head)))


class Trace:
    """Events in, bytes() out. Every allocation spells out its stack and size; every free its index."""

    def __init__(self, command=("python3", "job.py"), pid=100, flags=5, started_ns=1767225600 * 10**9):
        args = varint(len(command)) + b"".join(text(each) for each in command)
        head = struct.pack("<4sHHIIQQQQIII", b"MRTR", 3, 64, flags, len(args), started_ns, 0, 0, TRACE_ID, pid, 4096, 0)
        self.parts = [piece(head + struct.pack("<I", zlib.crc32(head + args)) + args)]
        self.next = {"function": 1, "stack": 2, "process": 0, "thread": 0}
        self.allocs = self.events = self.sequence = self.now = 0
        self.current = NO_ID
        self.whole = None
        self._open()

    def _open(self):
        self.first = dict(self.next, allocs=self.allocs, events=self.events, now=self.now, current=self.current)
        self.ops, self.stacks, self.sizes, self.frees, self.addresses, self.records = (bytearray() for _ in range(6))
        self.last_stack = self.last_address = 0
        self.last_free = self.allocs
        self.node = (0, 0, 0)
        self.size_of = {}

    def seal(self):
        """Ends the block; bytes of it are returned and kept."""
        if not self.ops:
            return b""
        columns = [self.ops, self.stacks, self.sizes, self.frees, self.addresses, self.records]
        payload = varint(6) + b"".join(varint(len(column)) for column in columns) + b"".join(map(bytes, columns))
        packed = frame(payload)
        first = self.first
        head = struct.pack("<4sHHIIIIQQQQIIIIIIIII", b"MRBK", 96, 0, self.sequence, len(packed), len(payload), len(self.ops),
                           TRACE_ID, first["events"], first["allocs"], first["now"], first["function"], first["stack"],
                           first["process"], first["thread"], first["current"],
                           self.events - first["events"], self.allocs - first["allocs"], 0, zlib.crc32(payload))
        self.parts.append(piece(head + struct.pack("<I", zlib.crc32(head))) + packed)
        self.sequence += 1
        self._open()
        return self.parts[-1]

    def names(self, path, build_id, answers, trace_id=TRACE_ID):
        """Puts names in, wherever it stands."""
        self.seal()
        self.parts.append(names_part(names_list(path, build_id, answers), trace_id))

    def finish(self, trailer=True):
        """The whole file; nothing may be added afterwards."""
        if self.whole:
            return self.whole
        self.seal()
        if trailer:
            end = struct.pack("<4sHHQQQQI", b"MREN", 48, 0, 0, self.events, self.allocs, self.now, self.sequence)
            self.parts.append(piece(end + struct.pack("<I", zlib.crc32(end))))
        self.whole = b"".join(self.parts)
        return self.whole

    def _record(self, kind, body, event=False):
        self.ops.append(0xC7)
        self.records += varint(kind) + varint(len(body)) + body
        self.events += event

    def _define(self, what):
        self.next[what] += 1
        return self.next[what] - 1

    def function(self, name, file, first_line=1, kind=0, build_id=""):
        self._record(1, bytes([kind]) + text(name) + text(file) + varint(first_line) + (text(build_id) if kind == 2 else b""))
        return self._define("function")

    def module(self, process, path, build_id="", address=0, length=0x200000):
        """A module, loaded at an address (0: nowhere that is told); nodes of the function have offsets in it as lines."""
        function = self.function(path.rpartition("/")[2], path, 0, kind=2, build_id=build_id)
        if address:
            self._record(19, varint(process) + text(path) + text(build_id) + varint(address) + varint(length) + varint(0) + varint(function))
        return function

    def process(self, pid=100, parent=None, how=0, python="3.11.7", argv=("python3", "job.py"), executable="/usr/bin/python3"):
        body = varint(pid) + varint(0 if parent is None else parent + 1) + varint(how) + varint(3) + text(python)
        self._record(2, body + text(executable) + varint(len(argv)) + b"".join(map(text, argv)))
        return self._define("process")

    def process_end(self, process, reason=0, status=0):
        self._record(3, varint(process) + varint(reason) + varint(status + 1))

    def new_thread(self, process, tid=100, name="MainThread", origin=0):
        self._record(4, varint(process) + varint(tid) + varint(origin) + text(name))
        return self._define("thread")

    def map(self, address, length, kind=0, stack=0, allocator=MMAP):
        self._record(6, b"".join(varint(each) for each in (address, length, kind, stack, allocator)), event=True)

    def unmap(self, address, length):
        self._record(7, varint(address) + varint(length), event=True)

    def resident_block(self, index, size):
        self._record(11, varint(index) + varint(size))

    def resident_range(self, process, address, length, size):
        self._record(12, varint(process) + varint(address) + varint(length) + varint(size))

    def rss(self, process, size):
        self._record(13, varint(process) + varint(size))

    def mark(self, name):
        self._record(15, text(name))

    def lost(self, process, reason, count):
        self._record(16, varint(process + 1) + varint(reason) + varint(count))

    def exit(self, status=0, oom=0):
        self._record(17, varint(status) + varint(oom))

    def unknown_record(self):
        self._record(99, b"from the future")

    def on(self, thread):
        self.ops.append(0xC4)
        self.records += varint(thread)
        self.current = thread

    def time(self, now_ns):
        self.ops.append(0xC5)
        self.records += varint(now_ns - self.now)
        self.now = now_ns

    def stack(self, parent, function, line):
        node = (parent, function, line)
        self.ops.append(0xC6)
        self.records += b"".join(varint(zigzag(new - old)) for new, old in zip(node, self.node))
        self.node = node
        return self._define("stack")

    def alloc(self, stack, size, allocator=MALLOC):
        self.ops.append(0x60 | allocator)
        self.stacks += varint(zigzag(stack - self.last_stack))
        self.sizes += varint(zigzag(size - self.size_of.get(stack, 0)))
        self.last_stack, self.size_of[stack] = stack, size
        self.allocs += 1
        self.events += 1
        return self.allocs - 1

    def alloc_at(self, address, stack, size, allocator=MALLOC):
        self.ops.append(0xC2)
        self.addresses += varint(zigzag(address - self.last_address))
        self.last_address = address
        index = self.alloc(stack, size, allocator)
        self.allocs -= 1
        return index

    def free(self, index):
        self.ops.append(0xC0)
        self.frees += varint(zigzag(index - self.last_free))
        self.last_free = index
        self.events += 1

    def free_at(self, address):
        self.ops.append(0xC1)
        self.addresses += varint(zigzag(address - self.last_address))
        self.last_address = address
        self.events += 1
