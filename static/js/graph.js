// Draws a store's graph with Cytoscape: it can be dragged, and walked by choosing entities. The table has the same.
/* global cytoscape */

const frame = document.querySelector("[data-graph]");
const canvas = frame.querySelector(".canvas");
const beside = frame.querySelector(".beside");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
// Types differ in form as well as in colour.
const FORMS = {
  person: ["ellipse", 0], organization: ["round-rectangle", 1], place: ["diamond", 2], event: ["star", 3],
  product: ["hexagon", 4], work: ["round-tag", 5], concept: ["round-triangle", 6], other: ["octagon", 6],
};
const start = frame.dataset.graph;
let drawn = null;

const token = (name) => {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  frame.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
};

function style() {
  const ink = token("ink"), quiet = token("ink-3"), line = token("control"), ground = token("surface"), accent = token("accent");
  const text = { "font-family": "Geist, sans-serif", "text-outline-color": ground, "text-outline-width": 2 };
  return [
    { selector: "node", style: { ...text, label: "data(label)", "font-size": 12, color: ink, "text-valign": "bottom", "text-margin-y": 4, "text-max-width": 110, "text-wrap": "ellipsis", width: "data(size)", height: "data(size)", "border-width": 1.5, "border-color": ground } },
    ...Object.entries(FORMS).map(([type, [shape, series]]) => ({ selector: `node[type = "${type}"]`, style: { shape, "background-color": token(`series-${series}`) } })),
    { selector: "edge", style: { ...text, width: "mapData(confidence, 0, 1, 0.6, 2.4)", "line-color": line, "target-arrow-color": line, "target-arrow-shape": "triangle", "arrow-scale": 0.8, "curve-style": "bezier", opacity: 0.7 } },
    { selector: "edge.near", style: { label: "data(label)", "font-size": 10, color: quiet, "text-rotation": "autorotate", "line-color": accent, "target-arrow-color": accent, opacity: 1 } },
    { selector: "node.chosen", style: { "border-color": accent, "border-width": 4 } },
    { selector: ".far", style: { opacity: 0.25 } },
  ];
}

const elements = (found) => [
  ...found.nodes.map((node) => ({ group: "nodes", data: { ...node, size: 16 + 9 * Math.log2(1 + node.mentions) } })),
  ...found.edges.map((edge) => ({ group: "edges", data: edge })),
];

const layout = (options) => ({
  name: "cose", animate: false, animationDuration: 350, nodeRepulsion: () => 40000, idealEdgeLength: () => 100, nodeOverlap: 24, componentSpacing: 60, nodeDimensionsIncludeLabels: true, padding: 28, fit: true, ...options,
});

function legend() {
  const types = [...new Set(drawn.nodes().map((node) => node.data("type")))].sort();
  document.querySelector("[data-kinds]").replaceChildren(...types.map((type) => {
    const line = document.createElement("li");
    line.className = `kind kind-${type}`;
    line.textContent = type;
    return line;
  }));
}

async function fetched(address, headers = {}) {
  const answer = await fetch(address, { headers });
  if (!answer.ok) throw new Error(answer.status === 404 ? "It is not in the graph any more." : "It could not be loaded. Try again.");
  return answer;
}

function say(text) {
  const line = document.createElement("p");
  line.className = "small quiet";
  line.textContent = text;
  beside.replaceChildren(line);
}

async function choose(id) {
  const known = drawn.getElementById(id);
  drawn.elements().removeClass("chosen near far");
  known.addClass("chosen");
  try {
    const panel = await fetched(frame.dataset.entity.replace("ENTITY", id), { "HX-Request": "true" });
    beside.innerHTML = await panel.text(); // the server's own fragment, escaped there
    const round = new URL(start, location.href);
    round.searchParams.set("entity", id);
    await add(await (await fetched(round)).json(), id);
  } catch (error) {
    say(error.message);
  }
  const node = drawn.getElementById(id).addClass("chosen");
  node.connectedEdges().addClass("near");
  drawn.elements().not(node.closedNeighborhood()).addClass("far");
}

async function add(found, around) {
  const fresh = elements(found).filter((one) => drawn.getElementById(one.data.id).empty());
  if (!fresh.length) return;
  const at = drawn.getElementById(around).nonempty() ? drawn.getElementById(around).position() : { x: 0, y: 0 };
  for (const one of fresh) {
    if (one.group === "nodes") one.position = { x: at.x + (Math.random() - 0.5) * 120, y: at.y + (Math.random() - 0.5) * 120 };
  }
  drawn.add(fresh);
  legend();
  const done = drawn.layout(layout({ randomize: false, animate: !calm.matches && "end" }));
  const stopped = done.promiseOn("layoutstop");
  done.run();
  await stopped;
}

// Names stay legible where the picture is small.
let asked = 0;
function scale() {
  cancelAnimationFrame(asked);
  asked = requestAnimationFrame(() => {
    const size = 1 / Math.min(1, Math.max(drawn.zoom(), 0.35));
    drawn.style().selector("node").style({ "font-size": 12 * size }).selector("edge.near").style({ "font-size": 10 * size }).update();
  });
}

async function begin() {
  try {
    const found = await (await fetched(start)).json();
    drawn?.destroy();
    drawn = cytoscape({ container: canvas, elements: elements(found), style: style(), layout: layout({ randomize: true }), minZoom: 0.15, maxZoom: 3 });
    legend();
    drawn.on("zoom", scale);
    scale();
    drawn.on("tap", "node", (event) => choose(event.target.id()));
    drawn.on("tap", (event) => { if (event.target === drawn) drawn.elements().removeClass("chosen near far"); });
    frame.dataset.drawn = String(drawn.nodes().length);
    frame.graph = drawn;
  } catch (error) {
    say(error.message);
  }
}

const middle = () => ({ x: canvas.clientWidth / 2, y: canvas.clientHeight / 2 });
const DO = {
  in: () => drawn.zoom({ level: drawn.zoom() * 1.3, renderedPosition: middle() }),
  out: () => drawn.zoom({ level: drawn.zoom() / 1.3, renderedPosition: middle() }),
  fit: () => drawn.fit(undefined, 28),
  anew: begin,
};
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-graph-do]");
  if (button && drawn) DO[button.dataset.graphDo]();
});
const restyle = () => { drawn?.style(style()); if (drawn) scale(); };
new MutationObserver(restyle).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
begin();
