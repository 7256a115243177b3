// The drawing of the graph. Cytoscape draws, dagre lays out.
import { useEffect, useRef } from "preact/hooks";
import cytoscape from "cytoscape";
import { Graph as Layered, layout } from "dagre";
import { colour, health, html, ms, nameOf, rate, share, useTheme } from "./lib.js";

export const MANY = 60; // workloads from which namespaces are drawn first, and layers no longer fit

export function Canvas({ shown, choose }) {
  const place = useRef(null);
  const drawing = useRef(null);
  const theme = useTheme();
  useEffect(() => {
    if (!place.current) return undefined; // the view was left before it was drawn
    const cy = cytoscape({ container: place.current, style: styles(), minZoom: 0.05, maxZoom: 2.5, boxSelectionEnabled: false });
    drawing.current = cy;
    cy.on("select", "node.place", (event) => choose(event.target.id()));
    cy.on("unselect", "node.place", () => choose(null));
    cy.on("position", "node.place", (event) => putLocks(cy, event.target.connectedEdges()));
    const resized = new ResizeObserver(() => cy.resize());
    resized.observe(place.current);
    return () => {
      resized.disconnect();
      drawing.current = null;
      cy.destroy();
    };
  }, []);
  useEffect(() => void drawing.current?.style(styles()), [theme]);
  useEffect(() => void (drawing.current && draw(drawing.current, shown)), [shown]);
  return html`<div class="canvas" ref=${place} tabindex="0" role="img"
    aria-label=${`Graph of ${shown.nodes.length} workloads and ${shown.edges.length} calls; the table below has the same`}
    onKeyDown=${(event) => walk(drawing.current, event)}></div>`;
}

