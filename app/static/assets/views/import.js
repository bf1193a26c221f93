// Bringing a list from elsewhere, looking first; and taking one's list away as a file.
import { ApiError, ask, get, post } from "../api.js";
import { icon } from "../icons.js";
import { reload } from "../mine.js";
import { follow, jobBar } from "../parts/jobs.js";
import { choices, confirmed, field, signInFirst } from "../parts/pieces.js";
import { virtualList } from "../parts/virtual.js";
import { signedIn } from "../session.js";
import { heading } from "../shell.js";
import { explain, failed, toast } from "../toasts.js";
import { computed, h, onGone, signal, still } from "../view.js";
import { moment, number, t } from "../words.js";

const ACTIONS = ["added", "updated", "unchanged", "skipped", "failed"];

export function view() {
  heading.set(t("nav.import"));
  return h("div", { class: "import" }, h("div", { class: "heading" }, h("h1", {}, t("nav.import"))), () =>
    signedIn() ? still(() => [importer(), exporter()]) : signInFirst(t("import_for")),
  );
}

/** Stages: choose, looking, difference, running, done. */
function importer() {
  const stage = signal("choose");
  const file = signal(null);
  const job = signal(null);
  const report = signal(null);
  const fault = signal(null);
  const type = signal("");
  const mode = signal("merge");
  const past = signal([]);
  let left = false;
  onGone(() => (left = true));

  const send = (path, query) => {
    const form = new FormData();
    form.append("file", file.peek(), file.peek().name);
    return ask("POST", path, { body: form, query: { type: type.peek(), mode: mode.peek() === "merge" ? null : mode.peek(), ...query } });
  };

  /** A job to its end, then its report. */
  async function finish(started) {
    job.set(await follow(started.job_id, (state) => job.set(state), () => left));
    if (job.peek().status === "failed") throw new Error(job.peek().error ?? t("job.failed"));
    return (await get(`/users/me/import/${started.job_id}/report`)).value;
  }

  async function look(chosen) {
    if (chosen) file.set(chosen);
    if (!file.peek()) return;
    stage.set("looking");
    fault.set(null);
    job.set(null);
    report.set(null);
    try {
      const answer = await send("/users/me/import", { dry_run: "true" });
      report.set(answer.status === 202 ? await finish(answer.value) : answer.value);
      stage.set("difference");
    } catch (error) {
      fault.set(error);
      stage.set("choose");
    }
  }

  async function run() {
    stage.set("running");
    fault.set(null);
    job.set(null);
    try {
      report.set(await finish((await send("/users/me/import")).value));
      stage.set("done");
      reload({ tell: true });
    } catch (error) {
      fault.set(error);
      stage.set("difference");
    }
    loadPast();
  }

  async function cancel() {
    try {
      await post(`/users/me/import/${job.peek().id}/cancel`);
      toast(t("import_cancelled"));
    } catch (error) {
      failed(error);
    }
  }

  async function takeBack(id) {
    try {
      const { value } = await post(`/users/me/import/${id}/undo`);
      const over = await follow(value.job_id, () => null);
      if (over.status === "failed") throw new Error(over.error);
      toast(t("import_undone", { n: over.progress.done }));
      reload({ tell: true });
      stage.set("choose");
      loadPast();
    } catch (error) {
      failed(error, error instanceof ApiError && error.status === 409 ? null : () => takeBack(id));
    }
  }

  async function loadPast() {
    try {
      past.set((await get("/jobs", { kind: "library.import", limit: 5 })).value);
    } catch {
      past.set([]); // they are a convenience
    }
  }

  async function showPast(one) {
    try {
      report.set((await get(`/users/me/import/${one.id}/report`)).value);
      job.set(one);
      stage.set("done");
    } catch (error) {
      failed(error, () => showPast(one));
    }
  }

  loadPast();
  return h(
    "section",
    { class: "panel", "aria-labelledby": "import-heading" },
    h("h2", { id: "import-heading" }, t("import")),
    h("p", { class: "hint" }, t("import_text")),
    () => (fault() ? h("p", { class: "error", role: "alert" }, explain(fault())) : null),
    () => {
      if (stage() === "choose") return still(() => [chooser(look, type, mode), history()]);
      if (stage() === "looking" || stage() === "running") {
        return h(
          "div",
          { role: "status" },
          h("p", {}, t(stage() === "looking" ? "looking_at" : "importing", { name: file().name })),
          job() ? jobBar(job()) : h("progress", { "aria-label": t("progress") }),
          stage() === "running" && job() ? h("button", { type: "button", onclick: cancel }, t("cancel")) : null,
        );
      }
      const over = stage() === "done";
      return still(() => [
        h("h3", { role: "status" }, over ? t("import_done") : t("import_would", { name: file.peek()?.name ?? "" })),
        difference(report.peek(), over),
        h(
          "p",
          { class: "actions" },
          over ? h("button", { type: "button", onclick: () => takeBack(job.peek().id) }, icon("undo"), t("undo_import")) : h("button", { type: "button", class: "primary", onclick: run }, t("import_now")),
          over ? h("button", { type: "button", onclick: () => saveReport(job.peek().id) }, icon("save"), t("report_csv")) : null,
          h("button", { type: "button", class: "ghost", onclick: () => (stage.set("choose"), loadPast()) }, over ? t("another_file") : t("cancel")),
        ),
      ]);
    },
  );

  function history() {
    return () =>
      past().length
        ? [
            h("h3", {}, t("past_imports")),
            h(
              "ul",
              { class: "plain" },
              past().map((one) =>
                h(
                  "li",
                  { class: "row" },
                  h("span", {}, moment(one.created_at)),
                  h("small", {}, `${t(`job.${one.status}`)} · ${number(one.progress.done)}`),
                  one.status === "succeeded" && h("button", { type: "button", class: "small", onclick: () => showPast(one) }, t("report")),
                  h("button", { type: "button", class: "small ghost", onclick: async () => (await confirmed(t("undo_import"), t("undo_import_text"), t("undo_import"))) && takeBack(one.id) }, icon("undo"), t("undo")),
                ),
              ),
            ),
          ]
        : null;
  }
}

