"""Lists what is in a segment, from what docs/format.md says and nothing else.

    reader.py FILE

FILE is a segment, such as /dev/shm/prices, or a dump of one that ends in .hex. Nothing is
stored and no lock is taken. Needs no more than Python 3.

A word is loaded at once, as a native number in a mapping. Python has no fences: where the
processor reorders loads, which x86-64 does not, a ring in use may show a message that is none.
"""

import fcntl
import mmap
import os
import struct
import sys

MAGIC = 0x00676E69726D6873
VERSION = 4
LAYOUT = [
    128, 640, 0, 128, 136, 144, 152, 160, 192, 200, 208, 256, 384,
    512, 520, 528, 536, 544, 552, 560, 592,
    64, 0, 8, 12, 16, 24,
    256, 0, 8, 16, 24, 32, 40, 48, 128, 136, 144,
    63,
    256, 0, 8,
]  # fmt: skip
KINDS = {1: "spsc", 2: "mpmc", 3: "mpsc", 4: "spmc", 5: "packed", 6: "broadcast", 7: "jobs"}
SLEEPERS = 63
PAGE = 4096
ENTRY = 128
MAX_RINGS = 64
MARKS = 16
HANDS = 8
STATES = {2: "returned", 3: "done"}
MODES = {1: "gating", 2: "lossy", 3: "latest", 4: "evicted"}
MAX_METADATA = 1024
MAX_RESTARTS = 1000


class Corrupt(Exception):
    """No correct peer can have written that."""


class Refused(Exception):
    """No segment that this reader knows."""


def up(size):
    return (size + PAGE - 1) // PAGE * PAGE


def wrapped(difference):
    return difference % 2**64


def at_or_past(a, b):
    return wrapped(a - b) < 2**63


def fnv(words):
    value = 0xCBF29CE484222325
    for word in words:
        value = (value ^ word) * 0x100000001B3 % 2**64
    return value


def check(holds, what):
    if not holds:
        raise Refused(what)


def is_power_of_two(number):
    return number > 0 and number & (number - 1) == 0


