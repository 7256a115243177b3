// "Why?": what becomes of a call, and which objects decide it; the same answer as `plait explain`.
import { useState } from "preact/hooks";
import { Badge, html, link, Told, useTold, VERDICTS } from "./lib.js";

const FIELDS = ["from", "to", "method", "path", "header", "namespace", "plaintext"];

export function WhyView({ query }) {
  const asked = Object.fromEntries(FIELDS.map((name) => [name, query.get(name) || ""]));
  const ready = asked.from && asked.to;
  const parameters = new URLSearchParams();
  for (const name of FIELDS) {
    for (const value of asked[name].split("\n")) if (value.trim()) parameters.append(name, value.trim());
  }
  const found = useTold(ready ? `/dashboard/api/explain?${parameters}` : null);
  return html`<section>
    <div class="bar"><h1>Why?</h1></div>
    <p>What becomes of a call, and which objects decide it, as the proxies are configured now; what <code>plait explain</code> says.</p>
    <${Form} key=${query.toString()} asked=${asked} />
    ${ready ? html`<${Told} of=${found}>${(told) => html`<${Answer} of=${told} />`}<//>` : null}
  </section>`;
}

function Form({ asked }) {
  const [fields, setFields] = useState(asked);
  const callers = useTold("/debug/workloads");
  const services = useTold("/dashboard/api/services");
  const typed = (name) => (event) => setFields({ ...fields, [name]: event.target.value });
  const ask = (event) => {
    event.preventDefault();
    location.hash = link("why", "", fields).slice(1);
  };
  const workloads = [...new Set((callers.told || []).map((each) => `${each.namespace}/${each.workload || each.pod}`))].sort();
  return html`<form class="why" onSubmit=${ask}>
    <label>Who calls<input name="from" required list="callers" value=${fields.from} onInput=${typed("from")} placeholder="shop/web" /></label>
    <label>What<input name="to" required list="services" value=${fields.to} onInput=${typed("to")} placeholder="reviews.shop:9080" /></label>
    <label>Method<input name="method" value=${fields.method} onInput=${typed("method")} placeholder="GET" /></label>
    <label>Path<input name="path" value=${fields.path} onInput=${typed("path")} placeholder="/" /></label>
    <label class="wide">Headers, one a line<textarea name="header" rows="1" value=${fields.header} onInput=${typed("header")} placeholder="x-user: jason"></textarea></label>
    <button type="submit">Ask</button>
    <datalist id="callers">${workloads.map((name) => html`<option value=${name}></option>`)}</datalist>
    <datalist id="services">${(services.told || []).flatMap((each) =>
      each.ports.map((port) => html`<option value=${`${each.host}:${port.number}`}></option>`))}</datalist>
  </form>`;
}

const At = ({ of }) => (of && of.at ? html` <span class="at">${of.at}</span>` : null);
const Named = ({ of }) => (of ? html`<a href=${link("objects", "", { search: of.object })}>${of.object}</a>${of.rule !== null && of.rule !== undefined ? ` rules[${of.rule}]` : ""}<${At} of=${of} />` : null);

function Answer({ of }) {
  return html`<div role="region" aria-label="Answer" aria-live="polite">
    ${of.answers.map((each) => html`<${Verdict} of=${each} told=${of} />`)}
    ${of.answers.length === 0 && html`<div class=${`verdict ${VERDICTS[of.verdict]}`}>
      <p><span class="word">${of.verdict}</span>${of.path?.because}${of.path?.status ? ` (${of.path.status})` : ""}</p>
      ${(of.path?.decidedBy || []).map((each) => html`<p>${each.object} <code>${each.field}</code><${At} of=${each} /></p>`)}
    </div>`}
    ${of.path && html`<h2>The way</h2><div class="scroll"><table><tbody>
      ${of.path.steps.map((each) => html`<tr><th scope="row">${each.step}</th><td class="wrap">${each.says}</td>
        <td>${each.by.map((by) => html`<div>${by.object}<${At} of=${by} /></div>`)}</td></tr>`)}
      ${of.path.destinations.map((each) => html`<tr><th scope="row">to</th><td class="wrap">
        ${of.path.destinations.length > 1 ? `${each.share}% ` : ""}<code>${each.cluster}</code>: ${each.fault ||
        `${each.resolved ? "found by name" : `${each.healthy} of ${each.endpoints} endpoints healthy`}, ${each.tls}`}</td>
        <td>${each.rule}${each.guilty.map((by) => html`<div>${by.object}<${At} of=${by} /></div>`)}</td></tr>`)}
    </tbody></table></div>`}
    ${(of.lately || []).length > 0 && html`<h2>What failed lately</h2><div class="scroll"><table><tbody>
      ${of.lately.map((each) => html`<tr><th scope="row">${each.times} times</th><td class="wrap">${each.says}
        <div class="at">${each.request}, told by ${each.toldBy} at ${each.last}</div></td>
        <td>${each.by.map((by) => html`<div>${by.object} <code>${by.field}</code><${At} of=${by} /></div>`)}</td></tr>`)}
    </tbody></table></div>`}
    ${of.notes.map((note) => html`<p><${Badge} kind="poor">note<//> ${note}</p>`)}
  </div>`;
}

function Verdict({ of, told }) {
  return html`<div class=${`verdict ${VERDICTS[of.verdict]}`}>
    <p><span class="word">${of.verdict}</span>${of.because}${of.status >= 400 ? ` (${of.status})` : ""} <${Named} of=${of.decidedBy} /></p>
    <p>From ${told.source.name} ${told.source.address}${of.principal ? `, proven as ${of.principal}` : ", identity not proven"}</p>
    <p>To ${told.destination.service || told.destination.host} port ${told.destination.port}, ${of.pods.slice(0, 3).join(", ")}${of.pods.length > 3 ? " …" : ""} port ${of.port} (${of.protocol})</p>
    ${of.mtls.mode && html`<p>mTLS ${of.mtls.mode}, the caller speaks ${of.mtls.spoken ? "mutual TLS" : "plaintext"}
      ${of.mtls.decidedBy.map((each) => html` <${Named} of=${each} />`)}</p>`}
    ${of.withDryRuns && html`<p>With dry runs in force: <strong>${of.withDryRuns.verdict}</strong>, ${of.withDryRuns.because} <${Named} of=${of.withDryRuns.decidedBy} /></p>`}
    ${of.considered.length > 0 && html`<details><summary>Policies that were looked at</summary><ul>${of.considered.map((each) => html`<li>
      ${each.action}${each.dryRun ? ", dry run" : ""}: <${Named} of=${{ ...each, rule: null }} /> ${each.rule !== null ? `matches by rules[${each.rule}]` : "does not match"}
      ${each.misses.map((miss) => html`<div class="at">${miss}</div>`)}</li>`)}</ul></details>`}
  </div>`;
}
