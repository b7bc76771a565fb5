// The page of a comparison: a flame graph with two values a frame, the functions, what is gone and what is new.
//
//   state ──▶ shape (switches) ──▶ own bytes of both sides by node ──▶ width (before, after, both) ──▶ tree ──▶ flame, words
//
// Swapping the sides changes what is called before and after everywhere, and says so.
memreplay.page = (() => {
  const { size, change, count, share, time, plural, element } = memreplay.format, T = memreplay.tree;
  const $ = (id) => document.getElementById(id);
  const model = memreplay.data.load($("data").textContent), { meta, frames, entries } = model;
  const C = memreplay.data.CATEGORY, BEFORE = 1, AFTER = 2;
  meta.functions.forEach(([, , , , , sides], i) => { frames.functions[i].sides = sides; });
  const columns = ["befo", "aftr"].map((tag) => memreplay.data.Column.read(model.sections.get(tag), entries.count));
  const state = { width: "both", tab: "graph", inverted: false, flipped: false, imports: true, library: false, swapped: false, query: "" };

  const side = (which) => (which === BEFORE) !== state.swapped ? meta.before : meta.after;
  const column = (which) => columns[(which === BEFORE) !== state.swapped ? 0 : 1];
  const delta = () => side(AFTER).bytes - side(BEFORE).bytes;
  const ranOnly = (fn, which) => fn.sides === ((which === BEFORE) !== state.swapped ? 1 : 2);
  const isNoise = (bytes) => Math.abs(bytes) <= meta.floor_bytes;

  // ---- shape and tree -------------------------------------------------------------------------------------------------

  const isLibrary = (frame) => frames.of(frame).category !== C.PROGRAM;
  function hides(frame, outer) {
    if (outer < 0) return false;
    return (state.imports && frames.of(frame).category === C.IMPORT) || (state.library && isLibrary(frame) && isLibrary(outer));
  }

  let shape, shapeKey, tree, most;
  function makeTree() {
    const key = [state.imports, state.library].join();
    if (key !== shapeKey) { shape = T.shape(model, hides, []); shapeKey = key; }
    const [before, after] = [BEFORE, AFTER].map((which) => T.own(shape, column(which).bytes));
    const blocks = [BEFORE, AFTER].map((which) => T.own(shape, column(which).blocks));
    const owns = [before.map((bytes, i) => Math.max(bytes, after[i])), before, after, ...blocks];
    tree = state.inverted ? T.inverted(shape, owns, 1e-4) : T.upright(shape, owns); // the same shape for every width
    tree.sums[0] = tree.sums[{ both: 0, before: 1, after: 2 }[state.width]];
    most = 1;
    for (let node = 1; node < tree.parent.length; node++) most = Math.max(most, Math.abs(changed(node)));
  }

  const changed = (node) => tree.sums[2][node] - tree.sums[1][node];

  // ---- what a frame says ----------------------------------------------------------------------------------------------

  const sign = (bytes) => isNoise(bytes) ? "" : bytes > 0 ? "+ " : "\u2212 ";
  const functionOf = (t, node) => t.kind[node] === T.FRAME ? frames.of(t.frame[node]) : null;
  function plainName(t, node) {
    const fn = functionOf(t, node);
    if (fn) return fn.name;
    if (t.kind[node] === T.SMALL) return plural(t.small[node], "small one");
    return { [T.ROOT]: "all", [T.NO_STACK]: "(no Python stack)", [T.UNKNOWN]: "(outer frames unknown)" }[t.kind[node]] ?? "";
  }
  function state_of(t, node) {
    const fn = functionOf(t, node);
    return !fn ? "" : ranOnly(fn, BEFORE) ? "gone" : ranOnly(fn, AFTER) ? "new" : "";
  }
  const words = {
    name: (t, node) => sign(changed(node)) + plainName(t, node),
    place: (t, node) => (isNoise(changed(node)) ? "" : change(changed(node)) + "  ") + (state_of(t, node) ? state_of(t, node) + "  " : "") + (functionOf(t, node)?.file ?? ""),
    code: () => "",
    fill: (t, node, dark) => fill(changed(node), dark),
    tell: (t, node) => `${plainName(t, node)} ${functionOf(t, node)?.file ?? ""}: ${size(t.sums[1][node])} before, ${size(t.sums[2][node])} after, ${change(changed(node))}`,
    tip: (t, node) => {
      const row = (value, text, style) => element("tr", {}, element("td", { text: value, class: style || "" }), element("td", { text }));
      const grown = (which, k) => [size(t.sums[which][node]), (which === 1 ? "before" : "after") + ", in " + plural(t.sums[k][node], "block")];
      const rows = [row(...grown(1, 3)), row(...grown(2, 4)),
        row(change(changed(node)), isNoise(changed(node)) ? "no more than noise" : t.sums[1][node] ? "that is " + signedShare(changed(node), t.sums[1][node]) : "it held nothing before", style(changed(node)))];
      if (!state.inverted && t.kind[node] === T.FRAME && !isNoise(t.owns[2][node] - t.owns[1][node])) rows.push(row(change(t.owns[2][node] - t.owns[1][node]), "allocated by this frame itself"));
      const fn = functionOf(t, node);
      return element("div", {}, element("strong", { text: plainName(t, node) }), " ", element("span", { class: "path", text: fn ? fn.path || fn.file : "" }),
        state_of(t, node) ? element("span", { class: "tag", text: state_of(t, node) }) : null, element("table", {}, ...rows));
    },
  };
  const signedShare = (part, whole) => (part > 0 ? "+" : "") + share(part, whole);
  const style = (bytes) => isNoise(bytes) ? "" : bytes > 0 ? "grew" : "shrank";

  // Lighter than any text on it in light, darker in dark; the more it changed, the deeper.
  function fill(bytes, dark) {
    if (isNoise(bytes)) return dark ? "hsl(40 4% 25%)" : "hsl(40 10% 90%)";
    const t = Math.sqrt(Math.min(1, Math.abs(bytes) / most)), hue = bytes > 0 ? 6 : 213;
    return dark ? `hsl(${hue} ${Math.round(28 + 34 * t)}% ${Math.round(25 + 11 * t)}%)` : `hsl(${hue} ${Math.round(62 + 28 * t)}% ${Math.round(91 - 15 * t)}%)`;
  }

  // ---- words of the page ----------------------------------------------------------------------------------------------

  const seconds = (each) => each.trace.started ? Date.parse(each.trace.started) : NaN;
  const NOUNS = { live: "live", peak: "peak" };

  function sayHead() {
    const [before, after] = [side(BEFORE), side(AFTER)], bytes = delta();
    const verdict = Math.abs(bytes) <= meta.noise_bytes ? bytes ? ` noise (up to ${size(meta.noise_bytes)} is)` : " no difference" : "";
    $("headline").replaceChildren(`${NOUNS[meta.measure] ?? meta.measure} ${size(before.bytes)} \u2192 ${size(after.bytes)}, `,
      element("strong", { class: verdict ? "" : style(bytes), text: change(bytes) + (before.bytes && bytes ? ` (${signedShare(bytes, before.bytes)})` : "") }), verdict ? ":" + verdict : "");
    document.title = `${change(bytes)} \u00b7 ${size(before.bytes)} \u2192 ${size(after.bytes)} \u00b7 memory`;
    const runs = before.runs.length + after.runs.length;
    $("facts").textContent = runs > 2 ? `the middle of ${plural(before.runs.length, "run")} before and of ${plural(after.runs.length, "run")} after; what they differ by among themselves is noise` : "";
    $("facts").hidden = runs <= 2;
    sayNotes(before, after);
    $("sides").replaceChildren(card(before, "Before", "a"), element("span", { class: "arrow", text: "\u2192", "aria-hidden": "true" }), card(after, "After", "b"));
    sayMoved();
  }

  function sayNotes(before, after) {
    const notes = [];
    if (state.swapped) notes.push("Swapped: what was given as after stands as before here.");
    else if (seconds(before) > seconds(after)) notes.push(`The other way round? \u201cBefore\u201d was recorded later (${stamp(before)}) than \u201cafter\u201d (${stamp(after)}).`);
    for (const each of [before, after]) {
      if (!each.trace.complete) notes.push(each.name + " is incomplete: it was cut short.");
      if (each.trace.damaged_blocks) notes.push(each.name + " is damaged; what could be read is shown.");
    }
    if (meta.bare_names) notes.push("Functions are compared by their bare names: Python before 3.11 knows no others.");
    $("notes").replaceChildren(...notes.map((text) => element("div", { text })));
    $("notes").hidden = !notes.length;
    document.body.classList.toggle("swapped", state.swapped);
  }

  const stamp = (each) => new Date(each.trace.started).toISOString().slice(0, 16).replace("T", " ");
  function card(each, title, kind) {
    const command = each.trace.command.map((word, i) => i < 2 ? word.replace(/.*\//, "") : word).join(" ");
    const facts = [each.time_ns === null ? null : `at ${time(each.time_ns)} of ${time(each.trace.duration_ns)}`, each.trace.python ? "Python " + each.trace.python : null,
      each.trace.started ? stamp(each) + " UTC" : null].filter(Boolean).join(" \u00b7 ");
    const widest = Math.max(meta.before.bytes, meta.after.bytes, 1), bar = element("i", { class: "bar-" + kind });
    bar.style.width = (100 * each.bytes / widest).toFixed(2) + "%";
    return element("div", { class: "side " + kind }, element("p", {}, element("b", { text: title }), " ", element("span", { class: "bytes", text: size(each.bytes) }), " ", element("span", { class: "command", text: command, title: each.trace.command.join(" ") })),
      element("p", { class: "dim", text: each.name + " \u00b7 " + facts }), element("div", { class: "track" }, bar));
  }

  function sayMoved() {
    const told = meta.moved && meta.measure === "peak", host = $("moved");
    host.hidden = !told;
    if (!told) return;
    const [lost, gained] = state.swapped ? [meta.new_holders[0], meta.old_holders[0]] : [meta.old_holders[0], meta.new_holders[0]];
    const [was, is] = state.swapped ? ["after_bytes", "before_bytes"] : ["before_bytes", "after_bytes"];
    const name = (each) => element("code", { text: each.function });
    const most = (each) => Math.max(each.before_bytes, each.after_bytes);
    const reached = (each, key) => each[key + "_highest_bytes"] > each[key + "_bytes"] + meta.floor_bytes && each[key + "_highest_bytes"] >= most(each) / 10
      ? ` (but reached ${size(each[key + "_highest_bytes"])}, at ${time(each[key + "_highest_ns"])})` : "";
    const [then, now] = [was, is].map((key) => key.replace("_bytes", ""));
    host.replaceChildren(element("b", { text: "The peak moved. " }), "The old one was held by ", name(lost), ` (${size(lost[was])}), which holds ${size(lost[is])} now${reached(lost, now)}; the new one by `,
      name(gained), ` (${size(gained[is])}), which held ${size(gained[was])} then${reached(gained, then)}.`);
  }

  function sayScope() {
    const grown = { before: "as wide as before", after: "as wide as after", both: "as wide as the larger of both" }[state.width];
    $("scope").replaceChildren(element("span", { text: grown + (meta.folded ? ` \u00b7 ${plural(meta.folded, "small branch", "small branches")} folded` : "") }));
  }

  // ---- lists ----------------------------------------------------------------------------------------------------------

  const allRows = () => meta.changes.map(([fn, before, after, allBefore, allAfter]) => state.swapped
    ? { fn, before: after, after: before, own: before - after, total: allBefore - allAfter }
    : { fn, before, after, own: after - before, total: allAfter - allBefore });
  const rowsOf = (tab) => allRows().filter((row) => tab === "gone" ? ranOnly(frames.functions[row.fn], BEFORE) : tab === "new" ? ranOnly(frames.functions[row.fn], AFTER) : row.own || row.total);

  // Pairs that are compared apart, and may be one.
  function proposalWords() {
    const pairs = meta.proposals.map(({ kind, before, after }) => {
      const [from, to] = state.swapped ? [after, before] : [before, after];
      return kind === "moved" ? `${from.function} in ${from.file} may be that in ${to.file}` : `${from.function} may be ${to.function}`;
    });
    return pairs.length ? ` Perhaps the same under another name: ${pairs.slice(0, 12).join("; ")}${pairs.length > 12 ? `; and ${pairs.length - 12} more` : ""}.` : "";
  }

  function showTable(test) {
    const others = (state.swapped ? -1 : 1) * meta.other_own_delta_bytes;
    const rest = state.tab === "table" && meta.other_changes ? `${count(meta.other_changes)} functions are not listed here: ${change(others)} of their own.` : "";
    const text = { gone: "What ran before and does not run after.", new: "What runs after and did not run before.", table: "" }[state.tab];
    table.show(rowsOf(state.tab), test, text + rest + (state.tab === "table" ? "" : proposalWords()));
  }

  // ---- search ---------------------------------------------------------------------------------------------------------

  function search() {
    const told = $("found"), test = memreplay.search.ask(state.query, told, flame);
    if (!test) return null;
    const found = memreplay.search.run(tree, (node) => tree.kind[node] === T.FRAME && test(frames.of(tree.frame[node])));
    let net = 0;
    for (let node = 1, below = new Uint8Array(tree.parent.length); node < tree.parent.length; node++) {
      below[node] = below[tree.parent[node]] || found.matches[tree.parent[node]];
      if (found.matches[node] && !below[node]) net += changed(node);
    }
    flame.setMatches(found.matches);
    told.textContent = `${count(found.count)} found, ${change(net)}`;
    return test;
  }

  // ---- the controls follow the state, and the picture follows both -----------------------------------------------------

  function sayControls() {
    for (const what of ["width", "tab"]) document.querySelectorAll(`[data-${what}]`).forEach((each) => each.setAttribute("aria-checked", String(each.dataset[what] === state[what])));
    for (const id of ["inverted", "flipped", "imports", "library"]) $(id).checked = state[id];
    $("swap").setAttribute("aria-pressed", String(state.swapped));
    $("graph").hidden = state.tab !== "graph";
    $("table").hidden = state.tab === "graph";
    $("gone-count").textContent = count(rowsOf("gone").length);
    $("new-count").textContent = count(rowsOf("new").length);
    for (const [id, bytes] of [["scale-shrank", -most], ["scale-same", 0], ["scale-grew", most]]) $(id).style.background = fill(bytes, memreplay.theme.dark());
  }

  function update() {
    makeTree();
    sayControls();
    sayHead();
    sayScope();
    flame.show(tree);
    const test = search();
    if (state.tab !== "graph") showTable(test);
  }

  function set(changes) {
    Object.assign(state, changes);
    if ("flipped" in changes) flame.setFlipped(state.flipped);
    update();
  }

  function wire() {
    document.querySelectorAll("[data-width]").forEach((each) => each.addEventListener("click", () => set({ width: each.dataset.width })));
    document.querySelectorAll("[data-tab]").forEach((each) => each.addEventListener("click", () => set({ tab: each.dataset.tab })));
    for (const id of ["inverted", "flipped", "imports", "library"]) $(id).addEventListener("change", () => set({ [id]: $(id).checked }));
    $("search").addEventListener("input", () => { state.query = $("search").value; const test = search(); if (state.tab !== "graph") showTable(test); });
    $("swap").addEventListener("click", () => set({ swapped: !state.swapped }));
    $("theme-button").addEventListener("click", memreplay.theme.toggle);
    $("help-button").addEventListener("click", () => $("help").showModal());
    $("save").addEventListener("click", () => memreplay.svg.save(flame, $("headline").textContent, "diff.svg"));
    document.addEventListener("keydown", keys);
  }

  function keys(event) {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox";
    if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
    if (event.key === "Escape") {
      if (state.query) { $("search").value = state.query = ""; const test = search(); if (state.tab !== "graph") showTable(test); } else if (typing) flame.canvas.focus();
      else if (flame.zoomed) flame.zoom(tree.parent[flame.zoomed]);
      return;
    }
    if (event.key === "Enter" && event.target.id === "search") return flame.canvas.focus();
    if (typing) return;
    const act = { "/": () => $("search").focus(), "?": () => $("help").showModal(), b: () => set({ width: "before" }), u: () => set({ width: "both" }), a: () => set({ width: "after" }),
      s: () => set({ swapped: !state.swapped }), i: () => set({ inverted: !state.inverted }), f: () => set({ flipped: !state.flipped }),
      t: memreplay.theme.toggle, g: () => set({ tab: state.tab === "graph" ? "table" : "graph" }) }[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  }

  const flame = new memreplay.Flame($("graph"), words);
  const table = new memreplay.DiffTable($("table"), frames.functions, style, (fn) => {
    const name = frames.functions[fn].name;
    $("search").value = state.query = "^" + name.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&") + "$";
    set({ tab: "graph" });
  });
  memreplay.theme.onchange((dark) => { flame.setDark(dark); sayControls(); });
  wire();
  makeTree();
  memreplay.theme.apply();
  update();
  return { state, set, flame, table, model, words, get tree() { return tree; } };
})();
