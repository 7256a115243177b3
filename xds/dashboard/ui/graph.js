// The live graph: who calls whom, how often, how well, and how it is protected.
import { useMemo, useState } from "preact/hooks";
import { Canvas, MANY } from "./canvas.js";
import { Badge, health, html, inFlight, label, link, ms, nameOf, rate, Search, share, Span, Table, Told, useOverview, useWindow } from "./lib.js";

export function GraphView({ query }) {
  const window_s = query.get("window") || "60s";
  const [namespace, setNamespace] = useState(query.get("namespace") || "");
  const [text, setText] = useState(query.get("search") || "");
  const [chosen, setChosen] = useState(null);
  const [span, setSpan] = useState(window_s);
  const [grouping, setGrouping] = useState("");
  const overview = useOverview();
  const found = useWindow(span, `/debug/telemetry/graph?window=${span}`, `/dashboard/api/past/graph?window=${span}`);
  return html`<section aria-labelledby="title">
    <div class="bar">
      <h1 id="title">Service graph</h1>
      <${Namespaces} told=${found.told} value=${namespace} onChange=${setNamespace} />
      <${Search} value=${text} onInput=${setText} label="Find a workload or service" />
      <select aria-label="Drawn as" value=${grouping} onChange=${(event) => setGrouping(event.target.value)}>
        <option value="">as it fits</option>
        <option value="workloads">workloads</option>
        <option value="namespaces">namespaces</option>
      </select>
      <${Span} value=${span} onChange=${setSpan} known=${overview.told?.past} first=${[["60s", "last minute"]]} />
    </div>
    <${Told} of=${found}>${(told) => html`<${Drawn} told=${told} namespace=${namespace} text=${text.trim().toLowerCase()}
      filter=${setNamespace} grouping=${grouping} chosen=${chosen} choose=${setChosen} />`}<//>
  </section>`;
}

function Namespaces({ told, value, onChange }) {
  const known = [...new Set((told?.nodes || []).map((node) => node.namespace).filter(Boolean))].sort();
  return html`<select aria-label="Namespace" value=${value} onChange=${(event) => onChange(event.target.value)}>
    <option value="">all namespaces</option>
    ${known.map((name) => html`<option value=${name}>${name}</option>`)}
  </select>`;
}

/** What of the graph is wanted: the nodes of a namespace or a search, those that they talk to, and the edges. */
function wanted(told, namespace, text) {
  const nodes = new Map(told.nodes.map((node) => [node.id, node]));
  const meant = (node) =>
    node &&
    (!namespace || node.namespace === namespace) &&
    (!text || `${node.name} ${node.namespace} ${node.version}`.toLowerCase().includes(text));
  const edges = told.edges.filter(
    (edge) =>
      meant(nodes.get(edge.source)) ||
      meant(nodes.get(edge.destination)) ||
      (text && edge.service.toLowerCase().includes(text) && (!namespace || nodes.get(edge.destination)?.namespace === namespace)),
  );
  const near = new Set(edges.flatMap((edge) => [edge.source, edge.destination]));
  return { nodes: told.nodes.filter((node) => near.has(node.id) || meant(node)), edges };
}

/** The same graph with namespaces as its nodes, and what they call of each other as its edges. */
function byNamespace({ nodes, edges }) {
  const homes = new Map(nodes.map((node) => [node.id, node.namespace ? `namespace ${node.namespace}` : node.id]));
  const found = new Map(nodes.map((node) => [homes.get(node.id), node.namespace ? { ...node, id: homes.get(node.id), kind: "namespace", name: node.namespace, namespace: "", version: "" } : node]));
  const counts = new Map();
  for (const node of nodes) counts.set(homes.get(node.id), (counts.get(homes.get(node.id)) || 0) + 1);
  for (const node of found.values()) if (node.kind === "namespace") node.version = `${counts.get(node.id)} workloads`;
  const moved = edges.map((edge) => ({ ...edge, source: homes.get(edge.source), destination: homes.get(edge.destination) }));
  return { nodes: [...found.values()], edges: moved.filter((edge) => edge.source !== edge.destination) };
}

function Drawn({ told, namespace, filter, text, grouping, chosen, choose }) {
  const matching = useMemo(() => wanted(told, namespace, text), [told, namespace, text]);
  const grouped = grouping === "namespaces" || (!grouping && !namespace && !text && matching.nodes.length > MANY);
  const shown = useMemo(() => (grouped ? byNamespace(matching) : matching), [matching, grouped]);
  const names = new Map([...told.nodes, ...shown.nodes].map((node) => [node.id, node]));
  const edges = [...matching.edges].sort((a, b) => b.signals.rate - a.signals.rate);
  if (!told.nodes.length)
    return html`<p class="empty">No proxy has told of any request yet. Traffic shows up here some seconds after it flows.</p>`;
  return html`<div class="graph">
      <${Canvas} shown=${shown} choose=${choose} />
      <${Chosen} shown=${shown} all=${matching} names=${names} chosen=${chosen} filter=${filter} />
    </div>
    <h2>Calls</h2>
    <${Table} rows=${edges} empty="No calls match." columns=${callColumns(names)} />`;
}

