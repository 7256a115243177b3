// What all views use: the templates, questions to the control plane, and how figures are written.
import { h } from "preact";
import { useEffect, useState } from "preact/hooks";
import htm from "htm";

export const html = htm.bind(h);

/** The answer at `path`. Errors: Error, with what the control plane says. */
export async function ask(path, signal) {
  const answer = await fetch(path, { signal, headers: { accept: "application/json" } });
  const text = await answer.text();
  let told;
  try {
    told = JSON.parse(text);
  } catch {
    throw new Error(answer.ok ? `no JSON at ${path}` : `${answer.status}: ${text.slice(0, 200)}`);
  }
  if (!answer.ok) throw new Error(told.error || `${answer.status} at ${path}`);
  return told;
}

/** {told, error} of `path` (null asks nothing), asked anew every `everyMs` while the page is looked at. */
export function useTold(path, everyMs = 0) {
  const [found, setFound] = useState({ path: null, told: null, error: null });
  useEffect(() => {
    if (path === null) return undefined;
    const ending = new AbortController();
    let timer = 0;
    const once = async () => {
      if (!document.hidden) {
        try {
          const told = await ask(path, ending.signal);
          setFound({ path, told, error: null });
        } catch (error) {
          if (ending.signal.aborted) return;
          setFound((last) => ({ path, told: last.path === path ? last.told : null, error: error.message }));
        }
      }
      if (everyMs && !ending.signal.aborted) timer = setTimeout(once, everyMs);
    };
    once();
    return () => {
      ending.abort();
      clearTimeout(timer);
    };
  }, [path, everyMs]);
  return found.path === path ? found : { told: null, error: null };
}

/** What the control plane says of itself, the same for all views. */
export const useOverview = () => useTold("/dashboard/api/overview", 5000);

// -- windows of time: the last hour is the control plane's own, more is Prometheus' where it knows one

const HOUR = [["5m", "last 5 minutes"], ["15m", "last 15 minutes"], ["1h", "last hour"]];
const LONGER = { "6h": "last 6 hours", "24h": "last 24 hours", "7d": "last 7 days" };
const PAST_MS = 60000;

export function Span({ value, onChange, known, first = [] }) {
  const past = (known || []).filter((window) => window in LONGER).map((window) => [window, LONGER[window]]);
  return html`<select aria-label="Over the last" value=${value} onChange=${(event) => onChange(event.target.value)}>
    ${[...first, ...HOUR, ...past].map(([window, words]) => html`<option value=${window}>${words}</option>`)}
  </select>`;
}

/** What is told of a window: of `recent`, or where it is longer than an hour, of `past`. */
export function useWindow(span, recent, past) {
  const longer = span in LONGER;
  return useTold(longer ? past : recent, longer ? PAST_MS : 5000);
}

// -- who has logged in: the token is kept in this page alone, and goes when it is closed or loaded anew

let session = { user: "", token: "" };
const lookers = new Set();

function become(next) {
  session = next;
  for (const look of lookers) look({});
}

export function useSession() {
  const [, look] = useState({});
  useEffect(() => {
    lookers.add(look);
    return () => lookers.delete(look);
  }, []);
  return session;
}

export async function logIn(token) {
  const told = await act("/dashboard/api/login", token);
  become({ user: told.user, token });
}

export const logOut = () => become({ user: "", token: "" });

/** The answer of something that does something, asked with the token of who has logged in. Errors: Error. */
export async function act(path, token = session.token) {
  const answer = await fetch(path, { method: "POST", headers: { authorization: `Bearer ${token}` } });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.error || `${answer.status} at ${path}`);
  return told;
}

/** The theme that is drawn, "light" or "dark". */
export function useTheme() {
  const [theme, setTheme] = useState(currentTheme());
  useEffect(() => {
    const look = () => setTheme(currentTheme());
    const system = matchMedia("(prefers-color-scheme: dark)");
    const stated = new MutationObserver(look);
    stated.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    system.addEventListener("change", look);
    return () => {
      stated.disconnect();
      system.removeEventListener("change", look);
    };
  }, []);
  return theme;
}

