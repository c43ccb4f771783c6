"use strict";
(() => {
  const report = JSON.parse(document.getElementById("report-data").textContent);
  const gantt = report.gantt;
  const WAIT = 0, BARS = 1, FRAMES = 2, LABELS = 3, TRACES = 4;
  const FONT = getComputedStyle(document.body).fontFamily;
  const NONE = "#9aa4b2";
  const RAMPS = {
    clock: ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"],
    power: ["#0d0887", "#46039f", "#7201a8", "#9c179e", "#bd3786", "#d8576b", "#ed7953", "#fb9f3a", "#fdca26", "#f0f921"],
  };
  const SYMBOL = { clock: "MHz", power: "W" };
  const KINDS = {
    forward: "#56b4e9", backward: "#e69f00", backward_input: "#e69f00", backward_weight: "#009e73",
    recomputation: "#cc79a7", optimizer: "#0072b2", collective: "#d55e00", p2p: "#f0e442",
  };
  const config = {
    responsive: true, displaylogo: false, plotlyServerURL: "",
    modeBarButtons: [["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]],
    toImageButtonOptions: { format: "svg", filename: "joulewise" },
  };
  const style = {
    font: { family: FONT, size: 12.5, color: "#1a2230" }, paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff",
    hoverlabel: { bgcolor: "#1a2230", bordercolor: "#1a2230", font: { family: FONT, size: 13, color: "#ffffff" }, align: "left" },
  };
  const escapeText = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const digits = (value, count) => Number(value.toPrecision(count)).toString();

  // ---- colours ----------------------------------------------------------------------------------------------------
  const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const onRamp = (ramp, share) => {
    const at = Math.min(Math.max(share, 0), 1) * (ramp.length - 1), low = Math.min(Math.floor(at), ramp.length - 2);
    const [from, to] = [channels(ramp[low]), channels(ramp[low + 1])];
    return "#" + from.map((value, i) => Math.round(value + (at - low) * (to[i] - value)).toString(16).padStart(2, "0")).join("");
  };
  const inkOn = (hex) => {
    const [r, g, b] = channels(hex);
    return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#111827" : "#ffffff";
  };
  const known = (name) => gantt.columns.flatMap((columns) => columns[name]).filter((value) => value !== null);
  const extent = (name) => known(name).reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
  const extents = { clock: extent("clock"), power: extent("power") };
  const colourOf = (by, columns, i) => {
    if (by === "kind") return KINDS[gantt.kinds[columns.kind[i]]] || NONE;
    const value = columns[by][i], [low, high] = extents[by];
    return value === null ? NONE : onRamp(RAMPS[by], high > low ? (value - low) / (high - low) : 1);
  };
  const coloured = (by) => gantt.columns.map((columns) => columns.label.map((_, i) => colourOf(by, columns, i)));

  const element = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const swatch = (look, text) => {
    const made = element("span", "swatch"), box = element("i");
    Object.assign(box.style, look);
    made.append(box, element("span", "", text));
    return made;
  };
  const drawScale = (by, critical) => {
    const parts = [];
    if (by === "kind") {
      gantt.kinds.forEach((kind) => parts.push(swatch({ background: KINDS[kind] || NONE }, kind.replace(/_/g, " "))));
    } else {
      const [low, high] = extents[by], unit = " " + SYMBOL[by];
      if (high > low) {
        const ramp = element("span", "ramp"), bar = element("i");
        bar.style.background = `linear-gradient(to right, ${RAMPS[by].join(", ")})`;
        ramp.append(element("span", "", digits(low, 4) + unit), bar, element("span", "", digits(high, 4) + unit));
        parts.push(ramp);
      } else if (high === low) parts.push(swatch({ background: onRamp(RAMPS[by], 1) }, digits(low, 4) + unit + " everywhere"));
      if (gantt.columns.some((columns) => columns[by].includes(null))) {
        parts.push(swatch({ background: NONE }, by === "clock" ? "no clock to choose" : "power unknown"));
      }
    }
    parts.push(swatch({ background: "#e9edf1", outline: "1px solid #cfd6de" }, "waiting"));
    if (critical) parts.push(swatch({ background: "#fff", outline: "1.5px solid #111827" }, "critical path"));
    parts.push(swatch({ borderLeft: "2px dotted #b42318", borderRadius: 0, width: "0" }, "end of the iteration"));
    document.getElementById("scale").replaceChildren(...parts);
  };

  // ---- hover ------------------------------------------------------------------------------------------------------
  const span = (length) => {
    const small = gantt.unit.symbol === "s" && length > 0 && length < 1;
    return small ? `${digits(length * 1000, 5)} ms` : `${digits(length, 5)} ${gantt.unit.symbol}`;
  };
  const instant = (time) => `${digits(time, 6)} ${gantt.unit.symbol}`;
  const explainBar = (bars, columns, i) => {
    const where = [`rank ${bars.y[i]}`, `stage ${columns.stage[i]}`];
    where.push(columns.microbatch[i] < 0 ? "whole iteration" : `microbatch ${columns.microbatch[i]}`);
    const clock = columns.clock[i], power = columns.power[i], lines = [];
    lines.push(`<b>${escapeText(columns.label[i])}</b>  ${escapeText(gantt.kinds[columns.kind[i]].replace(/_/g, " "))}`);
    lines.push(where.join(", "));
    lines.push(`${instant(bars.base[i])} to ${instant(bars.base[i] + bars.x[i])}, lasts ${span(bars.x[i])}`);
    if (clock !== null) lines.push(`clock ${digits(clock, 5)} MHz`);
    if (power !== null) lines.push(`power ${digits(power, 4)} W, energy ${digits((power * bars.x[i]) / gantt.unit.factor, 4)} J`);
    if (columns.critical[i]) lines.push("on the critical path");
    return lines.join("<br>");
  };
  gantt.columns.forEach((columns, t) => {
    const waits = gantt.data[t * TRACES + WAIT], bars = gantt.data[t * TRACES + BARS];
    waits.customdata = waits.x.map((length, i) => `rank ${waits.y[i]} waits ${span(length)}<br>from ${instant(waits.base[i])}`);
    bars.customdata = bars.x.map((_, i) => explainBar(bars, columns, i));
  });

  // ---- the iteration ----------------------------------------------------------------------------------------------
  const chart = document.getElementById("gantt");
  const home = gantt.layout.xaxis.range.slice();
  let colours = coloured("clock");
  gantt.columns.forEach((_, t) => { gantt.data[t * TRACES + BARS].marker.color = colours[t]; });

  const wide = () => chart._fullLayout ? chart._fullLayout.xaxis._length
    : chart.clientWidth - gantt.layout.margin.l - gantt.layout.margin.r;
  const rowPx = (t) => {
    const { height, margin } = chart._fullLayout || gantt.layout, { domain, range } = gantt.layout[t ? "yaxis2" : "yaxis"];
    return ((height - margin.t - margin.b) * (domain[1] - domain[0])) / Math.abs(range[0] - range[1]);
  };
  const labelsInView = (t, [from, to]) => {
    const bars = gantt.data[t * TRACES + BARS], labels = gantt.columns[t].label;
    const perUnit = wide() / (to - from), row = rowPx(t), found = { x: [], y: [], text: [], color: [] };
    for (let i = 0; i < labels.length; i++) {
      const left = Math.max(bars.base[i], from), right = Math.min(bars.base[i] + bars.x[i], to);
      if ((right - left) * perUnit < 6.2 * labels[i].length + 3 || bars.width[i] * row < 11) continue;
      found.x.push((left + right) / 2);
      found.y.push(bars.y[i]);
      found.text.push(escapeText(labels[i]));
      found.color.push(inkOn(colours[t][i]));
    }
    return found;
  };
  const each = (trace) => gantt.columns.map((_, t) => t * TRACES + trace);
  let drawn = "";
  // The labels that fit into a range of the time axis, as a change for Plotly; null if they stand there already.
  const labelling = (range) => {
    const found = gantt.columns.map((_, t) => labelsInView(t, range)), key = JSON.stringify(found);
    if (key === drawn) return null;
    drawn = key;
    const pick = (name) => found.map((labels) => labels[name]);
    return { x: pick("x"), y: pick("y"), text: pick("text"), "textfont.color": pick("color") };
  };
  const label = () => {
    const change = labelling(chart._fullLayout.xaxis.range);
    return change ? Plotly.restyle(chart, change, each(LABELS)) : Promise.resolve();
  };
  const chosenColour = () => document.querySelector("input[name=colour]:checked").value;
  const critical = document.getElementById("critical");
  const recolour = () => {
    colours = coloured(chosenColour());
    drawScale(chosenColour(), critical.checked);
    const change = labelling(chart._fullLayout.xaxis.range) || {}, none = colours.map(() => undefined);
    Object.keys(change).forEach((name) => { change[name] = none.concat(change[name]); });
    return Plotly.restyle(chart, { ...change, "marker.color": colours.concat(none) }, each(BARS).concat(each(LABELS)));
  };
  const view = (name) => {
    const [from, to] = chart._fullLayout.xaxis.range, width = to - from, middle = (from + to) / 2;
    const near = gantt.window, ranges = {
      all: home, start: [-0.01 * near, 0.99 * near], end: [gantt.end - 0.99 * near, gantt.end + 0.01 * near],
      middle: [(gantt.end - near) / 2, (gantt.end + near) / 2],
      left: [from - width * 0.4, to - width * 0.4], right: [from + width * 0.4, to + width * 0.4],
      in: [middle - width / 3, middle + width / 3], out: [middle - width * 0.75, middle + width * 0.75],
    };
    let [low, high] = ranges[name];
    const length = Math.min(high - low, home[1] - home[0]);
    low = Math.min(Math.max(low, home[0]), home[1] - length);
    const range = [low, low + length];
    return Plotly.update(chart, labelling(range) || {}, { "xaxis.range": range }, each(LABELS));
  };
  const KEYS = { ArrowLeft: "left", ArrowRight: "right", "+": "in", "=": "in", "-": "out", 0: "all" };

  Object.assign(gantt.layout, style, { showlegend: false });
  const first = labelling(home);
  each(LABELS).forEach((index, t) => Object.assign(gantt.data[index], {
    x: first.x[t], y: first.y[t], text: first.text[t],
    textfont: { size: 10.5, family: FONT, color: first["textfont.color"][t] },
  }));
  Object.assign(report.frontier.layout, style);
  drawScale("clock", true);
  Promise.all([
    Plotly.newPlot("frontier", report.frontier.data, report.frontier.layout, config),
    Plotly.newPlot(chart, gantt.data, gantt.layout, config),
  ]).then(() => {
    let pending = 0;
    chart.on("plotly_afterplot", () => { clearTimeout(pending); pending = setTimeout(label, 60); });
    document.querySelectorAll("input[name=colour]").forEach((input) => input.addEventListener("change", recolour));
    critical.addEventListener("change", () => {
      drawScale(chosenColour(), critical.checked);
      Plotly.restyle(chart, { visible: critical.checked }, each(FRAMES));
    });
    document.querySelectorAll("button[data-view]").forEach((button) => button.addEventListener("click", () => view(button.dataset.view)));
    document.querySelectorAll("button[data-range]").forEach((button) => button.addEventListener("click", () => {
      const { x, y } = report.frontier.ranges[button.dataset.range];
      Plotly.relayout("frontier", { "xaxis.range": x, "yaxis.range": y });
    }));
    chart.addEventListener("keydown", (event) => {
      if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      view(KEYS[event.key]);
    });
    document.documentElement.dataset.charts = "ready";
  });

  // ---- paper ------------------------------------------------------------------------------------------------------
  const screen = { frontier: report.frontier.layout.height, gantt: gantt.layout.height };
  const resize = (width, limit) => ["frontier", "gantt"].forEach((id) => {
    const size = { height: Math.min(screen[id], limit) };
    Plotly.relayout(id, width ? { ...size, width } : { ...size, width: null, autosize: true });
  });
  window.addEventListener("beforeprint", () => { resize(970, 520); label(); });
  window.addEventListener("afterprint", () => resize(null, Infinity));
})();
