// All services, and the page of one: golden signals, routes, who calls it and who may.
import { useState } from "preact/hooks";
import { Badge, bytes, health, html, inFlight, label, link, ms, rate, Search, share, Span, Table, Told, useOverview, useTold, useWindow, VERDICTS } from "./lib.js";
import { Chart } from "./chart.js";
import { callColumns } from "./graph.js";

const EVERY_MS = 5000;

export const ServicesView = ({ part, query }) => (part ? html`<${Service} key=${part} host=${part} />` : html`<${Services} query=${query} />`);

function Services({ query }) {
  const [text, setText] = useState(query.get("search") || "");
  const known = useTold("/dashboard/api/services", EVERY_MS);
  const signals = useTold("/debug/telemetry/services?window=60s", EVERY_MS);
  return html`<section>
    <div class="bar"><h1>Services</h1><${Search} value=${text} onInput=${setText} label="Find a service" /></div>
    <${Told} of=${known}>${(told) => html`<${Table} rows=${joined(told, signals.told || [], text.trim().toLowerCase())}
      empty="No service matches." columns=${COLUMNS} />`}<//>
  </section>`;
}

/** The services that are known, and others that are called, each with its signals; the busiest first. */
function joined(known, measured, text) {
  const rows = new Map(known.map((each) => [each.host, each]));
  for (const each of measured) rows.set(each.host, { ports: [], namespace: each.namespace, host: each.host, ...rows.get(each.host), ...each });
  return [...rows.values()]
    .filter((each) => `${each.host} ${each.namespace}`.toLowerCase().includes(text))
    .sort((a, b) => (b.signals?.rate || 0) - (a.signals?.rate || 0) || (a.host < b.host ? -1 : 1));
}

const COLUMNS = [
  ["Service", (row) => html`<a href=${link("services", row.host)}>${row.host}</a>`],
  ["Namespace", (row) => row.namespace],
  ["Ports", (row) => row.ports.map((port) => `${port.number} ${port.protocol}`).join(", ") || "–"],
  ["Rate", (row) => rate(row.signals?.rate), "n"],
  ["4xx", (row) => row.signals?.errors_4xx ?? "–", "n"],
  ["5xx", (row) => html`<span class=${health(row.signals?.error_share || 0)}>${share(row.signals?.error_share)}</span>`, "n"],
  ["p50", (row) => ms(row.signals?.p50_ms), "n"],
  ["p95", (row) => ms(row.signals?.p95_ms), "n"],
  ["p99", (row) => ms(row.signals?.p99_ms), "n"],
  ["In flight", (row) => inFlight(row.signals?.in_flight), "n"],
  ["Callers", (row) => row.callers?.length ?? 0, "n"],
];

function Service({ host }) {
  const [span, setSpan] = useState("15m");
  const overview = useOverview();
  const known = useTold(`/dashboard/api/service?host=${encodeURIComponent(host)}`);
  const graph = useTold("/debug/telemetry/graph?window=60s", EVERY_MS);
  const of = `service=${encodeURIComponent(host)}&window=${span}`;
  const series = useWindow(span, `/debug/telemetry/series?${of}`, `/dashboard/api/past/series?${of}`);
  const measured = useTold("/debug/telemetry/services?window=60s", EVERY_MS);
  const own = measured.told?.find((each) => each.host === host);
  return html`<section>
    <div class="bar"><h1>${host}</h1>
      <${Span} value=${span} onChange=${setSpan} known=${overview.told?.past} />
      <a role="button" class="small secondary" href=${link("why", "", { to: host })}>Why?</a>
    </div>
    ${own && html`<${Figures} of=${own.signals} />`}
    <${Told} of=${series}>${(told) => html`<${Signals} points=${told.points} />`}<//>
    ${graph.told && html`<${Callers} graph=${graph.told} host=${host} workloads=${own?.workloads || []} />`}
    <${Told} of=${known}>${(told) => html`<${Configured} of=${told} />`}<//>
  </section>`;
}

const Figures = ({ of }) => html`<dl class="figures">
  <div><dt>Requests</dt><dd>${rate(of.rate)}</dd></div>
  <div><dt>Errors (5xx)</dt><dd class=${health(of.error_share || 0)}>${share(of.error_share)}</dd></div>
  <div><dt>4xx in a minute</dt><dd>${of.errors_4xx}</dd></div>
  <div><dt>p50</dt><dd>${ms(of.p50_ms)}</dd></div>
  <div><dt>p95</dt><dd>${ms(of.p95_ms)}</dd></div>
  <div><dt>p99</dt><dd>${ms(of.p99_ms)}</dd></div>
  <div><dt>In flight</dt><dd>${inFlight(of.in_flight)}</dd></div>
  ${of.overloaded > 0 && html`<div><dt>Turned away, overloaded</dt><dd class="bad">${of.overloaded}</dd></div>`}
  ${of.connections_open > 0 && html`<div><dt>Open connections</dt><dd>${of.connections_open}</dd></div>`}
</dl>`;

const perSecond = (field) => (point) => (point.requests ? (point.rate * point[field]) / point.requests : point.rate === null ? null : 0);