export function currentTheme() {
  const stated = document.documentElement.dataset.theme;
  return stated || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

/** The colour of that name in the style sheet, for what is drawn on a canvas. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// -- figures

const number = (value, digits) => value.toLocaleString("en", { maximumFractionDigits: digits });

export function rate(perSecond) {
  if (perSecond === null || perSecond === undefined) return "–";
  if (perSecond >= 1000) return `${number(perSecond / 1000, 1)}k/s`;
  return `${number(perSecond, perSecond < 10 ? 1 : 0)}/s`;
}

/** How many at once, on average. */
export const inFlight = (mean) => (mean === null || mean === undefined ? "–" : number(mean, mean < 1 ? 2 : mean < 10 ? 1 : 0));

export function share(part) {
  if (part === null || part === undefined) return "–";
  if (part === 0) return "0%";
  return part < 0.001 ? "<0.1%" : `${number(part * 100, part < 0.1 ? 1 : 0)}%`;
}

export function ms(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 1000) return `${number(value / 1000, 2)} s`;
  return `${number(value, value < 10 ? 1 : 0)} ms`;
}

export function bytes(value) {
  if (!value) return "0 B";
  const step = Math.min(4, Math.floor(Math.log10(value) / 3));
  return `${number(value / 1000 ** step, step ? 1 : 0)} ${["B", "kB", "MB", "GB", "TB"][step]}`;
}

export function ago(iso) {
  if (!iso) return "–";
  const s = Math.max(0, (Date.now() - Date.parse(iso)) / 1000);
  if (s < 60) return `${Math.floor(s)} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  return s < 172800 ? `${Math.floor(s / 3600)} h ago` : `${Math.floor(s / 86400)} d ago`;
}

/** How bad a share of errors is: "good", "poor" (1 %) or "bad" (5 %). */
export const health = (errorShare) => (errorShare >= 0.05 ? "bad" : errorShare >= 0.01 ? "poor" : "good");

/** How bad a verdict of a call is, as `health` has it. */
export const VERDICTS = { allowed: "good", answered: "good", denied: "bad", unreachable: "bad", asks: "poor" };

export const nameOf = (node) => node.name || node.id;

export const label = (node) => (node ? `${nameOf(node)}${node.namespace ? `.${node.namespace}` : ""}` : "unknown");

// -- addresses in the page: #/view/part?key=value

export function useHash() {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const look = () => setHash(location.hash);
    addEventListener("hashchange", look);
    return () => removeEventListener("hashchange", look);
  }, []);
  const [path, query] = hash.replace(/^#\/?/, "").split("?");
  const [view, ...parts] = path.split("/").map(decodeURIComponent);
  return { view: view || "graph", part: parts.join("/"), query: new URLSearchParams(query || "") };
}

export function link(view, part = "", query = {}) {
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  return `#/${view}${part ? `/${encodeURIComponent(part)}` : ""}${asked ? `?${asked}` : ""}`;
}

// -- parts of views

export const Told = ({ of, children }) =>
  html`${of.error && html`<p class="error" role="alert">${of.error}</p>`}
  ${of.told === null && !of.error ? html`<p aria-busy="true">Loading</p>` : null}
  ${of.told !== null ? children(of.told) : null}`;

export const Badge = ({ kind, children }) => html`<span class=${`badge ${kind}`}>${children}</span>`;

/** A table: `columns` are [title, cell of a row, class]; only the first `most` rows are drawn. */
export function Table({ rows, columns, empty = "Nothing here.", most = 250 }) {
  const [shown, setShown] = useState(most);
  if (!rows.length) return html`<p class="empty">${empty}</p>`;
  return html`<div class="scroll">
    <table>
      <thead><tr>${columns.map(([title, , kind]) => html`<th scope="col" class=${kind || ""}>${title}</th>`)}</tr></thead>
      <tbody>${rows.slice(0, shown).map(
        (row) => html`<tr>${columns.map(([, cell, kind]) => html`<td class=${kind || ""}>${cell(row)}</td>`)}</tr>`,
      )}</tbody>
    </table>
    ${rows.length > shown &&
    html`<button class="secondary small" onClick=${() => setShown(shown + most)}>
      ${rows.length - shown} more
    </button>`}
  </div>`;
}

/** A field to search in, which keeps what is typed in the address of the page. */
export const Search = ({ value, onInput, label }) =>
  html`<input type="search" class="search" aria-label=${label} placeholder=${label} value=${value}
    onInput=${(event) => onInput(event.target.value)} />`;
