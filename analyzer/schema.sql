-- The database that `memreplay sqlite -o run.db trace.lz4` makes of a trace: one run, for questions of your own.
--
-- Units: bytes are bytes, *_ns are nanoseconds since the start of the recording (meta: started_unix_ns has the
-- wall clock), allocations are blocks (allocator calls, and mappings). Ids count from 0 or 1 and mean nothing.
-- Names are TEXT; one that is not valid UTF-8, or has a NUL in it, is a BLOB of its bytes.
--
-- What to trust: sum(peak.bytes) is the peak, exactly, and so is max(timeline.live_bytes). `history` is exact at
-- the end of every tick; the peak, the end of the program and each mark (the first 4,096) are ends of ticks.
--
-- How the tables hang together:
--
--   process ◄── thread ◄── site ──► stack ──► frame ──► function
--                           ▲  ▲      └─► its caller's stack (parent_id)
--              history ─────┘  └───── peak, leak, temporary, allocated
--                 └─► timeline (tick_id) ◄── process_timeline, mark
--
-- A *stack* is a path of calls, the same for all processes and threads. A *site* is a stack in one thread with one
-- allocator: what every byte is counted at. Group by stack_id where you don't care about threads.

-- Facts about the run and its file, one a row.
CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY, -- see below
    value ANY,                       -- a number, a text, or NULL: unknown
    about TEXT NOT NULL              -- what it is, with its unit
) WITHOUT ROWID;

-- The command line that was recorded, word by word.
CREATE TABLE command (
    position INTEGER PRIMARY KEY, -- 0 is the program
    word     TEXT NOT NULL
);

-- Processes, one for each program image: an exec makes a new one with the same pid.
CREATE TABLE process (
    process_id          INTEGER PRIMARY KEY,
    pid                 INTEGER NOT NULL, -- as the kernel calls it
    parent_id           INTEGER,          -- process that made it; NULL: the first, or its parent was not recorded
    started             TEXT NOT NULL,    -- 'first', 'fork', 'exec' or 'new' (spawned, or found later)
    python              TEXT,             -- version of its interpreter, NULL: none
    executable          TEXT,             -- path, NULL: unknown
    started_ns          INTEGER NOT NULL,
    ended_ns            INTEGER,          -- NULL: it was still running when the trace ended
    ended               TEXT,             -- 'exited', 'execed' (made room for another image), 'given up' (recording of it)
    status              INTEGER,          -- as waitpid() gives it: exit status * 256, or the signal; NULL: unknown
    flags               INTEGER NOT NULL, -- 1: objects one by one, 2: with Python stacks, 4: with arenas
    peak_bytes          INTEGER NOT NULL, -- its own maximum of live bytes
    bytes_at_peak       INTEGER NOT NULL, -- and what it had at the peak of all, as the columns that follow
    rss_bytes_at_peak   INTEGER NOT NULL, -- resident as the kernel counts it
    mapped_bytes_at_peak INTEGER NOT NULL, -- files mapped into memory: beside live bytes, not in them
    shared_bytes_at_peak INTEGER NOT NULL, -- shared memory: beside live bytes, not in them
    arena_bytes_at_peak INTEGER NOT NULL  -- arenas of Python's allocator: what of it holds no objects is beside live bytes
);

-- The command line of each process, word by word.
CREATE TABLE process_argument (
    process_id INTEGER NOT NULL,
    position   INTEGER NOT NULL, -- 0 is the program
    word       TEXT NOT NULL,
    PRIMARY KEY (process_id, position)
) WITHOUT ROWID;

-- Threads.
CREATE TABLE thread (
    thread_id  INTEGER PRIMARY KEY,
    process_id INTEGER,          -- NULL: unknown (damaged trace)
    tid        INTEGER NOT NULL, -- as the kernel calls it
    name       TEXT,             -- its latest; NULL: none
    origin_id  INTEGER NOT NULL  -- stack that made the thread, where C code did: its empty stacks count there; 0: none
);

-- Names that threads were given before their latest, of each the last 8 at most. --thread finds these, too.
CREATE TABLE former_name (
    name_id   INTEGER PRIMARY KEY, -- in their order
    thread_id INTEGER NOT NULL,
    name      TEXT                 -- NULL: an empty one
);

-- Functions, of Python and native ones.
CREATE TABLE function (
    function_id INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,    -- qualified where the interpreter knows it (3.11+)
    file        TEXT NOT NULL,    -- path of the source; of the module for native code without debug information
    first_line  INTEGER NOT NULL, -- 0: unknown
    kind        TEXT NOT NULL,    -- 'python', 'native' or 'module' (native code of which only the module is known)
    module      TEXT,             -- native code: path of the file that it was in; NULL: none known
    build_id    TEXT              -- of the module, in hex; NULL: none known
);

