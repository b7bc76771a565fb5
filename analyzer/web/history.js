// What was held over time (analyzer/flamegraph_time.h): the timeline's points, and stored moments at which every entry is known.
// Between two stored moments nobody knows; a click goes to the nearest.
memreplay.history = (() => {
  const { time, element } = memreplay.format, MARK = 2, END = 4, MOMENT = 8;

  function readLevels(reader, count, each) {
    const high = new Float64Array(count), resident = new Float64Array(count), rss = new Float64Array(count);
    let h = 0, r = 0, s = 0;
    for (let i = 0; i < count; i++) {
      each?.(i);
      high[i] = h += reader.signed();
      resident[i] = r += reader.signed();
      rss[i] = s += reader.signed();
    }
    return { high, resident, rss };
  }

  function readLine(reader) {
    const count = reader.number(), times = new Float64Array(count);
    let ns = 0;
    return { time: times, ...readLevels(reader, count, (i) => { times[i] = ns += reader.number(); }) };
  }

  class History {
    constructor(model) {
      const { sections, meta, entries } = model;
      this.meta = meta;
      this.line = readLine(sections.get("line"));
      this.processes = new Map();
      const processes = sections.get("plin"), count = processes.number();
      for (let i = 0; i < count; i++) {
        const position = processes.number();
        this.processes.set(position, { time: this.line.time, ...readLevels(processes, this.line.time.length) });
      }
      this.readMoments(sections.get("hist"));
      this.column = new memreplay.data.Column(entries.count);
      this.position = -1; // the stored moment that the column is at
    }

    readMoments(reader) {
      const count = reader.number(), total = { entry: [], bytes: [], blocks: [], untouched: [] };
      Object.assign(this, { times: [], flags: [], live: [], blocks: [], starts: [0], rows: total });
      let ns = 0;
      for (let i = 0; i < count; i++) {
        this.times.push(ns += reader.number());
        this.flags.push(reader.number());
        this.live.push(reader.number());
        this.blocks.push(reader.number());
        let entry = 0;
        for (let left = reader.number(); left > 0; left--) {
          total.entry.push(entry += reader.number());
          total.bytes.push(reader.signed());
          total.blocks.push(reader.signed());
          total.untouched.push(reader.signed());
        }
        this.starts.push(total.entry.length);
      }
    }

    get peak() { return this.meta.peak; }

    // Where the program ended, or the last stored moment.
    get end() {
      const found = this.flags.findIndex((flags) => flags & END);
      return found < 0 ? this.times.length - 1 : found;
    }

    // What every entry held at a stored moment, as a column of its own.
    at(moment) {
      while (this.position < moment) this.apply(++this.position, 1);
      while (this.position > moment) this.apply(this.position--, -1);
      const copy = new memreplay.data.Column(0);
      for (const key of ["bytes", "blocks", "untouched"]) copy[key] = this.column[key].slice();
      return copy;
    }

    apply(moment, sign) {
      const { entry, bytes, blocks, untouched } = this.rows, column = this.column;
      for (let i = this.starts[moment]; i < this.starts[moment + 1]; i++) {
        column.bytes[entry[i]] += sign * bytes[i];
        column.blocks[entry[i]] += sign * blocks[i];
        column.untouched[entry[i]] += sign * untouched[i];
      }
    }

    // The stored moment nearest to a time.
    nearest(ns) {
      let low = 0, high = this.times.length - 1;
      while (low < high) { const middle = (low + high) >> 1; if (this.times[middle] < ns) low = middle + 1; else high = middle; }
      return low && ns - this.times[low - 1] < this.times[low] - ns ? low - 1 : low;
    }

    // The one in which the most was held, from one stored moment to another.
    highest(from, to) {
      let best = from;
      for (let i = from; i <= to; i++) if (this.live[i] > this.live[best]) best = i;
      return best;
    }

    // " at 12.3 s", and what is special about it.
    words(moment) {
      const flags = this.flags[moment], ns = this.times[moment];
      const mark = flags & MARK ? this.meta.marks.find((each) => each.time_ns === ns) : null;
      const special = flags & MOMENT && !this.meta.options.at && !this.meta.options.window ? ", the peak" : flags & END ? ", the end of the program" : mark ? `, mark \u201c${mark.name}\u201d` : "";
      return " at " + time(ns) + special;
    }

    makeTimeline(host, set, state) {
      const timeline = new memreplay.Timeline(host, {
        onmoment: (ns) => { const at = this.nearest(ns); set({ view: "held", from: at, to: at }); },
        oninterval: (from, to) => set({ view: "held", from: this.nearest(from), to: this.nearest(to) }),
        snap: (ns, step) => this.times[Math.max(0, Math.min(this.times.length - 1, this.nearest(ns) + step))],
      });
      const { window, from_ns: from, to_ns: to } = this.meta.options;
      if (window) Object.assign(state, { from: this.nearest(from), to: this.nearest(to) });
      return timeline;
    }

    // Buttons for the moments that one wants most. line: of the chosen process.
    showJumps(set, line) {
      const jump = (text, hint, changes) => element("button", { type: "button", text, title: hint, onclick: () => set({ view: "held", ...changes }) });
      const stored = (ns) => { const at = this.nearest(ns); return { from: at, to: at }; };
      const marks = this.meta.marks.slice(0, 6).map((mark) => jump(mark.name.length > 20 ? mark.name.slice(0, 19) + "\u2026" : mark.name, "the mark at " + time(mark.time_ns), stored(mark.time_ns)));
      const plain = !this.meta.options.at && !this.meta.options.window;
      document.getElementById("jumps").replaceChildren(
        ...(line === this.line ? [] : [jump("its own peak", "the highest moment of this process", stored(line.time[line.high.indexOf(Math.max(...line.high))]))]),
        jump(plain ? "peak" : "as asked", plain ? "the highest moment of all (P)" : "the moment that was asked for (P)", { from: null, to: null }), ...marks,
        jump("end", "what was left when the program ended", { from: this.end, to: this.end }));
    }

    tellTimeline(timeline, state, set, words) {
      const line = this.processes.get(state.process) ?? this.line;
      if (line !== this.drawn) {
        timeline.show(line, this.meta.trace.duration_ns, this.meta.marks);
        this.showJumps(set, line);
      }
      this.drawn = line;
      if (state.to === null) timeline.choose(this.meta.moment.time_ns, this.meta.moment.time_ns, words);
      else timeline.choose(this.times[state.from], this.times[state.to], words);
    }
  }

  return { load: (model) => model.sections.has("hist") && model.sections.has("line") ? new History(model) : null, MARK, END, MOMENT };
})();
