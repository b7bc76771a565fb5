// Zoom, search and a line of words for a picture of `memreplay flamegraph --svg`. It knows only what the picture says: the
// places of its frames, and their titles.
(function () {
  "use strict";
  const WIDTH = 1200, CHAR = 6.62, frames = Array.from(document.querySelectorAll(".f")), byId = (id) => document.getElementById(id);
  const all = frames.map((g) => ({
    g, x: Number(g.dataset.x), w: Number(g.dataset.w), row: Number(g.dataset.row), bytes: Number(g.dataset.b), title: g.querySelector("title").textContent,
    rect: g.querySelector("rect"), text: g.querySelector("text"),
  }));
  all.forEach((f) => { f.words = f.title.replace(/ \u00b7 [^\u00b7]*?blocks?(\n|$)/, "  ").trimEnd(); });
  let zoomed = all[0];

  function fit(words, width) {
    const room = Math.floor((width - 6) / CHAR), characters = Array.from(words);
    return room < 3 ? "" : characters.length <= room ? words : characters.slice(0, room - 1).join("") + "\u2026";
  }

  function zoom(to) {
    zoomed = to;
    for (const f of all) {
      const above = f.row < to.row && f.x <= to.x + 1e-9 && f.x + f.w >= to.x + to.w - 1e-9;
      const inside = f.row >= to.row && f.x >= to.x - 1e-9 && f.x + f.w <= to.x + to.w + 1e-9;
      f.g.style.display = above || inside ? "" : "none";
      if (!above && !inside) continue;
      const left = above ? 0 : (f.x - to.x) / to.w * WIDTH, width = above ? WIDTH : f.w / to.w * WIDTH;
      f.rect.setAttribute("x", left.toFixed(2));
      f.rect.setAttribute("width", Math.max(width - 0.6, 0.3).toFixed(2));
      f.text.setAttribute("x", (left + 3).toFixed(2));
      f.text.textContent = fit(f.words, width);
    }
    byId("reset").textContent = to === all[0] ? "" : "Reset zoom";
  }

  function search() {
    const asked = window.prompt("Find frames (a regular expression):", "");
    if (asked === null) return;
    let pattern = null, sum = 0, count = 0;
    try { pattern = asked ? new RegExp(asked, /[A-Z]/.test(asked) ? "" : "i") : null; } catch (error) { byId("told").textContent = String(error.message); return; }
    const hits = [];
    for (const f of all) {
      const hit = pattern !== null && f !== all[0] && pattern.test(f.words);
      f.g.classList.toggle("hit", hit);
      f.g.classList.toggle("dim", pattern !== null && !hit);
      if (!hit) continue;
      count++;
      if (!hits.some((outer) => outer.row < f.row && outer.x <= f.x + 1e-9 && outer.x + outer.w >= f.x + f.w - 1e-9)) { hits.push(f); sum += f.bytes; }
    }
    byId("told").textContent = pattern ? count + " found, " + (100 * sum / (all[0].bytes || 1)).toFixed(1) + "% of all" : "";
  }

  for (const f of all) {
    f.g.addEventListener("click", () => zoom(f));
    f.g.addEventListener("mouseenter", () => { byId("told").textContent = f.title.split("\n")[0]; });
  }
  byId("search").textContent = "Search";
  byId("search").addEventListener("click", search);
  byId("reset").addEventListener("click", () => zoom(all[0]));
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" || (event.key === "f" && (event.ctrlKey || event.metaKey))) { event.preventDefault(); search(); }
    if (event.key === "Escape") zoom(all[0]);
  });
})();
