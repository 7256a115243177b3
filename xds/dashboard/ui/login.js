// Logging in, with a token of the cluster that is kept in this page alone.
import { useRef, useState } from "preact/hooks";
import { html, logIn, logOut, useSession } from "./lib.js";

export function Login() {
  const session = useSession();
  const [error, setError] = useState("");
  const dialog = useRef(null);
  if (session.user)
    return html`<span class="state"><span title="logged in">${session.user}</span>
      <button class="small secondary" onClick=${logOut}>Log out</button></span>`;
  const enter = async (event) => {
    event.preventDefault();
    const field = event.target.elements.token;
    setError("");
    try {
      await logIn(field.value.trim());
      dialog.current?.close();
    } catch (failure) {
      setError(failure.message);
    }
    field.value = "";
  };
  return html`<button class="small secondary" onClick=${() => dialog.current.showModal()}>Log in</button>
    <dialog ref=${dialog} aria-labelledby="login-title"><article>
      <h2 id="login-title">Log in</h2>
      <form onSubmit=${enter}>
        <label>A token of the cluster<input type="password" name="token" required autocomplete="off" spellcheck="false" /></label>
        <p class="at"><code>kubectl create token NAME</code> makes one. What its owner may update, you may promote and abort.
          It is kept in this page alone, until it is closed.</p>
        ${error && html`<p class="error" role="alert">${error}</p>`}
        <div class="buttons"><button type="submit" class="small">Log in</button>
          <button type="button" class="small secondary" onClick=${() => dialog.current.close()}>Cancel</button></div>
      </form>
    </article></dialog>`;
}
