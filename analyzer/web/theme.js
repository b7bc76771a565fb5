// Dark or light: as the system says until somebody says otherwise. What was said is kept where the browser lets a file keep
// anything.
memreplay.theme = (() => {
  const system = window.matchMedia("(prefers-color-scheme: dark)"), listeners = [];
  let chosen = null;
  try { chosen = localStorage.getItem("memreplay.theme"); } catch { /* a browser that keeps nothing */ }

  const dark = () => chosen ? chosen === "dark" : system.matches;

  function apply() {
    document.documentElement.dataset.theme = dark() ? "dark" : "light";
    listeners.forEach((listener) => listener(dark()));
  }

  function toggle() {
    chosen = dark() ? "light" : "dark";
    try { localStorage.setItem("memreplay.theme", chosen); } catch { /* see above */ }
    apply();
  }

  system.addEventListener("change", apply);
  return { dark, toggle, apply, onchange: (listener) => listeners.push(listener) };
})();
