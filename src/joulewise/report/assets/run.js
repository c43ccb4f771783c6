"use strict";
(() => {
  const { data, layout, devices, step } = JSON.parse(document.getElementById("report-data").textContent);
  const FONT = getComputedStyle(document.body).fontFamily;
  const DASH = { solid: "", dash: "7 4", dot: "2 3", dashdot: "7 3 2 3" };
  const ready = () => { document.documentElement.dataset.charts = "ready"; };
  const chart = document.getElementById("timeline"), stepChart = document.getElementById("step");
  if (!chart && !stepChart) return ready();

  const narrow = () => innerWidth < 640;
  const style = {
    font: { family: FONT, size: 12.5, color: "#1a2230" }, paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff",
    hoverlabel: { bgcolor: "rgba(255,255,255,0.95)", bordercolor: "#9aa4b2", font: { family: FONT, size: 12, color: "#1a2230" } },
  };
  const config = {
    responsive: true, displaylogo: false, plotlyServerURL: "",
    modeBarButtons: [["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]],
    toImageButtonOptions: { format: "svg", filename: "joulewise" }, ...(narrow() && { displayModeBar: false }),
  };

  // What depends on the width of the screen, by chart.
  const margin = (wide, l) => (narrow() ? { ...wide, l, r: 10 } : wide);
  const fitted = [];
  if (stepChart) {
    const { annotations, margin: wide } = step.layout;
    fitted.push([stepChart, step, () => ({ margin: margin(wide, 54), annotations: narrow() ? step.narrow : annotations })]);
  }
  if (chart) {
    const { margin: wide } = layout;
    fitted.push([chart, { data, layout }, () => ({ margin: margin(wide, 46) })]);
  }
  if (narrow()) layout.hovermode = "closest";

  const line = ({ color, dash }) => {
    const space = "http://www.w3.org/2000/svg", svg = document.createElementNS(space, "svg");
    const stroke = document.createElementNS(space, "line");
    Object.entries({ width: 26, height: 10 }).forEach(([name, value]) => svg.setAttribute(name, value));
    const look = { x1: 1, x2: 25, y1: 5, y2: 5, stroke: color, "stroke-width": 3, "stroke-dasharray": DASH[dash] };
    Object.entries(look).forEach(([name, value]) => stroke.setAttribute(name, value));
    svg.append(stroke);
    return svg;
  };
  const keys = document.getElementById("keys");
  if (chart) devices.forEach((device, number) => {
    if (!device.shown) return;
    const key = document.createElement("button"), text = document.createElement("span");
    const traces = data.flatMap((trace, index) => (trace.meta === number ? [index] : []));
    key.type = "button";
    key.setAttribute("aria-pressed", "true");
    text.textContent = device.name;
    key.append(line(device), text);
    key.addEventListener("click", () => {
      const visible = key.getAttribute("aria-pressed") !== "true";
      key.setAttribute("aria-pressed", String(visible));
      Plotly.restyle(chart, { visible }, traces);
    });
    keys.append(key);
  });
  Promise.all(fitted.map(([place, drawn, fit]) => {
    Object.assign(drawn.layout, style, fit());
    return Plotly.newPlot(place, drawn.data, drawn.layout, config);
  })).then(ready);
  const all = (change) => fitted.forEach(([place, , fit]) => Plotly.relayout(place, change ?? fit()));
  window.addEventListener("resize", () => all());
  window.addEventListener("beforeprint", () => all({ width: 970 }));
  window.addEventListener("afterprint", () => all({ width: null, autosize: true }));
})();
