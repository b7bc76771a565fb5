// Finding frames by a regular expression, and what the found ones hold together: a frame below a found one counts once.
memreplay.search = (() => {
  // A test for texts, or an Error whose message says what is wrong. Case matters where the pattern has a capital.
  function pattern(text) {
    try { return new RegExp(text, /[A-Z]/.test(text) ? "u" : "iu"); } catch { /* perhaps without the strict mode */ }
    try { return new RegExp(text, /[A-Z]/.test(text) ? "" : "i"); } catch (error) { return new Error(String(error.message).replace(/^.*: /, "")); }
  }

  // A test for functions by what the box asks for, with the pattern itself as .pattern; what is wrong is said in `told`. null: nothing to look
  // for, nothing is marked in the picture.
  function ask(text, told, flame) {
    const asked = text ? pattern(text) : null, bad = asked instanceof Error;
    told.className = bad ? "bad" : "";
    told.textContent = bad ? asked.message : "";
    if (!asked || bad) {
      flame.setMatches(null);
      return null;
    }
    return Object.assign((fn) => asked.test(fn.name) || asked.test(fn.file) || asked.test(fn.name + " " + fn.file), { pattern: asked });
  }

  // tests(node) -> is it found? Returns {matches by node, count, value: what the outermost found ones hold}.
  function run(tree, tests) {
    const count = tree.parent.length, matches = new Uint8Array(count), below = new Uint8Array(count);
    let found = 0, value = 0;
    for (let node = 1; node < count; node++) {
      const outer = tree.parent[node];
      below[node] = below[outer] || matches[outer];
      if (!tests(node)) continue;
      matches[node] = 1;
      if (tree.sums[0][node] > 0) found++;
      if (!below[node]) value += tree.sums[0][node];
    }
    return { matches, count: found, value };
  }

  return { ask, run };
})();
