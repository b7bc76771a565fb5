// Both sides per function: what it held itself before and after, what changed, and what changed with everything it calls.
// Also the lists of what is gone and what is new. Sortable by every column.
memreplay.DiffTable = (() => {
  const { element, size, change, count } = memreplay.format, ROWS = 500;

  const COLUMNS = [
    { key: "before", title: "Own before", hint: "allocated by the function itself" },
    { key: "after", title: "Own after", hint: "allocated by the function itself" },
    { key: "own", title: "Own change" },
    { key: "total", title: "Change in all", hint: "with what it calls" },
    { key: "name", title: "Function" },
    { key: "file", title: "File" },
  ];
  const WORDED = { name: true, file: true };

  class DiffTable {
    // style(bytes) -> class of a difference; onselect(fn)
    constructor(host, functions, style, onselect) {
      Object.assign(this, { functions, style, onselect, sort: "own", down: true, rows: [], tests: null, rest: "" });
      this.head = element("tr");
      this.body = element("tbody");
      this.note = element("p", { class: "note" });
      host.append(element("table", {}, element("thead", {}, this.head), this.body), this.note);
    }

    // rows: [{fn, before, after, own, total}]; rest: a sentence about what is not among them.
    show(rows, tests, rest) {
      Object.assign(this, { rows, tests, rest });
      this.render();
    }

    by(key) {
      if (this.sort === key) this.down = !this.down;
      else { this.sort = key; this.down = !WORDED[key]; }
      this.render();
    }

    // Changes by how large they are, whatever their sign.
    sorted() {
      const sign = this.down ? -1 : 1, size = (row) => Math.abs(row[this.sort]);
      const compare = WORDED[this.sort] ? (a, b) => this.functions[a.fn][this.sort].localeCompare(this.functions[b.fn][this.sort]) : (a, b) => size(a) - size(b);
      const chosen = this.tests ? this.rows.filter((row) => this.tests(this.functions[row.fn])) : this.rows;
      return chosen.slice().sort((a, b) => sign * compare(a, b) || Math.abs(b.total) - Math.abs(a.total));
    }

    render() {
      this.head.replaceChildren(...COLUMNS.map(({ key, title, hint }) => element("th",
        { scope: "col", class: WORDED[key] ? key : "own", "aria-sort": this.sort === key ? (this.down ? "descending" : "ascending") : "none" },
        element("button", { type: "button", text: title, title: hint, onclick: () => this.by(key) }))));
      const rows = this.sorted(), more = rows.slice(ROWS);
      this.body.replaceChildren(...rows.slice(0, ROWS).map((row) => this.row(row)));
      const cut = more.length ? `${count(more.length)} more functions, ${change(more.reduce((sum, row) => sum + row.own, 0))} of their own; search narrows them down. ` : "";
      this.note.textContent = cut + (rows.length || this.tests ? this.rest : "None. " + this.rest);
    }

    row(row) {
      const fn = this.functions[row.fn], number = (text, style) => element("td", { class: "number " + (style || ""), text });
      return element("tr", {}, number(size(row.before)), number(size(row.after)), number(change(row.own), this.style(row.own)), number(change(row.total), this.style(row.total)),
        element("td", {}, element("button", { type: "button", class: "link", text: fn.name, title: fn.path, onclick: () => this.onselect(row.fn) })),
        element("td", { class: "file", text: fn.file, title: fn.path }));
    }
  }

  return DiffTable;
})();
