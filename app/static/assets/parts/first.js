// A catalogue without titles: what to do about it, and for an operator a button that does it.
import { post } from "../api.js";
import { icon } from "../icons.js";
import { isOperator, signedIn } from "../session.js";
import { explain } from "../toasts.js";
import { h, onGone, signal } from "../view.js";
import { t } from "../words.js";
import { follow, jobBar } from "./jobs.js";

const SYNCS = ["/anime/sync/top?limit=100", "/anime/sync/season"];

/** `filled` is called as titles come in. */
export function firstStart(filled) {
  const way = (text, commands) => h("li", {}, h("strong", {}, text), h("pre", { tabindex: "0" }, commands));
  return h(
    "section",
    { class: "first" },
    h("span", { class: "disc" }, icon("compass")),
    h("h2", {}, t("first.heading")),
    h("p", {}, t("first.text")),
    h(
      "ol",
      {},
      way(t("first.dump"), "uv run anisync catalog import anime-offline-database-minified.json"),
      way(t("first.sync"), "uv run anisync catalog sync top\nuv run anisync catalog sync season"),
      () => (isOperator() ? null : way(t(signedIn() ? "first.not_operator" : "first.sign_in"), "uv run anisync users create --admin --username ada --email ada@example.org --password '…'")),
    ),
    () => (isOperator() ? fetcher(filled) : signedIn() ? null : h("a", { class: "button primary", href: "/sign-in" }, t("sign_in"))),
  );
}

function fetcher(filled) {
  const jobs = SYNCS.map(() => signal(null));
  const busy = signal(false);
  const fault = signal(null);
  let gone = false;
  onGone(() => (gone = true));

  async function run(path, job) {
    const { value } = await post(path);
    const over = await follow(value.job_id, job.set, () => gone);
    job.set(over);
    if (over.status === "failed") throw new Error(over.error ?? t("job.failed"));
  }

  async function start() {
    busy.set(true);
    fault.set(null);
    const ends = await Promise.allSettled(SYNCS.map((path, index) => run(path, jobs[index])));
    busy.set(false);
    fault.set(ends.find(({ status }) => status === "rejected")?.reason ?? null);
    if (ends.some(({ status }) => status === "fulfilled")) filled();
  }

  return h(
    "div",
    { class: "stack fetcher" },
    h("button", { type: "button", class: "primary", disabled: busy, onclick: start }, icon("save"), t("first.operator")),
    jobs.map((job, index) => () => (job() ? h("p", { role: "status" }, t(index ? "sync_season" : "sync_top"), jobBar(job())) : null)),
    () => (fault() ? h("p", { class: "error", role: "alert" }, explain(fault()), " ", h("a", { href: "/operator/jobs" }, t("operator.jobs"))) : null),
  );
}
