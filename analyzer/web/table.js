// The same bytes per function instead of per stack: what it holds itself, and what is held below it anywhere. A function counts
// once in a stack, however often it stands there. Sortable by every column.
memreplay.Table = (() => {
  const { element, size, share, count } = memreplay.format, ROWS = 500;

  // [{fn, own, total, blocks}] of an upright tree, whose owns are bytes and blocks by node.
  function functions(tree, frames) {
    const [bytes, blocks] = tree.owns, found = new Map(), depth = new Map(); // depth: how often on the path
    const of = (node) => tree.kind[node] === memreplay.tree.FRAME ? frames.function[tree.frame[node]] : -1;
    const enter = (node, fn) => {
      let row = found.get(fn);
      if (!row) found.set(fn, row = { fn, own: 0, total: 0, blocks: 0 });
      if (!depth.get(fn)) row.total += tree.sums[0][node];
      row.own += bytes[node];
      row.blocks += blocks[node];
      depth.set(fn, (depth.get(fn) || 0) + 1);
    };
    const work = [0]; // a node to enter, or ~node to leave
    while (work.length) {
      const at = work.pop(), fn = of(at < 0 ? ~at : at);
      if (at < 0) { depth.set(fn, depth.get(fn) - 1); continue; }
      if (fn >= 0) { enter(at, fn); work.push(~at); }
      for (let child = tree.first[at]; child; child = tree.next[child]) work.push(child);
    }
    return [...found.values()].filter((row) => row.own || row.total);
  }

  const COLUMNS = [
    { key: "own", title: "Own", hint: "allocated by the function itself" },
    { key: "total", title: "Total", hint: "by it and by what it called" },
    { key: "blocks", title: "Blocks", hint: "allocations of its own" },
    { key: "name", title: "Function" },
    { key: "file", title: "File" },
  ];

  class Table {
    constructor(host, frames, onselect) {
      Object.assign(this, { frames, onselect, sort: "own", down: true, rows: [], whole: 0, tests: null });
      this.head = element("tr");
      this.body = element("tbody");
      this.note = element("p", { class: "note" });
      host.append(element("table", {}, element("thead", {}, this.head), this.body), this.note);
    }

    show(tree, tests) {
      this.rows = functions(tree, this.frames);
      this.whole = tree.sums[0][0];
      this.tests = tests;
      this.render();
    }

    text(row, key) { const fn = this.frames.functions[row.fn]; return key === "name" ? fn.name : fn.file; }

    by(key) {
      if (this.sort === key) this.down = !this.down;
      else { this.sort = key; this.down = key !== "name" && key !== "file"; }
      this.render();
    }

    sorted() {
      const worded = this.sort === "name" || this.sort === "file", sign = this.down ? -1 : 1;
      const compare = worded ? (a, b) => this.text(a, this.sort).localeCompare(this.text(b, this.sort)) : (a, b) => a[this.sort] - b[this.sort];
      const chosen = this.tests ? this.rows.filter((row) => this.tests(this.frames.functions[row.fn])) : this.rows;
      return chosen.slice().sort((a, b) => sign * compare(a, b) || b.total - a.total);
    }

    render() {
      this.head.replaceChildren(...COLUMNS.map(({ key, title, hint }) => element("th",
        { scope: "col", class: key, "aria-sort": this.sort === key ? (this.down ? "descending" : "ascending") : "none" },
        element("button", { type: "button", text: title, title: hint, onclick: () => this.by(key) }))));
      const rows = this.sorted(), shown = rows.slice(0, ROWS);
      this.body.replaceChildren(...shown.map((row) => this.row(row)));
      const rest = rows.slice(ROWS);
      this.note.textContent = rest.length ? `${count(rest.length)} more functions, ${size(rest.reduce((sum, row) => sum + row.own, 0))} of their own; search narrows them down` : "";
    }

    row(row) {
      const fn = this.frames.functions[row.fn], number = (bytes) => element("td", { class: "number" },
        element("span", { text: size(bytes) }), " ", element("small", { text: share(bytes, this.whole) }));
      const bar = element("meter", { min: "0", max: String(this.whole || 1), value: String(row.own), "aria-hidden": "true" });
      return element("tr", {}, number(row.own), number(row.total), element("td", { class: "number", text: count(row.blocks) }),
        element("td", {}, element("button", { type: "button", class: "link", text: fn.name, title: fn.path, onclick: () => this.onselect(row.fn) }), bar),
        element("td", { class: "file", text: fn.file + (fn.line ? ":" + fn.line : ""), title: fn.path }));
    }
  }

  return Object.assign(Table, { functions });
})();
