// The flame graph page: what is chosen (a state), what follows from it (values, tree, words), and the wires between the parts.
//
//   state ──▶ shape (switches) ──▶ values by entry (view, moment, thread) ──▶ tree ──▶ flame, table, words
memreplay.page = (() => {
  const { size, change, count, share, time, plural, element } = memreplay.format, T = memreplay.tree;
  const $ = (id) => document.getElementById(id);
  const model = memreplay.data.load($("data").textContent), { meta, frames, entries } = model;
  const C = memreplay.data.CATEGORY;
  const history = memreplay.history ? memreplay.history.load(model) : null;
  const source = new memreplay.Source(model.sections.get("srcl")?.json() ?? null);

  const state = {
    view: meta.options.view, from: null, to: null, interval: "max", // from, to: stored moments, or null: the exact moment of the page
    inverted: meta.options.inverted, frames: meta.options.frames, flipped: false, imports: true, library: false, resident: false,
    process: -1, thread: -1, group: "", query: "", tab: "graph",
  };
  const threadName = (i) => meta.threads[i].name || (meta.threads[i].tid ? "thread " + meta.threads[i].tid : "unknown thread");
  const processName = (i) => i < meta.processes.length ? meta.processes[i].pid + " " + meta.processes[i].command.map((each, k) => k ? each : each.replace(/.*\//, "")).join(" ") : "unknown process";
  const processOf = (thread) => meta.threads[thread].process ?? meta.processes.length;

  // ---- values ---------------------------------------------------------------------------------------------------------

  // What the entries hold: {bytes, blocks, net?}, as the state wants it. Grown bytes are told with what they are net.
  function values() {
    if (state.view !== "held") return masked(model[state.view]);
    if (!history || state.to === null) return masked(model.held);
    if (state.from === state.to) return masked(history.at(state.to));
    if (state.interval === "max") return masked(history.at(history.highest(state.from, state.to)));
    const before = masked(history.at(state.from)), after = masked(history.at(state.to)), sign = state.interval === "grew" ? 1 : -1;
    return { bytes: after.bytes.map((bytes, i) => sign * (bytes - before.bytes[i])), blocks: after.blocks.map((blocks, i) => sign * (blocks - before.blocks[i])), changes: true };
  }

  function masked(column) {
    const chosen = (i) => (state.thread < 0 || entries.thread[i] === state.thread) && (state.process < 0 || processOf(entries.thread[i]) === state.process);
    const resident = state.resident && state.view !== "temp", all = state.thread < 0 && state.process < 0;
    return {
      bytes: column.bytes.map((bytes, i) => all || chosen(i) ? bytes - (resident ? column.untouched[i] : 0) : 0),
      blocks: all ? column.blocks : column.blocks.map((blocks, i) => chosen(i) ? blocks : 0),
    };
  }

  // ---- shape and tree -------------------------------------------------------------------------------------------------

  const isNative = (frame) => frames.of(frame).category === C.NATIVE, hasNative = frames.functions.some((each) => each.category === C.NATIVE);
  const isLibrary = (frame) => frames.of(frame).category !== C.PROGRAM;
  // Outermost frames stay: what runs at all is never hidden.
  function hides(frame, outer) {
    if (outer < 0) return false;
    return (state.imports && frames.of(frame).category === C.IMPORT) || (state.library && isLibrary(frame) && isLibrary(outer));
  }

  let shape, shapeKey, tree, upright, shown;
  function makeShape() {
    const key = [state.imports, state.library, state.group, state.frames].join();
    if (key === shapeKey) return;
    const groups = state.group === "process" ? [(i) => processOf(entries.thread[i])] : state.group === "thread" ? [(i) => entries.thread[i]] : [];
    const layers = hasNative && state.frames !== "all" ? { native: isNative, leaf: state.frames === "leaf" } : null;
    shape = T.shape(model, state.imports || state.library ? hides : null, groups, layers);
    shapeKey = key;
  }

  function makeTree() {
    makeShape();
    shown = values();
    const bytes = T.own(shape, shown.bytes), blocks = T.own(shape, shown.blocks);
    const owns = shown.changes ? [bytes.map((each) => Math.max(0, each)), blocks, bytes] : [bytes, blocks];
    upright = T.upright(shape, owns);
    tree = state.inverted ? T.inverted(shape, owns, 1 / 4000) : upright;
  }

  // ---- words of a frame -----------------------------------------------------------------------------------------------

  const whole = () => tree.sums[0][0];
  const words = {
    name(tree, node) {
      switch (tree.kind[node]) {
        case T.FRAME: return frames.of(tree.frame[node]).name;
        case T.SMALL: return plural(tree.small[node], "small frame") + ", " + size(tree.sums[0][node]);
        case T.NO_STACK: return "(no Python stack)";
        case T.UNKNOWN: return "(stack unknown)";
        case T.GROUP: return state.group === "process" ? processName(tree.frame[node]) : threadName(tree.frame[node]);
        default: return "all: " + size(tree.sums[0][0]);
      }
    },
    // A module's own code is called as the module, whose name says more than "<module>".
    label(tree, node) {
      const fn = tree.kind[node] === T.FRAME ? frames.of(tree.frame[node]) : null;
      return fn && fn.name === "<module>" && /\.py$/.test(fn.file) ? fn.file.replace(/(\/__init__)?\.py$/, "").replace(/^.*\/(?=[^/]*$)/, (path) => path.startsWith("/") ? "" : path).replace(/\//g, ".") : words.name(tree, node);
    },
    place: (tree, node) => tree.kind[node] === T.FRAME ? frames.place(tree.frame[node]) : "",
    code: (tree, node) => tree.kind[node] === T.FRAME ? source.line(frames.of(tree.frame[node]).path, frames.line[tree.frame[node]]) : "",
    fill: (tree, node, dark) => memreplay.color.ofNode(frames, tree, node, tree.sums[0][node] / (whole() || 1), dark),
    tell: (tree, node) => [words.name(tree, node), words.place(tree, node), size(tree.sums[0][node]), share(tree.sums[0][node], whole()),
      plural(tree.sums[1][node], "block")].filter(Boolean).join(", "),
    tip(tree, node) {
      const row = (left, right) => element("tr", {}, element("td", { text: left }), element("td", { text: right }));
      const bytes = tree.sums[0][node], own = ownBytes(node), zoomed = tree.sums[0][flame.zoomed];
      const rows = [row(size(bytes), share(bytes, whole()) + " of " + size(whole()) + (shown.changes ? (state.interval === "grew" ? ", grown" : ", shrunk") : ""))];
      if (flame.zoomed && zoomed !== whole()) rows.push(row(share(bytes, zoomed), "of what is zoomed into"));
      if (own !== null && size(own) !== size(bytes)) rows.push(row(size(own), "allocated by this frame itself"));
      if (shown.changes) rows.push(row(change((state.interval === "grew" ? 1 : -1) * tree.sums[2][node]), "net, with what shrank or grew below"));
      rows.push(row(count(tree.sums[1][node]), shown.changes ? "blocks net" : tree.sums[1][node] === 1 ? "block" : "blocks"));
      const box = element("div", {}, element("strong", { text: words.name(tree, node) }), " ", element("span", { class: "path", text: words.place(tree, node) }));
      if (words.code(tree, node)) box.append(element("code", { text: words.code(tree, node) }));
      box.append(element("table", {}, ...rows));
      return box;
    },
    onselect: (node) => showSource(node),
  };
  const ownBytes = (node) => state.inverted || tree.kind[node] !== T.FRAME ? null : tree.owns[0][node];

  function showSource(node) {
    const frame = tree.kind[node] === T.FRAME ? tree.frame[node] : -1;
    $("source").hidden = frame < 0;
    if (frame >= 0) source.show($("source-body"), frames, frame);
  }

  // ---- words of the page ----------------------------------------------------------------------------------------------

  function sayHead() {
    const trace = meta.trace, command = trace.command.map((each, i) => i < 2 ? each.replace(/.*\//, "") : each).join(" ");
    $("command").textContent = command || "memory";
    $("command").title = trace.command.join(" ");
    const facts = [meta.options.at || meta.options.window ? size(meta.moment.bytes) + " at " + time(meta.moment.time_ns) : null,
      "of " + time(trace.duration_ns), trace.python ? "Python " + trace.python : null, trace.pid ? "pid " + trace.pid : null,
      trace.started ? new Date(trace.started).toISOString().slice(0, 16).replace("T", " ") + " UTC" : null].filter(Boolean);
    const peak = history ? history.peak : { bytes: meta.moment.bytes, time_ns: meta.moment.time_ns };
    $("facts").replaceChildren(element("strong", { text: "peak " + size(peak.bytes) }), " at " + time(peak.time_ns) + " ", facts.filter((each) => each !== facts[0] || !(meta.options.at || meta.options.window)).join(" \u00b7 "));
    const notes = meta.notes || [];
    $("notes").hidden = !notes.length;
    $("notes").textContent = notes.map((note) => note.replace(/\.?$/, ".")).join(" ");
  }

  function scopeWords() {
    const { from_ns: from, to_ns: to, until_ns: until } = meta.options, window = meta.options.window ? ` between ${time(from)} and ${time(to)}` : "";
    const freed = until === undefined ? "never freed" : meta.options.apart ? "not freed by then" : "not freed by " + time(until);
    if (state.view === "leak") return meta.options.apart ? `allocated${window} and ${freed}` : until === undefined ? freed + " by the end" : freed;
    if (state.view === "temp") return (window ? "allocated" + window + ", " : "") + tempWords();
    if (!history || state.to === null) {
      const at = " at " + time(meta.moment.time_ns);
      return (meta.options.at ? "held" : meta.options.closes ? "held at the window's end," : meta.options.window ? "held at the window's maximum," : state.process >= 0 ? "held at the peak of all," : "held at the peak,") + at;
    }
    if (state.from === state.to) return "held" + history.words(state.to);
    const between = `between ${time(history.times[state.from])} and ${time(history.times[state.to])}`;
    if (state.interval === "max") return `held${history.words(history.highest(state.from, state.to))}, the highest stored moment ${between}`;
    return (state.interval === "grew" ? "grew " : "shrank ") + between;
  }

  const tempWords = () => meta.options.threshold > 1 ? `freed within ${count(meta.options.threshold)} allocations of the same thread` : "freed again before the thread's next allocation";

  function sayScope() {
    const blocks = tree.sums[1][0], parts = [];
    if (state.resident && state.view !== "temp") parts.push("resident bytes only");
    if (state.thread >= 0) parts.push(threadName(state.thread));
    if (state.process >= 0) parts.push("process " + processName(state.process).slice(0, 40));
    if (shown.changes) {
      const net = tree.sums[2][0], grown = tree.sums[0][0], other = grown - net;
      parts.push(state.interval === "grew" ? `${size(other)} shrank elsewhere, net ${change(net)}` : `${size(other)} grew elsewhere, net ${change(-net)}`);
    } else parts.unshift(plural(blocks, "block"));
    $("scope").replaceChildren(element("strong", { text: size(whole()) }), " " + scopeWords() + " ", element("span", { text: "\u00b7 " + parts.join(" \u00b7 ") }));
  }

  // ---- search ---------------------------------------------------------------------------------------------------------

  function search() {
    const told = $("found"), test = memreplay.search.ask(state.query, told, flame);
    if (!test) return null;
    const { pattern } = test;
    const found = memreplay.search.run(tree, (node) => tree.kind[node] === T.FRAME
      ? test(frames.of(tree.frame[node])) || pattern.test(frames.place(tree.frame[node])) : tree.kind[node] === T.GROUP && pattern.test(words.name(tree, node)));
    flame.setMatches(found.matches);
    told.textContent = `${count(found.count)} found, ${size(found.value)}, ${share(found.value, whole())}`;
    return test;
  }

  // ---- the controls follow the state, and the picture follows both -----------------------------------------------------

  function sayControls() {
    document.querySelectorAll("[data-view]").forEach((each) => each.setAttribute("aria-checked", String(each.dataset.view === state.view)));
    document.querySelectorAll("[data-tab]").forEach((each) => each.setAttribute("aria-checked", String(each.dataset.tab === state.tab)));
    document.querySelectorAll("[data-frames]").forEach((each) => each.setAttribute("aria-checked", String(each.dataset.frames === state.frames)));
    for (const id of ["inverted", "flipped", "imports", "library", "resident"]) $(id).checked = state[id];
    for (const id of ["process", "thread", "group", "interval"]) $(id).value = String(state[id]);
    $("graph").hidden = state.tab !== "graph";
    $("table").hidden = state.tab !== "table";
    $("resident").disabled = state.view === "temp";
    $("interval-label").hidden = !history || state.view !== "held" || state.to === null || state.from === state.to;
    $("time").classList.toggle("still", state.view !== "held");
  }

  function update() {
    makeTree();
    sayControls();
    sayScope();
    flame.show(tree);
    const test = search();
    if (state.tab === "table") table.show(upright, test);
    if (history) history.tellTimeline(timeline, state, set, scopeWords());
  }

  function set(changes) {
    Object.assign(state, changes);
    if ("flipped" in changes) flame.setFlipped(state.flipped);
    update();
  }

  function fillSelect(id, all, options) {
    const list = $(id);
    list.replaceChildren(element("option", { value: "-1", text: all }), ...options.map(([value, text]) => element("option", { value: String(value), text: text.length > 60 ? text.slice(0, 59) + "\u2026" : text })));
    list.addEventListener("change", () => set({ [id]: Number(list.value) }));
  }

  function wire() {
    document.querySelectorAll("[data-view]").forEach((each) => each.addEventListener("click", () => set({ view: each.dataset.view })));
    document.querySelectorAll("[data-tab]").forEach((each) => each.addEventListener("click", () => set({ tab: each.dataset.tab })));
    document.querySelectorAll("[data-frames]").forEach((each) => each.addEventListener("click", () => set({ frames: each.dataset.frames })));
    $("frames").hidden = !hasNative;
    for (const id of ["inverted", "flipped", "imports", "library", "resident"]) $(id).addEventListener("change", () => set({ [id]: $(id).checked }));
    $("group").addEventListener("change", () => set({ group: $("group").value }));
    $("interval").addEventListener("change", () => set({ interval: $("interval").value }));
    $("search").addEventListener("input", () => { state.query = $("search").value; const test = search(); if (state.tab === "table") table.show(upright, test); });
    $("theme-button").addEventListener("click", memreplay.theme.toggle);
    $("help-button").addEventListener("click", () => $("help").showModal());
    $("close-source").addEventListener("click", () => { $("source").hidden = true; });
    $("save").addEventListener("click", () => memreplay.svg.save(flame, $("command").textContent + ": " + $("scope").textContent, "flamegraph.svg"));
    document.addEventListener("keydown", keys);
    document.querySelectorAll("[role=radiogroup]").forEach((group) => group.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: "previousElementSibling", ArrowRight: "nextElementSibling" }[event.key], other = step && event.target[step];
      if (!other) return;
      other.focus();
      other.click();
      event.preventDefault();
    }));
    const several = meta.processes.length > 1;
    $("process-label").hidden = !several;
    $("group-label").hidden = meta.threads.length < 2;
    $("thread-label").hidden = meta.threads.length < 2;
    fillSelect("process", "all of the tree", meta.processes.map((_, i) => [i, processName(i)]));
    fillSelect("thread", "all", meta.threads.map((_, i) => [i, threadName(i) + (several ? " of " + (meta.processes[processOf(i)]?.pid ?? "?") : "")]));
    const chosen = meta.threads.findIndex((each) => each.chosen);
    if (chosen >= 0) state.thread = chosen;
  }

  function keys(event) {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox";
    if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
    if (event.key === "Escape") {
      if (state.query) { $("search").value = state.query = ""; search(); if (state.tab === "table") table.show(upright, null); } else if (!typing && flame.zoomed) flame.zoom(tree.parent[flame.zoomed]);
      else if (typing) flame.canvas.focus();
      return;
    }
    if (event.key === "Enter" && event.target.id === "search") return flame.canvas.focus();
    if (typing) return;
    const act = { "/": () => $("search").focus(), "?": () => $("help").showModal(), i: () => set({ inverted: !state.inverted }), f: () => set({ flipped: !state.flipped }),
      n: () => hasNative && set({ frames: { leaf: "all", all: "python", python: "leaf" }[state.frames] }),
      t: memreplay.theme.toggle, g: () => set({ tab: state.tab === "graph" ? "table" : "graph" }), p: () => set({ view: "held", from: null, to: null }) }[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  }

  const flame = new memreplay.Flame($("graph"), words);
  const table = new memreplay.Table($("table"), frames, (fn) => {
    const name = frames.functions[fn].name;
    $("search").value = state.query = "^" + name.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&") + "$";
    set({ tab: "graph" });
  });
  const timeline = history ? history.makeTimeline($("timeline"), set, state) : null;
  $("time").hidden = !timeline;
  memreplay.theme.onchange((dark) => { flame.setDark(dark); timeline?.setDark(dark); });
  wire();
  sayHead();
  memreplay.theme.apply();
  update();
  return { state, set, flame, table, timeline, history, model, words, get tree() { return tree; } };
})();