/** Arrow keys go from node to node, + and - zoom, 0 shows all, Escape lets go. */
function walk(cy, event) {
  const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const step = directions[event.key];
  if (step) {
    const here = cy.$("node.place:selected").first();
    const next = here.length ? nearest(cy, here, step) : cy.$("node.place").first();
    if (next) {
      cy.$(":selected").unselect();
      next.select();
      cy.animate({ center: { eles: next } }, { duration: 120 });
    }
  } else if (event.key === "+" || event.key === "-") {
    cy.zoom({ level: cy.zoom() * (event.key === "+" ? 1.25 : 0.8), renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
  } else if (event.key === "0") {
    cy.fit(cy.elements(), 24);
  } else if (event.key === "Escape") {
    cy.$(":selected").unselect();
  } else {
    return;
  }
  event.preventDefault();
}

function nearest(cy, here, [dx, dy]) {
  const from = here.position();
  let best = null;
  let least = Infinity;
  for (const each of cy.$("node.place")) {
    const to = each.position();
    const ahead = (to.x - from.x) * dx + (to.y - from.y) * dy;
    const aside = Math.abs((to.x - from.x) * dy) + Math.abs((to.y - from.y) * dx);
    if (ahead > 1 && ahead + 2 * aside < least) {
      least = ahead + 2 * aside;
      best = each;
    }
  }
  return best;
}

function draw(cy, { nodes, edges }) {
  const joined = together(edges);
  const known = new Set(nodes.map((node) => node.id));
  const before = cy.$("node.place").map((each) => each.id()).sort().join("\n");
  const linksBefore = cy.edges().map((each) => each.id()).sort().join("\n");
  cy.batch(() => {
    const ids = new Set([...known, ...joined.keys(), ...[...joined.keys()].map((id) => `lock ${id}`)]);
    cy.elements().filter((each) => !ids.has(each.id())).remove();
    for (const node of nodes) put(cy, "nodes", node.id, nodeFigures(node, edges), `place ${node.kind}`);
    for (const [id, edge] of joined) {
      put(cy, "edges", id, edge, edge.health);
      if (edge.security !== "unknown") put(cy, "nodes", `lock ${id}`, {}, `lock ${edge.security}`);
    }
  });
  const after = [...known].sort().join("\n");
  if (before !== after || linksBefore !== [...joined.keys()].sort().join("\n")) arrange(cy);
  putLocks(cy, cy.edges());
}

function put(cy, group, id, figures, classes) {
  const found = cy.getElementById(id);
  if (found.length) found.data(figures).classes(classes);
  else cy.add({ group, data: { id, ...figures }, classes, selectable: !classes.startsWith("lock"), grabbable: !classes.startsWith("lock") });
}

function nodeFigures(node, edges) {
  const into = edges.filter((edge) => edge.destination === node.id);
  const asked = into.reduce((sum, edge) => sum + edge.signals.rate, 0);
  const failed = into.reduce((sum, edge) => sum + edge.signals.rate * (edge.signals.error_share || 0), 0);
  const where = [node.version, node.namespace].filter(Boolean).join(" · ");
  const name = nameOf(node);
  const width = Math.max(84, 20 + 7.6 * Math.max(name.length, where.length * 0.9));
  return { label: where ? `${name}\n${where}` : name, width: Math.min(width, 220), health: health(asked ? failed / asked : 0) };
}

/** One drawn edge for each pair of workloads, by id: its label, width and worst security. */
function together(edges) {
  const pairs = new Map();
  for (const edge of edges) {
    const id = `${edge.source} > ${edge.destination}`;
    pairs.set(id, [...(pairs.get(id) || []), edge]);
  }
  return new Map([...pairs].map(([id, found]) => [id, joinedFigures(found)]));
}

function joinedFigures(found) {
  const total = found.reduce((sum, edge) => sum + edge.signals.rate, 0);
  const failed = found.reduce((sum, edge) => sum + edge.signals.rate * (edge.signals.error_share || 0), 0);
  const open = found.reduce((sum, edge) => sum + (edge.signals.connections_open || 0), 0);
  const slow = Math.max(...found.map((edge) => edge.signals.p95_ms ?? -1));
  const words = [found.every((edge) => edge.protocol === "tcp") ? `${open} open` : rate(total)];
  if (failed > 0) words.push(share(failed / total));
  const lines = [words.join(" · "), ...(slow >= 0 ? [ms(slow)] : [])];
  const securities = found.map((edge) => edge.security);
  return {
    source: found[0].source,
    target: found[0].destination,
    label: lines.join("\n"),
    width: 1.5 + Math.min(5, Math.log10(1 + total) * 1.6),
    health: health(total ? failed / total : 0),
    security: securities.includes("none") ? "none" : securities.includes("unknown") ? "unknown" : "mutual_tls",
  };
}

function arrange(cy) {
  const places = cy.$("node.place");
  if (places.length > MANY) spread(cy, places);
  else layers(cy, places);
  cy.fit(places, 24);
  if (cy.zoom() > 1.15) {
    cy.zoom(1.15);
    cy.center(places);
  }
}

/** Callers left, called right; nobody who calls nobody is lost. */
function layers(cy, places) {
  const graph = new Layered({ multigraph: false });
  graph.setGraph({ rankdir: "LR", nodesep: 48, ranksep: 110 });
  graph.setDefaultEdgeLabel(() => ({}));
  const alone = places.filter((each) => each.connectedEdges().length === 0);
  for (const each of places.difference(alone)) graph.setNode(each.id(), { width: each.data("width"), height: 46 });
  for (const each of cy.edges()) graph.setEdge(each.data("source"), each.data("target"));
  layout(graph);
  let below = 0;
  cy.batch(() => {
    for (const id of graph.nodes()) {
      const { x, y } = graph.node(id);
      cy.getElementById(id).position({ x, y });
      below = Math.max(below, y);
    }
    alone.forEach((each, at) => each.position({ x: 75 + (at % 6) * 180, y: below + 90 + Math.floor(at / 6) * 70 }));
  });
}

/** Many, as springs between them have it: more square than layers, which would be a column of all who call nobody. */
function spread(cy, places) {
  const drawn = places.union(cy.edges());
  drawn.layout({
    name: "cose", animate: false, fit: false, randomize: true, nodeDimensionsIncludeLabels: true, numIter: 600,
    idealEdgeLength: () => 110, nodeRepulsion: () => 900000, nodeOverlap: 30, componentSpacing: 120, gravity: 0.6,
  }).run();
}

/** Locks stand in the middle of their edges. */
function putLocks(cy, edges) {
  for (const edge of edges) {
    const lock = cy.getElementById(`lock ${edge.id()}`);
    const middle = lock.length ? edge.midpoint() : null;
    if (middle && Number.isFinite(middle.x)) lock.position(middle);
  }
}

function styles() {
  const text = colour("ink");
  const paper = colour("paper");
  const line = { good: colour("line"), poor: colour("poor"), bad: colour("bad") };
  const edge = (name) => ({ selector: `edge.${name}`, style: { "line-color": line[name], "target-arrow-color": line[name] } });
  return [
    {
      selector: "node.place",
      style: {
        shape: "round-rectangle", width: "data(width)", height: 46, label: "data(label)", "text-wrap": "wrap", "text-valign": "center",
        "text-max-width": 210, "line-height": 1.2, "font-size": 13, "font-family": "system-ui, sans-serif", color: text, "background-color": colour("card"),
        "border-width": 1.5, "border-color": colour("line"), "min-zoomed-font-size": 5,
      },
    },
    { selector: 'node.place[health = "poor"]', style: { "border-color": line.poor, "border-width": 2.5 } },
    { selector: 'node.place[health = "bad"]', style: { "border-color": line.bad, "border-width": 3 } },
    { selector: "node.place.external, node.place.unknown", style: { "border-style": "dashed" } },
    { selector: "node.place:selected", style: { "border-color": colour("accent"), "border-width": 4 } },
    {
      selector: "edge",
      style: {
        width: "data(width)", "curve-style": "bezier", "target-arrow-shape": "triangle", "arrow-scale": 1.1, label: "data(label)",
        "text-wrap": "wrap", "line-height": 1.15, "font-size": 11.5, "font-family": "system-ui, sans-serif", color: text, "text-background-color": paper,
        "text-background-opacity": 0.85, "text-background-padding": 2, "text-margin-y": -24, "min-zoomed-font-size": 8,
      },
    },
    edge("good"), edge("poor"), edge("bad"),
    {
      selector: "node.lock",
      style: { width: 16, height: 16, shape: "ellipse", "background-opacity": 0, "background-fit": "contain", events: "no", "z-index": 20 },
    },
    { selector: "node.lock.mutual_tls", style: { "background-image": "/dashboard/ui/lock.svg" } },
    { selector: "node.lock.none", style: { "background-image": "/dashboard/ui/open.svg" } },
  ];
}
