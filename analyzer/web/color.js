// What colour a frame has. Why by whose code it is: one's own functions are what one can change, so they alone are warm, and
// the redder the more they hold. Every pair of fill and ink has a contrast of at least 4.5 to 1, in both themes.
memreplay.color = (() => {
  const hsl = (h, s, l) => `hsl(${h.toFixed(0)} ${s.toFixed(0)}% ${l.toFixed(0)}%)`;
  const between = (a, b, t) => a + (b - a) * t;

  function hash(text) {
    let h = 7;
    for (let i = 0; i < text.length; i++) h = Math.imul(h, 31) + text.charCodeAt(i) | 0;
    return (h >>> 0) % 997 / 997;
  }

  const LIGHT = {
    ink: "#1c1712", paper: "#ffffff", line: "#ffffff", focus: "#0b5fff", muted: "#5c5a57", match: "hsl(305 85% 80%)",
    program: (t) => hsl(between(44, 16, t), between(90, 96, t), between(84, 70, t)),
    library: (h) => hsl(between(195, 250, h), 48, 86), import: hsl(220, 10, 90), native: hsl(155, 34, 82),
    small: hsl(40, 8, 92), group: hsl(272, 40, 89), root: hsl(40, 12, 88),
  };
  const DARK = {
    ink: "#fdf6ee", paper: "#16181c", line: "#16181c", focus: "#8ab4ff", muted: "#a9a6a2", match: "hsl(305 60% 40%)",
    program: (t) => hsl(between(38, 12, t), between(38, 62, t), between(27, 38, t)),
    library: (h) => hsl(between(195, 250, h), 24, 29), import: hsl(220, 8, 25), native: hsl(155, 24, 25),
    small: hsl(40, 4, 22), group: hsl(272, 22, 32), root: hsl(40, 6, 28),
  };

  const palette = (dark) => dark ? DARK : LIGHT;

  // For a node of a tree made from frames: whose code, and how large a share (0..1) it holds.
  function ofNode(frames, tree, node, share, dark) {
    const colors = palette(dark), T = memreplay.tree;
    if (tree.kind[node] === T.FRAME) {
      const fn = frames.of(tree.frame[node]), C = memreplay.data.CATEGORY;
      if (fn.category === C.PROGRAM) return colors.program(Math.sqrt(Math.min(1, share)));
      if (fn.category === C.LIBRARY) return colors.library(hash(fn.module));
      return fn.category === C.IMPORT ? colors.import : colors.native;
    }
    return tree.kind[node] === T.GROUP ? colors.group : tree.kind[node] === T.ROOT ? colors.root : colors.small;
  }

  return { palette, ofNode, hash };
})();
