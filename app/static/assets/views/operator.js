// For an operator: background jobs, syncs with MyAnimeList, and accounts.
import { get, patch, post } from "../api.js";
import { icon } from "../icons.js";
import { isOver, jobBar } from "../parts/jobs.js";
import { empty, field, lines, openDialog, trouble } from "../parts/pieces.js";
import { goQuery, route } from "../router.js";
import { isOperator, me } from "../session.js";
import { avatar, heading } from "../shell.js";
import { explain, failed, toast } from "../toasts.js";
import { computed, each, effect, h, onGone, signal, still } from "../view.js";
import { moment, number, since, t } from "../words.js";

const PARTS = { jobs, syncs, users };

export function view({ params }) {
  heading.set(t("nav.operator"));
  const part = PARTS[params.part] ? params.part : "jobs";
  return h(
    "div",
    { class: "operator" },
    h("div", { class: "heading" }, h("h1", {}, t("nav.operator"))),
    () =>
      isOperator()
        ? still(() => [
            h("nav", { class: "tabs", "aria-label": t("nav.operator") }, Object.keys(PARTS).map((name) => h("a", { class: "chip", href: `/operator/${name}`, "aria-current": name === part ? "page" : null, "aria-pressed": null }, t(`operator.${name}`)))),
            PARTS[part](),
          ])
        : empty("lock", t("not_operator"), t("not_operator_text")),
  );
}

const STATUSES = ["", "queued", "running", "succeeded", "failed"];
const PAGE = 30;

/** Asked again every two seconds while somebody looks and something runs; every ten otherwise. */
function jobs() {
  const query = computed(() => (route()?.name === "operator" ? route().query : query.peek()));
  const found = signal(null);
  const total = signal(0);
  const fault = signal(null);
  const shown = signal(PAGE);
  let timer;

  async function load() {
    clearTimeout(timer);
    try {
      const answer = await get("/jobs", { status: query.peek().get("status"), kind: query.peek().get("kind"), limit: Math.min(100, shown.peek()) });
      found.set(answer.value);
      total.set(answer.total);
      fault.set(null);
    } catch (error) {
      fault.set(error);
    }
    const busy = found.peek()?.some((job) => !isOver(job));
    timer = setTimeout(() => (document.hidden ? later() : load()), busy ? 2000 : 10_000);
  }
  const later = () => document.addEventListener("visibilitychange", load, { once: true });
  onGone(() => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", load);
  });
  effect(() => {
    query();
    shown();
    still(load);
  });

  const retry = async (job) => {
    try {
      await post(`/jobs/${job.id}/retry`);
      toast(t("queued_again"));
      load();
    } catch (error) {
      failed(error, () => retry(job));
    }
  };

  return h(
    "section",
    { class: "panel", "aria-label": t("operator.jobs") },
    h("div", { class: "tabs", role: "group", "aria-label": t("status") }, STATUSES.map((status) => h("button", { type: "button", class: "chip", "aria-pressed": () => String((query().get("status") ?? "") === status), onclick: () => goQuery({ status }) }, status ? t(`job.${status}`) : t("all")))),
    h("p", { class: "count", role: "status" }, () => t("jobs_count", { n: total() })),
    () => (fault() ? trouble(fault(), load) : null),
    () => (found() === null && !fault() ? lines(6) : found()?.length === 0 ? h("p", { class: "hint" }, t("no_jobs")) : null),
    h(
      "ul",
      { class: "plain" },
      each(() => found() ?? [], (job) => job.id, (job) =>
        h(
          "li",
          { class: () => `job ${job().status}` },
          h("span", { class: "name" }, h("strong", {}, () => job().kind), h("small", {}, () => [`#${job().id}`, job().key !== job().kind && job().key, since(job().created_at)].filter(Boolean).join(" · ")), () => (job().error ? h("small", { class: "error" }, job().error) : null)),
          () => jobBar(job()),
          () => (job().status === "failed" ? h("button", { type: "button", class: "small", onclick: () => retry(job.peek()) }, icon("undo"), t("retry")) : null),
        ),
      ),
    ),
    () => (total() > shown() && shown() < 100 ? h("button", { type: "button", class: "wide", onclick: () => shown.set(100) }, t("show_more")) : null),
  );
}

