// What rolls out in steps, what waits and what came back; who has logged in may decide.
import { useState } from "preact/hooks";
import { act, Badge, html, useSession, useTold } from "./lib.js";
import { ObjectLink } from "./services.js";

const EVERY_MS = 5000;
const STATES = { waiting: "plain", "rolling out": "poor", aborted: "bad" };

export function Rollouts({ login }) {
  const found = useTold("/debug/rollouts", EVERY_MS);
  const session = useSession();
  const [error, setError] = useState("");
  const told = found.told;
  if (!told || (!told.rollout && !told.held.length)) return null;
  const decide = async (what, object) => {
    const named = new URLSearchParams({ group: object.group, kind: object.kind, namespace: object.namespace, name: object.name });
    setError("");
    try {
      await act(`/dashboard/api/rollouts/${what}?${named}`);
    } catch (failure) {
      setError(failure.message);
    }
  };
  return html`<section aria-labelledby="rollouts"><h2 id="rollouts">Rollouts</h2>
    ${told.rollout && html`<${UnderWay} of=${told.rollout} />`}
    <ul class="rows">${told.held.map((each) => html`<li>
      <${Badge} kind=${STATES[each.state] || "plain"}>${each.state}<//> <${ObjectLink} name=${each.object} />
      ${each.deleted ? " (deleted)" : ""} ${each.reason && html`<span class="at">${each.reason}</span>`}
      ${session.user && html` <button class="small" onClick=${() => decide("promote", each)}>Promote</button>
        <button class="small secondary" onClick=${() => decide("abort", each)}>Abort</button>`}
    </li>`)}</ul>
    ${error && html`<p class="error" role="alert">${error}</p>`}
    ${!session.user && html`<p class="at">${login ? "Log in to promote or abort; so do the commands" : "To decide:"} <code>plait rollout promote</code> and <code>plait rollout abort</code>.</p>`}
  </section>`;
}

const UnderWay = ({ of }) => html`<p>Step ${of.step} of ${of.steps}, ${of.phase}: ${of.proxies} of ${of.affected} proxies have it.
  ${of.judgement && html` ${of.requests} requests were compared${of.why ? `: ${of.why}` : ", no harm so far"}.`}
  ${of.reason && html` <strong>${of.reason}</strong>`}</p>`;
