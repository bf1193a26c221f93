// What changed on the list, newest first; the last change of each title can be taken back.
import { get } from "../api.js";
import { icon } from "../icons.js";
import { changes, undo } from "../mine.js";
import { cover } from "../parts/cover.js";
import { empty, lines, signInFirst, trouble } from "../parts/pieces.js";
import { signedIn } from "../session.js";
import { heading } from "../shell.js";
import { debounce, each, effect, h, signal, still } from "../view.js";
import { has, langOf, moment, since, t } from "../words.js";

const PAGE = 40;

export function view() {
  heading.set(t("nav.history"));
  return h("div", {}, h("div", { class: "heading" }, h("h1", {}, t("nav.history"))), () =>
    signedIn() ? still(timeline) : signInFirst(t("history_for")),
  );
}

function timeline() {
  const rows = signal(null);
  const total = signal(0);
  const fault = signal(null);
  async function load(offset = 0) {
    try {
      const limit = offset ? PAGE : Math.min(100, Math.max(PAGE, rows.peek()?.length ?? 0));
      const answer = await get("/users/me/history", { limit, offset: offset || null });
      rows.set([...(offset ? rows.peek() : []), ...answer.value]);
      total.set(answer.total);
      fault.set(null);
    } catch (error) {
      fault.set(error);
    }
  }
  // An edit here or in another tab is a line more.
  const soon = debounce(load, 600);
  let first = true;
  effect(() => {
    changes();
    if (first) load();
    else soon();
    first = false;
  });

  /** Only the newest change of a title can be taken back, and an undo is none. */
  const latest = (row) => row.anime_id !== null && row.origin !== "undo" && rows().find((one) => one.anime_id === row.anime_id) === row;

  return [
    () => (fault() ? trouble(fault(), () => load()) : rows() === null ? lines(8) : null),
    () => (rows()?.length === 0 ? empty("clock", t("history_empty"), t("history_empty_text"), h("a", { class: "button primary", href: "/" }, t("nav.discover"))) : null),
    h(
      "ol",
      { class: "plain" },
      each(() => rows() ?? [], (row) => row.id, (row) => {
        const { anime_id: id, title, action, origin, changes: fields, changed_at: at } = row.peek();
        const name = title ?? t("no_name");
        return h(
          "li",
          { class: "change" },
          cover(row.peek(), { name }),
          h(
            "div",
            { class: "name" },
            id ? h("a", { href: `/title/${id}`, lang: langOf(name) }, name) : h("strong", { lang: langOf(name) }, name),
            h("p", { class: "changed" }, action === "changed" ? null : h("strong", {}, t(`was_${action}`)), Object.entries(fields).filter(([, [before, after]]) => action === "changed" || (action === "added" ? after : before)).map(([field, [before, after]]) => difference(field, before, after, action))),
            h("small", { title: moment(at) }, since(at), has(`origin.${origin}`) ? ` · ${t(`origin.${origin}`)}` : ""),
          ),
          () => (latest(row()) ? h("button", { type: "button", class: "small", "aria-label": `${t("undo_change")}: ${name}`, onclick: () => undo(id) }, icon("undo"), t("undo_change")) : null),
        );
      }),
    ),
    () => (rows() && rows().length < total() ? h("button", { type: "button", class: "wide", onclick: () => load(rows.peek().length) }, t("show_more")) : null),
  ];
}

function difference(field, before, after, action) {
  const name = `${t(`field.${field}`)}: `;
  if (action === "added") return h("span", {}, name, h("ins", {}, shown(field, after)));
  if (action === "removed") return h("span", {}, name, h("del", {}, shown(field, before)));
  return h("span", {}, name, h("del", {}, shown(field, before)), " → ", h("ins", {}, shown(field, after)));
}

function shown(field, value) {
  if (value === null || value === undefined || value === "") return "–";
  if (field === "status") return t(`status.${value}`);
  if (Array.isArray(value)) return value.join(", ") || "–";
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  const text = String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