function syncs() {
  const started = signal([]);
  const ask = async (path, query = "") => {
    try {
      const { value } = await post(`/anime/sync/${path}${query}`);
      started.update((all) => [value.job_id, ...all.filter((id) => id !== value.job_id)]);
      toast(value.message);
      watch(value.job_id);
    } catch (error) {
      failed(error, () => ask(path, query));
    }
  };
  const states = new Map();
  const stateOf = (id) => states.get(id) ?? states.set(id, signal(null)).get(id);
  let gone = false;
  onGone(() => (gone = true));
  const watch = async (id) => {
    while (!gone) {
      try {
        const { value } = await get(`/jobs/${id}`);
        stateOf(id).set(value);
        if (isOver(value)) return;
      } catch {
        // Asked again: the banner tells when the server is away.
      }
      await new Promise((go) => setTimeout(go, 1500));
    }
  };
  const limit = h("input", { type: "number", min: "1", max: "1000", value: "100" });
  const mal = h("input", { inputmode: "numeric", placeholder: "5114" });
  const year = h("input", { type: "number", min: "1917", max: "2100", placeholder: String(new Date().getFullYear()) });
  const season = h("select", {}, h("option", { value: "" }, t("this_season")), ["winter", "spring", "summer", "fall"].map((one) => h("option", { value: one }, t(`season.${one}`))));
  const act = (work) => (event) => {
    event.preventDefault();
    work();
  };
  return h(
    "section",
    { class: "panel", "aria-label": t("operator.syncs") },
    h("p", { class: "hint" }, t("syncs_text")),
    h(
      "div",
      { class: "columns" },
      h("form", { class: "stack", onsubmit: act(() => ask("top", `?limit=${Number(limit.value) || 100}`)) }, field(t("sync_top"), limit), h("button", { type: "submit", class: "primary" }, t("fetch"))),
      h("form", { class: "stack", onsubmit: act(() => ask("season", season.value ? `?season=${season.value}&year=${Number(year.value) || new Date().getFullYear()}` : "")) }, field(t("sync_season"), season), field(t("year"), year), h("button", { type: "submit", class: "primary" }, t("fetch"))),
      h("form", { class: "stack", onsubmit: act(() => /^\d+$/.test(mal.value.trim()) && ask(mal.value.trim())) }, field(t("sync_one"), mal), h("button", { type: "submit", class: "primary" }, t("fetch"))),
    ),
    h("ul", { class: "plain" }, each(started, (id) => id, (id) => {
      const state = stateOf(id.peek());
      return h("li", { class: "job" }, h("span", { class: "name" }, h("strong", {}, () => state()?.key ?? `#${id()}`), () => (state()?.error ? h("small", { class: "error" }, state().error) : null)), () => (state() ? jobBar(state()) : null));
    })),
  );
}

function users() {
  const found = signal(null);
  const total = signal(0);
  const fault = signal(null);
  async function load(offset = 0) {
    try {
      const answer = await get("/users", { limit: 50, offset: offset || null });
      found.set([...(offset ? found.peek() : []), ...answer.value]);
      total.set(answer.total);
      fault.set(null);
    } catch (error) {
      fault.set(error);
    }
  }
  load();
  const change = async (account, fields) => {
    const before = found.peek();
    found.set(before.map((one) => (one.id === account.id ? { ...one, ...fields } : one)));
    try {
      const { value } = await patch(`/users/${account.id}`, fields);
      found.update((all) => all.map((one) => (one.id === account.id ? value : one)));
    } catch (error) {
      found.set(before);
      failed(error, () => change(account, fields));
    }
  };
  const isMe = (account) => account.id === me.peek()?.id;
  return h(
    "section",
    { class: "panel", "aria-label": t("operator.users") },
    h("div", { class: "row spread" }, h("p", { class: "count", role: "status" }, () => t("accounts_count", { n: total() })), h("button", { type: "button", onclick: () => createUser(() => load()) }, icon("plus"), t("new_account"))),
    () => (fault() ? trouble(fault(), () => load()) : found() === null ? lines(5) : null),
    h(
      "ul",
      { class: "plain" },
      each(() => found() ?? [], (account) => account.id, (account) =>
        h(
          "li",
          { class: "row spread" },
          h("span", { class: "row" }, avatar(account.peek()), h("span", { class: "name" }, h("strong", {}, () => account().username), h("small", {}, () => [account().email, moment(account().created_at)].filter(Boolean).join(" · ")))),
          h(
            "span",
            { class: "row" },
            h("select", { "aria-label": () => t("role_of", { name: account().username }), disabled: () => isMe(account()), value: () => account().role, onchange: ({ target }) => change(account.peek(), { role: target.value }) }, h("option", { value: "user" }, t("role.user")), h("option", { value: "admin" }, t("role.admin"))),
            h("button", { type: "button", class: () => (account().is_active ? "small danger ghost" : "small"), disabled: () => isMe(account()), onclick: () => change(account.peek(), { is_active: !account.peek().is_active }) }, () => t(account().is_active ? "close_account" : "open_account")),
          ),
        ),
      ),
    ),
    () => (found() && found().length < total() ? h("button", { type: "button", class: "wide", onclick: () => load(found.peek().length) }, t("show_more_of", { n: number(total() - found().length) })) : null),
  );
}

function createUser(done) {
  openDialog(t("new_account"), (close) => {
    const fault = signal(null);
    const username = h("input", { autocomplete: "off", maxlength: "32", autofocus: true });
    const email = h("input", { type: "email", autocomplete: "off" });
    const password = h("input", { type: "password", autocomplete: "new-password", required: true, minlength: "8" });
    const role = h("select", {}, h("option", { value: "user" }, t("role.user")), h("option", { value: "admin" }, t("role.admin")));
    const why = (name) => () => fault()?.field?.(name) ?? "";
    const onsubmit = async (event) => {
      event.preventDefault();
      fault.set(null);
      try {
        await post("/users", { username: username.value.trim() || null, email: email.value.trim() || null, password: password.value, role: role.value });
        close();
        done();
      } catch (error) {
        fault.set(error);
      }
    };
    return h("form", { onsubmit, class: "stack" }, field(t("username"), username, { error: why("username") }), field(t("email"), email, { error: why("email") }), field(t("password"), password, { error: why("password"), hint: t("password_hint") }), field(t("role"), role), () => (fault() ? h("p", { class: "error", role: "alert" }, explain(fault())) : null), h("p", { class: "actions" }, h("button", { type: "submit", class: "primary" }, t("new_account"))));
  });
}
