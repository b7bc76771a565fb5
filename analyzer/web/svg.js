// The flame graph as it stands, as an SVG file to keep or print: no script in it, every name as text.
memreplay.svg = (() => {
  const NS = "http://www.w3.org/2000/svg", WIDTH = 1200, ROW = 18, CHAR = 6.6;

  function node(tag, attributes, text) {
    const made = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // Characters that XML may not hold, as a picture of what they are.
  const clean = (text) => text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");

  function make(flame, title) {
    const { tree, hooks, flipped } = flame, rows = memreplay.Flame.layout(tree, flame.zoomed, 0.3 / WIDTH);
    const height = 44 + rows.length * ROW, colors = memreplay.color.palette(false);
    const svg = node("svg", { xmlns: NS, width: WIDTH, height, viewBox: `0 0 ${WIDTH} ${height}`, "font-family": "monospace", "font-size": 11 });
    svg.append(node("title", {}, clean(title)), node("rect", { width: "100%", height: "100%", fill: "#ffffff" }),
      node("text", { x: 8, y: 22, "font-size": 15, "font-weight": 600 }, clean(title)));
    rows.forEach((row, depth) => {
      const y = 34 + (flipped ? rows.length - 1 - depth : depth) * ROW;
      row.node.forEach((at, i) => svg.append(frame(row, i, at, y)));
    });
    return svg;

    function frame(row, i, at, y) {
      const x = row.x[i] * WIDTH, w = row.w[i] * WIDTH, group = node("g", {}), more = row.more[i];
      const words = [hooks.label(tree, at), hooks.place(tree, at), hooks.code(tree, at)].filter(Boolean).join("  ");
      group.append(node("title", {}, clean(more ? `${more} narrow frames` : hooks.tell(tree, at))),
        node("rect", { x: x.toFixed(2), y, width: Math.max(w - 0.6, 0.3).toFixed(2), height: ROW - 1, fill: more ? colors.small : hooks.fill(tree, at, false) }));
      const room = Math.floor((w - 6) / CHAR), text = clean(words);
      if (!more && room > 3) group.append(node("text", { x: (x + 3).toFixed(2), y: y + 12.5, fill: colors.ink }, text.length > room ? text.slice(0, room - 1) + "\u2026" : text));
      return group;
    }
  }

  function save(flame, title, name) {
    const text = new XMLSerializer().serializeToString(make(flame, title));
    const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    const link = memreplay.format.element("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  return { make, save };
})();
