// The page: which view the address means, and what stands above every view.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Badge, html, link, useHash, useOverview } from "./lib.js";
import { GraphView } from "./graph.js";
import { ServicesView } from "./services.js";
import { ProxiesView } from "./proxies.js";
import { ObjectsView } from "./objects.js";
import { Login } from "./login.js";
import { WhyView } from "./why.js";
import { ChangesView } from "./changes.js";

const VIEWS = {
  graph: ["Graph", GraphView],
  services: ["Services", ServicesView],
  proxies: ["Proxies", ProxiesView],
  objects: ["Policies", ObjectsView],
  changes: ["Changes", ChangesView],
  why: ["Why?", WhyView],
};

function Page() {
  const asked = useHash();
  const overview = useOverview();
  const [title, View] = VIEWS[asked.view] || VIEWS.graph;
  useEffect(() => {
    document.title = `${asked.part || title} – Plait`;
  }, [title, asked.part]);
  const toContent = (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  };
  return html`<a class="skip" href="#main" onClick=${toContent}>Skip to content</a>
    <header class="top">
      <a class="brand" href=${link("graph")}><img src="/dashboard/ui/icon.svg" alt="" /> Plait</a>
      <nav aria-label="Views"><ul>${Object.entries(VIEWS).map(
        ([view, [name]]) => html`<li><a href=${link(view)} aria-current=${asked.view === view ? "page" : undefined}>${name}</a></li>`,
      )}</ul></nav>
      <${State} of=${overview} />
      ${overview.told?.login && html`<${Login} />`}
      <${Theme} />
    </header>
    <main id="main" tabindex="-1"><${View} key=${asked.view} part=${asked.part} query=${asked.query} /></main>`;
}

function State({ of: { told, error } }) {
  if (error) return html`<span class="state" role="status"><${Badge} kind="bad">control plane away<//></span>`;
  if (!told) return null;
  const behind = told.stale + told.rejected;
  return html`<span class="state" role="status">
    <a href=${link("proxies")}><${Badge} kind=${told.rejected ? "bad" : behind ? "poor" : "good"}>
      ${told.proxies - behind} of ${told.proxies} proxies in sync<//></a>
    ${told.replicas.shown < told.replicas.known &&
    html`<span title="plait dashboard puts all of them together"><${Badge} kind="poor">
      proxies of ${told.replicas.shown} of ${told.replicas.known} replicas<//></span>`}
    ${told.problems.error + told.problems.warning > 0 &&
    html`<a href=${link("objects")}><${Badge} kind=${told.problems.error ? "bad" : "poor"}>
      ${told.problems.error + told.problems.warning} problems<//></a>`}
  </span>`;
}

function Theme() {
  const [theme, setTheme] = useState(localStorage.getItem("theme") || "");
  useEffect(() => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    localStorage.setItem("theme", theme);
  }, [theme]);
  return html`<select aria-label="Theme" value=${theme} onChange=${(event) => setTheme(event.target.value)}>
    <option value="">as the system</option>
    <option value="light">light</option>
    <option value="dark">dark</option>
  </select>`;
}

render(html`<${Page} />`, document.getElementById("app"));
