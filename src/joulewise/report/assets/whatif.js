"use strict";
(() => {
  const { charts } = JSON.parse(document.getElementById("report-data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const config = { responsive: true, displaylogo: false, displayModeBar: false, plotlyServerURL: "" };
  const places = [...document.querySelectorAll("[data-chart]")];
  const look = (night) => {
    const read = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const ink = night ? read("--ink") : "#1a2230";
    const paper = night ? read("--paper") : "#ffffff";
    const grid = night ? "#333b47" : "#e4e8ed";
    const font = { family: getComputedStyle(document.body).fontFamily, size: 13, color: ink };
    return { font, paper, grid };
  };
  const draw = (night) => {
    const { font, paper, grid } = look(night);
    return Promise.all(places.map((place) => {
      const { data, layout } = charts[Number(place.dataset.chart)];
      const axis = (own) => ({ ...own, gridcolor: grid, zerolinecolor: font.color, linecolor: grid });
      return Plotly.react(place, data, {
        ...layout, font, paper_bgcolor: paper, plot_bgcolor: paper,
        xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis),
        hoverlabel: { bgcolor: paper, bordercolor: grid, font },
      }, config);
    }));
  };
  draw(dark.matches).then(() => { document.documentElement.dataset.charts = "ready"; });
  dark.addEventListener("change", (event) => draw(event.matches));
  addEventListener("beforeprint", () => draw(false));
  addEventListener("afterprint", () => draw(dark.matches));
})();
