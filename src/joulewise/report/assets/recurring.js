"use strict";
(() => {
  const { charts } = JSON.parse(document.getElementById("report-data").textContent);
  const font = { family: getComputedStyle(document.body).fontFamily, size: 12, color: "#1a2230" };
  const style = {
    font, paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff",
    hoverlabel: { bgcolor: "rgba(255,255,255,0.95)", bordercolor: "#9aa4b2", font },
  };
  const config = { responsive: true, displaylogo: false, displayModeBar: false, plotlyServerURL: "" };
  const places = [...document.querySelectorAll("[data-chart]")];
  Promise.all(places.map((place) => {
    const { data, layout } = charts[Number(place.dataset.chart)];
    return Plotly.newPlot(place, data, { ...layout, ...style }, config);
  })).then(() => { document.documentElement.dataset.charts = "ready"; });
})();
