// Draws stacked bars with uPlot. The same figures stand in a table beside each chart.
/* global uPlot */

const drawn = new WeakMap();

const units = {
  usd: (value) => (value === 0 ? "$0" : value >= 1 ? `$${value.toFixed(2)}` : `$${Number(value.toPrecision(3))}`.replace(/(\.\d)$/, "$10")),
  count: (value) => Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value),
};

function color(element, name) {
  const probe = document.createElement("span");
  probe.className = name;
  element.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function cumulated(series) {
  const sums = [];
  series.forEach((one, index) => {
    sums.push(one.values.map((value, slot) => value + (index ? sums[index - 1][slot] : 0)));
  });
  return sums;
}

function tip(element, data, format) {
  const box = document.createElement("div");
  box.className = "tip";
  box.hidden = true;
  element.append(box);
  const when = new Intl.DateTimeFormat("en", {
    timeZone: "UTC", month: "short", day: "numeric", ...(data.step < 86400 ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } : {}),
  });
  return (plot) => {
    const slot = plot.cursor.idx;
    box.hidden = slot == null;
    if (slot == null) return;
    const lines = [when.format(data.times[slot] * 1000)];
    data.series.forEach((one) => {
      if (one.values[slot] || data.series.length === 1) lines.push(`${one.label}: ${format(one.values[slot])}`);
    });
    box.replaceChildren(...lines.map((line) => Object.assign(document.createElement("span"), { textContent: line })));
    const left = Math.min(plot.cursor.left + plot.bbox.left / devicePixelRatio + 12, element.clientWidth - box.offsetWidth - 4);
    box.style.transform = `translate(${Math.max(left, 4)}px, 8px)`;
  };
}

function draw(element) {
  drawn.get(element)?.destroy();
  element.replaceChildren();
  const data = JSON.parse(element.dataset.chart);
  const format = units[data.unit];
  const sums = cumulated(data.series);
  const quiet = color(element, "quiet");
  const lines = color(element, "chart-line");
  const bars = uPlot.paths.bars({ size: [0.72, 36], radius: 0.12 });
  const axis = { stroke: quiet, font: "12px Geist, sans-serif", ticks: { show: false } };
  const first = data.times[0] - data.step * 0.6;
  const last = data.times[data.times.length - 1] + data.step * 0.6;
  const top = Math.max(...(sums[sums.length - 1] || [0]));
  const plot = new uPlot(
    {
      width: element.clientWidth,
      height: element.clientHeight,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: { x: { range: () => [first, last] }, y: { range: () => [0, top * 1.08 || 1] } },
      axes: [
        { ...axis, size: 28, grid: { show: false }, space: 64, values: data.step < 86400 ? [[3600, "{HH}:{mm}", null, null, null, null, null, null, 1]] : [[86400, "{MMM} {D}", null, null, null, null, null, null, 1]] },
        { ...axis, size: (_, values) => Math.max(44, 16 + 7 * Math.max(0, ...(values || []).map((text) => text.length))), splits: undefined, grid: { stroke: lines, width: 1 }, values: (_, ticks) => ticks.map(format) },
      ],
      series: [{}, ...data.series.map((one, index) => {
        const fill = color(element, `series-${one.color}`);
        return { label: one.label, fill, width: 0, paths: bars, points: { show: false }, index };
      }).reverse()],
      hooks: { setCursor: [tip(element, data, format)] },
    },
    [data.times, ...sums.reverse()],
    element,
  );
  plot.root.setAttribute("aria-hidden", "true");
  drawn.set(element, plot);
}

const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const plot = drawn.get(target);
    if (plot && plot.width !== target.clientWidth) plot.setSize({ width: target.clientWidth, height: target.clientHeight });
  }
});

function drawAll(within = document) {
  for (const element of within.querySelectorAll("[data-chart]")) {
    if (drawn.has(element)) continue;
    draw(element);
    widths.observe(element);
  }
}

drawAll();
document.addEventListener("htmx:load", (event) => drawAll(event.target.parentElement || document));

// In the colours of the theme, which the portal, the staff's desk and the system change.
const redraw = () => document.querySelectorAll("[data-chart]").forEach(draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
