// The rarer fields of an entry, and taking it off the list.
import { icon } from "../icons.js";
import { change, drop } from "../mine.js";
import { h, signal } from "../view.js";
import { t } from "../words.js";
import { field } from "./pieces.js";

const DATE = /^\d{4}(-\d\d(-\d\d)?)?$/;

/** The rarer fields of an entry; each is saved when it is left. */
export function entryForm(anime, entry, open) {
  const shown = entry.peek();
  const faults = signal({});
  const save = (name, value, check = () => true) => {
    if (!check(value)) {
      faults.set({ ...faults.peek(), [name]: t("bad_date") });
      return;
    }
    faults.set({ ...faults.peek(), [name]: "" });
    change(anime.id, { [name]: value });
  };
  const text = (name, label, tag = "input", attributes = {}, convert = (value) => value.trim() || null, check) =>
    field(label, h(tag, { ...attributes, value: shown[name] ?? "", onchange: ({ target }) => save(name, convert(target.value), check) }, tag === "textarea" ? (shown[name] ?? "") : null), {
      error: () => faults()[name] ?? "",
      hint: attributes.placeholder ? null : attributes.title,
    });
  const dated = (name, label) => text(name, label, "input", { placeholder: t("date_form"), autocomplete: "off" }, undefined, (value) => value === null || DATE.test(value));
  const tick = (name, label) =>
    h("label", { class: "tick" }, h("input", { type: "checkbox", checked: () => Boolean(entry()?.[name]), onchange: ({ target }) => save(name, target.checked) }), label);
  return h(
    "div",
    { class: "entry-form" },
    h(
      "div",
      { class: "columns" },
      dated("started_at", t("started")),
      dated("finished_at", t("finished")),
      text("rewatch_count", t("rewatches"), "input", { inputmode: "numeric" }, (value) => Math.max(0, Math.min(10_000, Math.trunc(Number(value)) || 0))),
      field(
        t("tags"),
        h("input", {
          value: (shown.tags ?? []).join(", "),
          onchange: ({ target }) => save("tags", target.value.split(",").map((tag) => tag.trim()).filter(Boolean).slice(0, 50)),
        }),
        { hint: t("tags_hint") },
      ),
    ),
    text("notes", t("notes"), "textarea", { rows: "3", maxlength: "10000" }, (value) => value || null),
    h("p", { class: "ticks" }, tick("is_rewatching", t("rewatching")), tick("is_private", t("private"))),
    h("p", { class: "actions" }, h("button", { type: "button", class: "danger ghost", onclick: () => (open?.set(false), drop(anime.id)) }, icon("trash"), t("take_off"))),
  );
}
