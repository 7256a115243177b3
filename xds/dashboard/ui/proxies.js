// The connected proxies, and the page of one: what it was sent, what of it it has accepted.
import { useState } from "preact/hooks";
import { ago, Badge, html, link, Search, Table, Told, useTold } from "./lib.js";
import { ObjectLink } from "./services.js";

const EVERY_MS = 5000;
const KINDS = { SYNCED: "good", STALE: "poor", REJECTED: "bad", "NOT SENT": "plain" };
const TYPES = ["cds", "lds", "eds", "rds", "vhds", "ecds", "sds", "rtds"];

export const ProxiesView = ({ part, query }) => (part ? html`<${Proxy} key=${part} id=${part} />` : html`<${Proxies} query=${query} />`);

function Proxies({ query }) {
  const [text, setText] = useState(query.get("search") || "");
  const [state, setState] = useState("");
  const found = useTold("/dashboard/api/proxies", EVERY_MS);
  const meant = (row) =>
    `${row.name}.${row.namespace} ${row.workload} ${row.proxy}`.toLowerCase().includes(text.trim().toLowerCase()) &&
    (!state || Object.values(row.types).includes(state));
  const types = TYPES.filter((name) => (found.told || []).some((row) => name in row.types));
  return html`<section>
    <div class="bar"><h1>Proxies</h1>
      <${Search} value=${text} onInput=${setText} label="Find a proxy" />
      <select aria-label="State" value=${state} onChange=${(event) => setState(event.target.value)}>
        <option value="">every state</option>${Object.keys(KINDS).map((name) => html`<option>${name}</option>`)}
      </select>
    </div>
    <${Told} of=${found}>${(told) => html`<${Table} rows=${told.filter(meant)} empty="No proxy matches." columns=${[
      ["Proxy", (row) => html`<a href=${link("proxies", row.proxy)}>${row.name}${row.namespace && `.${row.namespace}`}</a>`],
      ["Workload", (row) => row.workload || "–"],
      ["Envoy", (row) => row.envoy || "–"],
      ["Connected", (row) => ago(row.connected_since)],
      ...types.map((name) => [name.toUpperCase(), (row) => html`<${State} of=${row.types[name]} />`]),
    ]} />`}<//>
  </section>`;
}

const State = ({ of }) => (of ? html`<${Badge} kind=${KINDS[of]}>${of}<//>` : "–");

function Proxy({ id }) {
  const [type, setType] = useState("");
  const [text, setText] = useState("");
  const found = useTold(`/dashboard/api/proxy?id=${encodeURIComponent(id)}`, EVERY_MS);
  const title = found.told ? `${found.told.name}${found.told.namespace && `.${found.told.namespace}`}` : id;
  return html`<section><div class="bar"><h1>${title}</h1></div><${Told} of=${found}>${(told) => html`
    <p>Workload ${told.workload || "unknown"}, Envoy ${told.envoy || "unknown"}, connected ${ago(told.connected_since)}.
      <span class="at"> ${told.proxy}</span></p>
    <h2>Sync state</h2>
    <${Table} rows=${Object.entries(told.types)} columns=${SYNC} />
    ${Object.entries(told.types).flatMap(([name, sync]) => sync.rejected.map((each) => html`<p class="error">
      ${name.toUpperCase()} <strong>${each.name}</strong>: ${each.reason}</p>`))}
    <div class="bar"><h2>Configuration</h2>
      <${Search} value=${text} onInput=${setText} label="Find by name or object" />
      <select aria-label="Type" value=${type} onChange=${(event) => setType(event.target.value)}>
        <option value="">every type</option>
        ${[...new Set(told.resources.map((each) => each.type))].map((name) => html`<option value=${name}>${name.toUpperCase()}</option>`)}
      </select>
    </div>
    <${Resources} proxy=${id} of=${told.resources.filter((each) => (!type || each.type === type) && matches(each, text.trim().toLowerCase()))} />
  `}<//></section>`;
}

const SYNC = [
  ["Type", ([name]) => name.toUpperCase()],
  ["State", ([, sync]) => html`<${State} of=${sync.state} />`],
  ["Resources", ([, sync]) => sync.resources, "n"],
  ["Since", ([, sync]) => ago(sync.since)],
  ["Version", ([, sync]) => html`<code>${sync.version || "–"}</code>`],
];

const matches = (each, text) => !text || each.name.toLowerCase().includes(text) || each.by.some((by) => by.object.toLowerCase().includes(text));

function Resources({ proxy, of }) {
  const [most, setMost] = useState(100);
  if (!of.length) return html`<p class="empty">Nothing matches.</p>`;
  return html`${of.slice(0, most).map((each) => html`<${Resource} key=${`${each.type} ${each.name}`} proxy=${proxy} of=${each} />`)}
    ${of.length > most && html`<button class="small secondary" onClick=${() => setMost(most + 200)}>${of.length - most} more</button>`}`;
}

function Resource({ proxy, of }) {
  const [open, setOpen] = useState(false);
  const asked = new URLSearchParams({ proxy, type: of.type, name: of.name });
  const found = useTold(open ? `/dashboard/api/resource?${asked}` : null);
  return html`<details onToggle=${(event) => setOpen(event.target.open)}>
    <summary><${Badge} kind="plain">${of.type.toUpperCase()}<//> ${of.name}</summary>
    ${of.by.length > 0 && html`<p>made of ${of.by.map((each) => html`<${ObjectLink} name=${each.object} at=${each.origin} /> `)}</p>`}
    ${open && html`<${Told} of=${found}>${(told) => html`<pre tabindex="0">${JSON.stringify(told.resource, null, 2)}</pre>`}<//>`}
  </details>`;
}