const Signals = ({ points }) => html`<div class="charts">
  <${Chart} title="Requests" points=${points} write=${rate} lines=${[["all", "accent", (point) => point.rate],
    ["4xx", "poor", perSecond("errors_4xx")], ["5xx", "bad", perSecond("errors_5xx")]]} />
  <${Chart} title="Share of 5xx" points=${points} write=${share} lines=${[["5xx of all", "bad", (point) => point.error_share]]} />
  <${Chart} title="Latency" points=${points} write=${ms} lines=${[["p50", "good", (point) => point.p50_ms],
    ["p95", "accent", (point) => point.p95_ms], ["p99", "second", (point) => point.p99_ms]]} />
  <${Chart} title="Requests in flight" points=${points} write=${inFlight} lines=${[["at work at once", "accent", (point) => point.in_flight],
    ["turned away a second", "bad", perSecond("overloaded")]]} />
  <${Chart} title="Bytes in a step" points=${points} write=${bytes} lines=${[["sent", "accent", (point) => point.bytes_sent],
    ["received", "second", (point) => point.bytes_received]]} />
</div>`;

function Callers({ graph, host, workloads }) {
  const names = new Map(graph.nodes.map((node) => [node.id, node]));
  const into = graph.edges.filter((edge) => edge.service === host);
  const behind = new Set([...workloads, ...into.map((edge) => edge.destination)]);
  const out = graph.edges.filter((edge) => behind.has(edge.source));
  return html`<h2>Called by</h2>
    <${Table} rows=${into} columns=${[...callColumns(names), ["", (edge) => html`<${Ask} node=${names.get(edge.source)} host=${host} />`]]}
      empty="Nobody has called it in the last minute." />
    <h2>Calls</h2>
    <${Table} rows=${out} columns=${callColumns(names)} empty="Its workloads have called nobody in the last minute." />`;
}

const Ask = ({ node, host }) =>
  node?.kind === "workload" ? html`<a href=${link("why", "", { from: `${node.namespace}/${node.name}`, to: host })}
    aria-label=${`Why may ${label(node)} call it, or why not?`}>why?</a>` : null;

export const ObjectLink = ({ name, at }) => html`<a href=${link("objects", "", { search: name })}>${name}</a>${at && html` <span class="at">${at}</span>`}`;

function Configured({ of }) {
  return html`<h2>Routes</h2>
    <p class="at">${of.seen_by ? `As ${of.seen_by} was sent them.` : "No connected proxy has anything of this service."}</p>
    <${Table} rows=${of.routes} empty="No routes by requests: the service is reached by its address." columns=${ROUTES} />
    <h2>Workloads, and who may call them</h2>
    <${Table} rows=${of.workloads} empty="No pod of this mesh is behind it." columns=${WORKLOADS} />
    ${of.ports.map((port) => html`<${MayCall} host=${of.host} port=${port.number} />`)}
    <h2>Objects that touch it</h2>
    <${Table} rows=${of.objects} empty="Nothing but the service itself." columns=${OBJECTS} />`;
}

/** Who may call it is worked out for every workload of the mesh: only when somebody wants to know. */
function MayCall({ host, port }) {
  const [open, setOpen] = useState(false);
  const found = useTold(open ? `/dashboard/api/callers?${new URLSearchParams({ host, port })}` : null);
  return html`<details onToggle=${(event) => setOpen(event.target.open)}><summary>Who may GET / at port ${port}?</summary>
    ${open && html`<${Told} of=${found}>${(told) => html`<${Table} rows=${told} columns=${[
      ["Caller", (row) => row.caller],
      ["Answer", (row) => html`<${Badge} kind=${VERDICTS[row.verdict] || "plain"}>${row.verdict}<//>`],
      ["Because", (row) => row.because, "wrap"],
      ["By", (row) => row.decided_by && html`<${ObjectLink} name=${row.decided_by} />`],
      ["", (row) => html`<a href=${link("why", "", { from: row.caller, to: `${host}:${port}` })} aria-label=${`Why ${row.caller}?`}>why?</a>`],
    ]} />`}<//>`}
  </details>`;
}

const ROUTES = [
  ["Port", (row) => row.table.slice(row.table.lastIndexOf(":") + 1)],
  ["Matches", (row) => html`${row.name && html`<strong>${row.name}</strong> `}${row.matches}`, "narrow"],
  ["Goes to", (row) => row.to.map((each) => html`<div>${each}</div>`), "narrow"],
  ["Timeout", (row) => row.timeout || "–"],
  ["Retries", (row) => row.retries.replaceAll(",", ", ") || "–", "narrow"],
  ["By", (row) => row.by.map((each) => html`<div><${ObjectLink} name=${each.object} at=${each.origin} /></div>`)],
];
const WORKLOADS = [
  ["Workload", (row) => `${row.namespace}/${row.workload || row.pod}`],
  ["Pods", (row) => row.pods, "n"],
  ["Account", (row) => row.service_account],
  ["Sidecar", (row) => (row.sidecar ? html`<${Badge} kind="good">yes<//>` : html`<${Badge} kind="poor">none<//>`)],
  ["mTLS", (row) => html`<${Badge} kind=${row.mode === "STRICT" ? "good" : "poor"}>${row.mode}<//>`],
  ["Policies there", (row) => (row.policies.length ? row.policies.map((each) => html`<div><${ObjectLink} name=${each.object} at=${each.origin} /></div>`) : "none: everybody may call")],
];
const OBJECTS = [
  ["Object", (row) => html`<${ObjectLink} name=${row.object} />`],
  ["Where", (row) => row.origin || "–"],
  ["In", (row) => row.types.join(", ")],
];
