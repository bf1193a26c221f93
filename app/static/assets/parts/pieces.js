// Pieces that several views are made of.
import { icon } from "../icons.js";
import { h } from "../view.js";
import { explain } from "../toasts.js";
import { t } from "../words.js";

/** Nothing is here: say why, and what to do. */
export function empty(sign, heading, text, ...actions) {
  return h(
    "div",
    { class: "empty" },
    h("span", { class: "disc" }, icon(sign)),
    h("h2", {}, heading),
    text && h("p", {}, text),
    actions.length ? h("p", { class: "actions" }, actions) : null,
  );
}

/** Something failed where it would be shown. */
export function trouble(error, retry) {
  return h(
    "div",
    { class: "empty bad", role: "alert" },
    h("span", { class: "disc" }, icon("alert")),
    h("h2", {}, t("not_loaded")),
    h("p", {}, explain(error)),
    retry && h("p", { class: "actions" }, h("button", { type: "button", class: "primary", onclick: retry }, t("retry"))),
  );
}

/** Who is not signed in is told what for. */
export function signInFirst(text) {
  const back = encodeURIComponent(location.pathname + location.search);
  return empty(
    "person",
    t("sign_in_first"),
    text,
    h("a", { class: "button primary", href: `/sign-in?to=${back}` }, t("sign_in")),
    h("a", { class: "button", href: `/sign-up?to=${back}` }, t("sign_up")),
  );
}

export const lines = (count) =>
  h("div", { class: "lines", "aria-hidden": "true" }, Array.from({ length: count }, () => h("span", { class: "line skeleton" })));

let fieldNumber = 0;

/** A labelled field with its hint and its error; `input` gets what ties them together. */
export function field(label, input, { hint = null, error = () => "" } = {}) {
  const id = `field-${++fieldNumber}`;
  input.id = id;
  const note = h("small", { id: `${id}-note`, class: () => (error() ? "error" : "hint") }, () => error() || hint || "");
  input.setAttribute("aria-describedby", note.id);
  return h("div", { class: "field" }, h("label", { for: id }, label), input, note);
}

/** A choice of few, as joined buttons. */
export function choices(label, options, value, choose) {
  return h(
    "div",
    { class: "choices", role: "group", "aria-label": label },
    options.map(([key, text]) =>
      h("button", { type: "button", "aria-pressed": () => String(value() === key), onclick: () => choose(key) }, text),
    ),
  );
}

/** A dialog; `close` takes it away. The element of the browser keeps the focus and listens to Escape. */
export function openDialog(heading, content, { wide = false } = {}) {
  const id = `dialog-${++fieldNumber}`;
  const close = () => dialog.close();
  const dialog = h(
    "dialog",
    { class: wide ? "wide" : "", "aria-labelledby": id, onclose: () => dialog.remove() },
    h(
      "header",
      {},
      h("h2", { id }, heading),
      h("button", { type: "button", class: "ghost icon", "aria-label": t("close"), onclick: close }, icon("close")),
    ),
  );
  dialog.append(content(close));
  dialog.addEventListener("click", (event) => event.target === dialog && close());
  document.body.append(dialog);
  dialog.showModal();
  return close;
}

/** Ask before something that cannot be taken back. */
export function confirmed(heading, text, label) {
  return new Promise((answer) => {
    const close = openDialog(heading, (done) =>
      h(
        "div",
        {},
        h("p", {}, text),
        h(
          "p",
          { class: "actions" },
          h("button", { type: "button", onclick: () => (answer(false), done()) }, t("cancel")),
          h("button", { type: "button", class: "danger", onclick: () => (answer(true), done()) }, label),
        ),
      ),
    );
    document.querySelector("dialog:last-of-type")?.addEventListener("close", () => answer(false));
    return close;
  });
}
