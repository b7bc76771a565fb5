// Trees as pictures want them, made from a model's nodes and entries (data.js), or by anybody else who has stacks.
//
//   shape   parent, kind, frame, small: arrays by node, a parent before its children, node 0 the root; nodeOfEntry
//   tree    a shape with first and next (children as lists) and sums: arrays by node, of which sums[0] is the width
//
// Why two: the shape changes with the switches (hidden frames, grouping), the sums with every move of the brush. An
// inverted tree (callee first) depends on the sums, since branches too small to see are not made at all.
memreplay.tree = (() => {
  const ROOT = 0, FRAME = 1, SMALL = 2, NO_STACK = 3, UNKNOWN = 4, GROUP = 5;

  class Shape {
    constructor() {
      this.parent = [0]; this.kind = [ROOT]; this.frame = [-1]; this.small = [0];
      this.children = []; // by parent: nothing, its only child, or a Map of key to child
    }
    get count() { return this.parent.length; }
    add(parent, kind, frame, small) {
      this.parent.push(parent); this.kind.push(kind); this.frame.push(frame); this.small.push(small);
      return this.parent.length - 1;
    }
    // The child of that kind and frame, made where it is new; small: folded frames more.
    child(parent, kind, frame, small) {
      const key = frame * 8 + kind, known = this.children[parent];
      let at;
      if (known === undefined) {
        this.children[parent] = at = this.add(parent, kind, frame, 0);
      } else if (typeof known === "number") {
        if (this.frame[known] === frame && this.kind[known] === kind) at = known;
        else this.children[parent] = new Map([[this.frame[known] * 8 + this.kind[known], known], [key, at = this.add(parent, kind, frame, 0)]]);
      } else if ((at = known.get(key)) === undefined) {
        known.set(key, at = this.add(parent, kind, frame, 0));
      }
      this.small[at] += small;
      return at;
    }
  }

  // model: {nodes, entries}; hides(frame, parent frame or -1) -> is a frame left out?; groups: [entry => number], outermost first;
  // layers: null, or {native: frame => is it machine code?, leaf: is it shown below the innermost Python frame?}: it is not between.
  function shape(model, hides, groups, layers) {
    const { nodes, entries } = model, made = new Shape(), nodeOfEntry = new Int32Array(entries.count);
    const up = layers ? pythonCallers(nodes, layers.native) : nodes.parent;
    const hidden = findHidden(nodes, up, hides, layers && !layers.leaf ? layers.native : null), place = new Int32Array(nodes.count);
    const unique = !hides && !groups.length && !layers; // the model's nodes are siblings' different frames already
    // A node and its callers, below `under`; what is placed already stands in `place`.
    const path = [];
    const placed = (node, under) => {
      for (; node && place[node] < 0; node = up[node]) path.push(node);
      let at = node ? place[node] : under;
      while (path.length) {
        node = path.pop();
        if (!hidden[node]) at = unique ? made.add(at, nodes.kind[node], nodes.frame[node], nodes.small[node]) : made.child(at, nodes.kind[node], nodes.frame[node], nodes.small[node]);
        place[node] = at;
      }
      return at;
    };
    for (const [under, list] of grouped(entries.count, (entry) => groups.reduce((at, group) => made.child(at, GROUP, group(entry), 0), 0), groups.length)) {
      place.fill(-1);
      for (const entry of list) {
        const at = placed(entries.node[entry], under), lost = at === under && hidden[entries.node[entry]]; // nothing of it is shown
        nodeOfEntry[entry] = lost ? made.child(under, NO_STACK, -1, 0) : at;
      }
    }
    made.nodeOfEntry = nodeOfEntry;
    return made;
  }

  // By node: its caller where a Python frame is called by the Python frame before it (analyzer/layers.c does the same).
  function pythonCallers(nodes, native) {
    const up = Int32Array.from(nodes.parent), python = new Int32Array(nodes.count);
    for (let i = 1; i < nodes.count; i++) {
      const outer = python[nodes.parent[i]], frame = nodes.kind[i] === FRAME;
      python[i] = frame && !native(nodes.frame[i]) ? i : outer;
      if (python[i] === i) up[i] = outer;
    }
    return up;
  }

  function findHidden(nodes, up, hides, native) {
    const hidden = new Uint8Array(nodes.count);
    if (!hides && !native) return hidden;
    const shown = new Int32Array(nodes.count).fill(-1); // innermost shown frame above each node, itself included
    for (let i = 1; i < nodes.count; i++) {
      const outer = shown[up[i]], frame = nodes.frame[i];
      hidden[i] = nodes.kind[i] === FRAME && ((native && native(frame)) || (hides && hides(frame, outer))) ? 1 : 0;
      shown[i] = hidden[i] || nodes.kind[i] !== FRAME ? outer : nodes.frame[i];
    }
    return hidden;
  }

  // Map of group to its entries.
  function grouped(count, groupOf, several) {
    const all = Array.from({ length: count }, (_, i) => i), found = new Map();
    if (!several) return found.set(0, all);
    for (const entry of all) {
      const group = groupOf(entry), list = found.get(group);
      if (list) list.push(entry); else found.set(group, [entry]);
    }
    return found;
  }

  // Values by entry to own values by node.
  function own(shape, values) {
    const sums = new Float64Array(shape.count);
    for (let i = 0; i < values.length; i++) sums[shape.nodeOfEntry[i]] += values[i];
    return sums;
  }

  function cumulated(shape, values) {
    const sums = Float64Array.from(values);
    for (let i = shape.count - 1; i > 0; i--) sums[shape.parent[i]] += sums[i];
    return sums;
  }

  // Lists of children, in the order in which they were made; what is folded comes last.
  function link(tree) {
    const { parent, kind } = tree, count = parent.length;
    tree.first = new Int32Array(count);
    tree.next = new Int32Array(count);
    const put = (i) => { tree.next[i] = tree.first[parent[i]]; tree.first[parent[i]] = i; };
    for (let i = count - 1; i > 0; i--) if (kind[i] === SMALL) put(i);
    for (let i = count - 1; i > 0; i--) if (kind[i] !== SMALL) put(i);
    return tree;
  }

  // The tree of a shape: owns are arrays by node of the shape.
  function upright(shape, owns) {
    const { parent, kind, frame, small } = shape;
    return link({ parent, kind, frame, small, owns, sums: owns.map((each) => cumulated(shape, each)), shape });
  }

  // Callees first. What is less than `least` of the whole is folded.
  function inverted(shape, owns, least) {
    const made = new Shape(), sums = owns.map(() => [0]), total = owns[0].reduce((a, b) => a + b, 0), bound = total * least;
    const add = (parent, kind, frame, small) => { sums.forEach((each) => each.push(0)); return made.add(parent, kind, frame, small); };
    const start = [];
    for (let i = 0; i < shape.count; i++) if (owns.some((each) => each[i])) start.push(i);
    const count = (at, items) => items.forEach((item) => owns.forEach((each, k) => { sums[k][at] += each[item]; }));
    const expand = (at, items, cursors) => {
      const buckets = new Map();
      items.forEach((item, i) => {
        const cursor = cursors[i];
        if (!cursor) return;
        const key = shape.kind[cursor] * 2 ** 32 + shape.frame[cursor];
        let bucket = buckets.get(key);
        if (!bucket) buckets.set(key, bucket = { cursor, items: [], cursors: [], width: 0, small: 0 });
        bucket.items.push(item);
        bucket.cursors.push(shape.parent[cursor]);
        bucket.width += owns[0][item];
        bucket.small += shape.small[cursor];
      });
      const sorted = [...buckets.values()].sort((a, b) => b.width - a.width);
      const big = sorted.filter((bucket, i) => bucket.width >= bound && i < 200), small = sorted.slice(big.length);
      for (const bucket of big) {
        const child = add(at, shape.kind[bucket.cursor], shape.frame[bucket.cursor], bucket.small);
        count(child, bucket.items);
        work.push([child, bucket.items, bucket.cursors]);
      }
      if (!small.length) return;
      const rest = add(at, SMALL, -1, small.length);
      small.forEach((bucket) => count(rest, bucket.items));
    };
    const work = [[0, start, start]];
    count(0, start);
    for (let i = 0; i < work.length; i++) { expand(...work[i]); work[i] = null; }
    const { parent, kind, frame, small } = made;
    return link({ parent, kind, frame, small, sums: sums.map((each) => Float64Array.from(each)), shape, inverted: true });
  }

  // From the root's child down to a node.
  function path(tree, node) {
    const found = [];
    for (; node; node = tree.parent[node]) found.unshift(node);
    return found;
  }

  // The node of another tree that stands at the same path, or its nearest caller there.
  function find(tree, other, node) {
    let at = 0;
    for (const step of path(other, node)) {
      let child = tree.first[at];
      while (child && (tree.kind[child] !== other.kind[step] || tree.frame[child] !== other.frame[step])) child = tree.next[child];
      if (!child) break;
      at = child;
    }
    return at;
  }

  return { ROOT, FRAME, SMALL, NO_STACK, UNKNOWN, GROUP, shape, own, upright, inverted, path, find };
})();
