// The lines of source around a frame, where the page has them: only files that were still the recorded ones when it was
// written (analyzer/code.h).
memreplay.Source = (() => {
  const element = memreplay.format.element;

  class Source {
    // told: [[path, why not or null, [[first line, text, …], …]], …], or null where source was left out.
    constructor(told) {
      this.files = new Map();
      this.left_out = !told;
      for (const [path, why, runs] of told || []) {
        const lines = new Map();
        for (const [first, ...texts] of runs) texts.forEach((text, i) => lines.set(first + i, text));
        this.files.set(path, { why, lines });
      }
    }

    line(path, number) { return this.files.get(path)?.lines.get(number)?.trim() || ""; }

    // Fills a panel for one frame.
    show(panel, frames, frame) {
      const fn = frames.of(frame), number = frames.line[frame], file = this.files.get(fn.path);
      const head = element("header", {}, element("strong", { text: fn.name }), " ", element("span", { class: "path", text: fn.path + (number ? ":" + number : "") }));
      panel.replaceChildren(head, file && file.lines.has(number) ? this.listing(file, number) : element("p", { class: "note", text: this.reason(fn, file) }));
      const line = panel.querySelector("[aria-current]"), scroller = panel.parentElement;
      scroller.scrollTop = line ? line.getBoundingClientRect().top - panel.getBoundingClientRect().top - scroller.clientHeight / 2 + 12 : 0;
    }

    reason(fn, file) {
      if (file?.why) return file.why;
      if (fn.path.startsWith("<") || !fn.path || fn.category === memreplay.data.CATEGORY.NATIVE) return "There is no source file for this frame.";
      return this.left_out ? "Source was left out when this page was made." : "No lines of this file are in the page.";
    }

    listing(file, number) {
      const list = element("ol", { class: "code", tabindex: "0", "aria-label": "Source around line " + number });
      let first = number, last = number;
      while (number - first < 7 && file.lines.has(first - 1)) first--;
      while (last - number < 7 && file.lines.has(last + 1)) last++;
      for (let line = first; line <= last; line++)
        list.append(element("li", { value: line, "aria-current": line === number ? "true" : false }, element("code", { text: file.lines.get(line) || " " })));
      return list;
    }
  }

  return Source;
})();
