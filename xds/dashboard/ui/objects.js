// Policies and other objects: on how many proxies they are live, what is wrong with them, what they did.
import { useState } from "preact/hooks";
import { ago, Badge, html, Search, Table, Told, useTold } from "./lib.js";

const EVERY_MS = 5000;
const SEVERITY = { error: "bad", warning: "poor", info: "plain" };

export function ObjectsView({ query }) {
  const [text, setText] = useState(query.get("search") || "");
  const [kind, setKind] = useState("");
  const objects = useTold("/dashboard/api/objects", EVERY_MS);
  const problems = useTold("/debug/problems", EVERY_MS);
  const refusals = useTold("/debug/refusals", EVERY_MS);
  const wanted = text.trim().toLowerCase();
  const named = (...words) => words.join(" ").toLowerCase().includes(wanted);
  return html`<section>
    <div class="bar"><h1>Policies and other objects</h1>
      <${Search} value=${text} onInput=${setText} label="Find an object" />
      <select aria-label="Kind" value=${kind} onChange=${(event) => setKind(event.target.value)}>
        <option value="">every kind</option>
        ${[...new Set((objects.told || []).map((each) => each.kind))].sort().map((name) => html`<option>${name}</option>`)}
      </select>
    </div>
    <${Told} of=${objects}>${(told) => html`<${Table} empty="No object matches." columns=${OBJECTS}
      rows=${told.filter((row) => (!kind || row.kind === kind) && named(row.object, row.origin))} />`}<//>
    <h2>Problems</h2>
    <${Told} of=${problems}>${(told) => html`<${Table} empty="Nothing is wrong." columns=${PROBLEMS}
      rows=${told.filter((row) => named(row.object, row.message, row.code))} />`}<//>
    <h2>What policies refused</h2>
    <${Told} of=${refusals}>${(told) => html`<${Table} empty="Nothing has been refused." columns=${REFUSALS}
      rows=${told.filter((row) => named(row.from, row.to, row.why, ...row.policies.map((each) => each.object)))} />`}<//>
  </section>`;
}

const OBJECTS = [
  ["Object", (row) => row.object],
  ["Live", (row) => html`<${Live} of=${row} />`],
  ["Problems", (row) => (row.problems ? html`<${Badge} kind=${row.errors ? "bad" : "poor"}>${row.problems}<//>` : "–")],
  ["Refused", (row) => row.refused || "–", "n"],
  ["Would refuse (dry run)", (row) => row.dry_run || "–", "n"],
  ["Generation", (row) => row.generation || "–", "n"],
  ["Where", (row) => row.origin || "–"],
];

function Live({ of }) {
  if (of.total === 0) return html`<span class="at">no proxy has anything of it</span>`;
  const kind = of.rejections.length ? "bad" : of.live < of.total ? "poor" : "good";
  return html`<${Badge} kind=${kind}>Live ${of.live} of ${of.total}<//>
    ${of.rejections.map((each) => html`<div class="bad">${each.proxy}: ${each.reason}</div>`)}`;
}

const PROBLEMS = [
  ["", (row) => html`<${Badge} kind=${SEVERITY[row.level] || "plain"}>${row.level}<//>`],
  ["Object", (row) => row.object],
  ["Field", (row) => row.field || "–"],
  ["What", (row) => row.message, "wrap"],
  ["Code", (row) => row.code],
  ["Where", (row) => row.origin || "–"],
];

const REFUSALS = [
  ["Times", (row) => row.times, "n"],
  ["Kind", (row) => html`<${Badge} kind=${row.kind.startsWith("would") ? "poor" : "bad"}>${row.kind}<//>`],
  ["From", (row) => row.from],
  ["To", (row) => row.to],
  ["By", (row) => row.policies.map((each) => html`<div>${each.object}${each.rule !== null && each.rule !== undefined && each.rule !== "" ? ` rule ${each.rule}` : ""} <span class="at">${each.origin}</span></div>`), "narrow"],
  ["Why", (row) => row.why, "wrap"],
  ["An example", (row) => row.request],
  ["Last", (row) => ago(row.last)],
];
