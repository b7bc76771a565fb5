// The flame graph itself: a tree (tree.js) drawn on a canvas, with zoom, breadcrumbs, tooltips and the keyboard. Nothing here
// knows what the numbers mean: a page gives its words and colours as hooks, so a comparison of two runs draws with it too.
//
//   hooks: name(tree, node), place(tree, node), code(tree, node) -> text inside a frame; label(tree, node): in place of a name that
//          says little (optional)
//          fill(tree, node, dark) -> colour; tip(tree, node) -> element; tell(tree, node) -> sentence for a screen reader
//          onselect(node); onzoom(node)
//
// Only rows on screen and frames wider than half a pixel are drawn, so 100,000 nodes move smoothly. Drawing order and hit test
// go by the same rectangles.
memreplay.Flame = (() => {
  const ROW = 20, LEAST = 0.6, PAD = 4;
  const FONT = "12px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace";
  const element = memreplay.format.element;

  // Rows of rectangles below a zoomed node, its callers above it at full width. x and w are shares of the width.
  function layout(tree, zoom, least) {
    const width = tree.sums[0], rows = [];
    const put = (row, node, x, w, count) => {
      (rows[row] ||= { node: [], x: [], w: [], more: [] });
      rows[row].node.push(node); rows[row].x.push(x); rows[row].w.push(w); rows[row].more.push(count);
    };
    const above = [0, ...memreplay.tree.path(tree, zoom)];
    above.forEach((node, row) => put(row, node, 0, 1, 0));
    const whole = width[zoom];
    for (let row = above.length - 1; row < rows.length; row++) {
      const { node, x, more } = rows[row];
      for (let i = 0; i < node.length; i++) if (!more[i]) putChildren(node[i], row + 1, x[i]);
    }
    return rows;

    // From left to right, so that a row is in order without sorting.
    function putChildren(node, row, left) {
      let thin = 0, thinWidth = 0;
      for (let child = tree.first[node]; child; child = tree.next[child]) {
        if (!(width[child] > 0)) continue;
        const w = width[child] / whole;
        if (w < least) { thin++; thinWidth += w; continue; }
        put(row, child, left, w, 0);
        left += w;
      }
      if (thinWidth >= least) put(row, node, left, thinWidth, thin);
    }
  }

  class Flame {
    constructor(host, hooks) {
      this.hooks = { label: hooks.name, ...hooks };
      this.tree = null;
      this.zoomed = this.focused = this.hovered = 0;
      this.rows = []; this.matches = null; this.flipped = false; this.dark = false;
      this.crumbs = element("nav", { class: "crumbs", "aria-label": "Zoomed into" });
      this.canvas = element("canvas", { tabindex: "0", role: "application", "aria-roledescription": "flame graph",
        "aria-label": "Flame graph. Arrow keys move, Enter zooms in, Escape zooms out." });
      this.inner = element("div", { class: "flame-inner" }, this.canvas);
      this.scroller = element("div", { class: "flame-scroll" }, this.inner);
      this.spoken = element("div", { class: "unseen", "aria-live": "polite" });
      this.tip = element("div", { class: "tip", role: "tooltip", hidden: true });
      host.append(this.crumbs, this.scroller, this.spoken);
      document.body.append(this.tip);
      this.context = this.canvas.getContext("2d", { alpha: false });
      new ResizeObserver(() => this.relayout()).observe(this.scroller);
      this.scroller.addEventListener("scroll", () => this.redraw());
      this.canvas.addEventListener("pointermove", (event) => this.hover(event));
      this.canvas.addEventListener("pointerleave", () => this.unhover());
      this.canvas.addEventListener("click", (event) => this.click(event));
      this.canvas.addEventListener("keydown", (event) => this.key(event));
      this.canvas.addEventListener("focus", () => this.redraw());
      this.canvas.addEventListener("blur", () => this.redraw());
    }

    // Shows a tree; what was zoomed into stays so where the tree still has it.
    show(tree) {
      const old = this.tree;
      const again = (node) => old === null || tree.parent === old.parent ? node : memreplay.tree.find(tree, old, node);
      [this.zoomed, this.focused] = [again(this.zoomed), again(this.focused)];
      this.hovered = 0;
      this.tree = tree;
      while (this.zoomed && !(tree.sums[0][this.zoomed] > 0)) this.zoomed = tree.parent[this.zoomed];
      while (this.focused && !(tree.sums[0][this.focused] > 0)) this.focused = tree.parent[this.focused];
      this.matches = null;
      this.unhover();
      this.relayout();
    }

    zoom(node) {
      this.zoomed = this.focused = node;
      this.relayout();
      this.reveal(node);
      this.hooks.onzoom?.(node);
      this.hooks.onselect?.(node);
    }

    setMatches(matches) { this.matches = matches; this.redraw(); }
    setFlipped(flipped) { this.flipped = flipped; this.relayout(); this.scroller.scrollTop = flipped ? 1e9 : 0; }
    setDark(dark) { this.dark = dark; this.redraw(); }

    relayout() {
      if (!this.tree) return;
      this.width = this.scroller.clientWidth;
      this.height = this.scroller.clientHeight;
      if (!this.width || !this.height) return;
      this.rows = layout(this.tree, this.zoomed, LEAST / this.width);
      this.inner.style.height = Math.max(this.height, this.rows.length * ROW) + "px";
      const ratio = window.devicePixelRatio || 1;
      this.canvas.style.height = this.height + "px";
      this.canvas.width = Math.round(this.width * ratio);
      this.canvas.height = Math.round(this.height * ratio);
      this.showCrumbs();
      this.draw();
    }

    showCrumbs() {
      const path = memreplay.tree.path(this.tree, this.zoomed), shown = path.length > 8 ? [path[0], -1, ...path.slice(-6)] : path;
      this.crumbs.hidden = !path.length;
      const crumb = (node, last) => node < 0 ? element("span", { text: "\u2026" })
        : element("button", { type: "button", text: this.hooks.label(this.tree, node), "aria-current": last ? "true" : false,
          onclick: () => { this.zoom(node); this.canvas.focus(); } });
      this.crumbs.replaceChildren(crumb(0, !path.length), ...shown.map((node) => crumb(node, node === this.zoomed)));
    }

    redraw() {
      if (this.pending) return;
      this.pending = requestAnimationFrame(() => { this.pending = 0; this.draw(); });
    }

    // Top of a row in the canvas's own coordinates.
    top(row) {
      const whole = Math.max(this.height, this.rows.length * ROW);
      return (this.flipped ? whole - (row + 1) * ROW : row * ROW) - this.scroller.scrollTop;
    }

    draw() {
      if (!this.tree || !this.width) return;
      const c = this.context, ratio = window.devicePixelRatio || 1, colors = memreplay.color.palette(this.dark);
      c.setTransform(ratio, 0, 0, ratio, 0, 0);
      c.fillStyle = colors.paper;
      c.fillRect(0, 0, this.width, this.height);
      c.font = FONT;
      c.textBaseline = "middle";
      this.em = c.measureText("M").width || 7; // 0: no font at all
      for (let row = 0; row < this.rows.length; row++) {
        const y = this.top(row);
        if (y > -ROW && y < this.height) this.drawRow(c, colors, this.rows[row], y);
      }
      this.drawMark(c, this.hovered, colors.ink, 1);
      if (document.activeElement === this.canvas) this.drawMark(c, this.focused, colors.focus, 2);
    }

    drawRow(c, colors, row, y) {
      for (let i = 0; i < row.node.length; i++) {
        const x = row.x[i] * this.width, w = row.w[i] * this.width, node = row.node[i];
        const dim = this.matches && !this.matches[node];
        c.globalAlpha = dim ? 0.45 : 1;
        c.fillStyle = row.more[i] ? colors.small : this.matches && this.matches[node] ? colors.match : this.hooks.fill(this.tree, node, this.dark);
        c.fillRect(x, y, Math.max(w - (w > 2 ? 1 : 0), 0.5), ROW - 1);
        c.globalAlpha = 1;
        if (w > 4 * this.em) this.drawText(c, colors, row.more[i] ? "\u2026" : node, x, y, w);
      }
    }

    // Characters that fit a width; what is not plain text is measured.
    fit(c, text, width) {
      const room = Math.floor(width / this.em);
      if (text.length <= room && /^[\x20-\x7e\u2026]*$/.test(text)) return text;
      if (/^[\x20-\x7e]*$/.test(text)) return room < 3 ? "" : text.slice(0, room - 1) + "\u2026";
      let cut = Array.from(text).slice(0, room + 1);
      while (cut.length && c.measureText(cut.join("") + "\u2026").width > width) cut.pop();
      return cut.length < 2 ? "" : cut.length === Array.from(text).length ? text : cut.join("") + "\u2026";
    }

    drawText(c, colors, node, x, y, w) {
      const parts = typeof node === "string" ? [node]
        : [this.hooks.label(this.tree, node), this.hooks.place(this.tree, node), this.hooks.code(this.tree, node)];
      let left = x + PAD, room = w - 2 * PAD;
      for (let i = 0; i < parts.length && parts[i] !== undefined; i++) {
        if (!parts[i]) continue;
        const text = this.fit(c, parts[i], room);
        if (!text || (i && text.length < Math.min(6, parts[i].length))) break;
        c.font = (i ? "" : "600 ") + FONT;
        c.fillStyle = colors.ink;
        c.globalAlpha = i === 1 ? 0.78 : 1;
        c.fillText(text, left, y + ROW / 2, room);
        const used = (/^[\x20-\x7e\u2026]*$/.test(text) ? text.length * this.em : c.measureText(text).width) + 2 * this.em;
        left += used; room -= used;
        if (room < 4 * this.em || text !== parts[i]) break;
      }
      c.globalAlpha = 1;
      c.font = FONT;
    }

    // Where a node is drawn: [row, position], or null.
    find(node) {
      for (let row = 0; row < this.rows.length; row++) {
        const i = this.rows[row].node.findIndex((other, k) => other === node && !this.rows[row].more[k]);
        if (i >= 0) return [row, i];
      }
      return null;
    }

    drawMark(c, node, color, thick) {
      const at = node || thick === 2 ? this.find(node) : null;
      if (!at) return;
      const [row, i] = at, r = this.rows[row];
      c.strokeStyle = color;
      c.lineWidth = thick;
      c.strokeRect(r.x[i] * this.width + 1, this.top(row) + 1, Math.max(r.w[i] * this.width - 3, 1), ROW - 3);
    }

    // What lies at a point of the canvas: {node, more}, or null.
    at(x, y) {
      for (let row = 0; row < this.rows.length; row++) {
        const top = this.top(row);
        if (y < top || y >= top + ROW) continue;
        const r = this.rows[row], share = x / this.width;
        let low = 0, high = r.x.length;
        while (low < high) {
          const middle = (low + high) >> 1;
          if (r.x[middle] <= share) low = middle + 1; else high = middle;
        }
        const i = low - 1;
        return i >= 0 && share < r.x[i] + r.w[i] ? { node: r.node[i], more: r.more[i] } : null;
      }
      return null;
    }

    // Where a node's frame is on the page, for tests and for scripts: {x, y, width, height}, or null.
    box(node) {
      const at = this.find(node), outer = this.canvas.getBoundingClientRect();
      if (!at) return null;
      const r = this.rows[at[0]];
      return { x: outer.x + r.x[at[1]] * this.width, y: outer.y + this.top(at[0]), width: r.w[at[1]] * this.width, height: ROW };
    }

    hover(event) {
      const box = this.canvas.getBoundingClientRect(), found = this.at(event.clientX - box.x, event.clientY - box.y);
      const node = found && !found.more ? found.node : 0;
      if (node !== this.hovered) { this.hovered = node; this.redraw(); }
      this.canvas.style.cursor = found ? "pointer" : "default";
      if (!found) { this.tip.hidden = true; return; }
      this.tip.replaceChildren(found.more ? element("span", { text: memreplay.format.plural(found.more, "frame") + " too narrow to draw; zoom in to see "
        + (found.more === 1 ? "it" : "them") }) : this.hooks.tip(this.tree, found.node));
      this.tip.hidden = false;
      const tip = this.tip.getBoundingClientRect();
      const x = Math.min(event.clientX + 14, window.innerWidth - tip.width - 8);
      const y = event.clientY + 18 + tip.height > window.innerHeight ? event.clientY - tip.height - 12 : event.clientY + 18;
      this.tip.style.left = Math.max(4, x) + "px";
      this.tip.style.top = Math.max(4, y) + "px";
    }

    unhover() {
      this.tip.hidden = true;
      if (this.hovered) { this.hovered = 0; this.redraw(); }
    }

    click(event) {
      const box = this.canvas.getBoundingClientRect(), found = this.at(event.clientX - box.x, event.clientY - box.y);
      if (found) this.zoom(found.node);
    }

    reveal(node) {
      const at = this.find(node);
      if (!at) return;
      const top = this.top(at[0]);
      if (top < 0) this.scroller.scrollTop += top;
      else if (top + ROW > this.height) this.scroller.scrollTop += top + ROW - this.height;
    }

    focusOn(node) {
      if (node === undefined || node < 0) return;
      this.focused = node;
      this.reveal(node);
      this.redraw();
      this.spoken.textContent = this.hooks.tell(this.tree, node);
      this.hooks.onselect?.(node);
    }

    siblings(node) {
      const found = [];
      if (!node) return [0];
      for (let at = this.tree.first[this.tree.parent[node]]; at; at = this.tree.next[at]) if (this.tree.sums[0][at] > 0) found.push(at);
      return found;
    }

    largestChild(node) {
      let best = -1;
      for (let at = this.tree.first[node]; at; at = this.tree.next[at])
        if (this.tree.sums[0][at] > 0 && (best < 0 || this.tree.sums[0][at] > this.tree.sums[0][best])) best = at;
      return best;
    }

    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const node = this.focused, inwards = this.flipped ? "ArrowUp" : "ArrowDown", outwards = this.flipped ? "ArrowDown" : "ArrowUp";
      const beside = (step) => { const all = this.siblings(node); return all[Math.max(0, Math.min(all.length - 1, all.indexOf(node) + step))]; };
      if (event.key === inwards) this.focusOn(this.largestChild(node));
      else if (event.key === outwards) this.focusOn(node ? this.tree.parent[node] : 0);
      else if (event.key === "ArrowLeft") this.focusOn(beside(-1));
      else if (event.key === "ArrowRight") this.focusOn(beside(1));
      else if (event.key === "Enter") this.zoom(node);
      else if (event.key === "Home") this.zoom(0);
      else if (event.key === "Escape" && this.zoomed) this.zoom(this.tree.parent[this.zoomed]);
      else return;
      event.preventDefault();
      event.stopPropagation();
    }
  }

  return Object.assign(Flame, { layout, ROW });
})();