export const callColumns = (names) => [
  ["From", (edge) => label(names.get(edge.source))],
  ["To", (edge) => label(names.get(edge.destination))],
  ["Service", (edge) => (edge.service && edge.service !== "unknown" ? html`<a href=${link("services", edge.service)}>${edge.service}</a>` : "–")],
  ["", (edge) => html`<${Lock} security=${edge.security} />`],
  ["Protocol", (edge) => edge.protocol],
  ["Rate", (edge) => (edge.protocol === "tcp" ? `${edge.signals.connections_open ?? 0} open` : rate(edge.signals.rate)), "n"],
  ["Errors", (edge) => html`<span class=${health(edge.signals.error_share || 0)}>${share(edge.signals.error_share)}</span>`, "n"],
  ["p50", (edge) => ms(edge.signals.p50_ms), "n"],
  ["p95", (edge) => ms(edge.signals.p95_ms), "n"],
  ["p99", (edge) => ms(edge.signals.p99_ms), "n"],
  ["In flight", (edge) => inFlight(edge.signals.in_flight), "n"],
];

const Lock = ({ security }) => {
  if (security === "unknown") return html`<span title="how it was protected is not known">?</span>`;
  const mutual = security === "mutual_tls";
  return html`<img class="lock" src=${`/dashboard/ui/${mutual ? "lock" : "open"}.svg`}
    alt=${mutual ? "mutual TLS" : "plaintext"} title=${mutual ? "mutual TLS" : "plaintext"} />`;
};

function Chosen({ shown, all, names, chosen, filter }) {
  const node = chosen && names.get(chosen);
  if (!node)
    return html`<aside class="side"><${Worst} shown=${all} names=${names} />
      <p class="empty">Choose a workload for more: with the mouse, or with the arrow keys while the graph has the focus.</p>
      <${Legend} /></aside>`;
  if (node.kind === "namespace")
    return html`<aside class="side" aria-live="polite"><h2>${node.name}</h2><p>A namespace with ${node.version}.</p>
      <p><button class="small" onClick=${() => filter(node.name)}>Show its workloads</button></p><${Legend} /></aside>`;
  const into = shown.edges.filter((edge) => edge.destination === chosen);
  const out = shown.edges.filter((edge) => edge.source === chosen);
  const services = [...new Set(into.map((edge) => edge.service).filter((host) => host && host !== "unknown"))];
  return html`<aside class="side" aria-live="polite">
    <h2>${nameOf(node)} ${node.version && html`<${Badge} kind="plain">${node.version}<//>`}</h2>
    <p>${node.kind} ${node.namespace && html`in namespace <strong>${node.namespace}</strong>`}</p>
    ${services.map((host) => html`<p><a href=${link("services", host)} role="button" class="small">Open ${host}</a></p>`)}
    ${into.length > 0 && html`<h3>Called by</h3>
      <ul>${into.map((edge) => html`<li><${Call} edge=${edge} other=${names.get(edge.source)} /></li>`)}</ul>`}
    ${out.length > 0 && html`<h3>Calls</h3>
      <ul>${out.map((edge) => html`<li><${Call} edge=${edge} other=${names.get(edge.destination)} /></li>`)}</ul>`}
    <p><a href=${link("proxies", "", { search: node.name })}>Its proxies</a></p>
  </aside>`;
}

function Worst({ shown, names }) {
  const failing = shown.edges.filter((edge) => (edge.signals.error_share || 0) >= 0.01);
  const plain = shown.edges.filter((edge) => edge.security === "none").length;
  const total = shown.edges.reduce((sum, edge) => sum + edge.signals.rate, 0);
  failing.sort((a, b) => b.signals.error_share - a.signals.error_share);
  return html`<h2>${rate(total)} on ${shown.edges.length} edges</h2>
    <p>${shown.nodes.length} workloads, ${plain ? html`<span class="poor">${plain} edges in plaintext</span>` : "no plaintext"}</p>
    ${failing.length > 0 && html`<h3>Failing most</h3><ul>${failing.slice(0, 5).map((edge) => html`<li>
      ${label(names.get(edge.source))} → <a href=${link("services", edge.service)}>${label(names.get(edge.destination))}</a>
      <span class=${health(edge.signals.error_share)}> ${share(edge.signals.error_share)}</span></li>`)}</ul>`}`;
}

const Call = ({ edge, other }) =>
  html`<${Lock} security=${edge.security} /> ${label(other)}<br />
    <small>${rate(edge.signals.rate)}, <span class=${health(edge.signals.error_share || 0)}>${share(edge.signals.error_share)} errors</span>,
    p95 ${ms(edge.signals.p95_ms)}, ${inFlight(edge.signals.in_flight)} in flight${edge.signals.overloaded > 0 &&
      html`, <span class="bad">${edge.signals.overloaded} turned away</span>`}</small>`;

const Legend = () =>
  html`<ul class="legend">
    <li><img class="lock" src="/dashboard/ui/lock.svg" alt="" /> mutual TLS</li>
    <li><img class="lock" src="/dashboard/ui/open.svg" alt="" /> plaintext</li>
    <li><span class="line good"></span> under 1% of requests fail</li>
    <li><span class="line poor"></span> 1% or more</li>
    <li><span class="line bad"></span> 5% or more</li>
  </ul>`;
