// Numbers as people read them, the same way as the terminal reports write them (analyzer/quantity.c): three significant
// digits, never a false zero. Here also begins the one name that all scripts of a page share.
"use strict";
const memreplay = {};

memreplay.format = (() => {
  const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

  const digits = (x) => x.toFixed(x < 9.995 ? 2 : x < 99.95 ? 1 : 0);

  function size(bytes) {
    const sign = bytes < 0 ? "\u2212" : "";
    let x = Math.abs(bytes), unit = 0;
    while (x >= 1023.5 && unit < UNITS.length - 1) { x /= 1024; unit++; }
    return sign + (unit ? digits(x) : String(Math.round(x))) + "\u00a0" + UNITS[unit];
  }

  const change = (bytes) => (bytes > 0 ? "+" : "") + size(bytes);

  const count = (n) => (n < 0 ? "\u2212" : "") + String(Math.abs(Math.round(n))).replace(/\B(?=(\d{3})+$)/g, ",");

  function share(part, whole) {
    if (!whole) return "-";
    const percent = 100 * part / whole, abs = Math.abs(percent);
    if (!abs) return "0%";
    if (abs < 0.1) return (percent < 0 ? ">\u2212" : "<") + "0.1%";
    return percent.toFixed(abs < 99.95 ? 1 : 0).replace("-", "\u2212") + "%";
  }

  function time(ns) {
    const s = ns / 1e9;
    if (s < 0.001) return digits(ns / 1e3) + "\u00a0\u00b5s";
    if (s < 1) return digits(ns / 1e6) + "\u00a0ms";
    if (s < 120) return digits(s) + "\u00a0s";
    if (s < 7200) return Math.floor(s / 60) + "\u00a0min\u00a0" + Math.floor(s % 60) + "\u00a0s";
    return Math.floor(s / 3600) + "\u00a0h\u00a0" + String(Math.floor(s / 60 % 60)).padStart(2, "0") + "\u00a0min";
  }

  const plural = (n, one, many) => count(n) + "\u00a0" + (n === 1 ? one : many || one + "s");

  // Element with text and children; text is never markup.
  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === "text") made.textContent = value;
      else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }

  return { size, change, count, share, time, plural, element };
})();