class Segment:
    """The header page and the directory, checked, and access to what lies behind them."""

    def __init__(self, path):
        self.file = None
        if path.endswith(".hex"):
            data = undump(path)
            start, length = data, len(data)
        else:
            self.file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            length = os.fstat(self.file).st_size
            start = os.pread(self.file, PAGE + up(ENTRY * MAX_RINGS), 0)
        check(length >= PAGE, "too short")
        self.check_header(struct.unpack_from("=512Q", start), start, length)
        if self.file is not None:
            data = mmap.mmap(self.file, length, prot=mmap.PROT_READ)
        self.bytes = memoryview(data)
        self.words = self.bytes.cast("Q")
        self.halves = self.bytes.cast("I")

    def check_header(self, header, start, length):
        check(header[0] == MAGIC, "the magic")
        check(header[1] == VERSION, "the version")
        check(header[2] == fnv(LAYOUT), "the layout hash")
        check(1 <= header[4] <= MAX_RINGS, "the number of rings")
        self.attach_table = PAGE + up(ENTRY * header[4])
        check(len(start) >= self.attach_table, "the directory")
        directory = struct.unpack_from(f"={(self.attach_table - PAGE) // 8}Q", start, PAGE)
        check(header[511] == fnv(header[:511] + directory), "the checksum")
        self.attaches, self.handles = header[6:8]
        check(header[8] < 8, "the memory word")
        self.created, self.creator = header[9:11]
        check(self.creator < 2**32, "the creator")
        check(header[11] <= MAX_METADATA, "the metadata")
        metadata = struct.pack(f"={MAX_METADATA // 8}Q", *header[64 : 64 + MAX_METADATA // 8])
        self.metadata = metadata[: header[11]]
        check(not any(metadata[header[11] :]), "the metadata")
        check(not any(header[5:6] + header[12:64] + header[192:511]), "a word that is not used")
        check(1 <= self.attaches <= 256 and 1 <= self.handles <= 4 * SLEEPERS, "a table")
        self.handle_table = up(self.attach_table + 64 * self.attaches)
        control = self.handle_table + 256 * self.handles
        end = control + 640 * header[4]
        self.rings = []
        for index in range(header[4]):
            entry = directory[16 * index : 16 * index + 16]
            ring = Ring(self, index, entry)
            check(ring.control == control, "a control block")
            control += 640
            check(ring.data == up(end) + ring.shift, "the data")
            end = ring.data + ring.capacity + ring.marks_bytes()
            self.rings.append(ring)
        check(not any(directory[16 * header[4] :]), "a word that is not used")
        check(header[3] == up(end) == length, "the length")

    def load(self, offset):
        return self.words[offset // 8]

    # Who takes part.

    def is_alive(self, attach):
        """Whether somebody has the token alone."""
        if self.file is None:
            return False
        byte = self.attach_table + 64 * attach
        lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0)
        lock = fcntl.fcntl(self.file, fcntl.F_OFD_GETLK, lock)
        return struct.unpack("hhqqi4x", lock)[0] != fcntl.F_UNLCK

    def participant(self, attach):
        entry = self.attach_table + 64 * attach
        pid, uid = self.halves[entry // 4 + 2], self.halves[entry // 4 + 3]
        return f"pid {pid} uid {uid} {'alive' if self.is_alive(attach) else 'dead'}"

    def attached(self):
        entries = range(self.attaches)
        return [self.participant(i) for i in entries if self.load(self.attach_table + 64 * i) & 1]


class Ring:
    """An entry of the directory, checked, and the ring that it describes."""

    def __init__(self, segment, index, entry):
        self.segment, self.index = segment, index
        check(entry[0] in KINDS, "the kind")
        self.kind = KINDS[entry[0]]
        self.capacity, self.slots, self.slot_bytes, self.align = entry[2:6]
        self.element, element_align, self.type_id = entry[6:9]
        self.control, self.data = entry[9:11]
        check(not entry[1] and not entry[11], "a word that is not used")
        name = b"".join(word.to_bytes(8, sys.byteorder) for word in entry[12:16])
        self.type_name = name.rstrip(b"\0").decode()
        check("\0" not in self.type_name, "the type name")
        # What lies in front of a payload: the header of a record, a stamp, and a claim of a job.
        self.front = 16 if self.kind == "jobs" else 8
        self.shift = 0 if self.kind == "packed" else max(self.align - self.front, 0)
        if self.kind == "packed":
            check(self.align == element_align, "the alignment")
        else:
            check(is_power_of_two(self.align) and 8 <= self.align <= PAGE, "the alignment")
        if self.has_records():
            check(is_power_of_two(self.capacity) and 2**12 <= self.capacity <= 2**33, "capacity")
            check(self.align * 16 <= self.capacity, "the alignment")
            check(not any(entry[3:5]), "a word that is not used")
            if not self.element or self.kind == "spsc":
                check(not any(entry[6:9] + entry[12:16]), "a word that is not used")
                return
            fits = is_power_of_two(element_align) and self.element % element_align == 0
            check(fits and element_align <= self.align, "the element")
            check(1 <= self.element <= min(self.max_length(), 2**20), "the element")
            return
        check(is_power_of_two(self.slots) and self.slots <= 2**24, "slots")
        check(self.capacity == self.slots * self.slot_bytes <= 2**33, "capacity")
        room = 2**20 if self.kind == "packed" else self.room()
        if self.kind == "packed":
            check(self.element == self.slot_bytes and element_align <= PAGE, "the element")
        else:
            check(self.slot_bytes % self.align == 0, "slot bytes")
            check(self.front + 8 <= self.slot_bytes <= 2**20, "slot bytes")
            check(self.kind != "jobs" or not self.element, "the element")
        if self.kind == "packed" or self.element:
            fits = is_power_of_two(element_align) and self.element % element_align == 0
            check(fits and 1 <= self.element <= room, "the element")
        else:
            check(not any(entry[6:9] + entry[12:16]), "a word that is not used")

    def load(self, offset):
        return self.segment.load(offset)

    def has_records(self):
        return self.kind in ("spsc", "broadcast")

    def marks_bytes(self):
        return 16 * MARKS if self.kind == "broadcast" else 0

    def record_bytes(self, length):
        return (8 + length + self.align - 1) // self.align * self.align

    def many_producers(self):
        return self.kind in ("mpmc", "mpsc", "jobs")

    def max_length(self):
        free = self.capacity - (2 * self.chunk() if self.kind == "broadcast" else 0)
        return free // 2 - self.align - 8

    def max_message(self):
        if self.has_records():
            return self.max_length()
        if self.kind == "packed":
            return self.slot_bytes
        if self.element:
            return self.room()
        return min(max(self.slots // 2, 1) * self.room(), 2**20 - 1)

    def room(self):
        """Bytes of payload in a slot."""
        return self.slot_bytes - self.front

    def head(self):
        return self.load(self.control + 128)

    def tail(self):
        return self.load(self.control)

    # A broadcast ring: points are pairs of a position and the messages before it.

    def chunk(self):
        return self.capacity // MARKS

    def floor(self):
        return wrapped(self.head() - self.chunk())

    def is_kept(self, position):
        return at_or_past(position, self.floor())

    def mark(self, position):
        """The mark of the chunk that the position is in, if it is of the same lap."""
        chunk = position // self.chunk()
        offset = self.data + self.capacity + 16 * (chunk % MARKS)
        while True:
            found, messages = self.load(offset), self.load(offset + 8)
            if self.load(offset) == found:
                break
        if found % self.align or found // self.chunk() != chunk:
            return None
        return found, messages

    def tail_point(self):
        while True:
            hint = self.tail()
            found = self.mark(hint)
            if found and at_or_past(found[0], hint):
                break
        position, messages = found
        for _ in range(self.capacity // 8):
            found = self.look_at_record(position, position)
            if found[0] != "message":
                break
            position, messages = found[2], messages + 1
        return position, messages

    def gate_point(self):
        tail = self.tail_point()
        entries = [self.segment.handle_table + 256 * handle for handle in self.bits(160)]
        gates = [(self.load(entry + 8), self.load(entry + 16)) for entry in entries]
        gates = [gate for gate in gates if at_or_past(tail[0], gate[0])]
        return max(gates, key=lambda gate: wrapped(tail[0] - gate[0]), default=tail)

    def oldest(self):
        """Where the oldest message is that a mark leads to."""
        floor = self.floor()
        for index in range(MARKS + 1):
            found = self.mark(wrapped(floor + index * self.chunk()))
            if found and at_or_past(found[0], floor):
                return found[0]
        return self.tail_point()[0]

    def subscription(self, handle, tail):
        """What a subscriber is, and how far it has come."""
        entry = self.segment.handle_table + 256 * handle
        mode = MODES.get(self.load(entry + 32))
        if mode is None:
            return ""
        if mode == "gating" and handle not in self.bits(160):
            mode = "evicted"
        cursor, messages, missed = (self.load(entry + offset) for offset in (8, 16, 24))
        behind = max(tail[1] - messages, 0), max(tail[0] - cursor, 0)
        return f" {mode} at {cursor} lags {behind[0]} messages {behind[1]} bytes missed {missed}"

    def bits(self, offset):
        """The handles whose bits are set in the map at that offset of the control block."""
        words = [self.load(self.control + offset + 8 * i) for i in range(4)]
        return [i for i in range(self.segment.handles) if words[i // 64] >> i % 64 & 1]

    def asleep(self, offset):
        """The handles whose bits are set among the sleepers there. Bit 0 of a word is its mode."""
        words = [self.load(self.control + offset + 8 * i) for i in range(4)]
        handles = range(self.segment.handles)
        return [i for i in handles if words[i // SLEEPERS] >> i % SLEEPERS + 1 & 1]

    # What is at a position: ("message", start, end, pairs of an offset and a length),
    # ("tombstone", end), or why there is nothing.

    def look(self, position, head, tail):
        if self.kind == "broadcast":
            return self.look_at_record(position, position)
        if self.kind == "spsc":
            return self.look_at_record(position, head)
        if self.kind == "packed":
            return self.look_at_element(position, head, tail)
        return self.look_at_slot(position, tail)

    def header_at(self, position):
        word = self.load(self.data + position % self.capacity)
        if word == 0:
            return None
        kind, length = word >> 32 & 0xFF, word & 0xFFFFFFFF
        room = self.capacity - position % self.capacity
        fits = {
            1: length <= self.max_length() and self.record_bytes(length) <= room,
            2: 8 + length == room,
        }
        if word >> 40 != position // 8 % 2**24 or not fits.get(kind, False):
            raise Corrupt(position)
        return kind, length

    def look_at_record(self, position, head):
        if position % self.align:
            raise Corrupt(position)
        found = self.header_at(position)
        if found is None:
            return ("empty",)
        start = position
        if found[0] == 2:
            start = wrapped(position + 8 + found[1])
            found = self.header_at(start)
            if found is None or found[0] != 1:
                raise Corrupt(position)
        end = wrapped(start + self.record_bytes(found[1]))
        if wrapped(end - head) > self.capacity - 8:
            raise Corrupt(position)
        return ("message", start, end, [(self.data + start % self.capacity + 8, found[1])])

    def slot(self, position):
        return self.data + position % self.slots * self.slot_bytes

    def look_at_slot(self, position, tail):
        word = self.load(self.slot(position))
        sequence, flags, length = word >> 24, word >> 20 & 15, word & 0xFFFFF
        end = wrapped(position + 1)
        if sequence == end % 2**40 and flags:
            if flags == 1 and length <= self.max_message() and self.element in (0, length):
                return self.message(position, length)
            if flags == 4 and length == 0 and not self.many_producers():
                return ("empty",)
            if flags in (2, 4) and length == 0:
                return ("tombstone", end)
            raise Corrupt(position)
        if word != 0 and (flags == 0 or (sequence - end) % self.slots):
            raise Corrupt(position)
        if not self.many_producers() or position == tail:
            return ("empty",)
        if not at_or_past(tail, position):
            raise Corrupt(position)
        return ("in flight",)

    def message(self, position, length):
        """The message that starts there, whose other slots are checked."""
        count = max((length + self.room() - 1) // self.room(), 1)
        slots = [wrapped(position + part) for part in range(count)]
        for part in slots[1:]:
            if self.load(self.slot(part)) != wrapped(part + 1) % 2**40 << 24 | 4 << 20:
                raise Corrupt(part)
        lengths = [min(self.room(), length - self.room() * part) for part in range(count)]
        pieces = [(self.slot(part) + self.front, length) for part, length in zip(slots, lengths)]
        return ("message", position, wrapped(position + count), pieces)

    # A job ring.

    def claim(self, position):
        """Who has the job there: a state, how often it was taken, and a handle if one has it."""
        word = self.load(self.slot(position) + 8)
        state, handle, attempts = word & 3, word >> 2 & 0xFF, word >> 10 & 0xFFFF
        ahead = ((word >> 26) - (position + 1)) % 2**38
        if word == 0:
            return "fresh", 0, None
        if state == 0 or ahead % self.slots:
            return "corrupt", 0, None
        if ahead == 0:
            return ("taken", attempts, handle) if state == 1 else (STATES[state], attempts, None)
        # Of a later position: head has passed this one, or sequences repeat.
        return ("fresh" if ahead < 2**37 or state == 3 else "corrupt"), 0, None

    def next_job(self, head):
        """The position in next: that with these low bits, next to head."""
        ahead = (self.load(self.control + 200) - head + 2**39) % 2**40 - 2**39
        return wrapped(head + ahead)

    def in_hand(self, handle):
        """The jobs of a worker: of the positions that it noted, those that it has claimed."""
        entry = self.segment.handle_table + 256 * handle
        noted = {self.load(entry + 48 + 8 * hand) for hand in range(HANDS)}
        claims = [(position, *self.claim(position)) for position in noted]
        return sorted(claim for claim in claims if claim[1] == "taken" and claim[3] == handle)

    def look_at_element(self, position, head, tail):
        if wrapped(tail - head) > self.slots:
            raise Corrupt(position)
        if position == tail:
            return ("empty",)
        offset = self.data + position % self.slots * self.element
        return ("message", position, wrapped(position + 1), [(offset, self.element)])

    def pending(self):
        """All messages that wait, and why there are no more."""
        most = self.slots or self.capacity // 8
        is_broadcast = self.kind == "broadcast"
        start = self.oldest if is_broadcast else self.head
        head, tail = start(), self.tail()
        position, messages, restarts = head, [], 0
        while len(messages) <= most:
            copy, claim = b"", None
            try:
                found = self.look(position, head, tail)
                if found[0] == "message":
                    claim = self.claim(position)[0] if self.kind == "jobs" else None
                    memory = self.segment.bytes
                    copy = b"".join(memory[at : at + length] for at, length in found[3])
            except Corrupt as corrupt:
                found = ("corrupt", corrupt.args[0])
            now = self.floor() if is_broadcast else self.head()
            if not at_or_past(position, now):
                restarts += 1
                if restarts > MAX_RESTARTS:
                    return messages, "outrun", position
                head, tail = start(), self.tail()
                position = head
            elif found[0] == "message" and claim == "done":
                position = found[2]
            elif found[0] == "message":
                messages.append((found[1], found[2], copy))
                position = found[2]
            elif found[0] == "tombstone":
                position = found[1]
            elif found[0] == "corrupt":
                return messages, *found
            else:
                return messages, found[0], position
        return messages, "outrun", position

    def holders(self, role, shared, sleepers, tail):
        """The handles that have a role, and what each is at."""
        word = self.load(self.control + role)
        holders = [(word & 0xFFFF) - 1] if word & 0xFFFF else []
        asleep = self.asleep(sleepers)
        for handle in holders + self.bits(shared):
            if handle >= self.segment.handles:
                continue
            entry = self.segment.handle_table + 256 * handle
            state = self.load(entry + 136)
            attach = state >> 8 & 0xFFFF
            if not state & 1 or attach >= self.segment.attaches or state >> 24 & 0xFF != self.index:
                continue
            if not self.load(self.segment.attach_table + 64 * attach) & 1:
                continue
            text = f"handle {handle} {self.segment.participant(attach)}"
            if handle in asleep:
                text += f" sleeps until {self.load(entry + 144)}"
            if self.kind == "broadcast" and role == 528:
                text += self.subscription(handle, self.tail_point())
            if self.kind == "jobs" and role == 528:
                for position, _, attempts, _ in self.in_hand(handle):
                    text += f" has {position} attempts {attempts}"
            intent = self.load(entry)
            count = intent % 2**25
            if count:
                # Of all tickets with these low bits, the one next to tail.
                ahead = ((intent >> 25) - tail + 2**38) % 2**39 - 2**38
                first = wrapped(tail + ahead)
                text += f" announced {first} to {wrapped(first + count)}"
            yield text


def undump(path):
    """The bytes of a dump: lines of an offset and sixteen bytes; what is left out is zero."""
    chunks = []
    with open(path, encoding="ascii") as dump:
        for line in dump:
            offset, data = line.split(":")
            chunks.append((int(offset, 16), bytes.fromhex(data)))
    last, data = chunks[-1]
    image = bytearray(last + len(data))
    for offset, data in chunks:
        image[offset : offset + len(data)] = data
    return bytes(image)


def listing(segment):
    yield f"created {segment.created} by {segment.creator}"
    if segment.metadata:
        yield f"metadata {segment.metadata.hex()}"
    yield f"repairs {segment.load(segment.rings[0].control + 536)}"
    for participant in segment.attached():
        yield f"attached {participant}"
    for ring in segment.rings:
        yield from list_ring(ring)


def list_ring(ring):
    yield f"ring {ring.index} kind {ring.kind}"
    yield f"capacity {ring.capacity}"
    if ring.slots:
        yield f"slots {ring.slots} of {ring.slot_bytes}"
    if ring.element:
        yield f"element {ring.element} type {ring.type_id:#x} {ring.type_name}"
    yield f"payloads at multiples of {ring.align}"
    yield f"max message {ring.max_message()}"
    control = ring.control
    gate = ring.gate_point() if ring.kind == "broadcast" else None
    head = gate[0] if gate else ring.head()
    messages, end, position = ring.pending()
    # What lies behind a ticket in flight is claimed as well.
    tail = ring.tail() if ring.many_producers() else position
    yield f"head {head} tail {tail}"
    tombstones = ring.load(control + 552)
    parts = ring.load(control + 208) if ring.kind in ("mpmc", "mpsc", "spmc", "jobs") else 0
    received = ring.load(control + 136) if ring.kind == "spsc" else head - tombstones - parts
    received = gate[1] if gate else received
    yield f"received {received} tombstones {tombstones}"
    yield f"resolved {ring.load(control + 544)}"
    producers, consumers = ring.load(control + 520) >> 16, ring.load(control + 528) >> 16
    yield f"producers so far {producers} consumers so far {consumers}"
    if gate:
        yield f"evictions {ring.load(control + 192)}"
    if ring.kind == "jobs":
        claims = [ring.claim(message[0]) for message in messages]
        states = [claim[0] for claim in claims]
        waiting, returned = len(states) - states.count("taken"), states.count("returned")
        yield f"jobs waiting {waiting} returned {returned} in hand {states.count('taken')}"
    yield f"closed {ring.load(control + 512) & 1}"
    for holder in ring.holders(520, 560, 384, tail):
        yield f"producer {holder}"
    for holder in ring.holders(528, 592, 256, tail):
        yield f"consumer {holder}"
    for start, stop, data in messages:
        yield f"message {start} to {stop}: {data.hex()}"
    yield f"then {end} at {position}"
    if ring.kind == "jobs":
        # In whose hands each is, and where the next one is looked for.
        for message, (state, attempts, handle) in zip(messages, claims):
            by = "" if handle is None else f" by handle {handle}"
            yield f"job {message[0]} {state}{by} attempts {attempts}"
        yield f"next {ring.next_job(head)}"


def main():
    try:
        print("\n".join(listing(Segment(sys.argv[1]))))
    except Refused as refused:
        sys.exit(f"{sys.argv[1]} is no segment that this reader knows: {refused} is wrong")


if __name__ == "__main__":
    main()
