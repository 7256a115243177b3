// The time line: what was changed, how many proxies have it, and how the mesh did around it.
import { useState } from "preact/hooks";
import { ago, Badge, html, rate, share, Span, Told, useOverview, useTold, useWindow } from "./lib.js";
import { Chart } from "./chart.js";
import { Rollouts } from "./rollouts.js";
import { ObjectLink } from "./services.js";

const EVERY_MS = 5000;
const AROUND_S = 60;

export function ChangesView() {
  const [quiet, setQuiet] = useState(false);
  const found = useTold("/debug/history?last=100", EVERY_MS);
  const [span, setSpan] = useState("1h");
  const overview = useOverview();
  const series = useWindow(span, "/dashboard/api/series", `/dashboard/api/past/series?window=${span}`);
  const recent = useTold("/dashboard/api/series", EVERY_MS);
  const points = within(series.told?.points || [], span);
  const lately = recent.told?.points || [];
  const chosen = (found.told?.generations || []).filter((each) => quiet || !each.quiet).reverse();
  const line = [...chosen, ...(found.told?.rollouts || []).filter((each) => each.ended)].sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
  const marks = chosen.map((each) => Date.parse(each.at) / 1000);
  return html`<section>
    <div class="bar"><h1>Changes</h1>
      <${Span} value=${span} onChange=${setSpan} known=${overview.told?.past} />
      <label><input type="checkbox" checked=${quiet} onChange=${(event) => setQuiet(event.target.checked)} /> pods and endpoints too</label>
    </div>
    ${series.error && html`<p class="error" role="alert">${series.error}</p>`}
    <div class="charts">
      <${Chart} title="Share of 5xx, all of the mesh" points=${points} write=${share} marks=${marks} lines=${[["5xx of all", "bad", (point) => point.error_share]]} />
      <${Chart} title="Requests, all of the mesh" points=${points} write=${rate} marks=${marks} lines=${[["all", "accent", (point) => point.rate]]} />
    </div>
    <${Rollouts} login=${overview.told?.login} />
    <h2>Generations</h2>
    <${Told} of=${found}>${() => (line.length ? html`<ol class="timeline">${line.map((each) => (each.generation ? html`<${Change} key=${each.generation} of=${each} points=${lately} />`
      : html`<${Tried} key=${each.at} of=${each} />`))}</ol>`
      : html`<p class="empty">Nothing has changed since this control plane came up.</p>`)}<//>
  </section>`;
}

/** The points of the last minutes, where the span is shorter than what is told. */
function within(points, span) {
  const minutes = { "5m": 5, "15m": 15 }[span];
  const since = minutes ? Date.now() - minutes * 60000 : 0;
  return points.filter((point) => Date.parse(point.at) >= since);
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
    <div class="at">${Object.entries(of.resources).map(([type, count]) => `${count} ${type.toUpperCase()}`).join(", ") || "no resource differs"}</div>
  </li>`;
}

/** A change that was tried on some proxies first. */
const Tried = ({ of }) => html`<li><p><strong>rollout</strong> ${" "}<time datetime=${of.at} title=${of.at}>${ago(of.at)}</time> ${" "}
    <${Badge} kind=${of.state === "promoted" ? "good" : "bad"}>${of.state}<//> in step ${of.step} of ${of.steps}, ${of.proxies} of ${of.affected} proxies had it</p>
  ${of.objects.map((each) => html`<div><${ObjectLink} name=${each.object} /></div>`)}
  ${of.reason && html`<div class=${of.state === "promoted" ? "at" : "bad"}>${of.reason}</div>`}</li>`;

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
