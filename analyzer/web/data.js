// The data behind a page, unpacked: base64, LZ4, sections of varints (analyzer/pack.h), and the flame graph's sections
// (analyzer/flamegraph_data.h) as a model. All texts that a recorded program chose are strings here and nothing else.
memreplay.data = (() => {
  function fromBase64(text) {
    const binary = atob(text), bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  }

  // One LZ4 block (lz4_Block_format.md) into `length` bytes.
  function fromLz4(input, at, length) {
    const out = new Uint8Array(length);
    let to = 0;
    while (at < input.length) {
      const token = input[at++];
      let literals = token >> 4, byte;
      if (literals === 15) do { byte = input[at++]; literals += byte; } while (byte === 255);
      out.set(input.subarray(at, at + literals), to);
      at += literals; to += literals;
      if (at >= input.length) break;
      let from = to - (input[at] | input[at + 1] << 8);
      at += 2;
      let match = (token & 15) + 4;
      if ((token & 15) === 15) do { byte = input[at++]; match += byte; } while (byte === 255);
      for (; match > 0; match--) out[to++] = out[from++];
    }
    if (to !== length) throw new Error("the data of this page is damaged");
    return out;
  }

  class Reader {
    constructor(bytes) { this.bytes = bytes; this.at = 0; }
    get more() { return this.at < this.bytes.length; }
    number() { // exact up to 2^53
      let value = 0, scale = 1;
      for (;;) {
        const byte = this.bytes[this.at++];
        value += (byte & 127) * scale;
        if (byte < 128) return value;
        scale *= 128;
      }
    }
    signed() {
      const value = this.number();
      return value % 2 ? -(value + 1) / 2 : value / 2;
    }
    text() { return new TextDecoder().decode(this.bytes); }
    json() { return JSON.parse(this.text()); }
  }

  // Map of tag to Reader.
  function sections(text) {
    const raw = fromBase64(text.trim()), view = new DataView(raw.buffer);
    const bytes = fromLz4(raw, 8, view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32);
    const found = new Map(), reader = new Reader(bytes);
    while (reader.more) {
      const tag = String.fromCharCode(...bytes.subarray(reader.at, reader.at += 4));
      const length = reader.number();
      found.set(tag, new Reader(bytes.subarray(reader.at, reader.at += length)));
    }
    return found;
  }

  const CATEGORY = { PROGRAM: 0, LIBRARY: 1, IMPORT: 2, NATIVE: 3 };

  // Frames: one for each function and line that stands in the tree.
  class Frames {
    constructor(functions) {
      this.functions = [];
      for (const [name, file, path, module, number] of functions)
        this.functions.push({ name, file, path, module, category: number % 8, line: Math.floor(number / 8) });
      this.function = []; this.line = [];
      this.known = new Map();
    }
    id(fn, line) {
      const key = fn * 2 ** 32 + line % 2 ** 32;
      let id = this.known.get(key);
      if (id === undefined) {
        this.known.set(key, id = this.line.length);
        this.function.push(fn); this.line.push(line);
      }
      return id;
    }
    of(id) { return this.functions[this.function[id]]; }
    place(id) {
      const file = this.of(id).file;
      return file && this.line[id] ? file + ":" + this.line[id] : file;
    }
  }

  function readNodes(reader, frames) {
    const parent = [0], kind = [0], frame = [-1], small = [0], path = [0];
    while (reader.more) {
      const head = reader.number(), up = Math.floor(head / 8), at = parent.length;
      path.length -= up;
      parent.push(path[path.length - 1]);
      path.push(at);
      kind.push(head % 8);
      if (head % 8 === memreplay.tree.FRAME) {
        const fn = reader.number();
        frame.push(frames.id(fn, reader.signed() + frames.functions[fn].line));
        small.push(0);
      } else {
        frame.push(-1);
        small.push(head % 8 === memreplay.tree.SMALL ? reader.number() : 0);
      }
    }
    return { count: parent.length, parent, kind, frame, small };
  }

  function readEntries(reader) {
    const node = [], thread = [];
    let last = 0;
    while (reader.more) {
      node.push(last += reader.number());
      thread.push(reader.number());
    }
    return { count: node.length, node, thread };
  }

  // What every entry holds: bytes, allocations, bytes never touched.
  class Column {
    constructor(count) {
      this.bytes = new Float64Array(count);
      this.blocks = new Float64Array(count);
      this.untouched = new Float64Array(count);
    }
    static read(reader, count) {
      const column = new Column(count);
      for (let at = 0; reader && reader.more;) {
        at += reader.number();
        column.bytes[at] = reader.number();
        column.blocks[at] = reader.number();
        column.untouched[at] = reader.number();
      }
      return column;
    }
  }

  function load(text) {
    const found = sections(text), meta = found.get("meta").json();
    const frames = new Frames(meta.functions);
    const nodes = readNodes(found.get("node"), frames), entries = readEntries(found.get("entr"));
    const column = (tag) => Column.read(found.get(tag), entries.count);
    return { meta, frames, nodes, entries, sections: found, held: column("held"), leak: column("leak"), temp: column("temp") };
  }

  return { load, sections, Reader, Frames, Column, CATEGORY };
})();