-- Where modules of native code stood in memory.
CREATE TABLE module (
    module_id   INTEGER PRIMARY KEY, -- in the order in which they were met
    process_id  INTEGER NOT NULL,
    function_id INTEGER NOT NULL, -- of kind 'module'; 0: unknown
    address     INTEGER NOT NULL, -- of its first byte
    bytes       INTEGER NOT NULL,
    file_offset INTEGER NOT NULL  -- of that byte
);

-- Lines of functions.
CREATE TABLE frame (
    frame_id    INTEGER PRIMARY KEY,
    function_id INTEGER, -- NULL: unknown (damaged trace)
    line        INTEGER NOT NULL -- 0: unknown; an offset in the module where the function's kind is 'module'
);

-- Stacks, as a tree: a stack is its innermost frame and its caller's stack. Two stacks that read the same are one.
CREATE TABLE stack (
    stack_id  INTEGER PRIMARY KEY, -- 0: no Python stack, 1: unknown; a caller's is smaller
    parent_id INTEGER,             -- the caller's stack; 0 for an outermost frame, 1 where outer frames are unknown
    frame_id  INTEGER,             -- its innermost frame; NULL for 0 and 1
    depth     INTEGER NOT NULL     -- frames in it
);

-- Allocators: what the program called. Counts and bytes are of the whole run.
CREATE TABLE allocator (
    allocator_id INTEGER PRIMARY KEY,
    name         TEXT NOT NULL,
    pooled       INTEGER NOT NULL, -- 1: its blocks lie in the arenas of Python's allocator
    allocations  INTEGER NOT NULL, -- ever made
    bytes        INTEGER NOT NULL  -- as requested
);

-- Where memory is counted: a stack in a thread with an allocator.
CREATE TABLE site (
    site_id      INTEGER PRIMARY KEY, -- from 1 on, without gaps
    stack_id     INTEGER NOT NULL,
    thread_id    INTEGER,             -- NULL: unknown (damaged trace)
    process_id   INTEGER,             -- NULL: unknown (damaged trace)
    allocator_id INTEGER NOT NULL
);

-- Who held the memory at the peak. sum(bytes) is the peak exactly.
CREATE TABLE peak (
    site_id         INTEGER PRIMARY KEY,
    stack_id        INTEGER NOT NULL, -- the site's
    bytes           INTEGER NOT NULL, -- live then, as requested
    allocations     INTEGER NOT NULL, -- blocks
    resident_bytes  INTEGER NOT NULL, -- of these bytes, what was ever touched while the blocks lived
    unsampled_bytes INTEGER NOT NULL  -- of these bytes, what nothing is known of: counted as resident
);

-- What was never freed by the end of its own process. What an exec gave back is no leak.
CREATE TABLE leak (
    site_id         INTEGER PRIMARY KEY,
    stack_id        INTEGER NOT NULL, -- the site's
    bytes           INTEGER NOT NULL,
    allocations     INTEGER NOT NULL,
    resident_bytes  INTEGER NOT NULL, -- as in peak
    unsampled_bytes INTEGER NOT NULL
);

-- What was freed by the thread that allocated it before that thread allocated anything else.
CREATE TABLE temporary (
    site_id     INTEGER PRIMARY KEY,
    stack_id    INTEGER NOT NULL, -- the site's
    bytes       INTEGER NOT NULL, -- of all of them together, so it may exceed the peak
    allocations INTEGER NOT NULL
);

-- All that was ever allocated.
CREATE TABLE allocated (
    site_id     INTEGER PRIMARY KEY,
    stack_id    INTEGER NOT NULL, -- the site's
    bytes       INTEGER NOT NULL, -- as requested, of the whole run
    allocations INTEGER NOT NULL
);

-- Sizes as requested, in powers of two, over the whole run.
CREATE TABLE size_histogram (
    least_bytes INTEGER PRIMARY KEY,
    most_bytes  INTEGER NOT NULL, -- included
    allocations INTEGER NOT NULL
);

