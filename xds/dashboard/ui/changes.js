// The time line: what was changed, how many proxies have it, and how the mesh did around it.
import { useState } from "preact/hooks";
import { ago, Badge, html, rate, share, Told, useTold } from "./lib.js";
import { Chart } from "./chart.js";
import { ObjectLink } from "./services.js";

const EVERY_MS = 5000;
const AROUND_S = 60;

export function ChangesView() {
  const [quiet, setQuiet] = useState(false);
  const found = useTold("/debug/history?last=100", EVERY_MS);
  const series = useTold("/dashboard/api/series", EVERY_MS);
  const points = series.told?.points || [];
  const chosen = (found.told?.generations || []).filter((each) => quiet || !each.quiet).reverse();
  const marks = chosen.map((each) => Date.parse(each.at) / 1000);
  return html`<section>
    <div class="bar"><h1>Changes</h1>
      <label><input type="checkbox" checked=${quiet} onChange=${(event) => setQuiet(event.target.checked)} /> pods and endpoints too</label>
    </div>
    <div class="charts">
      <${Chart} title="Share of 5xx, all of the mesh" points=${points} write=${share} marks=${marks} lines=${[["5xx of all", "bad", (point) => point.error_share]]} />
      <${Chart} title="Requests, all of the mesh" points=${points} write=${rate} marks=${marks} lines=${[["all", "accent", (point) => point.rate]]} />
    </div>
    <h2>Generations</h2>
    <${Told} of=${found}>${() => (chosen.length ? html`<ol class="timeline">${chosen.map((each) => html`<${Change} key=${each.generation} of=${each} points=${points} />`)}</ol>`
      : html`<p class="empty">Nothing has changed since this control plane came up.</p>`)}<//>
  </section>`;
}

function Change({ of, points }) {
  const [open, setOpen] = useState(false);
  const at = Date.parse(of.at) / 1000;
  const before = failing(points, at - AROUND_S, at);
  const after = failing(points, at, at + AROUND_S);
  const worse = before !== null && after !== null && after > before + 0.01;
  return html`<li>
    <p><strong>${of.generation}</strong> ${" "}<time datetime=${of.at} title=${of.at}>${ago(of.at)}</time> ${" "}<${Reached} of=${of} />
      ${before !== null && after !== null && html` <span class=${worse ? "bad" : "at"}>5xx in the minute before ${share(before)}, after ${share(after)}</span>`}</p>
    ${of.objects.slice(0, open ? undefined : 3).map((each) => html`<div>${each.what} <${ObjectLink} name=${each.object} at=${each.origin} />
      ${each.fields.map((field) => html`<div class="at"><code>${field}</code></div>`)}</div>`)}
    ${!open && of.objects.length > 3 && html`<button class="small secondary" onClick=${() => setOpen(true)}>${of.objects.length - 3 + of.more_objects} more</button>`}
    ${of.nacks.map((each) => html`<p class="error">${each.proxy} refused ${each.type.toUpperCase()} <strong>${each.resource}</strong>: ${each.reason}</p>`)}
    ${of.drains.map((each) => html`<div class="poor">${each.listener} of ${each.proxies} proxies drains: ${each.what}</div>`)}
    <div class="at">${Object.entries(of.resources).map(([type, count]) => `${count} ${type.toUpperCase()}`).join(", ") || "no resource is another"}</div>
  </li>`;
}

function Reached({ of }) {
  if (of.nacks.length) return html`<${Badge} kind="bad">refused by ${of.nacks.length + of.more_nacks}<//>`;
  if (!of.proxies) return html`<${Badge} kind="plain">for no proxy<//>`;
  if (of.waiting) return html`<${Badge} kind="poor">${of.proxies - of.waiting} of ${of.proxies} proxies have it<//>`;
  const took = of.converged_s === null ? "" : ` after ${of.converged_s.toFixed(2)} s`;
  return html`<${Badge} kind="good">${of.proxies} proxies have it${took}<//>`;
}

/** The share of requests that failed in that time; null where none are known. */
function failing(points, since, until) {
  let [asked, failed] = [0, 0];
  for (const point of points) {
    const at = Date.parse(point.at) / 1000;
    if (at >= since && at < until) {
      asked += point.requests;
      failed += point.errors_5xx;
    }
  }
  return asked ? failed / asked : null;
}
