// Short messages at the edge; one with an action waits longer.
import { ApiError, Offline } from "./api.js";
import { icon } from "./icons.js";
import { language } from "./prefs.js";
import { each, h, signal } from "./view.js";
import { has, t } from "./words.js";

const toasts = signal([]);
let next = 1;

const drop = (id) => toasts.update((all) => all.filter((one) => one.id !== id));

/** Say something; `action` is `{label, run}`, `kind` is "good", "bad" or "live". */
export function toast(text, { kind = "good", action = null, seconds = action ? 12 : 5, href = null } = {}) {
  const id = next++;
  toasts.update((all) => [...all.slice(-3), { id, text, kind, action, href }]);
  setTimeout(drop, seconds * 1000, id);
  return () => drop(id);
}

/** What to tell a person about a failure. */
export function explain(error) {
  if (error instanceof Offline) return t("offline_short");
  if (error instanceof ApiError) {
    if (error.status === 429) return t("too_many", { n: error.retryAfter || 1 });
    if (error.status >= 500 && error.code === "INTERNAL_ERROR") return t("bug", { id: error.requestId });
    if (error.faults.length) return error.faults.map((one) => (has(one.field) ? `${t(one.field)}: ${sentence(one)}` : sentence(one))).join(" ");
    if (has(`error.${error.code}`)) return t(`error.${error.code}`);
    return error.message;
  }
  return String(error?.message ?? error);
}

/** What is wrong with one field, in the language of the page; empty where nothing is. */
export const faultOf = (error, name) => (error?.faults ?? []).filter((one) => one.field === name).map(sentence).join(" ");

function sentence({ field, code, params, message }) {
  const key = [`fault.${code}.${field}`, `fault.${code}`].find(has);
  // the server's own sentence says more than "this does not fit", in English
  if (!key || (key === "fault.invalid" && language.peek() === "en")) return message;
  const { min, above, max, below, allowed } = params ?? {};
  return t(key, { min: min ?? above, max: max ?? below, allowed: allowed?.join(", ") });
}

/** Say that something failed, and offer to try it again. */
export function failed(error, retry) {
  if (error instanceof ApiError && error.status === 401) return; // told once, where the session ended
  const action = retry ? { label: t("retry"), run: retry } : null;
  return toast(explain(error), { kind: "bad", action, seconds: 15 });
}

export function toastArea() {
  return h(
    "div",
    { class: "toasts", role: "status", "aria-live": "polite" },
    each(toasts, (one) => one.id, (item) => {
      const { id, text, kind, action, href } = item.peek();
      return h(
        "div",
        { class: `toast ${kind}` },
        icon(kind === "bad" ? "alert" : kind === "live" ? "live" : "check"),
        href ? h("a", { href, onclick: () => drop(id) }, text) : h("span", {}, text),
        action &&
          h("button", { type: "button", class: "link", onclick: () => (drop(id), action.run()) }, action.label),
        h("button", { type: "button", class: "ghost icon", "aria-label": t("close"), onclick: () => drop(id) }, icon("close")),
      );
    }),
  );
}
