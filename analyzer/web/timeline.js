// Memory over time, with a brush: a click chooses a moment, a drag an interval. What is drawn are series of
// {time, high, resident, rss} arrays; what it means to choose is the page's.
//
//   hooks: onmoment(time_ns), oninterval(from_ns, to_ns), snap(time_ns, step) -> time_ns of a stored moment
memreplay.Timeline = (() => {
  const { element, size, time } = memreplay.format, LEFT = 74, RIGHT = 12, TOP = 10, BOTTOM = 20;
  const LIGHT = { paper: "#ffffff", ink: "#5c5a57", grid: "#e8e5e1", heap: "#f08a4b", fill: "#fde3d0", resident: "#2f6fde", rss: "#7a7772", brush: "rgba(11,95,255,0.14)", now: "#0b5fff", mark: "#8a3ffc" };
  const DARK = { paper: "#16181c", ink: "#a9a6a2", grid: "#2b2e33", heap: "#e9824a", fill: "#43301f", resident: "#7fb0ff", rss: "#8d8a85", brush: "rgba(138,180,255,0.2)", now: "#8ab4ff", mark: "#be95ff" };

  // Round steps of a scale: about `count` of them up to `most`, powers of two times units of 1024.
  function steps(most, count) {
    let step = 1;
    while (most / step > count) step *= 2;
    return step;
  }

  function timeStep(duration, count) {
    for (const base of [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10]) for (const k of [1, 2, 5]) if (duration / (base * k) <= count) return base * k;
    for (const s of [60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400]) if (duration / (s * 1e9) <= count) return s * 1e9;
    return duration;
  }

  class Timeline {
    constructor(host, hooks) {
      Object.assign(this, { hooks, series: null, marks: [], from: null, to: null, dark: false, drag: null });
      this.canvas = element("canvas", { tabindex: "0", role: "slider", "aria-label": "Moment shown. Arrow keys move it, with Shift they span an interval.",
        "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "0" });
      this.tip = element("div", { class: "tip", role: "tooltip", hidden: true });
      host.append(this.canvas);
      document.body.append(this.tip);
      this.host = host;
      this.context = this.canvas.getContext("2d", { alpha: false });
      new ResizeObserver(() => this.draw()).observe(host);
      this.canvas.addEventListener("pointerdown", (event) => this.down(event));
      this.canvas.addEventListener("pointermove", (event) => this.move(event));
      this.canvas.addEventListener("pointerup", (event) => this.up(event));
      this.canvas.addEventListener("pointercancel", () => { this.drag = null; });
      this.canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
      this.canvas.addEventListener("keydown", (event) => this.key(event));
    }

    show(series, duration, marks) {
      Object.assign(this, { series, duration: Math.max(duration, 1), marks });
      let most = 1;
      for (const key of ["high", "resident", "rss"]) for (const value of series[key]) if (value > most) most = value;
      this.most = most * 1.06;
      this.draw();
    }

    // from === to: a moment.
    choose(from, to, words) {
      Object.assign(this, { from, to });
      this.canvas.setAttribute("aria-valuenow", String(Math.round(100 * to / this.duration)));
      this.canvas.setAttribute("aria-valuetext", words);
      this.draw();
    }

    setDark(dark) { this.dark = dark; this.draw(); }

    x(ns) { return LEFT + (this.width - LEFT - RIGHT) * ns / this.duration; }
    y(bytes) { return this.height - BOTTOM - (this.height - TOP - BOTTOM) * bytes / this.most; }
    ns(x) { return Math.max(0, Math.min(1, (x - LEFT) / (this.width - LEFT - RIGHT))) * this.duration; }

    draw() {
      if (!this.series || !this.host.clientWidth) return;
      const ratio = window.devicePixelRatio || 1, c = this.context;
      this.width = this.host.clientWidth;
      this.height = this.host.clientHeight;
      this.canvas.width = Math.round(this.width * ratio);
      this.canvas.height = Math.round(this.height * ratio);
      c.setTransform(ratio, 0, 0, ratio, 0, 0);
      const colors = this.dark ? DARK : LIGHT;
      c.fillStyle = colors.paper;
      c.fillRect(0, 0, this.width, this.height);
      this.axes(c, colors);
      this.area(c, colors);
      this.line(c, this.series.rss, colors.rss, []);
      this.line(c, this.series.resident, colors.resident, [4, 3]);
      this.drawMarks(c, colors);
      this.drawBrush(c, colors);
    }

    axes(c, colors) {
      c.font = "11px system-ui, sans-serif";
      c.fillStyle = colors.ink;
      c.strokeStyle = colors.grid;
      c.lineWidth = 1;
      c.textBaseline = "middle";
      c.textAlign = "right";
      const step = steps(this.most, 4.5);
      for (let bytes = 0; bytes <= this.most; bytes += step) {
        const y = Math.round(this.y(bytes)) + 0.5;
        c.beginPath(); c.moveTo(LEFT, y); c.lineTo(this.width - RIGHT, y); c.stroke();
        c.fillText(size(bytes), LEFT - 8, y);
      }
      c.textAlign = "center";
      const every = timeStep(this.duration, Math.max(2, (this.width - LEFT) / 110));
      for (let ns = 0; ns <= this.duration; ns += every) c.fillText(ns ? time(ns) : "0", Math.min(this.x(ns), this.width - 24), this.height - BOTTOM / 2 + 1);
      c.textAlign = "left";
    }

    area(c, colors) {
      const { time: times, high } = this.series;
      c.beginPath();
      c.moveTo(this.x(0), this.y(0));
      times.forEach((ns, i) => { c.lineTo(this.x(i ? times[i - 1] : 0), this.y(high[i])); c.lineTo(this.x(ns), this.y(high[i])); });
      c.strokeStyle = colors.heap;
      c.lineWidth = 1.5;
      c.lineTo(this.x(times[times.length - 1] ?? 0), this.y(0));
      c.stroke();
      c.closePath();
      c.fillStyle = colors.fill;
      c.fill();
    }

    line(c, values, color, dash) {
      c.beginPath();
      let drawn = false;
      this.series.time.forEach((ns, i) => { if (values[i] || drawn) { drawn ? c.lineTo(this.x(ns), this.y(values[i])) : c.moveTo(this.x(ns), this.y(values[i])); drawn = true; } });
      c.strokeStyle = color;
      c.lineWidth = 1.25;
      c.setLineDash(dash);
      c.stroke();
      c.setLineDash([]);
    }

    drawMarks(c, colors) {
      c.font = "10px system-ui, sans-serif";
      c.textBaseline = "top";
      let free = 0;
      for (const mark of this.marks) {
        const x = Math.round(this.x(mark.time_ns)) + 0.5;
        c.strokeStyle = colors.mark;
        c.setLineDash([2, 2]);
        c.beginPath(); c.moveTo(x, TOP); c.lineTo(x, this.height - BOTTOM); c.stroke();
        c.setLineDash([]);
        if (x < free) continue;
        const text = mark.name.length > 24 ? mark.name.slice(0, 23) + "\u2026" : mark.name;
        c.fillStyle = colors.mark;
        c.fillText(text, x + 3, TOP - 2);
        free = x + c.measureText(text).width + 8;
      }
    }

    drawBrush(c, colors) {
      if (this.from === null) return;
      const left = this.x(this.from), right = this.x(this.to);
      if (right - left > 1) {
        c.fillStyle = colors.brush;
        c.fillRect(left, TOP, right - left, this.height - TOP - BOTTOM);
      }
      c.fillStyle = colors.now;
      for (const x of right - left > 1 ? [left, right] : [left]) c.fillRect(Math.round(x) - 1, TOP, 2, this.height - TOP - BOTTOM);
    }

    point(event) { return this.ns(event.clientX - this.canvas.getBoundingClientRect().x); }

    down(event) {
      if (event.button) return;
      this.drag = { x: event.clientX, from: this.point(event), moved: false };
      this.canvas.setPointerCapture(event.pointerId);
      this.canvas.focus();
    }

    move(event) {
      this.showTip(event);
      if (!this.drag || (!this.drag.moved && Math.abs(event.clientX - this.drag.x) < 4)) return;
      this.drag.moved = true;
      this.drag.to = this.point(event);
      if (this.pending) return;
      this.pending = requestAnimationFrame(() => {
        this.pending = 0;
        if (this.drag) this.hooks.oninterval(Math.min(this.drag.from, this.drag.to), Math.max(this.drag.from, this.drag.to));
      });
    }

    up(event) {
      const drag = this.drag;
      this.drag = null;
      if (!drag) return;
      if (!drag.moved) this.hooks.onmoment(this.point(event));
      else this.hooks.oninterval(Math.min(drag.from, this.point(event)), Math.max(drag.from, this.point(event)));
    }

    // The position in the series of a time.
    position(ns) {
      const times = this.series.time;
      let low = 0, high = times.length - 1;
      while (low < high) { const middle = (low + high) >> 1; if (times[middle] < ns) low = middle + 1; else high = middle; }
      return low;
    }

    showTip(event) {
      if (!this.series.time.length) return;
      const i = this.position(this.point(event)), { time: times, high, resident, rss } = this.series;
      this.tip.replaceChildren(element("strong", { text: time(times[i]) }), element("div", { text: size(high[i]) + " requested at most" }),
        element("div", { text: size(resident[i]) + " of it resident" }), element("div", { text: rss[i] ? size(rss[i]) + " RSS" : "RSS unknown" }));
      this.tip.hidden = false;
      this.tip.style.left = Math.min(event.clientX + 14, window.innerWidth - this.tip.offsetWidth - 8) + "px";
      this.tip.style.top = event.clientY + 16 + "px";
    }

    key(event) {
      const step = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (step && event.shiftKey) this.hooks.oninterval(...this.stretched(step));
      else if (step) this.hooks.onmoment(this.hooks.snap(this.to ?? 0, step));
      else if (event.key === "Home") this.hooks.onmoment(0);
      else if (event.key === "End") this.hooks.onmoment(this.duration);
      else return;
      event.preventDefault();
      event.stopPropagation();
    }

    stretched(step) {
      const to = this.hooks.snap(this.to ?? 0, step);
      return to < this.from ? [to, this.from] : [this.from ?? 0, to];
    }
  }

  return Timeline;
})();