-- The run in ticks, one after another without gaps: of meta.resolution_ns, or longer where nothing happened, or shorter
-- before a mark, the peak and the end. A row is its tick's maximum; the end_* columns are the state at its end.
CREATE TABLE timeline (
    tick_id            INTEGER PRIMARY KEY, -- from 0 on, without gaps
    start_ns           INTEGER NOT NULL,    -- the end of the tick before
    time_ns            INTEGER NOT NULL,    -- its end, included
    live_bytes         INTEGER NOT NULL,    -- most live bytes in it, of all processes
    live_allocations   INTEGER NOT NULL,    -- blocks at that instant
    high_ns            INTEGER NOT NULL,    -- that instant
    rss_bytes          INTEGER NOT NULL,    -- highest RSS in it: sum over all processes as the kernel counts it
    end_live_bytes     INTEGER NOT NULL,
    end_live_allocations INTEGER NOT NULL,
    end_resident_bytes INTEGER NOT NULL,    -- of end_live_bytes, what was ever touched while the blocks lived
    end_rss_bytes      INTEGER NOT NULL,
    end_mapped_bytes   INTEGER NOT NULL,    -- files mapped into memory: beside live bytes
    end_shared_bytes   INTEGER NOT NULL,    -- shared memory: beside live bytes
    end_arena_bytes    INTEGER NOT NULL,    -- arenas of Python's allocator
    events             INTEGER NOT NULL,    -- allocations, frees, mappings in it
    flags              INTEGER NOT NULL     -- 1: nothing happened in it; it ends at 2: a mark, 4: the program's end, 8: the peak
);

-- The same for each process, where it differs from the process's row before.
CREATE TABLE process_timeline (
    tick_id            INTEGER NOT NULL,
    process_id         INTEGER NOT NULL, -- -1: of no known process (damaged trace)
    live_bytes         INTEGER NOT NULL, -- most live bytes of the process in the tick
    end_live_bytes     INTEGER NOT NULL, -- and at its end:
    end_resident_bytes INTEGER NOT NULL,
    end_rss_bytes      INTEGER NOT NULL,
    end_mapped_bytes   INTEGER NOT NULL,
    end_shared_bytes   INTEGER NOT NULL,
    end_arena_bytes    INTEGER NOT NULL,
    PRIMARY KEY (tick_id, process_id)
) WITHOUT ROWID;

-- What each site held, and from which tick to which: at the end of tick T the rows with from_tick <= T < until_tick.
-- Nothing held, no row.
CREATE TABLE history (
    site_id         INTEGER NOT NULL,
    from_tick       INTEGER NOT NULL, -- first tick at whose end it held this
    until_tick      INTEGER NOT NULL, -- first tick at whose end it no longer did; one past the last where it always did
    bytes           INTEGER NOT NULL, -- live, as requested
    allocations     INTEGER NOT NULL,
    resident_bytes  INTEGER NOT NULL, -- as in peak
    unsampled_bytes INTEGER NOT NULL,
    PRIMARY KEY (site_id, from_tick)
) WITHOUT ROWID;

-- Moments that were named with `memrec mark`, in order.
CREATE TABLE mark (
    mark_id INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    time_ns INTEGER NOT NULL,
    tick_id INTEGER -- the tick that ends there; NULL beyond the first 4,096 marks
);

-- What the recorder knows it lost, and why.
CREATE TABLE loss (
    loss_id    INTEGER PRIMARY KEY,
    reason_id  INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    process_id INTEGER,         -- NULL: of the recorder itself
    count      INTEGER NOT NULL -- what is counted, the reason says
);

-- Damaged regions of the trace's file.
CREATE TABLE damage (
    damage_id    INTEGER PRIMARY KEY,
    offset_bytes INTEGER NOT NULL, -- in the file
    length_bytes INTEGER NOT NULL, -- passed over
    blocks       INTEGER NOT NULL, -- lost with it
    what         TEXT NOT NULL
);

-- Counts of everything that happened, of the whole run.
CREATE TABLE event_count (
    name  TEXT NOT NULL PRIMARY KEY,
    count INTEGER NOT NULL,
    about TEXT NOT NULL -- what is counted
) WITHOUT ROWID;

-- Views for common questions.

-- The innermost frame of every stack, in words.
CREATE VIEW stack_place AS
SELECT s.stack_id, s.parent_id, s.depth, f.function_id,
       CASE WHEN s.stack_id = 0 THEN '(no Python stack)' ELSE coalesce(f.name, '(unknown)') END AS function,
       coalesce(f.file, '') AS file, coalesce(r.line, 0) AS line
FROM stack s LEFT JOIN frame r ON r.frame_id = s.frame_id LEFT JOIN function f ON f.function_id = r.function_id;

-- The largest holders at the peak, by stack: bytes, their share in percent, blocks, and the line that allocated them.
CREATE VIEW top_peak AS
SELECT p.stack_id, p.bytes, round(100.0 * p.bytes / max((SELECT sum(bytes) FROM peak), 1), 1) AS percent, p.allocations,
       s.function, s.file, s.line
FROM (SELECT stack_id, sum(bytes) AS bytes, sum(allocations) AS allocations FROM peak GROUP BY stack_id) p
JOIN stack_place s ON s.stack_id = p.stack_id ORDER BY p.bytes DESC;

