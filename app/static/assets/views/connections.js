// AniList: connecting an account, the two-way sync, and what was changed on both sides.
import { ApiError, get, post, remove } from "../api.js";
import { icon } from "../icons.js";
import { reload } from "../mine.js";
import { follow, jobBar } from "../parts/jobs.js";
import { confirmed, field, lines, signInFirst, trouble } from "../parts/pieces.js";
import { signedIn } from "../session.js";
import { heading } from "../shell.js";
import { failed, toast } from "../toasts.js";
import { each, h, onGone, signal, still } from "../view.js";
import { moment, number, since, t } from "../words.js";

export function view() {
  heading.set(t("nav.connections"));
  return h("div", { class: "stack" }, h("div", { class: "heading" }, h("h1", {}, t("nav.connections"))), () =>
    signedIn() ? still(anilist) : signInFirst(t("connections_for")),
  );
}

function anilist() {
  const status = signal(null);
  const fault = signal(null);
  const job = signal(null);
  const conflicts = signal([]);
  const disabled = signal(false);
  let gone = false;

  async function load() {
    fault.set(null);
    try {
      status.set((await get("/api/anilist/status")).value);
      conflicts.set(status.peek().connected ? (await get("/api/anilist/conflicts", { limit: 50 })).value : []);
    } catch (error) {
      fault.set(error);
    }
  }
  load();

  // The window that came back from AniList tells this one; where it cannot, the next look does.
  const connected = ({ origin, data }) => origin === location.origin && data?.type === "anilist_connected" && (toast(t("connected")), load());
  addEventListener("message", connected);
  addEventListener("focus", load);
  onGone(() => {
    gone = true;
    removeEventListener("message", connected);
    removeEventListener("focus", load);
  });

  async function connect() {
    const tab = open("about:blank", "_blank");
    try {
      const { value } = await get("/api/anilist/connect-url");
      if (tab) tab.location = value.url;
      else location.assign(value.url);
    } catch (error) {
      tab?.close();
      if (error instanceof ApiError && error.code === "UPSTREAM_DISABLED") disabled.set(true);
      else failed(error, connect);
    }
  }

  async function run(order, again) {
    try {
      const { value } = await order();
      const over = await follow((value.job ?? value).job_id, job.set, () => gone);
      if (over.status === "failed") throw new Error(over.error ?? t("job.failed"));
      toast(t("synced"));
      reload({ tell: true });
      load();
    } catch (error) {
      failed(error, again);
    }
    job.set(null);
  }
  const sync = () => run(() => post("/api/anilist/sync"), sync);
  const fetchKind = (kind) => run(() => post("/api/anilist/import", { media_type: kind }), () => fetchKind(kind));

  async function disconnect() {
    if (!(await confirmed(t("disconnect"), t("disconnect_text"), t("disconnect")))) return;
    try {
      await remove("/api/anilist");
      load();
    } catch (error) {
      failed(error, disconnect);
    }
  }

  async function resolve(conflict, use) {
    const before = conflicts.peek();
    conflicts.set(before.filter((one) => one !== conflict));
    try {
      await post(`/api/anilist/conflicts/${conflict.id}/resolve`, { use });
      reload({ tell: true });
    } catch (error) {
      conflicts.set(before);
      failed(error, () => resolve(conflict, use));
    }
  }

  return [
    h(
      "section",
      { class: "panel", "aria-labelledby": "anilist" },
      h("h2", { id: "anilist" }, "AniList"),
      () => (fault() ? trouble(fault(), load) : status() === null ? lines(3) : null),
      () => (disabled() ? h("p", { class: "error", role: "alert" }, t("anilist_disabled")) : null),
      () => {
        const now = status();
        if (!now) return null;
        if (!now.connected) return [h("p", {}, t("anilist_text")), h("p", { class: "actions" }, h("button", { type: "button", class: "primary", onclick: connect }, icon("link"), t("connect")))];
        return [
          h("p", {}, t("connected_as", { name: now.username }), " ", now.last_sync_at && h("small", {}, t("last_sync", { when: since(now.last_sync_at) }))),
          now.reconnect ? h("p", { class: "error", role: "alert" }, t("reconnect_text")) : now.expires_at && h("small", {}, t("connected_until", { when: moment(now.expires_at) })),
          now.pending ? h("p", {}, t("pending", { n: now.pending })) : null,
          now.rejected?.length ? h("details", {}, h("summary", {}, t("rejected", { n: now.rejected.length })), h("ul", {}, now.rejected.map((one) => h("li", {}, `#${one.entry_id}: ${one.reason}`)))) : null,
          h(
            "p",
            { class: "actions" },
            now.reconnect && h("button", { type: "button", class: "primary", onclick: connect }, t("connect_again")),
            h("button", { type: "button", class: now.reconnect ? "" : "primary", disabled: () => Boolean(job()), onclick: sync }, icon("swap"), t("sync_now")),
            h("button", { type: "button", disabled: () => Boolean(job()), onclick: () => fetchKind("anime") }, t("fetch_anime")),
            h("button", { type: "button", disabled: () => Boolean(job()), onclick: () => fetchKind("manga") }, t("fetch_manga")),
            h("button", { type: "button", class: "danger ghost", onclick: disconnect }, t("disconnect")),
          ),
        ];
      },
      () => (job() ? h("div", { role: "status" }, jobBar(job())) : null),
    ),
    () =>
      conflicts().length
        ? h(
            "section",
            { class: "panel", "aria-labelledby": "conflicts" },
            h("h2", { id: "conflicts" }, t("conflicts"), " ", h("span", { class: "badge" }, number(conflicts().length))),
            h("p", { class: "hint" }, t("conflicts_text")),
            still(() =>
              h("ul", { class: "plain" }, each(conflicts, (one) => one.id, (one) => {
                const conflict = one.peek();
                const side = (name, value) =>
                  h("button", { type: "button", class: "small", "aria-pressed": String(conflict.kept === name), onclick: () => resolve(conflict, name) }, `${t(`side.${name}`)}: ${shown(value)}`);
                return h("li", { class: "row spread" }, h("span", { class: "name" }, h("strong", {}, t(`field.${conflict.field}`)), h("small", {}, `#${conflict.entry_id} · ${since(conflict.at)}`)), h("span", { class: "row" }, side("local", conflict.local_value), side("remote", conflict.remote_value)));
              })),
            ),
          )
        : null,
    publicList(run, job),
  ];
}

const shown = (value) => (value === null || value === "" ? "–" : Array.isArray(value) ? value.join(", ") : String(value));

/** A list that its owner shows to everybody, by name. */
function publicList(run, job) {
  const name = h("input", { autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: "50", required: true });
  const bring = () => run(() => post("/api/import/anilist", { username: name.value.trim() }), bring);
  const onsubmit = (event) => {
    event.preventDefault();
    bring();
  };
  return h(
    "section",
    { class: "panel", "aria-labelledby": "public-list" },
    h("h2", { id: "public-list" }, t("public_list")),
    h("p", { class: "hint" }, t("public_list_text")),
    h("form", { class: "row", onsubmit }, field(t("anilist_name"), name), h("button", { type: "submit", disabled: () => Boolean(job()) }, t("import_now"))),
  );
}
