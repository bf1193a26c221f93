// An address that leads nowhere.
import { empty } from "../parts/pieces.js";
import { heading } from "../shell.js";
import { h } from "../view.js";
import { t } from "../words.js";

export function view() {
  heading.set(t("missing"));
  return h("div", {}, h("h1", { class: "hidden" }, t("missing")), empty("compass", t("missing"), t("missing_text"), h("a", { class: "button primary", href: "/" }, t("nav.discover"))));
}