-- The peak by function: own_bytes allocated by its own lines.
CREATE VIEW peak_by_function AS
SELECT s.function, s.file, sum(p.bytes) AS own_bytes, sum(p.allocations) AS allocations
FROM peak p JOIN stack_place s ON s.stack_id = p.stack_id GROUP BY s.function, s.file ORDER BY own_bytes DESC;

-- The peak by function with everything that it called: a function counts once for each stack, however often it stands
-- in it. Walks all stacks of the peak: seconds where there are hundreds of thousands.
CREATE VIEW peak_by_function_total AS
WITH RECURSIVE held(stack_id, bytes) AS (SELECT stack_id, sum(bytes) FROM peak GROUP BY stack_id),
     up(leaf_id, stack_id, bytes) AS (
         SELECT stack_id, stack_id, bytes FROM held WHERE stack_id > 1
         UNION ALL
         SELECT up.leaf_id, s.parent_id, up.bytes FROM up JOIN stack s ON s.stack_id = up.stack_id WHERE s.parent_id > 1)
SELECT function, file, sum(bytes) AS total_bytes FROM (
    SELECT DISTINCT up.leaf_id, p.function, p.file, up.bytes FROM up JOIN stack_place p ON p.stack_id = up.stack_id)
GROUP BY function, file ORDER BY total_bytes DESC;

-- What was never freed, by the function that allocated it.
CREATE VIEW leak_by_function AS
SELECT s.function, s.file, sum(l.bytes) AS bytes, sum(l.allocations) AS allocations
FROM leak l JOIN stack_place s ON s.stack_id = l.stack_id GROUP BY s.function, s.file ORDER BY bytes DESC;

-- What was freed at once, by the line that allocated it.
CREATE VIEW temporary_by_line AS
SELECT s.function, s.file, s.line, sum(t.bytes) AS bytes, sum(t.allocations) AS allocations
FROM temporary t JOIN stack_place s ON s.stack_id = t.stack_id GROUP BY s.function, s.file, s.line ORDER BY allocations DESC;

-- What was ever allocated, by the line that allocated it.
CREATE VIEW allocated_by_line AS
SELECT s.function, s.file, s.line, sum(a.bytes) AS bytes, sum(a.allocations) AS allocations
FROM allocated a JOIN stack_place s ON s.stack_id = a.stack_id GROUP BY s.function, s.file, s.line ORDER BY bytes DESC;

-- Moments that have a name: 'peak', 'end' and the marks; where two have the same, the first is meant.
CREATE VIEW moment AS
SELECT 'peak' AS name, tick_id, time_ns FROM timeline WHERE flags & 8
UNION ALL SELECT 'end', max(tick_id), max(time_ns) FROM timeline WHERE flags & 4
UNION ALL SELECT name, min(tick_id), min(time_ns) FROM mark
          WHERE tick_id IS NOT NULL AND name NOT IN ('peak', 'end') GROUP BY name;

-- What every stack held at each of these moments: ask for one with WHERE moment = '…'.
CREATE VIEW live_at_moment AS
SELECT m.name AS moment, i.stack_id, sum(h.bytes) AS bytes, sum(h.allocations) AS allocations,
       sum(h.resident_bytes) AS resident_bytes
FROM moment m JOIN history h ON h.from_tick <= m.tick_id AND h.until_tick > m.tick_id
JOIN site i ON i.site_id = h.site_id GROUP BY m.name, i.stack_id;

-- How what every stack held differs between two of them: WHERE before = '…' AND after = '…'.
CREATE VIEW growth AS
SELECT b.name AS before, a.name AS after, i.stack_id,
       sum(CASE WHEN h.from_tick <= a.tick_id AND h.until_tick > a.tick_id THEN h.bytes ELSE 0 END)
     - sum(CASE WHEN h.from_tick <= b.tick_id AND h.until_tick > b.tick_id THEN h.bytes ELSE 0 END) AS delta_bytes
FROM moment b JOIN moment a JOIN history h ON (h.from_tick <= a.tick_id AND h.until_tick > a.tick_id)
                                           OR (h.from_tick <= b.tick_id AND h.until_tick > b.tick_id)
JOIN site i ON i.site_id = h.site_id GROUP BY b.name, a.name, i.stack_id HAVING delta_bytes <> 0;

-- What every stack held over time, with times instead of ticks: WHERE from_ns <= T AND until_ns > T is the moment T.
CREATE VIEW stack_history AS
SELECT i.stack_id, i.process_id, i.thread_id, f.time_ns AS from_ns, coalesce(u.time_ns, 1 << 62) AS until_ns, h.bytes,
       h.allocations, h.resident_bytes
FROM history h JOIN site i ON i.site_id = h.site_id JOIN timeline f ON f.tick_id = h.from_tick
LEFT JOIN timeline u ON u.tick_id = h.until_tick;