const saveReport = (id) => save(`/users/me/import/${id}/report`, { format: "csv" }, `import-${id}.csv`);

function chooser(look, type, mode) {
  const over = signal(false);
  const input = h("input", { type: "file", id: "list-file", class: "hidden", accept: ".xml,.json,.gz,application/xml,application/json,application/gzip", onchange: ({ target }) => target.files[0] && look(target.files[0]) });
  return [
    h(
      "div",
      {
        class: () => `drop${over() ? " over" : ""}`,
        ondragover: (event) => (event.preventDefault(), over.set(true)),
        ondragleave: () => over.set(false),
        ondrop: (event) => {
          event.preventDefault();
          over.set(false);
          if (event.dataTransfer.files[0]) look(event.dataTransfer.files[0]);
        },
      },
      icon("file"),
      h("p", {}, t("drop_here")),
      input,
      h("label", { class: "button primary", for: "list-file" }, t("choose_file")),
    ),
    h(
      "div",
      { class: "columns" },
      field(t("file_lists"), h("select", { value: type, onchange: ({ target }) => type.set(target.value) }, h("option", { value: "" }, t("file_says")), h("option", { value: "anime" }, t("anime")), h("option", { value: "manga" }, t("manga")))),
      field(t("where_both"), h("select", { value: mode, onchange: ({ target }) => mode.set(target.value) }, h("option", { value: "merge" }, t("mode.merge")), h("option", { value: "replace" }, t("mode.replace")))),
    ),
  ];
}

/** The rows of a report by what becomes of them. */
function difference(report, over) {
  const shown = signal(ACTIONS.find((action) => action !== "unchanged" && report[action]) ?? "unchanged");
  const rows = computed(() => report.rows.filter((row) => row.action === shown()));
  return h(
    "div",
    { class: "difference" },
    choices(t("what_becomes"), ACTIONS.map((action) => [action, [t(`action.${action}${over ? "" : ".would"}`), " ", h("span", { class: "badge" }, number(report[action]))]]), shown, shown.set),
    () => (rows().length ? null : h("p", { class: "hint" }, t("no_rows"))),
    virtualList(rows, () => 64, (row) =>
      h(
        "div",
        { class: "report-row" },
        h("span", { class: "line-number" }, () => number(row().line)),
        h("span", { class: "name" }, () => (row().anime_id ? h("a", { href: `/title/${row().anime_id}`, target: "_blank" }, row().title ?? t("no_name")) : h("strong", {}, row().title ?? t("no_name"))), h("small", {}, () => row().reason ?? (row().matched || row().media_type === "manga" ? "" : t("not_in_catalogue")))),
        h("span", { class: "changed" }, () => Object.entries(row().changes ?? {}).map(([name, [before, after]]) => h("span", {}, `${t(`field.${name}`)}: `, h("del", {}, shownValue(before)), " → ", h("ins", {}, shownValue(after))))),
      ),
      t("what_becomes"),
    ),
  );
}

function shownValue(value) {
  if (value === null || value === undefined || value === "") return "–";
  if (Array.isArray(value)) return value.join(", ") || "–";
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  if (typeof value === "string" && t(`status.${value}`) !== `status.${value}`) return t(`status.${value}`);
  return String(value);
}

/** A download with the token, which a plain link could not carry. */
async function save(path, query, name) {
  try {
    const { value, headers } = await get(path, query, { as: "blob" });
    const given = /filename="?([^";]+)"?/.exec(headers.get("Content-Disposition") ?? "");
    const address = URL.createObjectURL(value);
    const link = h("a", { href: address, download: given?.[1] ?? name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  } catch (error) {
    failed(error, () => save(path, query, name));
  }
}

function exporter() {
  const files = [
    ["mal_xml", "anime", t("export.mal_anime"), "anisync-anime.xml"],
    ["mal_xml", "manga", t("export.mal_manga"), "anisync-manga.xml"],
    ["json", null, t("export.json"), "anisync-list.json"],
    ["csv", null, t("export.csv"), "anisync-list.csv"],
    [null, null, t("export.account"), "anisync-account.json"],
  ];
  return h(
    "section",
    { class: "panel", "aria-labelledby": "export-heading" },
    h("h2", { id: "export-heading" }, t("export")),
    h("p", { class: "hint" }, t("export_text")),
    h("p", { class: "actions" }, files.map(([format, type, text, name]) => h("button", { type: "button", onclick: () => save("/users/me/export", { format, type }, name) }, icon("save"), text))),
  );
}
